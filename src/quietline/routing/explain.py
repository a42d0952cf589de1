"""Why: a call's story so far, and why each agent is or is not rung for it. In words, with tokens for names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from quietline.routing.model import Agent, State, Step, Waiting
from quietline.routing.parties import Call, Seat
from quietline.routing.pools import Pools
from quietline.routing.skills import Ask, ask_for, ask_of, ineligible, need_words

Fact = str | float | tuple[str, ...]
Note = tuple[float, str, tuple[Fact, ...]]  # when, what, with which facts

STATES = {
    State.OFFLINE: "signed out",
    State.READY: "ready",
    State.AWAY: "away",
    State.RINGING: "being rung",
    State.ON_CALL: "on a call",
    State.WRAP_UP: "in wrap-up",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Agents for whom the same words hold. `able`: they may take the call, so the words are their state."""

    words: str
    agents: tuple[str, ...]
    able: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """`now`: how the call stands, in one line, "" for one that waits no more; `groups`: every agent's why, able ones
    first; `story`: what has happened, each line with the seconds since the call came in sight."""

    call: str
    now: str
    groups: tuple[Group, ...]
    story: tuple[str, ...]


class Trails:
    """What happened to the last `remember` calls: noted as it happens, put into words when asked."""

    def __init__(self, remember: int) -> None:
        self._remember = remember
        self._notes: OrderedDict[str, list[Note]] = OrderedDict()

    def of(self, call: str) -> Sequence[Note]:
        """This call's notes, in order."""
        return self._notes.get(call, ())

    def latest(self, count: int) -> tuple[str, ...]:
        """The calls that came last, the newest first."""
        return tuple(islice(reversed(self._notes), count))

    def note(self, call: str, now: float, what: str, *facts: Fact) -> None:
        """Something happened to this call."""
        if not self._remember:
            return
        notes = self._notes.get(call)
        if notes is None:
            notes = self._notes[call] = []
            if len(self._notes) > self._remember:
                self._notes.popitem(last=False)
        notes.append((now, what, facts))

    def offered(self, call: Call, seat: Seat, pools: Pools, now: float) -> None:
        """An assignment, with what it takes to say why."""
        if self._remember:
            kept = "kept for them" if call.held or call.waiting.only_agent else call.rule.strategy
            self.note(call.id, now, "offered", seat.id, kept, now - seat.idle_since, pools.overtaken(seat, call))


def explained(
    call: str,
    notes: Sequence[Note],
    known: Call | None,
    line: Sequence[Waiting],
    agents: Sequence[Agent],
    now: float,
    wall: float,
) -> Explanation | None:
    """Everything about one call; None where nothing is known. `line` is its queue, in order."""
    if known is None and not notes:
        return None
    story = tuple(_told(note, notes[0][0]) for note in notes)
    if known is None:
        return Explanation(call, "", (), story)
    ask = asked(known)
    found = groups(known, ask, agents, wall)
    stands = "; ".join([*_situation(known, ask, line, now), *summary(found, _asks_words(ask))])
    return Explanation(call, stands, found, story)


def asked(call: Call) -> Ask:
    """What the call asks of agents at its step."""
    w, rule = call.waiting, call.rule
    if w.only_agent or call.held:
        return ask_for(w.only_agent or w.last_agent, rule)
    return ask_of(rule, rule.steps[call.step], w.needs, w.stores)


def _situation(call: Call, ask: Ask, line: Sequence[Waiting], now: float) -> list[str]:
    place = next(number for number, each in enumerate(line, 1) if each.call == call.id)
    said = f"waiting {now - call.waiting.since:.0f} s in {call.rule.id}, place {place} of {len(line)}"
    if call.waiting.callback:
        said += ", to be called back"
    if ask.only:
        return [f"{said}, only for {ask.only}"]
    return [said, *(_step_words(each) for each in call.rule.steps[call.step + 1 :])]


def _step_words(step: Step) -> str:
    needs = [need_words(need) for need in step.needs if not need.preferred]
    return f"from {step.after:.0f} s on it asks for {' and '.join(needs) or 'no skill'}"


def _asks_words(ask: Ask) -> str:
    needs = " and ".join(need_words(need) for need in ask.needs if not need.preferred)
    stores = "at the right store" if ask.stores is not None else ""
    return " ".join(each for each in (needs and f"with {needs}", stores) if each)


def groups(call: Call, ask: Ask, agents: Sequence[Agent], wall: float) -> tuple[Group, ...]:
    """Agents by why they are not rung: those who may take it by their state, the others by what they lack."""
    able: dict[str, list[str]] = {}
    unable: dict[str, list[str]] = {}
    for agent in agents:
        why = ineligible(agent, ask, wall)
        state = "rung for this call" if agent.id == call.offered else STATES[agent.state]
        (unable if why else able).setdefault(why or state, []).append(agent.id)
    return (
        *(Group(words, tuple(ids), able=True) for words, ids in able.items()),
        *(Group(f"not offered: {words}", tuple(ids), able=False) for words, ids in unable.items()),
    )


def summary(found: Sequence[Group], asks: str) -> list[str]:
    """How many may take it and what they do; then, each with the reason, who may not."""
    able = [group for group in found if group.able]
    count = sum(len(group.agents) for group in able)
    who = f"{count} agent{'' if count == 1 else 's'} {asks or 'in service'}"
    if len(able) == 1:
        doing = f", {'all ' if count > 1 else ''}{able[0].words}"
    else:
        doing = "".join(f"{', ' if at else ': '}{len(each.agents)} {each.words}" for at, each in enumerate(able))
    return [who + doing, *(f"{_named(group.agents)} {group.words}" for group in found if not group.able)]


def _named(agents: Sequence[str]) -> str:
    return " and ".join(agents) if len(agents) < 3 else f"{len(agents)} agents"


def _told(note: Note, began: float) -> str:
    when, what, facts = note
    return f"{when - began:.1f} s: {_TOLD[what](*facts)}"


def _offered(agent: str, strategy: str, idle: float, overtaken: tuple[str, ...]) -> str:
    said = f"offered to {agent} ({strategy}), idle for {idle:.1f} s"
    return said + (f"; by its head start before {', '.join(overtaken)}" if overtaken else "")


_TOLD: dict[str, Callable[..., str]] = {
    "entered": lambda queue, since: f"entered {queue}",
    "offered": _offered,
    "refused": lambda agent, reason: f"not taken by {agent}: {reason.replace('_', ' ')}; the place is kept",
    "relaxed": lambda step: f"step {step + 1} of what it asks for",
    "answered": lambda agent: f"answered by {agent}",
    "ended": lambda agent: f"conversation with {agent} over",
    "left": lambda: "left the queue",
    "gave_up": lambda: "waited as long as it may",
}
