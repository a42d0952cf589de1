"""From the number that was dialled to the store, and to the flow that its callers go through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialled:
    """Where a call has come out. `known`: the number is one of ours; False: the default store answers for it."""

    store: str
    flow: str
    known: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A store as the directory needs it. `numbers`: E.164, as carriers dial them."""

    id: str
    flow: str
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """Every number of every store. `default` is the store of a number that nobody listed."""

    default: Dialled
    by_number: dict[str, Dialled] = field(default_factory=dict)

    def dialled(self, number: str) -> Dialled:
        """The store for a dialled number, E.164; the default store for any other text."""
        return self.by_number.get(number, self.default)


def directory(stores: Iterable[Listed], default: str = "") -> Directory:
    """The directory of these stores; the first is the default unless another is named.

    Raises ValueError where there is no store, the default is none of them, or two share a number.
    """
    listed = {store.id: store for store in stores}
    chosen = listed.get(default or next(iter(listed), ""))
    if chosen is None:
        raise ValueError(f"no store {default!r} to be the default")
    numbers: dict[str, Dialled] = {}
    for store in listed.values():
        for number in store.numbers:
            if number in numbers:
                raise ValueError(f"{number} belongs to {numbers[number].store} and to {store.id}")
            numbers[number] = Dialled(store.id, store.flow, True)
    return Directory(Dialled(chosen.id, chosen.flow, False), numbers)
