"""Questions about what a customer knows. Pure.

Weak by nature: what a customer knows can be found out, so an answer is worth level 1 at most, on a call whose number
says nothing. Nothing of an order is asked, for it stands on a parcel's label and on the agent's card. The agent types
what the caller says into a field that shows dots, the vault compares, and the answer on record is never sent anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket
from quietline.vault.schema import DataClass, FieldSpec

A_DAY = 3  # answers taken for one customer, right or wrong
_DAY = 86_400.0  # seconds
_SHIPPED = ("contact.email", "contact.loyalty")
_OWN = "custom."  # a house's own fields of class "contact": a date of birth, a word agreed on


def askable(fields: Mapping[str, FieldSpec], has: Iterable[str]) -> list[FieldSpec]:
    """What may be asked of a customer who has these fields: contact data that neither a call nor a parcel shows."""
    wanted = {name for name in has if name in _SHIPPED or name.startswith(_OWN)}
    return [spec for name, spec in fields.items() if name in wanted and spec.data_class is DataClass.CONTACT]


def normal(text: str) -> str:
    """How answers are compared: letters and digits alone, without case, accents or spacing."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum())


def same(answer: Sealed[str], on_record: Sealed[str], ticket: Ticket) -> bool:
    """Whether they are the same, in a time that depends on neither: MACs under a key of the moment are compared."""
    key = secrets.token_bytes(32)
    given, right = (
        hmac.digest(key, normal(each.open(ticket)).encode(), hashlib.sha256) for each in (answer, on_record)
    )
    return hmac.compare_digest(given, right) and bool(normal(answer.open(ticket)))


class Answers:
    """How many answers each customer has been given in the last day. In memory, bounded; nothing personal."""

    def __init__(self, a_day: int = A_DAY, remembered: int = 100_000) -> None:
        self._a_day, self._remembered = a_day, remembered
        self._days: OrderedDict[str, list[float]] = OrderedDict()  # customer -> times

    def left(self, customer: str, now: float) -> int:
        """How many are left. `now`: monotonic seconds."""
        return max(0, self._a_day - len(self._today(customer, now)))

    def spend(self, customer: str, now: float) -> None:
        """Count one, before it is compared. Raises Denied("questions-used-up")."""
        today = self._today(customer, now)
        if len(today) >= self._a_day:
            raise denied(Why.QUESTIONS_USED_UP)
        self._days[customer] = [*today, now]
        self._days.move_to_end(customer)
        if len(self._days) > self._remembered:
            self._days.popitem(last=False)

    def _today(self, customer: str, now: float) -> list[float]:
        return [at for at in self._days.get(customer, ()) if now - _DAY < at]
