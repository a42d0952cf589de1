"""Which stores' agents may take a call: the dialled store's, and others' when that one is shut, busy or slow.

A store that is closed never rings. Overflow may go on from store to store (mill to north to hub); it never comes back,
for each store is visited once, and `loops` names a chain that would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spill:
    """Let another store's agents help, when any of these holds; a bound of None never does."""

    to: str
    closed: bool = True  # this store is shut
    waiting: int | None = None  # at least so many calls wait here
    expected: float | None = None  # the expected wait here is at least so many seconds
    after: float | None = None  # this call has waited so many seconds


@dataclass(frozen=True, slots=True)
class Load:
    """How a store stands, for the queue the call is in. `expected`: seconds; None when nobody there could take it."""

    open: bool = True
    waiting: int = 0
    expected: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Hop:
    """Why one store helps another: a closed word, as the ledger and `explain` say it."""

    source: str
    to: str
    why: str  # "closed" | "waiting" | "expected" | "after"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose agents may be offered the call, in the order they were reached. Empty: all are shut, so nobody rings."""

    stores: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()


Spills = Mapping[str, tuple[Spill, ...]]  # by store; a store that is not in it never overflows


def reach(store: str, spills: Spills, load: Callable[[str], Load], waited: float = 0.0) -> Reach:
    """The stores for a call to `store` that has waited so many seconds. `load` is asked once for each one reached."""
    stores: list[str] = []
    hops: list[Hop] = []
    seen, queue = {store}, [store]
    for current in queue:
        state = load(current)
        if state.open:
            stores.append(current)
        for spill in spills.get(current, ()):
            why = holds(spill, state, waited)
            if why and spill.to not in seen:
                seen.add(spill.to)
                queue.append(spill.to)
                hops.append(Hop(current, spill.to, why))
    return Reach(tuple(stores), tuple(hops))


def holds(spill: Spill, state: Load, waited: float) -> str:
    """The first of the rule's conditions that holds, as a closed word; "" when none does."""
    expected = float("inf") if state.expected is None else state.expected
    conditions = {
        "closed": spill.closed and not state.open,
        "waiting": spill.waiting is not None and state.waiting >= spill.waiting,
        "expected": spill.expected is not None and expected >= spill.expected,
        "after": spill.after is not None and waited >= spill.after,
    }
    return next((word for word, true in conditions.items() if true), "")


def next_change(store: str, spills: Spills, waited: float) -> float | None:
    """The wait, in seconds, at which a rule of time next takes hold for a call to `store`; None: none is left."""
    reachable = {store, *(spill.to for each in _walk(store, spills) for spill in spills.get(each, ()))}
    bounds = [spill.after for each in reachable for spill in spills.get(each, ()) if spill.after is not None]
    return min((bound for bound in bounds if bound > waited), default=None)


def loops(spills: Spills) -> Iterator[tuple[str, ...]]:
    """Chains of overflow that come back to a store, each once, from its first store by name to the same store again."""
    found: set[frozenset[str]] = set()
    for store in sorted(spills):
        path = _way_back(store, spills)
        if path and frozenset(path) not in found:
            found.add(frozenset(path))
            yield path


def _way_back(store: str, spills: Spills) -> tuple[str, ...]:
    """The shortest way from a store to itself; () when there is none."""
    paths: list[tuple[str, ...]] = [(store,)]
    seen: set[str] = set()
    for path in paths:
        for spill in spills.get(path[-1], ()):
            if spill.to == store:
                return (*path, store)
            if spill.to not in seen:
                seen.add(spill.to)
                paths.append((*path, spill.to))
    return ()


def _walk(store: str, spills: Spills) -> list[str]:
    """Every store that overflow from this one could reach, itself first."""
    order = [store]
    for current in order:
        order += [spill.to for spill in spills.get(current, ()) if spill.to not in order]
    return order
