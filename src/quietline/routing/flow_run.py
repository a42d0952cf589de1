"""A caller's way through a flow: position and event in, position and what to do out. No clock, no I/O.

Every step that takes time ends in one `Ask`: something to be done whose result is the next event. So a call that waits
holds a `Position` and knows its ask (`again`), which is what lets another life of the process pick it up.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quietline.routing.flow import (
    END,
    NO,
    YES,
    Branch,
    Callback,
    Collect,
    Consent,
    Flow,
    FlowStep,
    HangUp,
    Hours,
    Menu,
    Notice,
    Play,
    Queue,
    Transfer,
    Verify,
)
from quietline.routing.model import Need

MOST_MOVES = 200  # steps without an ask: flows that are checked have no such loop, one that is not must not hang a call


# Where a caller stands


@dataclass(frozen=True, slots=True)
class Position:
    """Plain data, kept by the journal."""

    flow: str
    step: str
    store: str = ""
    language: str = ""
    tries: int = 0  # used up at this step
    queue: str = ""  # the one last waited in
    ending: str = ""  # set at a built-in end: the outcome


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step may turn on. `closed`: what is closed now, stores as "store:mill", queues as "queue:returns"."""

    assurance: int = 0
    closed: Container[str] = frozenset()


# What may happen


@dataclass(frozen=True, slots=True)
class Done:
    """The words ended."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, of those asked for or, where the ask is strict, any."""

    key: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The time to answer is over."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Digits came, and went where they belong."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The keyed code was right, or nothing came of it."""

    passed: bool


@dataclass(frozen=True, slots=True)
class Waited:
    """The longest wait is over."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The queue is closed for this caller, and so is all that takes its calls."""


@dataclass(frozen=True, slots=True)
class Promised:
    """The callback is kept (`True`), or there is no number to ring."""

    kept: bool


Event = Done | Key | Silence | Collected | Verified | Waited | Closed | Promised


# What to do


@dataclass(frozen=True, slots=True)
class Say:
    """Play these words in this order, then `Done`."""

    say: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskKey:
    """Play, then wait for a key: `Key` or `Silence`. `fresh`: keys from before the words are no answer to them.

    `strict`: a key that is none of `keys` is an event too; else it is overheard.
    """

    say: tuple[str, ...]
    keys: str
    wait: float
    fresh: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class AskDigits:
    """Play, then take digits to where they belong: `Collected` or `Silence`. Nobody but `to` learns them."""

    say: tuple[str, ...]
    least: int
    most: int
    end: str
    to: str
    wait: float


@dataclass(frozen=True, slots=True)
class Prove:
    """Send a one-time code and have it keyed: `Verified`."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Wait in a queue: `Waited`, `Closed` or `Key`; with an agent the flow is over."""

    queue: str
    needs: tuple[Need, ...] = ()
    head_start: float = 0.0
    hold: str = ""
    longest_wait: float = 0.0
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """Keep the caller's number for a callback in this queue: `Promised`."""

    queue: str


@dataclass(frozen=True, slots=True)
class End:
    """Hang up. `outcome` is a closed word."""

    outcome: str


Ask = Say | AskKey | AskDigits | Prove | Enter | Promise | End


@dataclass(frozen=True, slots=True)
class Consented:
    """To be written down: the answer, and the wording heard by name and version. `how`: "key" or "silence"."""

    wording: str
    version: str
    given: bool
    how: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Move:
    """Where the caller stands now and what to do; `noted` goes to the ledger."""

    position: Position
    ask: Ask
    noted: tuple[Consented, ...] = ()


class Flows:
    """All flows of a chain, and which of them a store's callers hear."""

    def __init__(self, flows: Mapping[str, Flow], stores: Mapping[str, str], default: str) -> None:
        self._flows, self._stores, self._default = flows, stores, default

    def begin(self, store: str, facts: Facts) -> Move:
        """A caller of this store, at the start of its flow; an unknown store has the default flow."""
        flow = self._flow_of(store)
        return self._settle(Position(flow.id, flow.start, store, flow.languages[0]), facts)

    def step(self, position: Position) -> FlowStep:
        """The step a position stands at. Raises KeyError when flow or step are gone."""
        return self._flows[position.flow].steps[position.step]

    def knows(self, position: Position) -> bool:
        """Whether flow and step are still there after the flows were changed."""
        flow = self._flows.get(position.flow)
        return flow is not None and position.step in flow.steps

    def again(self, position: Position, facts: Facts) -> Move:
        """What to do at this position, from the beginning of its step: after a crash, or when flows changed."""
        if position.ending:
            return Move(position, End(position.ending))
        if not self.knows(position):
            return self.begin(position.store, facts)
        return self._settle(position, facts)

    def go(self, position: Position, event: Event, facts: Facts) -> Move:
        """The event has happened. Raises ValueError for one that this step does not know: a programming error."""
        if position.ending:
            return Move(position, End(position.ending))
        step = self.step(position)
        if isinstance(step, Menu) and isinstance(event, Key):
            return self._chosen(step, position, event, facts)
        if self._asks_again(step, event, position):
            tried = replace(position, tries=position.tries + 1)
            return Move(tried, _ask(step, tried))
        to, noted = _way(step, event)
        if isinstance(step, Callback) and to is None:
            return Move(position, Promise(step.queue or position.queue))
        if isinstance(step, HangUp):
            return Move(replace(position, ending=step.outcome), End(step.outcome))
        return self._onward(position, to or END, _ending(event), facts, noted)

    def _chosen(self, step: Menu, position: Position, event: Key, facts: Facts) -> Move:
        choice = next((each for each in step.choices if each.key == event.key), None)
        if choice is None:
            return self._wrong_key(step, position, facts)
        languages = self._flows[position.flow].languages
        spoken = choice.language if choice.language in languages else position.language
        return self._onward(replace(position, language=spoken), choice.go, "", facts)

    def _wrong_key(self, step: Menu, position: Position, facts: Facts) -> Move:
        tried = replace(position, tries=position.tries + 1)
        if tried.tries >= step.tries:
            return self._onward(position, step.otherwise, "", facts)
        ask = _ask(step, tried)
        assert isinstance(ask, AskKey)
        return Move(tried, replace(ask, say=(step.invalid, *ask.say) if step.invalid else ask.say))

    def _asks_again(self, step: FlowStep, event: Event, position: Position) -> bool:
        asking = isinstance(step, (Menu, Consent, Collect, Callback)) and isinstance(event, Silence)
        return asking and position.tries + 1 < step.tries  # type: ignore[union-attr]

    def _onward(
        self, position: Position, to: str, outcome: str, facts: Facts, noted: tuple[Consented, ...] = ()
    ) -> Move:
        if to == END:
            ended = replace(position, ending=outcome)
            return Move(ended, Say((BUILT_IN[outcome],)), noted)
        return replace(self._settle(replace(position, step=to, tries=0), facts), noted=noted)

    def _settle(self, position: Position, facts: Facts) -> Move:
        """Through steps that take no time, to the next one that does."""
        for _ in range(MOST_MOVES):
            step = self.step(position)
            if isinstance(step, Transfer):
                position = self._transferred(position, step)
            elif isinstance(step, (Hours, Branch)):
                position = replace(position, step=_turn(step, position, facts), tries=0)
            else:
                if isinstance(step, Queue):
                    position = replace(position, queue=step.queue)
                return self._arrived(step, position)
        return Move(replace(position, ending="flow_loop"), End("flow_loop"))

    def _arrived(self, step: FlowStep, position: Position) -> Move:
        if isinstance(step, HangUp) and not step.say:
            return Move(replace(position, ending=step.outcome), End(step.outcome))
        return Move(position, _ask(step, position))

    def _transferred(self, position: Position, step: Transfer) -> Position:
        flow = self._flow_of(step.store)
        language = position.language if position.language in flow.languages else flow.languages[0]
        return Position(flow.id, flow.start, step.store, language, queue=position.queue)

    def _flow_of(self, store: str) -> Flow:
        return self._flows[self._stores.get(store, self._default)]


BUILT_IN = {"waited_too_long": "sorry", "closed": "closed"}  # outcome of a way to END -> the words before it


def _ending(event: Event) -> str:
    return "closed" if isinstance(event, Closed) else "waited_too_long"


def _turn(step: Hours | Branch, position: Position, facts: Facts) -> str:
    """Which way a step goes that takes no time."""
    if isinstance(step, Hours):
        what = f"queue:{step.queue}" if step.queue else f"store:{position.store}"
        return step.closed if what in facts.closed else step.open
    if step.on == "assurance":
        reached = [case for case in step.cases if facts.assurance >= int(case)]
        return step.cases[max(reached, key=int)] if reached else step.otherwise
    value = position.store if step.on == "store" else position.language
    return step.cases.get(value, step.otherwise)


def _ask(step: FlowStep, position: Position) -> Ask:
    """What a step asks for, at the beginning of a try."""
    again = (step.invalid,) if isinstance(step, Collect) and step.invalid and position.tries else ()
    match step:
        case Notice() | Play() | HangUp():
            return Say((step.say,))
        case Consent() | Callback():
            return AskKey((step.say,), YES + NO, step.wait, fresh=True)
        case Menu():
            keys = "".join(each.key for each in step.choices)
            return AskKey((step.say,), keys, step.wait, strict=bool(step.invalid))
        case Collect():
            return AskDigits((*again, step.say), step.least, step.most, step.end, step.to, step.wait)
        case Verify():
            return Prove()
        case Queue():
            keys = "".join(step.keys)
            return Enter(step.queue, step.needs, step.head_start, step.hold, step.longest_wait, keys)
        case _:
            raise ValueError(f"flow: a step of kind {step.kind} asks nothing")


def _way(step: FlowStep, event: Event) -> tuple[str | None, tuple[Consented, ...]]:
    """Where an event leads, None where the step has more to do first; and what is to be written down."""
    if isinstance(step, Consent) and isinstance(event, (Key, Silence)):
        return _consent(step, event)
    lead = LEADS.get((type(step), type(event)))
    if lead is None:
        raise ValueError(f"flow: a step of kind {step.kind} knows no {type(event).__name__}")
    return lead(step, event), ()


def _consent(step: Consent, event: Key | Silence) -> tuple[str, tuple[Consented, ...]]:
    given = isinstance(event, Key) and event.key == YES
    how = "key" if isinstance(event, Key) else "silence"
    return (step.yes if given else step.no), (Consented(step.wording, step.version, given, how),)


LEADS: Mapping[tuple[type, type], Callable[[Any, Any], str | None]] = {
    (Notice, Done): lambda step, _: step.go,
    (Play, Done): lambda step, _: step.go,
    (HangUp, Done): lambda *_: END,
    (Menu, Silence): lambda step, _: step.otherwise,
    (Collect, Collected): lambda step, _: step.go,
    (Collect, Silence): lambda step, _: step.otherwise,
    (Verify, Verified): lambda step, event: step.passed if event.passed else step.failed,
    (Queue, Key): lambda step, event: step.keys[event.key],
    (Queue, Waited): lambda step, _: step.waited,
    (Queue, Closed): lambda step, _: step.closed,
    (Callback, Key): lambda step, event: None if event.key == YES else step.refused,
    (Callback, Silence): lambda step, _: step.refused,
    (Callback, Promised): lambda step, event: step.accepted if event.kept else step.impossible,
}
