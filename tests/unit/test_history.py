"""The history: rows from a real floor's decisions, tokens that join nothing, a disk that is full, retention."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from quietline.desk_protocol import AgentState
from quietline.errors import ConfigError
from quietline.installation import history_key
from quietline.live.floor import Floor
from quietline.live.history import KEPT_FOR, LEFT_FOR, Book, History, agent_token
from quietline.reports.definitions import Standard
from quietline.reports.history_file import HistoryFile, HistoryReader
from quietline.reports.tally import Tally
from quietline.routing.model import Agent, Offer, QueueRule, State, Waiting
from quietline.routing.visits import Outcome, Span, Visit
from quietline.testing.clock import ManualClock
from quietline.vault.ports import StaffMember

KEY = b"k" * 32
QUEUES = (QueueRule("orders", wrap_up=30, ring=15, longest_wait=600), QueueRule("returns", wrap_up=30))
FUTURE = 4e9
MIA, TOM = "ag_mia", "ag_tom"


class Shop:
    """A floor with two agents, a manual clock and a book."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.floor = Floor(QUEUES, self.clock)
        self.stores: dict[str, str] = {}
        self.book = Book(self.clock.wall, KEY, lambda call: self.stores.get(call, ""))
        self.floor.watch(self.book)
        self.floor.staff([StaffMember(agent, {}, {"invoice": FUTURE}, "mill") for agent in (MIA, TOM)])
        self.start = self.clock.wall()

    def ready(self, agent: str) -> None:
        self.floor.wish(agent, AgentState.READY)

    def away(self, agent: str) -> None:
        self.floor.wish(agent, AgentState.AWAY)

    def enter(self, call: str, queue: str = "orders") -> None:
        self.floor.enter(Waiting(call, queue, self.clock.monotonic()))

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.floor._apply(self.floor._matcher.tick(*self.floor._now()))

    async def picks_up(self, call: str) -> Offer:
        while True:
            offer = await self.floor.turn(call)  # offers that were withdrawn since are in the line too
            if isinstance(offer, Offer) and self.floor.answered(offer):
                return offer

    def states(self, agent: str) -> list[tuple[str, float]]:
        """An agent's spans so far: state and seconds."""
        name = agent_token(KEY, agent)
        return [(span.state, round(span.end - span.start, 3)) for span in self.book.spans if span.agent == name]


@pytest.fixture
def shop() -> Shop:
    return Shop()


# A call's rows


async def test_a_call_that_is_answered(shop: Shop) -> None:
    shop.stores["c1"] = "mill"
    shop.enter("c1")
    shop.passes(8)
    shop.ready(MIA)
    shop.passes(4)
    await shop.picks_up("c1")
    shop.passes(100)
    shop.floor.leave("c1", MIA)
    shop.passes(20)
    shop.floor.wrapped_up(MIA)
    (visit,) = shop.book.visits
    assert visit == Visit(
        *("orders", "mill", shop.start, 12, Outcome.ANSWERED, agent_token(KEY, MIA)),
        talk=100,
        wrap_up=20,
        call=visit.call,
    )
    assert shop.states(MIA) == [("ringing", 4), ("on_call", 100), ("wrap_up", 20)]


async def test_a_caller_who_hangs_up(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(33)
    shop.floor.leave("c1")
    (visit,) = shop.book.visits
    assert (visit.outcome, visit.waited, visit.agent) == (Outcome.ABANDONED, 33, "")


async def test_a_caller_who_waits_too_long(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(600)
    shop.passes(5)  # the words that say so
    shop.floor.leave("c1")
    shop.passes(5)
    shop.floor.leave("c1")  # the end of the call
    (visit,) = shop.book.visits
    assert (visit.outcome, visit.waited) == (Outcome.GAVE_UP, 605)


async def test_a_call_that_goes_on_to_another_queue(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(30)
    shop.floor.interrupt("c1", "a key")
    shop.floor.leave("c1")
    shop.passes(10)
    shop.enter("c1", "returns")
    shop.passes(5)
    shop.floor.leave("c1")
    first, second = shop.book.visits
    assert (first.queue, first.outcome, first.waited) == ("orders", Outcome.MOVED, 30)
    assert (second.queue, second.outcome, second.waited) == ("returns", Outcome.ABANDONED, 5)
    assert first.call == second.call
    assert not second.transferred


async def test_a_call_that_comes_back_to_its_queue_has_one_visit(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(30)
    shop.floor.interrupt("c1", "a key")
    shop.floor.leave("c1")
    shop.passes(10)
    shop.enter("c1")
    shop.passes(20)
    shop.floor.leave("c1")
    (visit,) = shop.book.visits
    assert (visit.outcome, visit.waited) == (Outcome.ABANDONED, 60)


async def test_a_call_that_asks_again_is_the_same_visit(shop: Shop) -> None:
    """Overflow widens the stores: the call enters again, at its place."""
    shop.enter("c1")
    shop.passes(30)
    shop.floor.enter(Waiting("c1", "orders", shop.clock.monotonic(), stores=frozenset({"mill"})))
    shop.passes(3)
    shop.floor.leave("c1")
    assert [visit.waited for visit in shop.book.visits] == [33]


async def test_a_callback_is_the_callers_visit_going_on(shop: Shop) -> None:
    """A key asks for it, the caller hangs up, and the place goes on under the callback's own id."""
    shop.enter("c1")
    shop.passes(60)
    shop.floor.interrupt("c1", "a key")
    shop.floor.leave("c1")
    shop.passes(5)
    shop.floor.follows("c1", "kept")
    shop.passes(5)
    shop.floor.leave("c1")  # the caller has hung up
    shop.floor.enter(Waiting("kept", "orders", shop.clock.monotonic() - 70, callback=True))
    shop.passes(230)
    shop.ready(MIA)
    await shop.picks_up("kept")
    shop.passes(50)
    shop.floor.leave("kept", MIA)
    shop.floor.wrapped_up(MIA)
    shop.passes(2 * KEPT_FOR)
    shop.book.sweep()
    (visit,) = shop.book.visits
    assert (visit.outcome, visit.waited, visit.callback, visit.talk) == (Outcome.ANSWERED, 300, 60, 50)
    assert (shop.book._open, shop.book._calls) == ({}, {})


async def test_a_callback_that_is_tried_again_is_one_wish(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(60)
    shop.floor.follows("c1", "kept")
    shop.floor.leave("c1")
    for _ in range(2):
        shop.floor.enter(Waiting("kept", "orders", shop.clock.monotonic(), callback=True))
        shop.ready(MIA)
        await shop.picks_up("kept")
        shop.passes(40)
        shop.floor.leave("kept", MIA)  # nobody answered
        shop.floor.wrapped_up(MIA)
    sums = Tally(Standard()).add(shop.book.visits).groups["all"]
    assert (sums.calls, sums.callbacks, sums.called_back, sums.lost) == (1, 1, 2, 0)


async def test_a_callback_rests_while_the_store_is_closed_and_ends_in_vain(shop: Shop) -> None:
    shop.enter("c1")
    shop.floor.follows("c1", "kept")
    shop.floor.enter(Waiting("kept", "orders", shop.clock.monotonic(), callback=True))
    shop.passes(100)
    shop.floor.leave("kept")
    shop.passes(10 * 3_600)
    shop.book.sweep()
    shop.floor.enter(Waiting("kept", "orders", shop.clock.monotonic(), callback=True))
    shop.passes(100)
    shop.floor.leave("kept")
    assert shop.book.visits == []
    shop.passes(KEPT_FOR + 1)
    shop.book.sweep()
    sums = Tally(Standard()).add(shop.book.visits).groups["all"]
    assert (sums.callbacks, sums.called_back, sums.lost, sums.abandoned) == (1, 0, 0, 0)


async def test_a_callback_of_an_earlier_life_is_counted_from_here_on(shop: Shop) -> None:
    shop.floor.enter(Waiting("kept", "orders", shop.clock.monotonic(), callback=True))
    shop.ready(MIA)
    await shop.picks_up("kept")
    shop.floor.leave("kept", MIA)
    shop.floor.wrapped_up(MIA)
    assert [(visit.callback, visit.outcome) for visit in shop.book.visits] == [(0, Outcome.ANSWERED)]


async def test_offers_that_ring_out_are_counted(shop: Shop) -> None:
    shop.ready(MIA)
    shop.enter("c1")
    shop.passes(15)
    shop.ready(TOM)
    await shop.picks_up("c1")
    shop.floor.leave("c1", TOM)
    shop.floor.wrapped_up(TOM)
    (visit,) = shop.book.visits
    assert (visit.missed, visit.waited, visit.agent) == (1, 15, agent_token(KEY, TOM))
    assert shop.states(MIA) == [("ringing", 15)]


async def test_a_transfer_is_a_second_visit_of_the_same_call(shop: Shop) -> None:
    shop.ready(MIA)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.passes(50)
    shop.floor.leave("c1", MIA)
    shop.enter("c1", "returns")
    shop.passes(7)
    shop.ready(TOM)
    await shop.picks_up("c1")
    shop.passes(9)
    shop.floor.leave("c1", TOM)
    for agent in (MIA, TOM):
        shop.floor.wrapped_up(agent)
    first, second = shop.book.visits
    assert (first.queue, first.talk, first.wrap_up, first.transferred) == ("orders", 50, 16, False)
    assert (second.queue, second.waited, second.talk, second.transferred) == ("returns", 7, 9, True)
    assert first.call == second.call


async def test_a_warm_transfer_is_a_visit_of_the_colleague_too(shop: Shop) -> None:
    """The colleague talks to the agent first, under another id, and then has the caller."""
    shop.stores["c1"] = "mill"
    shop.ready(MIA)
    shop.ready(TOM)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.passes(50)
    shop.floor.beside(Waiting("asked", "orders", shop.clock.monotonic(), only_agent=TOM))
    await shop.picks_up("asked")
    shop.passes(20)
    shop.stores.clear()  # who talks does not wait
    shop.floor.finished(MIA)
    shop.floor.leave("asked")
    shop.floor.adopt("c1", TOM, "orders")
    shop.passes(30)
    shop.floor.leave("c1", TOM)
    for agent in (MIA, TOM):
        shop.floor.wrapped_up(agent)
    first, second = shop.book.visits
    assert (first.agent, first.talk, first.transferred) == (agent_token(KEY, MIA), 70, False)
    assert (second.agent, second.talk, second.transferred) == (agent_token(KEY, TOM), 30, True)
    assert (second.queue, second.store, second.waited, second.call) == ("orders", "mill", 0, first.call)


async def test_hold_is_taken_from_talk_and_no_second_counts_twice(shop: Shop) -> None:
    """Held twice, and told of the second time twice: 50 talk, 20 hold, 10 talk, 5 hold, 5 talk, 7 wrap-up."""
    shop.ready(MIA)
    shop.enter("c1")
    await shop.picks_up("c1")
    for seconds, on in ((50, True), (20, False), (10, True), (2, True), (3, False), (5, False)):
        shop.passes(seconds)
        shop.floor.holds(MIA, on)
    shop.floor.leave("c1", MIA)
    shop.passes(7)
    shop.floor.wrapped_up(MIA)
    (visit,) = shop.book.visits
    assert (visit.talk, visit.hold, visit.wrap_up, visit.handle) == (65, 25, 7, 97)
    assert shop.states(MIA)[-2:] == [("on_call", 90), ("wrap_up", 7)]  # the agent's time is the same


async def test_a_hold_ends_with_the_conversation(shop: Shop) -> None:
    """The caller hangs up while they are held, or are handed on; what is said afterwards changes nothing."""
    shop.ready(MIA)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.passes(10)
    shop.floor.holds(MIA, on=True)
    shop.passes(30)
    shop.floor.leave("c1", MIA)
    shop.passes(4)
    shop.floor.holds(MIA, on=False)
    shop.floor.holds(MIA, on=True)
    shop.passes(6)
    shop.floor.wrapped_up(MIA)
    (visit,) = shop.book.visits
    assert (visit.talk, visit.hold, visit.wrap_up) == (10, 30, 10)


async def test_who_has_no_caller_holds_nobody(shop: Shop) -> None:
    shop.ready(MIA)
    shop.floor.holds(MIA, on=True)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.passes(9)
    shop.floor.leave("c1", MIA)
    shop.floor.wrapped_up(MIA)
    assert [(visit.talk, visit.hold) for visit in shop.book.visits] == [(9, 0)]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12), st.integers(0, 20))
def test_talk_and_hold_are_the_conversation_whatever_is_told(told: list[tuple[int, bool]], wrap_up: int) -> None:
    now = [1_000.0]
    book = Book(lambda: now[0], KEY)
    book.entered(Waiting("c1", "orders", 1.0))
    book.changed(Agent(MIA, state=State.ON_CALL, call="c1"))
    held, on_hold = 0, False
    for seconds, on in told:
        now[0] += seconds
        held, on_hold = held + seconds * on_hold, on
        book.holds(MIA, on)
    book.changed(Agent(MIA, state=State.WRAP_UP, call="c1"))
    now[0] += wrap_up
    book.changed(Agent(MIA, state=State.READY))
    (visit,) = book.visits
    assert (visit.hold, visit.wrap_up) == (held, wrap_up)
    assert visit.talk + visit.hold == sum(seconds for seconds, _ in told)


async def test_the_estimator_is_told_of_each_conversation(shop: Shop) -> None:
    told: list[tuple[str, float]] = []
    shop.book.handled = lambda queue, seconds: told.append((queue, seconds))
    shop.ready(MIA)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.passes(50)
    shop.floor.leave("c1", MIA)
    shop.passes(10)
    shop.floor.wrapped_up(MIA)
    assert told == [("orders", 60)]


async def test_a_dismissed_agents_call_is_counted(shop: Shop) -> None:
    shop.ready(MIA)
    shop.enter("c1")
    await shop.picks_up("c1")
    shop.floor.staff([StaffMember(TOM, {}, {"invoice": FUTURE}, "mill")])
    shop.passes(40)
    shop.floor.leave("c1", MIA)
    (visit,) = shop.book.visits
    assert (visit.talk, visit.wrap_up) == (40, 0)
    assert shop.states(MIA) == [("on_call", 40)]


async def test_a_conversation_of_another_life_is_time_and_no_visit(shop: Shop) -> None:
    shop.floor.adopt("c1", MIA)
    shop.passes(25)
    shop.floor.leave("c1", MIA)
    shop.floor.wrapped_up(MIA)
    assert shop.book.visits == []
    assert shop.states(MIA) == [("on_call", 25)]


async def test_breaks_and_the_end_of_the_process(shop: Shop) -> None:
    shop.ready(MIA)
    shop.passes(10)
    shop.away(MIA)
    shop.passes(20)
    shop.book.close()
    assert shop.states(MIA) == [("ready", 10), ("away", 20)]


async def test_a_call_that_left_and_is_not_heard_of_again_is_swept_up(shop: Shop) -> None:
    shop.enter("c1")
    shop.passes(30)
    shop.floor.interrupt("c1", "a key")
    shop.floor.leave("c1")
    shop.passes(LEFT_FOR - 1)
    shop.book.sweep()
    assert shop.book.visits == []
    shop.passes(2)
    shop.book.sweep()
    assert [(visit.outcome, visit.waited) for visit in shop.book.visits] == [(Outcome.GAVE_UP, 30)]
    assert (shop.book._open, shop.book._calls) == ({}, {})


moves = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "interrupt", "ready", "away", "tick", "answer", "hang_up", "done"]),
        st.sampled_from(["c1", "c2", "c3"]),
        st.sampled_from([MIA, TOM]),
        st.floats(0, 40),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(moves)
def test_whatever_happens_every_answer_is_one_visit_and_agents_time_adds_up(
    steps: list[tuple[str, str, str, float]],
) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[tuple[str, str, str, float]]) -> None:
    shop, answers = Shop(), 0
    for what, call, agent, seconds in steps:
        shop.passes(seconds)
        answers += _move(shop, what, call, agent)
    for agent in (MIA, TOM):
        known = shop.floor._matcher.agent(agent)
        if known and known.call:
            shop.floor.leave(known.call, agent)
        shop.away(agent)
        shop.floor.wrapped_up(agent)
    shop.book.close()
    assert sum(visit.outcome is Outcome.ANSWERED for visit in shop.book.visits) == answers
    for agent in (MIA, TOM):
        assert sum(seconds for _, seconds in shop.states(agent)) <= shop.clock.wall() - shop.start + 0.01
    assert all(visit.waited >= 0 and visit.talk >= 0 and visit.wrap_up >= 0 for visit in shop.book.visits)


def _move(shop: Shop, what: str, call: str, agent: str) -> int:
    """One step; 1 when it was an answer."""
    known = shop.floor._matcher.agent(agent)
    if what == "enter":
        talking = any(each.call == call and each.state == "on_call" for each in shop.floor._matcher.agents())
        if not talking:
            shop.enter(call)
    elif what == "leave":
        shop.floor.leave(call)
    elif what == "interrupt":
        shop.floor.interrupt(call, "a key")
    elif what in ("ready", "away"):
        getattr(shop, what)(agent)
    elif what == "answer" and known and known.state == "ringing":
        return int(shop.floor.answered(Offer(known.call, agent, known.deadline)))
    elif what == "hang_up" and known and known.state == "on_call":
        shop.floor.leave(known.call, agent)
    elif what == "done":
        shop.floor.wrapped_up(agent)
    return 0


# Tokens


async def test_no_token_of_the_floor_is_in_a_row(shop: Shop) -> None:
    shop.ready(MIA)
    shop.enter("call_0123456789abcdef")
    await shop.picks_up("call_0123456789abcdef")
    shop.floor.leave("call_0123456789abcdef", MIA)
    shop.floor.wrapped_up(MIA)
    shop.book.close()
    said = repr(shop.book.visits + shop.book.spans)  # type: ignore[operator]
    assert MIA not in said
    assert "0123456789abcdef" not in said


def test_an_agents_token_hangs_on_the_key() -> None:
    assert agent_token(KEY, MIA) == agent_token(KEY, MIA)
    assert agent_token(KEY, MIA) != agent_token(b"other", MIA)
    assert agent_token(KEY, MIA) != agent_token(KEY, TOM)


def test_the_key_is_made_once_and_is_for_root_alone(tmp_path: Path) -> None:
    key = history_key(tmp_path)
    assert history_key(tmp_path) == key
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / "history.key").stat().st_mode) == 0o400


def test_the_key_is_in_no_repr() -> None:
    assert "kkkk" not in repr(Book(lambda: 0.0, KEY))


# The file


VISIT = Visit("orders", "mill", 1_790_000_000.7, 12.34, Outcome.ANSWERED, "hr_a", 100.06, 0, 20, 1, 60, True, "c")
SPAN = Span("hr_a", "mill", "ready", 1_790_000_000.04, 1_790_000_010.0)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HistoryFile]:
    made = HistoryFile(tmp_path / "history.db")
    yield made
    made.close()


def read(path: Path, start: float = 0, end: float = FUTURE) -> tuple[list[Visit], list[Span]]:
    reader = HistoryReader(path)
    found = list(reader.visits(start, end)), list(reader.spans(start, end))
    reader.close()
    return found


def test_rows_come_back_as_coarse_as_they_are_kept(file: HistoryFile, tmp_path: Path) -> None:
    file.append([VISIT], [SPAN])
    visits, spans = read(tmp_path / "history.db")
    assert visits == [VISIT._replace(entered=1_790_000_000, waited=12.3, talk=100.1)]
    assert spans == [SPAN._replace(start=1_790_000_000.0)]
    assert visits[0].outcome is Outcome.ANSWERED


def test_only_the_time_asked_for(file: HistoryFile, tmp_path: Path) -> None:
    file.append([VISIT], [SPAN])
    path = tmp_path / "history.db"
    assert read(path, 1_790_000_000, 1_790_000_001) != ([], [])
    assert read(path, 1_790_000_010, FUTURE) == ([], [])
    assert read(path, 0, 1_790_000_000) == ([], [])


def test_the_file_is_for_its_owner_alone(file: HistoryFile, tmp_path: Path) -> None:
    file.append([VISIT], [])
    assert stat.S_IMODE((tmp_path / "history.db").stat().st_mode) == 0o600


def test_a_reader_leaves_nothing_behind(file: HistoryFile, tmp_path: Path) -> None:
    file.append([VISIT], [])
    before = set(tmp_path.iterdir())
    read(tmp_path / "history.db")
    assert set(tmp_path.iterdir()) == before


def test_what_is_old_is_deleted_and_gone_from_the_file(file: HistoryFile, tmp_path: Path) -> None:
    odd = VISIT._replace(queue="a-queue-of-old", entered=1_000.0)
    file.append([odd, VISIT], [SPAN._replace(end=1_000.0, start=0.0), SPAN])
    assert file.forget(1_700_000_000) == 2
    visits, spans = read(tmp_path / "history.db")
    assert (len(visits), len(spans)) == (1, 1)
    assert b"a-queue-of-old" not in (tmp_path / "history.db").read_bytes()


def test_a_row_that_cannot_be_kept_keeps_the_others_out_too(file: HistoryFile, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        file.append([VISIT, VISIT._replace(queue=None)], [])  # type: ignore[arg-type]
    file.append([VISIT], [])
    assert len(read(tmp_path / "history.db")[0]) == 1


def test_no_history_yet(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no history yet"):
        HistoryReader(tmp_path / "none.db")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_text("not a database at all, but long enough to look like one" * 20)
    with pytest.raises(ConfigError, match="cannot be read as a history"):
        HistoryReader(path)


# The task


class BrokenFile(HistoryFile):
    """Takes nothing for as long as it is told to."""

    broken = True

    def append(self, visits: object, spans: object) -> None:
        if self.broken:
            raise sqlite3.OperationalError("disk full")
        super().append(visits, spans)  # type: ignore[arg-type]


async def test_rows_are_written_while_calls_go_on_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quietline.live.history.EVERY", 0.01)
    clock, file = ManualClock(), HistoryFile(tmp_path / "history.db")
    history = History(file, clock, KEY, 400, lambda _: "")
    history.book.visits.append(VISIT)
    task = asyncio.create_task(history.run())
    async with asyncio.timeout(10):
        while history.book.visits or not (tmp_path / "history.db").exists():
            await asyncio.sleep(0.01)
    history.book.changed(Agent(MIA, state=State.READY))
    clock.advance(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    file.close()
    visits, spans = read(tmp_path / "history.db")
    assert len(visits) == 1
    assert [(span.state, span.end - span.start) for span in spans] == [("ready", 5)]


class SlowFile(HistoryFile):
    """Takes its time, and tells when it has begun."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.began, self.goes_on = threading.Event(), threading.Event()

    def append(self, visits: object, spans: object) -> None:
        first, _ = not self.began.is_set(), self.began.set()
        assert not first or self.goes_on.wait(10)
        super().append(visits, spans)  # type: ignore[arg-type]


async def test_an_end_in_the_middle_of_a_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rows wait for the thread that still writes."""
    monkeypatch.setattr("quietline.live.history.EVERY", 0.01)
    file = SlowFile(tmp_path / "history.db")
    history = History(file, ManualClock(), KEY, 400, lambda _: "")
    history.book.visits.append(VISIT)
    task = asyncio.create_task(history.run())
    assert await asyncio.to_thread(file.began.wait, 10)
    history.book.visits.append(VISIT._replace(queue="later"))
    threading.Timer(0.2, file.goes_on.set).start()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    file.close()
    assert [visit.queue for visit in read(tmp_path / "history.db")[0]] == ["orders", "later"]


async def test_a_full_disk_costs_no_row_that_there_is_room_for(tmp_path: Path) -> None:
    file = BrokenFile(tmp_path / "history.db")
    history = History(file, ManualClock(), KEY, 400, lambda _: "")
    history.book.visits.append(VISIT)
    with capture_logs() as logs:
        await history._write()
        await history._write()
        history.book.visits.append(VISIT._replace(queue="later"))
        file.broken = False
        await history._write()
    file.close()
    assert [entry["event"] for entry in logs] == [
        "the history cannot be written: reports may lack rows",
        "the history is written again",
    ]
    assert [visit.queue for visit in read(tmp_path / "history.db")[0]] == ["orders", "later"]


async def test_a_disk_that_stays_full_costs_the_oldest_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quietline.live.history.MOST_UNWRITTEN", 3)
    history = History(BrokenFile(tmp_path / "history.db"), ManualClock(), KEY, 400, lambda _: "")
    history.book.visits += [VISIT._replace(queue=str(n)) for n in range(5)]
    await history._write()
    assert [visit.queue for visit in history.book.visits] == ["2", "3", "4"]


async def test_a_corrected_clock_makes_no_time_negative(tmp_path: Path) -> None:
    clock = ManualClock()
    book = History(HistoryFile(tmp_path / "history.db"), clock, KEY, 400, lambda _: "").book
    book.changed(Agent(MIA, state=State.READY))
    clock.advance(10)
    clock.step_wall(-3_600)
    book.close()
    assert [span.end - span.start for span in book.spans] == [10]


async def test_retention_is_kept_by_the_task(tmp_path: Path) -> None:
    clock, file = ManualClock(), HistoryFile(tmp_path / "history.db")
    history = History(file, clock, KEY, 1, lambda _: "")
    now = clock.wall()
    history.book.visits += [VISIT._replace(entered=now - 2 * 86_400), VISIT._replace(entered=now)]
    await history._write()
    file.close()
    assert len(read(tmp_path / "history.db")[0]) == 1
