"""Canary customers: people who do not exist. Nobody has a reason to look at one, so every touch is told. Pure.

They lie among the others, with the same fields under the same kinds of keys; which they are the vault alone knows.
A touch is told at once; the same touch again (who, how) only after `QUIET` seconds, so that an alarm is not drowned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

QUIET: Final = 60.0  # seconds
MOST_TOLD: Final = 4_096  # touches remembered


class CanaryBook:
    """Tokens of canary customers. `touched` says whether this touch is to be told."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self._tokens = set(tokens)
        self._told: dict[tuple[str, str, str], float] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, customer: object) -> bool:
        return customer in self._tokens

    def __repr__(self) -> str:
        return f"CanaryBook({len(self)})"

    def add(self, customer: str) -> None:
        """From now on every touch of this one is told."""
        self._tokens.add(customer)

    def remove(self, customer: str) -> None:
        """Not watched any more. Harmless where it was not."""
        self._tokens.discard(customer)

    def touched(self, customer: str, who: str, how: str, now: float) -> bool:
        """Whether it is a canary, and this touch is news. `now`: seconds, of whatever clock."""
        if customer not in self._tokens:
            return False
        touch = (customer, who, how)
        last = self._told.get(touch)
        if last is not None and 0 <= now - last < QUIET:
            return False
        while len(self._told) >= MOST_TOLD:
            self._told.pop(next(iter(self._told)))
        self._told[touch] = now
        return True
