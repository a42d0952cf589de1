"""What is wrong with flows, by name, before a caller meets it. Pure; the file's reader adds lines.

Errors: a step, queue, store or prompt that is not there; a step nobody can reach; a key twice; a loop that never waits;
a caller who does nothing and goes round for ever; a callback's offer with no queue before it. Warnings: what works but
is hardly meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from quietline.routing.flow import (
    END,
    KEYS,
    WAITING,
    Branch,
    Callback,
    Collect,
    Flow,
    FlowStep,
    Hours,
    Menu,
    Queue,
    Transfer,
    Verify,
)

Node = tuple[str, str]  # flow and step
Graph = Mapping[Node, Collection[Node]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `key`: which key of the step; `known`: what could be written in place of `word`."""

    flow: str
    step: str
    key: str
    what: str
    word: str = ""
    known: tuple[str, ...] = ()
    error: bool = True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What flows may name. `stores`: each store's flow. `prompts`: (name, language) of all that can be spoken.

    `queues` or `prompts` None: not known here, so not checked.
    """

    stores: Mapping[str, str]
    queues: Collection[str] | None = None
    prompts: Collection[tuple[str, str]] | None = None


def check(flows: Mapping[str, Flow], around: Surroundings) -> list[Finding]:
    """Everything that is wrong, flow by flow in the order of their steps, then what lies between flows."""
    found = [each for flow in flows.values() for each in _check_flow(flow, around)]
    if any(each.error for each in found):
        return found  # loops are looked for in graphs whose every way leads somewhere
    return found + list(_loops(flows, around))


def _check_flow(flow: Flow, around: Surroundings) -> Iterator[Finding]:
    if flow.start not in flow.steps:
        known = tuple(flow.steps)
        yield Finding(flow.id, "", "start", f"no step is called `{flow.start}`", flow.start, known)
        return
    for name, step in flow.steps.items():
        yield from _check_ways(flow, name, step)
        yield from _check_names(flow, name, step, around)
        yield from _check_keys(flow, name, step)
        yield from _check_prompts(flow, name, step, around)
        if isinstance(step, Branch):
            yield from _check_branch(flow, name, step, around)
    yield from _unreachable(flow)
    yield from _queueless_callbacks(flow)


def _check_ways(flow: Flow, name: str, step: FlowStep) -> Iterator[Finding]:
    for way in step.ways():
        if way.to == END and not isinstance(step, Queue):
            yield Finding(flow.id, name, "", f"has no way on ({way.label or 'afterwards'}); name the step that follows")
        elif way.to != END and way.to not in flow.steps:
            yield Finding(flow.id, name, "", f"no step is called `{way.to}`", way.to, tuple(flow.steps))


def _check_names(flow: Flow, name: str, step: FlowStep, around: Surroundings) -> Iterator[Finding]:
    queue = step.queue if isinstance(step, (Queue, Hours, Callback)) else ""
    if queue and around.queues is not None and queue not in around.queues:
        yield Finding(flow.id, name, "queue", f"no queue is called `{queue}`", queue, tuple(around.queues))
    if isinstance(step, Transfer) and step.store not in around.stores:
        yield Finding(flow.id, name, "store", f"no store is called `{step.store}`", step.store, tuple(around.stores))


def _check_keys(flow: Flow, name: str, step: FlowStep) -> Iterator[Finding]:
    keys = _keys(step)
    for key in dict.fromkeys(keys):
        if len(key) != 1 or key not in KEYS:
            yield Finding(flow.id, name, "", f"`{key}` is no key of a phone; want one of {' '.join(KEYS)}")
        elif keys.count(key) > 1:
            yield Finding(flow.id, name, "choices", f"key {key} stands twice; give one of them another key")
    if isinstance(step, Menu):
        for choice in step.choices:
            if choice.language and choice.language not in flow.languages:
                what = f"the flow does not speak `{choice.language}`; add it to the flow's `languages`"
                yield Finding(flow.id, name, "choices", what)


def _keys(step: FlowStep) -> list[str]:
    if isinstance(step, Menu):
        return [each.key for each in step.choices]
    return list(step.keys) if isinstance(step, Queue) else []


def _check_prompts(flow: Flow, name: str, step: FlowStep, around: Surroundings) -> Iterator[Finding]:
    if around.prompts is None:
        return
    known = {prompt for prompt, _ in around.prompts}
    for prompt in prompts_of(step):
        missing = [language for language in flow.languages if (prompt, language) not in around.prompts]
        if prompt not in known:
            yield Finding(flow.id, name, "say", f"no prompt is called `{prompt}`", prompt, tuple(known))
        elif missing:
            what = f"the prompt `{prompt}` is missing in {_listed(missing)}; add it under `prompts`"
            yield Finding(flow.id, name, "say", what)


def prompts_of(step: FlowStep) -> tuple[str, ...]:
    """The prompts a step may play, the built-in ones of its own accord included."""
    match step:
        case Menu() | Collect():
            named: tuple[str, ...] = (step.say, step.invalid)
        case Verify():
            named = ("code", "code_ok", "code_wrong")
        case Queue():
            ends = ("sorry",) * (step.waited == END) + ("closed",) * (step.closed == END)
            named = (step.hold, *ends)
        case Hours() | Branch() | Transfer():
            named = ()
        case _:
            named = (step.say,)
    return tuple(each for each in named if each)


def _check_branch(flow: Flow, name: str, step: Branch, around: Surroundings) -> Iterator[Finding]:
    known = {"language": flow.languages, "store": tuple(around.stores), "assurance": ("1", "2", "3")}[step.on]
    for case in step.cases:
        if case not in known:
            yield Finding(flow.id, name, "cases", f"`{case}` is no {step.on} here", case, known)
    if step.on == "assurance" and "1" in step.cases:
        what = "what follows tells a caller whether their number is known; ask for 2 or more, after `verify`"
        yield Finding(flow.id, name, "cases", what, error=False)


def _unreachable(flow: Flow) -> Iterator[Finding]:
    reached = _reached({flow.start}, lambda name: _targets(flow.steps[name], flow))
    for name in flow.steps:
        if name not in reached:
            yield Finding(flow.id, name, "", "no way leads here from the start; lead one here or take the step out")


def _queueless_callbacks(flow: Flow) -> Iterator[Finding]:
    def onward(name: str) -> Iterable[str]:
        return () if isinstance(flow.steps[name], Queue) else _targets(flow.steps[name], flow)

    for name in sorted(_reached({flow.start}, onward)):
        step = flow.steps[name]
        if isinstance(step, Callback) and not step.queue:
            what = "a caller can come here without having waited; name the queue whose agents ring back"
            yield Finding(flow.id, name, "queue", what)


def _targets(step: FlowStep, flow: Flow) -> list[str]:
    return [way.to for way in step.ways() if way.to in flow.steps]


def _reached(start: set[str], onward: Callable[[str], Iterable[str]]) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for name in onward(waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


# Loops, over all flows together: a transfer leads into another flow


def _loops(flows: Mapping[str, Flow], around: Surroundings) -> Iterator[Finding]:
    restless = cycle(_graph(flows, around, lambda step, _: not isinstance(step, WAITING)))
    if restless:
        yield Finding(*restless[0], "", f"a loop that never waits: {_path(restless)}; let the caller choose in it")
        return
    silent = cycle(_graph(flows, around, lambda _, silent: silent))
    if silent:
        what = f"a caller who does nothing goes round for ever: {_path(silent)}; lead silence to an end"
        yield Finding(*silent[0], "", what)


def _graph(
    flows: Mapping[str, Flow], around: Surroundings, taken: Callable[[FlowStep, bool], bool]
) -> dict[Node, list[Node]]:
    graph: dict[Node, list[Node]] = {}
    for flow in flows.values():
        for name, step in flow.steps.items():
            ways = [(flow.id, way.to) for way in step.ways() if way.to != END and taken(step, way.silent)]
            if isinstance(step, Transfer):
                ways = [(there, flows[there].start) for there in (around.stores[step.store],) if there in flows]
            graph[flow.id, name] = ways
    return graph


def cycle(graph: Graph) -> list[Node]:
    """The nodes of one cycle, in order, or nothing. Depth first, without recursion: flows are the user's."""
    done: set[Node] = set()
    for root in graph:
        path: list[Node] = []
        on_path: dict[Node, int] = {}
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                done.add(node)
                on_path.pop(path.pop())
            elif node in on_path:
                return path[on_path[node] :]
            elif node not in done:
                on_path[node] = len(path)
                path.append(node)
                stack.append((node, True))
                stack += [(each, False) for each in graph[node]]
    return []


def _path(nodes: list[Node]) -> str:
    """As people read it; flows are named where there are several."""
    several = len({flow for flow, _ in nodes}) > 1
    return " → ".join(f"{flow}/{step}" if several else step for flow, step in [*nodes, nodes[0]])


def _listed(words: list[str]) -> str:
    return " and ".join(f"`{word}`" for word in words)
