"""The supervisor's board from a real floor and a real history, by a clock that the test moves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.chain.model import Chain, Queue, ServiceLevel, Store
from quietline.desk_protocol import AgentState, AwayReason
from quietline.errors import Denied, ProtocolError
from quietline.live.desk_server import DeskServer
from quietline.live.floor import Floor
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.live.wallboard import BOARD_FOR, FEW, AgentRow, Alert, QueueRow, Wallboard, midnight
from quietline.reports.history_file import HistoryFile
from quietline.routing.hours import Hours
from quietline.routing.model import Need, Offer, QueueRule, Step, Waiting
from quietline.routing.visits import Outcome, Visit
from quietline.testing.clock import ManualClock
from quietline.vault.ports import StaffMember
from quietline.wire import Peer

FUTURE = 4e9
WEB, STRANGER = Peer(1, 990, 990), Peer(2, 4_711, 4_711)
AIM = ServiceLevel(0.8, 20.0, 5.0)
QUEUES = (
    Queue(QueueRule("orders", wrap_up=30), "Orders", service_level=AIM),
    Queue(QueueRule("advice", steps=(Step(needs=(Need("advice", 1),)),)), "Product advice", service_level=AIM),
)
STORES = (Store("north", "Northgate"), Store("mill", "Old Mill"))


class Shop:
    """Mia works for north, Tom for mill; nobody knows of advice."""

    def __init__(self, folder: Path, queues: tuple[Queue, ...] = QUEUES) -> None:
        self.clock = ManualClock()
        self.clock.advance(midnight("UTC", self.clock.wall()) + 129_600.0 - self.clock.wall())  # noon of the next day
        self.floor = Floor([queue.rule for queue in queues], self.clock)
        self.outlook = Outlook(self.floor, self.clock)
        self.plans = PlanInForce(Chain(stores=STORES, queues=queues))
        self.file = HistoryFile(folder / "history.db")
        self.board = Wallboard(self.floor, self.outlook, self.plans, self.clock, self.file.path)
        people = (("ag_mia", "north"), ("ag_tom", "mill"))
        self.floor.staff([StaffMember(agent, {}, {"invoice": FUTURE}, store) for agent, store in people])

    def calls(self, call: str, queue: str = "orders", store: str = "north") -> None:
        self.floor.enter(Waiting(call, queue, self.clock.monotonic()))
        self.outlook.entered(call, queue, store, self.clock.monotonic())

    def over(self, waited: float, outcome: Outcome = Outcome.ANSWERED, store: str = "north", ago: float = 60.0) -> None:
        """A visit that is over, written down."""
        self.file.append([Visit("orders", store, self.clock.wall() - ago, waited, outcome)], [])

    async def rows(self, store: str = "") -> dict[str, QueueRow]:
        self.clock.advance(3.0)  # what is remembered for a moment is made anew
        return {row.id: row for row in (await self.board.show(store)).queues}

    async def people(self, store: str = "") -> dict[str, AgentRow]:
        self.clock.advance(3.0)
        return {row.agent: row for row in (await self.board.show(store)).agents}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def test_an_empty_floor_without_a_history(shop: Shop) -> None:
    board = await shop.board.show()
    assert (board.agents, board.offline) == ((), 2)
    assert board.queues[0] == QueueRow("orders", "Orders", 0, 0.0, None, 0, 0, 0, None, 0.8, 20.0, ())


async def test_who_waits_how_long_and_where(shop: Shop) -> None:
    shop.calls("c1")
    shop.clock.advance(7.0)
    shop.calls("c2", store="mill")
    row = (await shop.rows())["orders"]
    assert (row.waiting, row.longest_wait) == (2, 10.0)
    assert (await shop.rows("mill"))["orders"].waiting == 1
    assert (await shop.rows())["advice"].waiting == 0


async def test_the_expected_wait(shop: Shop) -> None:
    shop.floor.wish("ag_mia", AgentState.READY)
    assert (await shop.rows())["orders"].expected_wait == 0.0
    assert (await shop.rows())["advice"].expected_wait is None  # nobody has the skill
    shop.calls("c1")  # it rings at Mia's
    shop.calls("c2")
    busy = (await shop.rows())["orders"]
    assert busy.able == 1
    assert busy.expected_wait
    assert (await shop.rows("mill"))["orders"].able == 0  # Tom is not here


async def test_people_and_what_they_do(shop: Shop) -> None:
    shop.floor.wish("ag_mia", AgentState.READY)
    shop.floor.wish("ag_tom", AgentState.AWAY)
    shop.calls("c1")
    offer = await shop.floor.turn("c1")
    assert isinstance(offer, Offer)
    since = shop.clock.wall()
    shop.floor.answered(offer, alias="Caller 4821", queue="Orders", grant="gr_1")
    people = await shop.people()
    mia, tom = people["ag_mia"], people["ag_tom"]
    assert (mia.state, mia.queue, mia.store, mia.since) == ("on_call", "Orders", "north", since)
    assert (tom.state, tom.reason, tom.queue) == ("away", "chosen", "")
    assert list(await shop.people("mill")) == ["ag_tom"]


async def test_nothing_of_a_call_or_caller_is_on_it(shop: Shop) -> None:
    shop.floor.wish("ag_mia", AgentState.READY)
    shop.calls("call_5e11")
    offer = await shop.floor.turn("call_5e11")
    assert isinstance(offer, Offer)
    shop.floor.answered(offer, alias="Caller 4821", queue="Orders", grant="gr_1")
    shop.calls("call_77aa")
    server = DeskServer(shop.floor, {}, frozenset({WEB.uid}), lambda: Chain(), wallboard=shop.board)
    text = json.dumps(await server.handle(WEB, {"op": "wallboard", "agent": "ag_boss"}))
    assert "ag_mia" in text
    assert [word for word in ("4821", "gr_1", "5e11", "77aa") if word in text] == []


async def test_only_the_web_process_may_ask(shop: Shop) -> None:
    server = DeskServer(shop.floor, {}, frozenset({WEB.uid}), lambda: Chain(), wallboard=shop.board)
    with pytest.raises(Denied):
        await server.handle(STRANGER, {"op": "wallboard"})
    without = DeskServer(shop.floor, {}, frozenset({WEB.uid}), lambda: Chain())
    with pytest.raises(ProtocolError):
        await without.handle(WEB, {"op": "wallboard"})


async def test_the_day_is_counted_once_by_store_and_goes_on(shop: Shop) -> None:
    """Worked by hand: of 3 answered 2 in time, one lost after 30 s, one short abandon that counts for nothing."""
    for waited in (4.0, 20.0, 21.0):
        shop.over(waited)
    shop.over(30.0, Outcome.ABANDONED)
    shop.over(2.0, Outcome.ABANDONED, store="mill")
    row = (await shop.rows())["orders"]
    assert (row.answered, row.abandoned, row.service_level) == (3, 2, 2 / 4)
    shop.over(1.0)
    row = (await shop.rows())["orders"]
    assert (row.answered, row.service_level) == (4, 3 / 5)
    mill = (await shop.rows("mill"))["orders"]
    assert (mill.answered, mill.abandoned, mill.service_level) == (0, 1, None)


async def test_yesterday_does_not_count_nor_today_tomorrow(shop: Shop) -> None:
    shop.over(4.0, ago=shop.clock.wall() - midnight("UTC", shop.clock.wall()) + 1)
    assert (await shop.rows())["orders"].answered == 0
    shop.over(4.0, ago=0.0)
    assert (await shop.rows())["orders"].answered == 1
    shop.clock.advance(86_400.0)
    assert (await shop.rows())["orders"].answered == 0


async def test_a_day_begins_where_the_queues_hours_are(tmp_path: Path) -> None:
    far = replace(QUEUES[0], hours=Hours("Pacific/Kiritimati"))  # UTC+14
    shop = Shop(tmp_path, (far,))
    began = midnight("Pacific/Kiritimati", shop.clock.wall())
    shop.over(4.0, ago=shop.clock.wall() - began)
    shop.over(4.0, ago=shop.clock.wall() - began + 1)
    assert (await shop.rows())["orders"].answered == 1


async def test_a_changed_aim_counts_the_day_anew(shop: Shop) -> None:
    shop.over(15.0)
    assert (await shop.rows())["orders"].service_level == 1.0
    sharper = replace(QUEUES[0], service_level=ServiceLevel(0.9, 10.0, 5.0))
    shop.plans.use(Chain(stores=STORES, queues=(sharper,)))
    row = (await shop.rows())["orders"]
    assert (row.service_level, row.aim, row.answered) == (0.0, 0.9, 1)


async def test_alerts(shop: Shop) -> None:
    assert (await shop.rows())["orders"].alerts == ()
    shop.calls("c1")
    assert (await shop.rows())["orders"].alerts == (Alert.NOBODY,)
    shop.clock.advance(20.0)
    assert (await shop.rows())["orders"].alerts == (Alert.NOBODY, Alert.WAIT)
    shop.floor.leave("c1")
    for _ in range(FEW - 1):
        shop.over(99.0)
    assert (await shop.rows())["orders"].alerts == ()  # a few calls are no level yet
    shop.over(99.0)
    assert (await shop.rows())["orders"].alerts == (Alert.LEVEL,)


async def test_a_board_is_shown_again_for_a_moment(shop: Shop) -> None:
    first = await shop.board.show()
    shop.calls("c1")
    assert await shop.board.show() is first
    shop.clock.advance(BOARD_FOR + 0.1)
    assert (await shop.board.show()).queues[0].waiting == 1


async def test_a_broken_history_stops_no_board(shop: Shop) -> None:
    shop.file.path.write_bytes(b"not a database at all, but long enough to be read as one " * 20)
    assert (await shop.rows())["orders"].answered == 0


@pytest.mark.parametrize("reason", list(AwayReason))
async def test_why_somebody_is_away(shop: Shop, reason: AwayReason) -> None:
    server = DeskServer(shop.floor, {}, frozenset({WEB.uid}), lambda: Chain())
    await server.handle(WEB, {"op": "state", "agent": "ag_mia", "state": "ready"})
    await server.handle(WEB, {"op": "state", "agent": "ag_mia", "state": "away", "reason": reason.value})
    assert (await shop.people())["ag_mia"].reason == reason


async def test_a_reason_that_nobody_knows_is_refused(shop: Shop) -> None:
    server = DeskServer(shop.floor, {}, frozenset({WEB.uid}), lambda: Chain())
    with pytest.raises(ProtocolError, match="break"):
        await server.handle(WEB, {"op": "state", "agent": "ag_mia", "state": "away", "reason": "tired of it"})
