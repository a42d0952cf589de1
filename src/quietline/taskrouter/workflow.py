"""A Twilio TaskRouter workflow as a part of a chain file, and line by line what became of it.

A filter becomes a queue: its targets are the queue's steps, a target's timeout the time after which the next one's
needs hold. What filters ask of tasks becomes the flow: a language is chosen first, the rest by a menu. Whatever has no
counterpart is said to have none; nothing is dropped in silence.

Source: twilio.com/docs/taskrouter/workflow-configuration (task_routing, filters, targets, default_filter) and
/docs/taskrouter/expression-syntax, as published in 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from quietline.errors import ConfigError
from quietline.taskrouter.expression import Tree, always, conditions, parse, written
from quietline.taskrouter.needs import merged, need, same_on_both_sides, slug
from quietline.telephony.prompt_words import CHOICES, OWN_NAMES

MAX_BYTES = 1024 * 1024
MAX_FILTERS = 200
KEYS = "123456789"
DEFAULT = "default"
MORE = {"en": "more choices", "fr": "d'autres choix", "de": "weitere Möglichkeiten", "es": "más opciones"}
STICKY = 30.0  # seconds for which a known worker is waited for, where the target names no timeout
CARRIED, PARTLY, LOST = "carried over", "in part", "not carried over"


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one thing in the workflow. `where`: its path in the JSON."""

    where: str = field(repr=False)
    became: str = field(repr=False)  # CARRIED | PARTLY | LOST
    what: str

    def as_row(self) -> dict[str, str]:
        return {"where": self.where, "became": self.became, "what": self.what}


@dataclass(frozen=True, slots=True)
class Imported:
    """`part`: `queues`, `flows` and nothing else of a chain file. `notes`: in the order of the workflow."""

    part: dict[str, Any]
    notes: tuple[Note, ...]


@dataclass(slots=True)
class _Line:
    """A queue in the making. `language`: what its callers have chosen; "" for any."""

    id: str
    label: str
    language: str = ""
    keys: dict[str, Any] = field(default_factory=dict, repr=False)


def read(text: str | bytes, head_start: float = 60.0) -> Imported:
    """The import. `head_start`: seconds for each step of a target's priority.

    Raises ConfigError for a text that is no workflow, naming where.
    """
    workflow = _workflow(_json(text, "the file"))
    return _Importer(workflow, head_start).run()


def _json(text: str | bytes, what: str) -> Any:
    if len(text) > MAX_BYTES:
        raise ConfigError(f"taskrouter: {what} is larger than 1 MiB")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"taskrouter: {what} is not JSON ({error}); export the workflow's configuration") from None


def _workflow(data: Any) -> Mapping[str, Any]:
    """The configuration, taken out of the API's Workflow resource where it lies in one."""
    if isinstance(data, dict) and isinstance(data.get("configuration"), str):
        inner = _json(data["configuration"], "`configuration`")
        data = (inner if isinstance(inner, dict) else {}) | {
            key: data[key] for key in ("task_reservation_timeout", "task_queues") if key in data
        }
    routing = data.get("task_routing") if isinstance(data, dict) else None
    if not isinstance(routing, dict):
        raise ConfigError("taskrouter: `task_routing` is missing; want a workflow's configuration, as the API gives it")
    filters = routing.get("filters", [])
    if not isinstance(filters, list) or not all(isinstance(each, dict) for each in filters):
        raise ConfigError("taskrouter: task_routing.filters: want a list of filters")
    if len(filters) > MAX_FILTERS:
        raise ConfigError(f"taskrouter: task_routing.filters: more than {MAX_FILTERS}; split the workflow")
    return data  # type: ignore[no-any-return]


class _Importer:
    def __init__(self, workflow: Mapping[str, Any], head_start: float) -> None:
        self._routing: Mapping[str, Any] = workflow["task_routing"]
        self._head_start = head_start
        self._notes: list[Note] = []
        self._lines: list[_Line] = []
        self._fallback: _Line | None = None
        self._ring = _number(workflow.get("task_reservation_timeout"))
        self._workers = {
            str(name): str(each.get("target_workers", ""))
            for each in workflow.get("task_queues", [])
            if isinstance(each, dict)
            for name in (each.get("sid"), each.get("friendly_name"))
            if name
        }
        self._names = {
            str(each["sid"]): str(each["friendly_name"])
            for each in workflow.get("task_queues", [])
            if isinstance(each, dict) and each.get("sid") and each.get("friendly_name")
        }

    def run(self) -> Imported:
        for number, each in enumerate(self._routing.get("filters", [])):
            self._filter(each, f"filters[{number}]", number)
        self._default()
        self._unknown(self._routing, ("filters", "default_filter"), "task_routing")
        if not self._lines:
            raise ConfigError(
                "taskrouter: the workflow has neither filters nor a default filter: nothing to carry over"
            )
        queues = {line.id: line.keys for line in self._lines}
        return Imported({"queues": queues, "flows": {"imported": self._flow()}}, tuple(self._notes))

    def _note(self, where: str, became: str, what: str) -> None:
        self._notes.append(Note(where, became, what))

    # Filters and targets

    def _filter(self, given: Mapping[str, Any], where: str, number: int) -> None:
        label = str(given.get("filter_friendly_name") or given.get("friendly_name") or f"filter {number + 1}")
        line = _Line(self._id(label), label, keys={"name": label[:200]})
        needs = self._asked(given.get("expression", ""), f"{where}.expression", line)
        self._targets(given.get("targets"), where, line, needs)
        self._unknown(given, ("filter_friendly_name", "friendly_name", "expression", "targets"), where)
        self._finish(line)
        self._note(where, CARRIED, f"the queue `{line.id}`")

    def _finish(self, line: _Line) -> None:
        if self._ring:
            line.keys["ring"] = min(self._ring, 300.0)
        self._lines.append(line)

    def _asked(self, expression: Any, where: str, line: _Line) -> list[str]:
        """What a filter asks of tasks: a language and skills are needs, the rest is for the menu to ask."""
        needs: list[str] = []
        for condition in self._conditions(expression, where):
            found = need(condition)
            if found and found.startswith("lang:"):
                line.language = line.language or found.split(":")[1]
            if found:
                needs.append(found)
                self._note(where, CARRIED, f"`{written(condition)}`: needs `{found}`")
            else:
                self._note(where, PARTLY, f"`{written(condition)}`: the caller chooses it by a key of the menu")
        return needs

    def _conditions(self, expression: Any, where: str) -> tuple[Tree, ...]:
        if not isinstance(expression, str) or not expression.strip():
            return ()
        try:
            tree = parse(expression)
        except ConfigError as error:
            self._note(where, LOST, f"the expression {error}")
            return ()
        return tuple(each for each in conditions(tree) if not always(each))

    def _targets(self, targets: Any, where: str, line: _Line, needs: list[str]) -> None:
        after, steps = 0.0, []
        listed = [each for each in targets if isinstance(each, dict)] if isinstance(targets, list) else []
        if not listed:
            self._note(f"{where}.targets", LOST, "there is no target; the queue asks for what the filter asks")
        for number, target in enumerate(listed):
            place = f"{where}.targets[{number}]"
            steps.append((after, merged([*needs, *self._workers_of(target, place)])))
            self._extras(target, place, number, line)
            timeout = _number(target.get("timeout"))
            if timeout is None and number + 1 < len(listed):
                self._note(place, LOST, "has no timeout, so the targets after it are never reached; left out")
                break
            after += timeout or 0.0
            if timeout is not None and number + 1 == len(listed):
                line.keys["longest_wait"] = after
                self._note(f"{place}.timeout", CARRIED, f"the longest wait is {after:g} s; then the flow goes on")
        self._steps(steps, line, needs, where)

    def _steps(self, steps: list[tuple[float, list[str]]], line: _Line, needs: list[str], where: str) -> None:
        line.keys["needs"] = steps[0][1] if steps else merged(needs)
        changes = [now for before, now in pairwise(steps) if before[1] != now[1]]
        relax = [{"after": after, "needs": wanted} for after, wanted in changes]
        if relax:
            line.keys["relax"] = relax
            self._note(f"{where}.targets", CARRIED, f"{len(relax)} steps of `relax`, after the targets' timeouts")

    def _workers_of(self, target: Mapping[str, Any], where: str) -> list[str]:
        """The needs of a target: its own expression, and that of its task queue."""
        queue = str(target.get("queue", ""))
        name = self._names.get(queue, queue)
        needs = [
            each
            for condition in self._conditions(target.get("expression", ""), f"{where}.expression")
            if (each := self._worker_need(condition, f"{where}.expression"))
        ]
        if queue in self._workers:
            known = self._conditions(self._workers[queue], f"task_queues {name}")
            return needs + [each for one in known if (each := self._worker_need(one, f"task_queues {name}"))]
        if not queue:
            return needs
        skill = slug(name)
        what = f"who serves the task queue `{name}` is not in the workflow: give its people the skill `{skill}`"
        self._note(f"{where}.queue", PARTLY, what)
        return [*needs, skill]

    def _worker_need(self, condition: Tree, where: str) -> str | None:
        found = need(condition)
        if found:
            self._note(where, CARRIED, f"`{written(condition)}`: needs `{found}`")
        elif same_on_both_sides(condition):
            what = f"`{written(condition)}`: where a language is chosen, `needs: [lang:…]` of the flow's step does it"
            self._note(where, PARTLY, what)
        else:
            self._note(
                where, LOST, f"`{written(condition)}` has no counterpart: needs are skills that all must be there"
            )
        return found

    def _extras(self, target: Mapping[str, Any], where: str, number: int, line: _Line) -> None:
        priority = _number(target.get("priority"))
        if priority and number == 0:
            line.keys["head_start"] = priority * self._head_start
            self._note(f"{where}.priority", CARRIED, f"{priority:g}: a head start of {priority * self._head_start:g} s")
        elif priority is not None and number > 0:
            self._note(
                f"{where}.priority", LOST, "a head start does not change while a call waits; all calls age alike"
            )
        if target.get("skip_if"):
            self._note(f"{where}.skip_if", LOST, f"`{target['skip_if']}`: a step begins at its time; shorten `after`")
        if target.get("order_by"):
            best = re.fullmatch(r"worker\.[\w.]+\s+desc", str(target["order_by"]).strip(), re.IGNORECASE)
            if best:
                line.keys["strategy"] = "best-skill"
            what = "strategy best-skill: by the levels of the queue's skills" if best else "choose a `strategy`"
            self._note(f"{where}.order_by", PARTLY if best else LOST, f"`{target['order_by']}`: {what}")
        if target.get("known_worker_sid") or target.get("known_worker_friendly_name"):
            line.keys["sticky"] = min(_number(target.get("timeout")) or STICKY, 3_600.0)
            what = f"sticky {line.keys['sticky']:g} s: Quietline knows the last agent by itself"
            self._note(f"{where}.known_worker", PARTLY, what)
        known = ("queue", "expression", "priority", "timeout", "skip_if", "order_by")
        self._unknown(target, (*known, "known_worker_sid", "known_worker_friendly_name"), where)

    def _unknown(self, given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        for key in given:
            if key not in known:
                self._note(f"{where}.{key}", LOST, "is not known here")

    def _default(self) -> None:
        given = self._routing.get("default_filter")
        if not isinstance(given, dict) or not given.get("queue"):
            self._note("default_filter", PARTLY, "there is none; who chooses nothing goes to the first queue")
            return
        line = _Line(self._id(DEFAULT), "everything else", keys={"name": "Everything else"})
        self._targets([given], "default_filter", line, [])
        self._fallback = line
        self._finish(line)
        self._note("default_filter", CARRIED, f"the queue `{line.id}`, for whoever chooses nothing")

    def _id(self, label: str) -> str:
        taken = {line.id for line in self._lines}
        base = slug(label)[:40]
        return next(
            name
            for number in range(len(taken) + 1)
            if (name := f"{base}-{number + 1}" if number else base) not in taken
        )

    # The flow

    def _flow(self) -> dict[str, Any]:
        """Languages first, then a menu in each, then the queues."""
        default = self._fallback or self._lines[0]
        groups: dict[str, list[_Line]] = {"": []}
        for line in self._lines:
            if line is not self._fallback:
                groups.setdefault(self._group(line, groups), []).append(line)
        languages = [each for each in groups if each]
        spoken = ["en", *(each for each in languages if each in CHOICES)]
        for each in languages:
            if each not in CHOICES:
                self._note("languages", PARTLY, f"Quietline has no words in `{each}`: its callers hear English")
        doors = {each: self._door(each, lines, default, spoken) for each, lines in groups.items()}
        steps = self._greeting(languages, spoken, {each: door for each, (door, _) in doors.items()})
        for _, made in doors.values():
            steps |= made
        for line in self._lines:
            steps[line.id] = {"do": "queue", "queue": line.id}
        return {"languages": spoken, "steps": steps}

    def _group(self, line: _Line, groups: Mapping[str, list[_Line]]) -> str:
        """The language whose callers get to a queue; "" for all, English ones among them."""
        if line.language in ("", "en"):
            return ""
        full = line.language not in groups and len(groups) >= len(KEYS)
        if full:
            self._note(f"queue {line.id}", PARTLY, "no key is left for its language; it stands in the menu of all")
        return "" if full else line.language

    def _greeting(self, languages: list[str], spoken: list[str], doors: Mapping[str, str]) -> dict[str, Any]:
        """The steps from the first word to the doors."""
        if not languages:
            return {"notice": {"do": "notice", "go": doors[""]}}
        choices: dict[str, Any] = {"1": {"language": "en", "go": "notice"}}
        for key, each in zip(KEYS[1:], languages, strict=False):
            label = {language: OWN_NAMES.get(each, each) for language in spoken}
            own = {"language": each, "go": "notice"}
            choices[key] = own if each in spoken else {"label": label, "go": doors[each]}
        cases = {each: doors[each] for each in languages if each in spoken}
        steps: dict[str, Any] = {"language": {"do": "menu", "choices": choices, "otherwise": "notice"}}
        steps["notice"] = {"do": "notice", "go": "speaks" if cases else doors[""]}
        if cases:
            steps["speaks"] = {"do": "branch", "on": "language", "cases": cases, "otherwise": doors[""]}
        return steps

    def _door(self, language: str, lines: list[_Line], default: _Line, spoken: list[str]) -> tuple[str, dict[str, Any]]:
        """The step where callers of a language go, and the menus there where there are any."""
        alone = bool(language) or self._fallback is None  # nobody but these callers comes here
        if not lines or (len(lines) == 1 and alone):
            return (lines[0] if lines else default).id, {}
        return self._menus(f"choose-{language}" if language else "choose", lines, default, spoken)

    def _menus(self, name: str, lines: list[_Line], default: _Line, spoken: list[str]) -> tuple[str, dict[str, Any]]:
        """A menu; where the keys do not suffice, the last one leads to another."""
        name = f"{name}-menu" if name in {line.id for line in self._lines} else name
        here = lines if len(lines) <= len(KEYS) else lines[: len(KEYS) - 1]
        choices = {
            key: {"label": dict.fromkeys(spoken, line.label), "go": line.id}
            for key, line in zip(KEYS, here, strict=False)
        }
        further: dict[str, Any] = {}
        if len(here) < len(lines):
            after, further = self._menus(f"{name}-more", lines[len(here) :], default, spoken)
            choices[KEYS[-1]] = {"label": {each: MORE[each] for each in spoken}, "go": after}
        return name, {name: {"do": "menu", "choices": choices, "otherwise": default.id}} | further


def _number(value: Any) -> float | None:
    """A number, also as a text, as the API writes some."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found <= 86_400 else None
