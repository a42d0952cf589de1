"""Minimum necessary, scored: how much was opened for how much the reason needed. Pure; from the ledger's entries.

One agent's part of one call (a grant) is the unit. Its **reason** is the first for which the agent opened a field; a
part in which no reason was chosen has none, and is counted apart. **Revealed**: the distinct fields whose value the
vault was about to give that agent in that part, the card's own among them, whatever the reason was later; fields closed
again as opened by mistake are left out and counted apart. **Needed**: the fields that the reason states it needs
(reasons.py).
**Beyond**: revealed fields that the reason does not need.

The score of an agent, a queue or a reason is the sum of revealed over the sum of needed, as product.md has it: 1 is all
that the reason needs; above 1 more was opened than it needs; below 1 is the usual, for few calls need all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind

ALL = "all"  # that chose a reason
NO_REASON = "none chosen"
NO_QUEUE = "straight to an agent"


class By(StrEnum):
    """A row for each of these."""

    REASON = "reason"
    QUEUE = "queue"
    AGENT = "agent"


@dataclass(slots=True)
class Part:
    """One agent's part of one call."""

    agent: str
    leg: str
    reason: str = ""
    revealed: set[str] = field(default_factory=set)
    mistakes: int = 0


@dataclass(slots=True)
class Score:
    """Sums over parts. `beyond`: revealed fields that the reason does not need; `mistaken`: closed again as such."""

    calls: int = 0
    revealed: int = 0
    needed: int = 0
    beyond: int = 0
    mistaken: int = 0

    def ratio(self) -> float | None:
        """Revealed ÷ needed; None where nothing was needed."""
        return self.revealed / self.needed if self.needed else None

    def add(self, part: Part, needs: frozenset[str]) -> None:
        """Count one part whose reason needs these fields."""
        self.calls += 1
        self.revealed += len(part.revealed)
        self.needed += len(needs)
        self.beyond += len(part.revealed - needs)
        self.mistaken += part.mistakes


class Minimum:
    """Feed it the ledger's entries in their order, then ask for `scores`."""

    def __init__(self, needs: Mapping[str, frozenset[str]], since: float = 0.0, until: float = float("inf")) -> None:
        self._needs, self._since, self._until = needs, since, until
        self._parts: dict[str, Part] = {}
        self._queue: dict[str, str] = {}  # leg -> the queue it waited in last

    def take(self, entries: Iterable[Entry]) -> None:
        """Any entries; only looks and queues count. A look counts by its own time, `since` <= at < `until`."""
        for entry in entries:
            fields = entry.fields or {}
            if entry.kind is Kind.CALL_QUEUED:
                self._queue[str(fields.get("leg", ""))] = str(fields.get("queue", ""))
            elif entry.kind in _LOOKS and self._since <= entry.at < self._until:
                self._look(entry.kind, fields)

    def scores(self, by: By) -> dict[str, Score]:
        """By reason, queue or agent, in order of their names; parts without a reason stand under NO_REASON."""
        found: dict[str, Score] = {}
        for part in self._parts.values():
            needs = self._needs.get(part.reason, frozenset())
            found.setdefault(self._name(part, by), Score()).add(part, needs)
        return dict(sorted(found.items()))

    def total(self) -> Score:
        """All parts in which a reason was chosen."""
        whole = Score()
        for part in self._parts.values():
            if part.reason in self._needs:
                whole.add(part, self._needs[part.reason])
        return whole

    def _name(self, part: Part, by: By) -> str:
        if part.reason not in self._needs:
            return NO_REASON
        if by is By.AGENT:
            return part.agent
        return part.reason if by is By.REASON else self._queue.get(part.leg, NO_QUEUE)

    def _look(self, kind: Kind, fields: Mapping[str, Any]) -> None:
        if kind is Kind.LOOK_ALLOWED and fields.get("action") not in ("card", "reveal"):
            return  # no part of a call: work after it, break-glass, a subject access file
        grant = str(fields.get("grant", ""))
        part = self._parts.setdefault(grant, Part(str(fields.get("agent", "")), str(fields.get("leg", ""))))
        names = str(fields.get("field", "")).split()
        if kind is Kind.LOOK_MISTAKEN:
            part.mistakes += len(part.revealed & set(names))
            part.revealed.difference_update(names)  # opened again on purpose, it counts again
            return
        part.revealed.update(names)
        part.reason = part.reason or str(fields.get("reason", ""))


_LOOKS = frozenset({Kind.LOOK_ALLOWED, Kind.LOOK_MISTAKEN})


def as_rows(scores: Mapping[str, Score], by: By) -> list[dict[str, Any]]:
    """For a table or JSON; the ratio with two decimals."""
    return [
        {
            by.value: name,
            "calls": score.calls,
            "revealed": score.revealed,
            "needed": score.needed,
            "score": None if (ratio := score.ratio()) is None else round(ratio, 2),
            "beyond": score.beyond,
            "by mistake": score.mistaken,
        }
        for name, score in scores.items()
    ]
