"""Whose time is over: which values of which customers are to go today, by class. Pure.

RECORD classes end with the day on each record, the others a time after the customer's latest day on any record. What
has no day (0: written before days were kept) is never due, and is counted, so that somebody looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from quietline.vault.schema import CLASSES, ClassSpec, DataClass, Since


@dataclass(frozen=True, slots=True)
class Stored:
    """One value on the disk, unopened. `day`: its record's, UTC days since 1970."""

    customer: str
    record: str
    day: int
    name: str
    data_class: str


@dataclass(frozen=True, slots=True, repr=False)
class Due:
    """What goes of one customer: whole classes (their key dies), and single values of classes that stay."""

    customer: str
    classes: tuple[str, ...]
    values: tuple[Stored, ...]


@dataclass(slots=True, repr=False)
class Plan:
    """A run's outcome before it is carried out; the report is what the ledger and the privacy officer read."""

    due: list[Due] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)  # class -> values that go
    held: int = 0  # customers whose legal hold wins
    undated: int = 0  # values without a day

    def report(self) -> dict[str, Any]:
        """Counts only."""
        return {
            "customers": len(self.due),
            "values": dict(sorted(self.values.items())),
            "held": self.held,
            "undated": self.undated,
        }


def plan(
    stored: Iterable[Stored],
    today: int,
    held: Collection[str],
    classes: Mapping[DataClass, ClassSpec] = CLASSES,
) -> Plan:
    """`stored`: ordered by customer. `today`: UTC days since 1970. `held`: customers under a legal hold now."""
    made = Plan()
    for customer, values in groupby(stored, key=attrgetter("customer")):
        mine = list(values)
        made.undated += sum(each.day == 0 for each in mine)
        over = [each for each in mine if _over(each, mine, today, classes)]
        if over and customer in held:
            made.held += 1
        elif over:
            made.due.append(_due(customer, mine, over))
            made.values.update(each.data_class for each in over)
    return made


def _over(value: Stored, mine: Iterable[Stored], today: int, classes: Mapping[DataClass, ClassSpec]) -> bool:
    spec = classes[DataClass(value.data_class)]
    day = value.day if spec.since is Since.RECORD else max(each.day for each in mine)
    return day > 0 and day + spec.days < today


def _due(customer: str, mine: list[Stored], over: list[Stored]) -> Due:
    left = {each.data_class for each in mine if each not in over}
    whole = tuple(sorted({each.data_class for each in over} - left))
    return Due(customer, whole, tuple(each for each in over if each.data_class not in whole))
