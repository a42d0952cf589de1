"""The index: calls that ask the same wait in one pool, and the ready agents who may take them stand at it, in order.

A new call looks at the first agent of its own pool; a freed agent looks at the first call of each pool they may serve.
Nobody scans. Whoever stops waiting or being ready is left in the heaps and passed over when their turn comes; a heap is
cleared when most of it is stale, so that an event costs O(pools of one agent + log n), amortised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from quietline.routing.model import Agent, Need, State
from quietline.routing.parties import Call, ReadyEntry, Seat, WaitingEntry
from quietline.routing.skills import Ask, fits
from quietline.routing.strategies import Strategy, longest_idle

SLACK, SHARE = 64, 8  # a heap is cleared when it holds so many entries, and so many times those that hold


class Pool:
    """Calls that ask the same, by rank; ready agents who may take them, by the queue's strategy."""

    __slots__ = ("ask", "calls", "calls_room", "number", "rate", "seats", "seats_room")

    def __init__(self, ask: Ask, strategy: Strategy, number: int = 0) -> None:
        self.ask = ask
        self.number = number  # rises
        self.rate = None if strategy is longest_idle else strategy
        self.calls: list[WaitingEntry] = []  # the first is never stale
        self.seats: list[ReadyEntry] = []  # the first may be
        self.calls_room = self.seats_room = SLACK

    def admits(self, seat: Seat) -> bool:
        """Whether this agent may serve here for as long as a certificate lasts."""
        return self.ask.data_class in seat.certificates and fits(seat.skills, seat.store, seat.queues, self.ask)

    def wait(self, call: Call, serial: int) -> None:
        """The call takes its place."""
        call.entry = (call.rank, call.waiting.since, call.id, serial, call)
        heappush(self.calls, call.entry)
        if len(self.calls) > self.calls_room:
            self.calls = [each for each in self.calls if each[4].entry is each]
            heapify(self.calls)
            self.calls_room = SLACK + SHARE * len(self.calls)

    def withdraw(self, call: Call) -> None:
        """The call waits here no more."""
        call.entry = None
        calls = self.calls
        while calls and calls[0][4].entry is not calls[0]:
            heappop(calls)

    def stand(self, entry: ReadyEntry) -> None:
        """An agent stands at the pool, ready."""
        heappush(self.seats, entry)
        if len(self.seats) > self.seats_room:
            self.seats = [each for each in self.seats if each[4].stamp == each[3]]
            heapify(self.seats)
            self.seats_room = SLACK + SHARE * len(self.seats)

    def first_seat(self, wall: float) -> Seat | None:
        """The agent to ring. One whose certificate has lapsed leaves: time does not bring it back."""
        seats, data_class = self.seats, self.ask.data_class
        while seats:
            _, _, _, stamp, seat = seats[0]
            if seat.stamp == stamp and seat.certificates[data_class] > wall:
                return seat
            heappop(seats)
        return None


class Pools:
    """All pools, and who is ready."""

    def __init__(self) -> None:
        self.ready: dict[str, Seat] = {}
        self._pools: dict[object, Pool] = {}
        self._by_skill: dict[
            str, list[Pool]
        ] = {}  # each under one skill that it requires, "" for one that requires none
        self._desks: dict[str, dict[str, Pool]] = {}  # agent -> data class -> the pool of calls for them alone
        self._serial = 0

    def clear(self, seats: Iterable[Seat]) -> None:
        """Forget every pool; whoever is ready stands at the next ones as they come."""
        self._pools, self._by_skill, self._desks = {}, {}, {}
        for seat in seats:
            seat.pools, seat.seen = [], 0
            seat.stamp += 1

    def get(self, key: object) -> Pool | None:
        """The pool of this key, if there is one."""
        return self._pools.get(key)

    def make(self, key: object, ask: Ask, strategy: Strategy) -> Pool:
        """A new pool, with the ready agents who may serve it."""
        pool = self._pools[key] = Pool(ask, strategy, len(self._pools) + 1)
        required = (need.skill for need in ask.needs if not need.preferred)
        self._by_skill.setdefault(next(required, ""), []).append(pool)
        for seat in self.ready.values():
            self._catch_up(seat)
        return pool

    def desk(self, ask: Ask) -> Pool:
        """The pool of calls that only one agent may take."""
        pools = self._desks.setdefault(ask.only, {})
        if ask.data_class not in pools:
            pools[ask.data_class] = Pool(ask, longest_idle)
        return pools[ask.data_class]

    def at_desk(self, agent: str) -> list[Call]:
        """The calls that wait for this agent alone."""
        return [
            entry[4] for pool in self._desks.get(agent, {}).values() for entry in pool.calls if entry[4].entry is entry
        ]

    # Calls

    def wait(self, pool: Pool, call: Call) -> None:
        """The call waits in this pool."""
        self._serial += 1
        call.pool = pool
        pool.wait(call, self._serial)

    def matches(self, wall: float) -> Iterator[tuple[Call, Seat]]:
        """Waiting calls by rank, each with the agent to ring. Whoever asks takes the call out before asking on."""
        desks = (pool for pools in self._desks.values() for pool in pools.values())
        heads = [(pool.calls[0], pool) for pool in (*self._pools.values(), *desks) if pool.calls]
        heapify(heads)
        while heads:
            (*_, call), pool = heappop(heads)
            seat = self.seat_for(pool, wall)
            if seat:  # nobody for the first call of a pool is nobody for the others: they ask the same
                yield call, seat
                if pool.calls:
                    heappush(heads, (pool.calls[0], pool))

    def seat_for(self, pool: Pool, wall: float) -> Seat | None:
        """The ready agent whom the pool's next call should ring."""
        if not pool.ask.only:
            return pool.first_seat(wall)
        seat = self.ready.get(pool.ask.only)
        return seat if seat and seat.certified(pool.ask.data_class, wall) else None

    # Agents

    def call_for(self, seat: Seat, wall: float) -> Call | None:
        """The first call by rank among those that this agent may take."""
        self._catch_up(seat)
        first: WaitingEntry | None = None
        certificates = seat.certificates
        for pool in seat.pools:
            calls = pool.calls
            if calls and (first is None or calls[0] < first) and certificates[pool.ask.data_class] > wall:
                first = calls[0]
        for data_class, pool in self._desks.get(seat.id, {}).items() if self._desks else ():
            calls = pool.calls
            if calls and (first is None or calls[0] < first) and seat.certified(data_class, wall):
                first = calls[0]
        return first[4] if first else None

    def overtaken(self, seat: Seat, call: Call) -> tuple[str, ...]:
        """Calls that came before this one, heads of pools that this agent serves: head starts put it before them."""
        came = call.waiting.since
        heads = [pool.calls[0] for pool in seat.pools if pool.calls]
        return tuple(entry[2] for entry in heads if entry[1] < came and entry[4] is not call)

    def stand(self, seat: Seat) -> None:
        """The agent is ready and found no call: they stand at every pool they may serve."""
        self.ready[seat.id] = seat
        self._stand_at(seat, seat.pools)
        self._catch_up(seat)

    def go(self, seat: Seat) -> None:
        """The agent is ready no more."""
        if self.ready.pop(seat.id, None):
            seat.stamp += 1

    def changed(self, seat: Seat) -> None:
        """Skills, certificates, store or queues are new: the agent's pools are to be found again."""
        self.go(seat)
        seat.pools, seat.seen = [], 0
        if seat.state is State.READY:
            self.ready[seat.id] = seat
        self._catch_up(seat)

    def _catch_up(self, seat: Seat) -> None:
        """Look at the pools that were made since the agent last looked."""
        if seat.seen == len(self._pools):
            return
        new = [pool for skill in ("", *seat.skills) for pool in self._since(skill, seat.seen) if pool.admits(seat)]
        seat.seen = len(self._pools)
        seat.pools += new
        if seat.id in self.ready:
            self._stand_at(seat, new)

    def _since(self, skill: str, seen: int) -> Iterator[Pool]:
        for pool in reversed(self._by_skill.get(skill, ())):
            if pool.number <= seen:
                return
            yield pool

    def _stand_at(self, seat: Seat, pools: list[Pool]) -> None:
        plain = (0.0, seat.idle_since, seat.id, seat.stamp, seat)
        value = None
        for pool in pools:
            if pool.rate is None:
                pool.stand(plain)
            else:
                value = value or seat.value()
                pool.stand((_number(pool.rate, value, pool.ask.needs), *plain[1:]))


def _number(strategy: Strategy, agent: Agent, needs: tuple[Need, ...]) -> float:
    """What the strategy says; an agent for whom it says no number is last."""
    number = strategy(agent, needs)
    return math.inf if math.isnan(number) else number
