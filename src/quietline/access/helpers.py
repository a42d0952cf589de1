"""Authorised third parties: a customer names somebody who may call for them. Pure.

A helper calls from a number of their own and is sent codes there; they may ask for the reasons that were named, until
the day that was named, and never for more than level 2: changes are the customer's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quietline.errors import ConfigError
from quietline.reasons import Why, denied
from quietline.vault.schema import Reason

HIGHEST = 2
LONGEST_DAYS = 366  # then it is named anew: what was once agreed is not agreed for ever
MOST = 5  # of one customer


@dataclass(frozen=True, slots=True)
class Helper:
    """`number`: E.164. `mark`: its blind-index token in hex. `reasons`: what they may call about. `until`, `named`:
    UTC seconds, when it ends and when the customer said so."""

    id: str
    customer: str
    number: str = field(repr=False)
    mark: str = field(repr=False)
    reasons: tuple[str, ...] = ()
    until: float = 0.0
    named: float = 0.0

    def current(self, now: float) -> bool:
        """Whether the time that was named is not over."""
        return now < self.until

    def as_row(self) -> dict[str, str]:
        """As strings, for `Remembered`."""
        return {
            "customer": self.customer,
            "number": self.number,
            "mark": self.mark,
            "reasons": " ".join(self.reasons),
            "until": repr(self.until),
            "named": repr(self.named),
        }


def from_row(id: str, row: Mapping[str, str]) -> Helper:  # noqa: A002 - it is one
    """The helper again. Raises KeyError, ValueError on what `as_row` did not write."""
    times = float(row["until"]), float(row["named"])
    return Helper(id, row["customer"], row["number"], row["mark"], tuple(row["reasons"].split()), *times)


def check_terms(reasons: tuple[str, ...], until: float, now: float, have: int) -> None:
    """What a customer may agree to. Raises ConfigError, "what: what is wrong"."""
    unknown = [each for each in reasons if each not in set(Reason)]
    if not reasons or unknown:
        raise ConfigError(f"reasons: name one or more of {', '.join(Reason)}")
    if not now < until <= now + LONGEST_DAYS * 86_400:
        raise ConfigError(f"until: a time from now to {LONGEST_DAYS} days ahead")
    if have >= MOST:
        raise ConfigError(f"helpers: a customer names {MOST} at most; end one first")


def require_scope(scope: str, reason: str) -> None:
    """`scope`: what this call's helper may ask about, in words, "" where the caller is no helper. Raises Denied."""
    if scope and reason not in scope.split():
        raise denied(Why.NOT_FOR_HELPER)
