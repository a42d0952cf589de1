"""The breach desk: whom did an account see between two times, and what has to be said to whom by when. Pure.

Read from the ledger, so it holds for what was opened through the vault. It cannot tell what was photographed,
remembered or copied from the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import Placed
from quietline.rights.times import breach_deadline, stamp
from quietline.vault.schema import FIELDS, DataClass

ALL_FIELDS: Final = "all"  # a subject access file opens everything
SENSITIVE: Final = frozenset({DataClass.CONTACT, DataClass.DELIVERY, DataClass.RECORDING})


@dataclass(slots=True, repr=False)
class Seen:
    """What the account saw of one customer. Times: UTC seconds."""

    customer: str
    classes: Counter[str] = field(default_factory=Counter)  # data class -> how often
    reasons: Counter[str] = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0

    def view(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "customer": self.customer,
            "classes": dict(sorted(self.classes.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "looks": self.classes.total(),
            "first": stamp(self.first),
            "last": stamp(self.last),
        }


@dataclass(slots=True, repr=False)
class Answer:
    """Whom did this account see. `refused`: looks that were tried and refused; `unknown`: looks at nobody known."""

    agent: str
    customers: dict[str, Seen] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    entries: int = 0  # of the account's, in this time

    def view(self) -> dict[str, Any]:
        """As plain data, most seen first."""
        seen = sorted(self.customers.values(), key=lambda each: (-each.classes.total(), each.customer))
        classes = sum((each.classes for each in seen), Counter())
        return {
            "agent": self.agent,
            "customers": [each.view() for each in seen],
            "count": len(seen),
            "classes": dict(sorted(classes.items())),
            "refused": dict(sorted(self.refused.items())),
            "entries": self.entries,
        }


def whom_did_it_see(entries: Iterable[Placed], agent: str, since: float, until: float) -> Answer:
    """From the ledger's entries, in any order. `since` <= an entry's time < `until`, UTC seconds."""
    answer = Answer(agent)
    for placed in entries:
        entry, fields = placed.entry, placed.entry.fields or {}
        if fields.get("agent") != agent or not since <= entry.at < until:
            continue
        answer.entries += 1
        if entry.kind is Kind.LOOK_ALLOWED:
            _count(answer, entry.subject, fields, entry.at)
        elif entry.kind is Kind.LOOK_REFUSED:
            answer.refused[str(fields.get("why", ""))] += 1
    return answer


def _count(answer: Answer, customer: str, fields: Any, at: float) -> None:
    seen = answer.customers.setdefault(customer, Seen(customer, first=at, last=at))
    seen.classes.update(classes_of(str(fields.get("field", ""))))
    seen.reasons[str(fields.get("reason", fields.get("action", "")))] += 1
    seen.first, seen.last = min(seen.first, at), max(seen.last, at)


def classes_of(names: str) -> list[str]:
    """The data classes of the fields an entry names, separated by spaces; "other" for a field no schema has."""
    if names == ALL_FIELDS:
        return [each.value for each in DataClass]
    return [FIELDS[name].data_class.value if name in FIELDS else "other" for name in names.split()]


def duties(answer: Answer, aware: float, now: float) -> dict[str, Any]:
    """The 72-hour clock and what to tell whom. `aware`: when the controller learned of it, UTC seconds."""
    deadline = breach_deadline(aware)
    classes = {name for each in answer.customers.values() for name in each.classes}
    return {
        "aware": stamp(aware),
        "authority_by": stamp(deadline),
        "hours_left": round((deadline - now) / 3_600, 1),
        "authority": _authority(answer),
        "customers": _customers(answer, classes),
        "record": "Write it down even if nobody is told: facts, effects, what was done (GDPR 33(5)).",
    }


def _authority(answer: Answer) -> list[str]:
    count, looks = len(answer.customers), sum(each.classes.total() for each in answer.customers.values())
    return [
        f"nature of the breach, about {count} customers and {looks} looks (GDPR 33(3)(a))",
        "name and contact of the privacy officer (33(3)(b))",
        "likely consequences (33(3)(c))",
        "measures taken or proposed (33(3)(d))",
        "later than 72 hours: the reasons for the delay (33(1)); what is not known yet may follow (33(4))",
    ]


def _customers(answer: Answer, classes: set[str]) -> str:
    if not answer.customers:
        return "Nobody's data was opened by this account in this time: there is nobody to tell."
    if classes & {each.value for each in SENSITIVE}:
        return (
            "Contact, delivery or recording data was opened: tell these customers without undue delay if the risk to "
            "them is high, in plain words (GDPR 34(1), (2)). A file for each: quietline right access."
        )
    return "Orders and notes only: weigh the risk to each, write the result down (GDPR 34(1), 33(5))."
