"""Who may take which call: skills with levels, stores, queues served, and the certificate (training as a predicate)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from quietline.routing.model import Agent, Need, QueueRule, Step


@dataclass(frozen=True, slots=True)
class Ask:
    """What a waiting call asks of an agent at the step it has reached. Calls that ask the same are one pool."""

    queue: str
    data_class: str
    needs: tuple[Need, ...] = ()  # at most one for a skill, by name
    stores: frozenset[str] | None = None  # whose agents may take it; None: any store's
    only: str = ""  # the one agent it is for: a transfer to a person, or its last agent (sticky)


def ask_of(rule: QueueRule, step: Step, needs: tuple[Need, ...], stores: frozenset[str]) -> Ask:
    """The step's needs and stores together with the call's own: what either requires is required."""
    return Ask(rule.id, rule.data_class, merged((*step.needs, *needs)), both(step.stores, stores))


def ask_for(agent: str, rule: QueueRule) -> Ask:
    """For one person. Their skills are not asked, as somebody chose them; the certificate is."""
    return Ask(rule.id, rule.data_class, only=agent)


def merged(needs: Iterable[Need]) -> tuple[Need, ...]:
    """One need for each skill, by name: the highest level; required wins over preferred."""
    found: dict[str, Need] = {}
    for need in needs:
        old = found.get(need.skill)
        if old is None or (old.preferred, -old.level) > (need.preferred, -need.level):
            found[need.skill] = need
    return tuple(found[skill] for skill in sorted(found))


def both(first: frozenset[str], second: frozenset[str]) -> frozenset[str] | None:
    """Stores allowed by two restrictions, of which an empty one allows all; None when all are."""
    if first and second:
        return first & second
    return first or second or None


def fits(skills: Mapping[str, int], store: str, queues: frozenset[str], ask: Ask) -> bool:
    """Whether skills, store and queues would do: all that does not change while an agent works. Quick: no words."""
    if queues and ask.queue not in queues:
        return False
    if ask.stores is not None and store not in ask.stores:
        return False
    for need in ask.needs:  # noqa: SIM110 - a generator would take twice the time, and this is asked for every pool
        if skills.get(need.skill, 0) < need.level and not need.preferred:
            return False
    return True


def ineligible(agent: Agent, ask: Ask, wall: float) -> str:
    """Why this agent may not take this call, apart from their state, in words; "" when they may.

    `wall` is UTC seconds, as certificates expire by the calendar.
    """
    if ask.only and agent.id != ask.only:
        return "kept for another agent"
    if not ask.only:
        if agent.queues and ask.queue not in agent.queues:
            return f"does not serve {ask.queue}"
        if ask.stores is not None and agent.store not in ask.stores:
            return "works for another store"
        if missing := _missing(agent, ask):
            return f"lacks {missing}"
    return _uncertified(agent, ask.data_class, wall)


def _missing(agent: Agent, ask: Ask) -> str:
    lacking = (need for need in ask.needs if not need.preferred and agent.skills.get(need.skill, 0) < need.level)
    return ", ".join(map(need_words, lacking))


def _uncertified(agent: Agent, data_class: str, wall: float) -> str:
    until = agent.certificates.get(data_class)
    if until is None:
        return f"no certificate for {data_class}"
    if until > wall:
        return ""
    lapsed = datetime.fromtimestamp(until, UTC)
    return f"certificate for {data_class} lapsed {lapsed.day} {lapsed:%b %Y}"


def need_words(need: Need) -> str:
    """ "orders >= 3"; a skill at its lowest level is only named."""
    return need.skill if need.level <= 1 else f"{need.skill} >= {need.level}"
