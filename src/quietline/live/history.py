"""What the floor did, kept for reports: one row for each visit to a queue, one for each stretch of an agent's state.

The floor tells it what happens, and nobody waits: rows are collected here and written by a task of their own, one
transaction a second. A full disk or a crash costs rows, never a call. Visits of calls under way die with the process: a
conversation that outlives the controller is counted in its agent's time, not as a visit.

Nothing personal is in it. Calls get a token that means nothing elsewhere; agents get one made of theirs with a key that
only root and this process have, so that neither the ledger nor the desk's tokens can be joined with a copy of the file
(product promise 8). Times can be compared: who holds the opened ledger and this file can match a quiet hour's calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from quietline.clock import Clock
from quietline.reports.history_file import HistoryFile
from quietline.routing.model import Agent, State, Waiting
from quietline.routing.visits import NO_CALLBACK, Outcome, Span, Visit

log = structlog.get_logger()

EVERY = 1.0  # seconds between transactions
MOST_UNWRITTEN = 50_000  # rows kept while the disk cannot take them; then the oldest are let go
FORGOTTEN_EVERY = 3_600.0  # seconds between looks at what has been kept long enough
LEFT_FOR = 900.0  # seconds after which a call that left its queue, and was not heard of again, has ended
KEPT_FOR = 86_400.0  # the same for a callback, whose place rests while nobody is there to take it
DAY = 86_400.0


def agent_token(key: bytes, agent: str) -> str:
    """An agent's token in the history: HMAC-SHA-256 (RFC 2104), 64 bits of it."""
    return "hr_" + hmac.new(key, agent.encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(slots=True)
class _Open:
    """A visit that is not over. Times: UTC seconds, 0 for not yet."""

    queue: str
    entered: float
    call: str  # the history's token
    transferred: bool
    missed: int = 0
    callback: float = NO_CALLBACK
    given_up: bool = False  # its wait ends, and not because the caller hung up
    left: float = 0.0
    store: str = ""
    agent: str = ""
    answered: float = 0.0
    ended: float = 0.0
    hold: float = 0.0  # seconds so far
    held: float = 0.0  # since when the caller is on hold now

    def holds(self, on: bool, now: float) -> None:
        """The caller hears music from now on, or no longer."""
        if self.held and not on:
            self.hold += now - self.held
        self.held = (self.held or now) if on else 0.0

    def lost(self, outcome: Outcome, at: float) -> Visit:
        return Visit(
            *(self.queue, self.store, self.entered, at - self.entered, outcome),
            missed=self.missed,
            callback=self.callback,
            transferred=self.transferred,
            call=self.call,
        )

    def taken(self, now: float) -> Visit:
        """`now` is when the agent's wrap-up is over."""
        ended = self.ended or now
        self.holds(False, ended)
        return self.lost(Outcome.ANSWERED, self.answered)._replace(
            agent=self.agent, talk=ended - self.answered - self.hold, hold=self.hold, wrap_up=now - ended
        )


@dataclass(slots=True)
class _Known:
    """A call that has been in a queue."""

    call: str  # the history's token
    queue: str = ""  # the last one from which it was answered
    store: str = ""
    answered: bool = False
    left: float = 0.0  # UTC seconds; 0 while it waits or talks


@dataclass(slots=True)
class _Seen:
    """An agent's state as it was last told."""

    state: State
    since: float
    call: str
    store: str


@dataclass(slots=True)
class Book:
    """Makes rows of what the floor tells. `now` is asked for UTC seconds. No I/O."""

    now: Callable[[], float]
    key: bytes = field(repr=False)
    store_of: Callable[[str], str] = field(default=lambda call: "", repr=False)  # the store that a waiting call dialled
    handled: Callable[[str, float], object] = field(
        default=lambda queue, seconds: None, repr=False
    )  # told of each talk
    visits: list[Visit] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    _open: dict[str, _Open] = field(default_factory=dict, repr=False)  # by the floor's call
    _taken: dict[str, _Open] = field(default_factory=dict, repr=False)  # by agent
    _agents: dict[str, _Seen] = field(default_factory=dict, repr=False)
    _calls: dict[str, _Known] = field(default_factory=dict, repr=False)  # by the floor's call
    _names: dict[str, str] = field(default_factory=dict, repr=False)

    # What the floor tells

    def entered(self, waiting: Waiting) -> None:
        """A call is in a queue: newly, again at its place, or to be called back from now on."""
        known = self._open.get(waiting.call)
        if known and known.queue != waiting.queue:
            self.visits.append(known.lost(Outcome.MOVED, known.left or self.now()))
            known = None
        if known is None:
            known = self._open[waiting.call] = self._begin(waiting)
        known.given_up, known.left, self._calls[waiting.call].left = False, 0.0, 0.0

    def _begin(self, waiting: Waiting) -> _Open:
        call = self._calls.setdefault(waiting.call, _Known(secrets.token_hex(8)))
        visit = _Open(waiting.queue, self.now(), call.call, call.answered)
        visit.callback = 0.0 if waiting.callback else NO_CALLBACK  # one more try, or of an earlier life
        return visit

    def follows(self, call: str, callback: str) -> None:
        """The caller will be called back: their visit goes on under the callback's id."""
        visit = self._open.pop(call, None)
        if visit:
            visit.callback = (visit.left or self.now()) - visit.entered
            visit.given_up, visit.left = False, 0.0
            self._open[callback] = visit
            self._calls[callback] = _Known(visit.call)

    def given_up(self, call: str) -> None:
        """The wait ends without an agent, and not by the caller's hanging up: too long, closed, a key."""
        if call in self._open:
            self._open[call].given_up = True

    def left(self, call: str) -> None:
        """The call is in no queue any more. It may enter another; if it was the caller who ended it, it is over."""
        if call in self._calls:
            self._calls[call].left = self.now()
        visit = self._open.get(call)
        if visit is None:
            return
        visit.store = visit.store or self.store_of(call)
        if visit.callback != NO_CALLBACK or (visit.given_up and not visit.left):
            visit.left = self.now()  # it may come back
        else:
            self._lose(call, Outcome.GAVE_UP if visit.left else Outcome.ABANDONED)

    def changed(self, agent: Agent) -> None:
        """An agent's state may be new."""
        old = self._agents.get(agent.id)
        if old and (old.state, old.call) == (agent.state, agent.call):
            return
        now = self.now()
        if old:
            self._span(agent.id, old, now)
            self._leave_state(agent, old, now)
        if agent.state is State.OFFLINE:
            self._agents.pop(agent.id, None)
        else:
            self._agents[agent.id] = _Seen(agent.state, now, agent.call, agent.store)
        if agent.state is State.ON_CALL:
            self._take(agent, now)

    def holds(self, agent: str, on: bool) -> None:
        """The agent's caller hears music, or the agent again."""
        visit = self._taken.get(agent)
        if visit and not visit.ended:
            visit.holds(on, self.now())

    def _take(self, agent: Agent, now: float) -> None:
        """The agent has the call: from its queue, or from a colleague's hands (warm transfer)."""
        known, visit = self._calls.get(agent.call), self._open.pop(agent.call, None)
        if known is None or (visit is None and not known.answered):
            return
        if visit is None:
            visit = _Open(known.queue, now, known.call, transferred=True)
        visit.store = self.store_of(agent.call) or known.store
        visit.agent, visit.answered = self._name(agent.id), now
        known.queue, known.store, known.answered = visit.queue, visit.store, True
        self._taken[agent.id] = visit

    def _leave_state(self, agent: Agent, old: _Seen, now: float) -> None:
        if old.state is State.RINGING and agent.state is State.AWAY and old.call in self._open:
            self._open[old.call].missed += 1
        visit = self._taken.get(agent.id)
        if visit and old.state is State.ON_CALL:
            visit.ended = now
        if visit and agent.state is not State.WRAP_UP:
            made = visit.taken(now)
            self.visits.append(made)
            self.handled(made.queue, made.handle)
            del self._taken[agent.id]

    # Bookkeeping

    def sweep(self) -> None:
        """Calls that left long ago and never came back are over."""
        now = self.now()
        for call in [call for call, known in self._calls.items() if known.left and self._is_over(call, now)]:
            if call in self._open:
                self._lose(call, Outcome.GAVE_UP)
            del self._calls[call]

    def _is_over(self, call: str, now: float) -> bool:
        visit = self._open.get(call)
        rests = visit is not None and visit.callback != NO_CALLBACK
        return self._calls[call].left + (KEPT_FOR if rests else LEFT_FOR) < now

    def close(self) -> None:
        """The process ends: agents' states so far are kept, visits under way are not."""
        now = self.now()
        for agent, seen in self._agents.items():
            self._span(agent, seen, now)
        self._agents.clear()

    def _lose(self, call: str, outcome: Outcome) -> None:
        visit = self._open.pop(call)
        self.visits.append(visit.lost(outcome, visit.left or self.now()))

    def _span(self, agent: str, seen: _Seen, now: float) -> None:
        if now > seen.since:
            self.spans.append(Span(self._name(agent), seen.store, seen.state.value, seen.since, now))

    def _name(self, agent: str) -> str:
        name = self._names.get(agent)
        if name is None:
            name = self._names[agent] = agent_token(self.key, agent)
        return name


class History:
    """The book, which the floor tells (`live.floor.Watcher`), and the task that writes it down. Never waited for."""

    def __init__(
        self,
        file: HistoryFile,
        clock: Clock,
        key: bytes,
        keep_days: float,
        store_of: Callable[[str], str],
        handled: Callable[[str, float], object] = lambda queue, seconds: None,
    ) -> None:
        zero = clock.wall() - clock.monotonic()  # read once: a corrected clock must not make a stretch negative
        self.book = Book(lambda: zero + clock.monotonic(), key, store_of, handled)
        self._file, self._clock, self._keep = file, clock, keep_days * DAY
        self._forgotten = float("-inf")
        self._failing = False
        self._writing = threading.Lock()  # a thread may still write when the end comes

    async def run(self) -> None:
        """Write once a second until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                self.book.sweep()
                await self._write()
        finally:
            self.book.close()
            self._append(*self._take())

    async def _write(self) -> None:
        visits, spans = self._take()
        if (visits or spans) and not await asyncio.to_thread(self._append, visits, spans):
            self.book.visits[:0], self.book.spans[:0] = visits[-MOST_UNWRITTEN:], spans[-MOST_UNWRITTEN:]
        if self._clock.monotonic() - self._forgotten > FORGOTTEN_EVERY:
            self._forgotten = self._clock.monotonic()
            await asyncio.to_thread(self._forget)

    def _take(self) -> tuple[list[Visit], list[Span]]:
        book = self.book
        visits, spans = book.visits, book.spans
        book.visits, book.spans = [], []
        return visits, spans

    def _append(self, visits: list[Visit], spans: list[Span]) -> bool:
        """Blocking. False when the disk does not take them; they are tried again with the next ones."""
        try:
            with self._writing:
                self._file.append(visits, spans)
        except (sqlite3.Error, OSError) as error:
            if not self._failing:
                log.error("the history cannot be written: reports may lack rows", error=type(error).__name__)
            self._failing = True
            return False
        if self._failing:
            log.info("the history is written again")
        self._failing = False
        return True

    def _forget(self) -> None:
        try:
            with self._writing:
                self._file.forget(self._clock.wall() - self._keep)
        except (sqlite3.Error, OSError) as error:
            log.error("old history could not be deleted; it is tried again in an hour", error=type(error).__name__)
