"""The floor as a supervisor sees it: queues, people, and what wants attention. Nothing of a customer, not an alias.

Figures of the day come from the history (live/history.py): a call counts once it is over, wrap-up included. A day
begins at midnight where its queue's hours are. Reports define each figure: `docs/explanation/definitions.md`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import structlog

from quietline.chain.model import Queue
from quietline.clock import Clock
from quietline.errors import ConfigError
from quietline.live.floor import Floor
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.reports.definitions import Standard, Sums
from quietline.reports.history_file import HistoryReader
from quietline.routing.estimate import expected_wait
from quietline.routing.hours import moment, zone_of
from quietline.routing.model import State, Waiting
from quietline.routing.visits import Visit

log = structlog.get_logger()

BOARD_FOR = 0.9  # seconds a board is shown again: pages ask once a second
ABLE_FOR = 10.0  # seconds for which it is remembered who may take what: a look at every agent is dear at 2,000
DAY_FOR = 2.0  # seconds between looks into the history
FEW = 5  # calls below which a service level is no alert: one call would be a fifth of it


class Alert(StrEnum):
    """What wants attention in a queue. Closed."""

    NOBODY = "nobody"  # calls wait, and nobody in service may take them
    WAIT = "wait"  # somebody waits longer than the aim
    LEVEL = "level"  # fewer than the aim were answered in time today


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue. Seconds; shares 0 to 1; None where there is nothing to tell."""

    id: str
    name: str
    waiting: int
    longest_wait: float
    expected_wait: float | None  # of one more caller; None: nobody in service may take them
    able: int  # agents in service who may take its calls, busy ones included
    answered: int  # today; so are the following
    abandoned: int  # hung up while waiting, short ones included
    service_level: float | None
    aim: float
    aim_seconds: float
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One person at work. Times: UTC seconds."""

    agent: str
    store: str
    state: str
    since: float
    reason: str  # why away
    queue: str  # the queue's name, of the call in hand
    deadline: float  # when the state must end; 0: never


@dataclass(frozen=True, slots=True)
class Board:
    """All of it. `store`: whose calls and people, "" for all."""

    store: str
    now: float
    queues: tuple[QueueRow, ...]
    agents: tuple[AgentRow, ...]
    offline: int  # people in service who are not here


@dataclass(slots=True)
class Day:
    """The day's sums by queue and store, kept up with the history. Blocking; used by one thread at a time."""

    path: Path
    _starts: dict[str, float] = field(default_factory=dict, repr=False)  # queue -> midnight
    _standards: dict[str, Standard] = field(default_factory=dict, repr=False)
    _sums: dict[tuple[str, str], Sums] = field(default_factory=dict, repr=False)
    _row: int = 0

    def follow(self, queues: Sequence[Queue], wall: float) -> None:
        """Count what is new; on a new day, or by new aims, count anew. A history that is not there yet has no calls."""
        starts = {queue.id: midnight(queue.hours.zone, wall) for queue in queues}
        standards = {queue.id: standard_of(queue) for queue in queues}
        if (starts, standards) != (self._starts, self._standards):
            self._starts, self._standards, self._sums, self._row = starts, standards, {}, 0
        for row, visit in self._new(min(starts.values(), default=wall)):
            self._row = row
            self._count(visit)

    def _new(self, start: float) -> Iterator[tuple[int, Visit]]:
        try:
            with closing(HistoryReader(self.path)) as reader:
                yield from reader.written_after(self._row, start)
        except (ConfigError, sqlite3.Error) as error:
            log.debug("the history cannot be read", error=type(error).__name__)

    def _count(self, visit: Visit) -> None:
        standard = self._standards.get(visit.queue)
        if standard and visit.entered >= self._starts[visit.queue]:
            for store in {visit.store, ""}:
                self._sums.setdefault((visit.queue, store), Sums()).add(visit, standard)

    def sums(self, queue: str, store: str) -> Sums:
        """Of one store, or "" of all."""
        return self._sums.get((queue, store), Sums())


class Wallboard:
    """Makes boards. One event loop; it only reads."""

    def __init__(self, floor: Floor, outlook: Outlook, plans: PlanInForce, clock: Clock, history: Path) -> None:
        self._floor, self._outlook, self._plans, self._clock = floor, outlook, plans, clock
        self._day = Day(history)
        self._day_lock = asyncio.Lock()
        self._day_at = float("-inf")
        self._boards: dict[str, tuple[float, Board]] = {}
        self._able: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}

    async def show(self, store: str = "") -> Board:
        """The floor now, or one store's part of it."""
        made, board = self._boards.get(store, (float("-inf"), None))
        if board is None or self._clock.monotonic() - made > BOARD_FOR:
            await self._follow_the_day()
            board = Board(store, self._clock.wall(), await self._queues(store), *self._agents(store))
            self._boards[store] = (self._clock.monotonic(), board)
        return board

    async def _follow_the_day(self) -> None:
        async with self._day_lock:
            if self._clock.monotonic() - self._day_at > DAY_FOR:
                await asyncio.to_thread(self._day.follow, self._plans.now.chain.queues, self._clock.wall())
                self._day_at = self._clock.monotonic()

    async def _queues(self, store: str) -> tuple[QueueRow, ...]:
        ready = set(self._floor.ready())
        rows = []
        for queue in self._plans.now.chain.queues:
            rows.append(self._queue(queue, store, ready))
            await asyncio.sleep(0)  # calls go first: each queue may be a look at every agent
        return tuple(rows)

    def _queue(self, queue: Queue, store: str, ready: set[str]) -> QueueRow:
        now, able = self._clock.monotonic(), self._who(queue.id, store)
        waits = [now - each.since for each in self._floor.waiting(queue.id) if self._is_of(store, each)]
        sums, aim = self._day.sums(queue.id, store), queue.service_level
        level = sums.service_level(standard_of(queue))
        rates = self._outlook.estimator.rates(queue.id)
        soon = 0.0 if able & ready and not waits else expected_wait(len(waits), len(able), rates.handle, rates.leaving)
        return QueueRow(
            *(queue.id, queue.name, len(waits), max(waits, default=0.0), soon, len(able)),
            answered=sums.answered + sums.called_back,
            abandoned=sums.abandoned,
            service_level=level,
            aim=aim.share,
            aim_seconds=aim.seconds,
            alerts=tuple(_alerts(queue, waits, len(able), sums.answered + sums.lost, level)),
        )

    def _is_of(self, store: str, waiting: Waiting) -> bool:
        return not store or self._outlook.store_of(waiting.call) == store

    def _who(self, queue: str, store: str) -> frozenset[str]:
        now = self._clock.monotonic()
        told, agents = self._able.get((queue, store), (float("-inf"), frozenset()))
        if now - told > ABLE_FOR:
            stores = frozenset({store} - {""})
            agents = self._floor.able(Waiting("", queue, now, stores=stores))
            self._able[queue, store] = (now, agents)
        return agents

    def _agents(self, store: str) -> tuple[tuple[AgentRow, ...], int]:
        everybody = [each for each in self._floor.agents() if store in ("", each.store)]
        here = [each for each in everybody if each.state is not State.OFFLINE]
        rows = []
        for agent in here:
            view = self._floor.view(agent.id)
            rows.append(
                AgentRow(agent.id, agent.store, view.state.value, view.since, view.reason, view.queue, view.deadline)
            )
        return tuple(rows), len(everybody) - len(here)


def _alerts(queue: Queue, waits: Sequence[float], able: int, counted: int, level: float | None) -> Iterator[Alert]:
    if waits and not able:
        yield Alert.NOBODY
    if waits and max(waits) > queue.service_level.seconds:
        yield Alert.WAIT
    if level is not None and counted >= FEW and level < queue.service_level.share:
        yield Alert.LEVEL


def standard_of(queue: Queue) -> Standard:
    """How this queue's service level counts."""
    return Standard(queue.service_level.seconds, queue.service_level.short_abandon)


def midnight(zone: str, wall: float) -> float:
    """When the local day began in which `wall` (UTC seconds) lies."""
    return moment(zone, datetime.fromtimestamp(wall, zone_of(zone)).date(), 0)


def as_frame(board: Board) -> dict[str, object]:
    """For the wire."""
    return asdict(board)
