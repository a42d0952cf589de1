"""Personal data has a type: it prints as dots everywhere and opens only with a ticket.

`Sealed` guards against accident, not against code that means harm: that is held off by the vault's process boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

T_co = TypeVar("T_co", covariant=True)

DOTS = "•••"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Names who opens a value, why, and the ledger entry that was made durable first.

    who: an agent's or process's token, never a name. why: a closed reason code. entry: index of the ledger entry, or
    `SIGNALLING` where the edge or controller handles a live call's own signalling in memory, because it must.
    """

    who: str
    why: str
    entry: int


SIGNALLING = -1


class Sealed(Generic[T_co]):
    """A value that does not show itself: `str`, `repr`, `format` give dots; pickling, JSON and ordering fail."""

    __slots__ = ("__value",)

    def __init__(self, value: T_co) -> None:
        self.__value = value

    def open(self, ticket: Ticket) -> T_co:
        """The plain value. Raises TypeError without a real ticket."""
        if not isinstance(ticket, Ticket):
            raise TypeError("a sealed value opens only with a Ticket")
        return self.__value

    def __repr__(self) -> str:
        return DOTS

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return DOTS

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self.__value == other.__value

    def __hash__(self) -> NoReturn:
        raise TypeError("a sealed value has no hash: use a token")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed value is never pickled")
