"""Callbacks against ports in memory: what is promised, every way a try may end, and what another life takes up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from quietline.call import Call, Progress
from quietline.chain.model import from_config
from quietline.clock import SystemClock
from quietline.config import Carrier, Config, Queue, Store, Trunk
from quietline.desk_protocol import AgentState
from quietline.errors import Denied, ProtocolError, RelayUnavailable, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.live import callbacks, tries
from quietline.live.callbacks import CallbackBook
from quietline.live.floor import Floor
from quietline.live.house import House
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.routing import callback
from quietline.routing.model import QueueRule
from quietline.sealed import Sealed
from quietline.telephony.ports import AgentPhone, LegEvent, LegEventKind
from quietline.testing.fake_call import FakeLeg, FakeRelay, FakeTelephony, FakeVault, FakeVoice, ticket
from quietline.vault.ports import StaffMember

ANSWERS = LegEvent(LegEventKind.ANSWERED, sdp="sdp")
BUSY = LegEvent(LegEventKind.REJECTED, code=486)
DECLINES = LegEvent(LegEventKind.REJECTED, code=603)
STORE = "+442079460101"


class Notes:
    """A journal and a recorder that only remember."""

    def __init__(self) -> None:
        self.saved: dict[str, dict[str, Any]] = {}
        self.noted: list[tuple[Kind, dict[str, Any]]] = []

    def save(self, call: str, record: dict[str, Any]) -> None:
        self.saved[call] = record

    def forget(self, call: str) -> None:
        self.saved.pop(call, None)

    def record(self, kind: Kind, leg: str, **fields: Any) -> None:
        self.noted.append((kind, fields))

    def outcomes(self) -> list[str]:
        return [str(fields["outcome"]) for kind, fields in self.noted if kind is Kind.CALL_ENDED]


class Stage:
    """A book of callbacks, and mia who may take one."""

    def __init__(self, *lines: Carrier) -> None:
        self.clock = SystemClock()
        queue = Queue("orders", "Orders", "1", ("orders",))
        self.config = Config(
            trunks=(Trunk("carrier-a", certificate_name="a.example"),), carriers=lines,
            stores=(Store("north", "North", (STORE,)),), queues=(queue,),
        )  # fmt: skip
        self.floor = Floor([QueueRule("orders", ring=0.3, wrap_up=5.0)], self.clock)
        self.telephony, self.vault, self.notes, self.relay = FakeTelephony(), FakeVault(), Notes(), FakeRelay()
        self.telephony.answers = [ANSWERS]
        member = StaffMember("mia", {"orders": 3}, {"invoice": self.clock.wall() + 1000}, "hub")
        self.floor.staff([member])
        self.book = CallbackBook(self.config, self.relay)
        self.house = House(
            self.telephony, self.vault, self.floor, self.notes, self.notes, self.clock,
            PlanInForce(from_config(self.config)), Outlook(self.floor, self.clock), FakeVoice(), self.book,
        )  # fmt: skip
        self.taken: list[Call] = []
        self.tasks: list[asyncio.Task[None]] = []

    def caller(self, leg: FakeLeg | None = None) -> Call:
        """One who waits and is about to hang up."""
        progress = Progress("call_0", self.clock.monotonic() - 50, queue="orders", store="north")
        progress.since = progress.arrived
        leg = leg or FakeLeg(ticket())
        leg.alive = False
        return Call(self.house, leg, self.relay.media_for("call_0"), progress)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.tasks += [
            loop.create_task(self.floor.run()),
            loop.create_task(self.book.run(self.house, self.taken.append)),
        ]

    async def kept(self) -> str:
        """A promise is made; its id."""
        self.start()
        assert await self.book.promise(self.caller(), "orders")
        await self.until(lambda: self.floor.waiting())
        (name,) = self.book.ids
        return name

    def mia(self, state: AgentState = AgentState.READY) -> None:
        self.floor.wish("mia", state, AgentPhone.SIP)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    def promise(self, name: str) -> dict[str, Any]:
        return dict(self.notes.saved[name]["callback"]["promise"])


LINE = Carrier("carrier-a", "sip.example", ring_seconds=0.2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any hour of the day on which the tests run, and without the pauses of real life."""
    monkeypatch.setattr(callback, "EARLIEST", 0)
    monkeypatch.setattr(callback, "LATEST", 24 * 60)
    monkeypatch.setattr(callbacks, "GLANCE", 0.01)
    monkeypatch.setattr(tries, "KEY_WAIT", 0.05)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    built = Stage(LINE)
    yield built
    for task in built.tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# The promise


async def test_what_is_kept_is_a_token_and_the_place(stage: Stage) -> None:
    name = await stage.kept()
    (waiting,) = stage.floor.waiting()
    assert waiting.callback
    assert waiting.since < stage.clock.monotonic() - 40
    record = stage.notes.saved[name]["callback"]
    assert record["token"].startswith("cb_")
    assert stage.vault.number not in str(stage.notes.saved)


async def test_without_a_carrier_nothing_is_promised() -> None:
    stage = Stage()
    assert not await stage.book.promise(stage.caller(), "orders")
    assert "keep_callback" not in stage.vault.asked


@pytest.mark.parametrize("error", [Denied("callback-no-number"), Unavailable("vault: away")])
async def test_where_the_vault_keeps_no_number_nothing_is_promised(stage: Stage, error: Any) -> None:
    stage.vault.fault = error
    assert not await stage.book.promise(stage.caller(), "orders")
    assert not await stage.book.promise(stage.caller(FakeLeg()), "orders")  # a leg that nobody vouches for
    assert not stage.book.ids


async def test_who_asks_twice_keeps_the_earlier_place(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.kept()
    (kept,) = stage.book._kept.values()

    async def same(leg: Sealed[str]) -> Any:
        from quietline.vault.ports import Callback

        return Callback(kept.token, 1e10)

    monkeypatch.setattr(stage.vault, "keep_callback", same)
    assert await stage.book.promise(stage.caller(), "orders")
    assert len(stage.book.ids) == 1


# A try


async def test_agent_number_customer_key_joined(stage: Stage) -> None:
    name = await stage.kept()
    stage.telephony.outcomes = [ANSWERS]
    media = stage.relay.media_for(name)
    media.press("1")
    stage.mia()
    await stage.until(lambda: stage.taken)
    (call,) = stage.taken
    route, number, leg = stage.telephony.called[0]
    assert (route.shown, number) == (STORE, Sealed(stage.vault.number))
    assert (call.leg, call.progress.agent, call.progress.vault) == (leg, "mia", "ok")
    assert [each for each in stage.vault.asked if "callback" in each] == [
        "keep_callback", "dial_callback", "answer_callback",
    ]  # fmt: skip
    did = media.did
    assert did.index("ringback True") < did.index("offer_called encrypted") < did.index("connect_called")
    assert did[-1] == "join"
    await stage.until(lambda: not stage.book.ids)
    assert "callback" not in stage.notes.saved[name]  # the call has the place in the journal now
    assert stage.floor.view("mia").state is AgentState.ON_CALL


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (BUSY, "callback_busy"),
        (DECLINES, "callback_no_answer"),
        (LegEvent(LegEventKind.REJECTED, code=403), "callback_refused"),
        (LegEvent(LegEventKind.RINGING), "callback_no_answer"),
        (ANSWERS, "callback_no_key"),
    ],
)
async def test_a_try_in_vain_frees_the_agent_and_rests(stage: Stage, outcome: LegEvent, said: str) -> None:
    name = await stage.kept()
    stage.telephony.outcomes = [outcome]
    stage.mia()
    await stage.until(lambda: stage.notes.outcomes())
    assert stage.notes.outcomes() == [said]
    assert stage.floor.view("mia").state is AgentState.READY
    assert [leg.did[-1:] for _, _, leg in stage.telephony.dialled] == [["hang_up"]]
    await stage.until(lambda: stage.promise(name)["stage"] == "resting")
    assert stage.promise(name)["tried"] == 1
    assert not stage.floor.waiting()
    assert stage.relay.media[name].did[-1] == "release"


async def test_whoever_answered_and_hangs_up_during_the_words_did_not_want_it(stage: Stage) -> None:
    name = await stage.kept()
    stage.telephony.outcomes = [ANSWERS]
    stage.mia()
    await stage.until(lambda: "connect_called" in stage.relay.media_for(name).did)
    stage.telephony.called[0][2].happens(LegEventKind.ENDED)
    await stage.until(lambda: stage.notes.outcomes() == ["callback_no_key"])


@pytest.mark.parametrize("how", ["phone", "page"])
async def test_an_agent_who_leaves_ends_the_try(stage: Stage, how: str) -> None:
    name = await stage.kept()
    stage.mia()
    await stage.until(lambda: stage.telephony.called)
    assert stage.floor.view("mia").callback == "dialling"
    if how == "page":
        stage.book.trying[name].hang_up()
    else:
        stage.telephony.dialled[0][2].happens(LegEventKind.ENDED)
    await stage.until(lambda: stage.notes.outcomes() == ["callback_agent_gone"])
    assert stage.telephony.called[0][2].did == ["hang_up"]


async def test_an_agent_who_declines_uses_no_try_and_the_place_stays(stage: Stage) -> None:
    name = await stage.kept()
    stage.telephony.answers = [DECLINES]
    stage.mia()
    await stage.until(lambda: stage.floor.view("mia").reason == "declined")
    await stage.until(lambda: stage.promise(name)["stage"] == "queued")
    assert stage.promise(name)["tried"] == 0
    assert stage.floor.waiting()
    assert "dial_callback" not in stage.vault.asked


@pytest.mark.parametrize(
    ("error", "stage_after", "end"),
    [
        (Unavailable("vault: away"), "resting", ""),
        (Denied("callback-unknown"), "done", "expired"),
        (Denied("callback-used-up"), "done", "used_up"),
    ],
)
async def test_what_the_vault_refuses(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Any, stage_after: str, end: str
) -> None:
    name = await stage.kept()

    async def refuses(callback: str, leg: Sealed[str]) -> Sealed[str]:
        raise error

    monkeypatch.setattr(stage.vault, "dial_callback", refuses)
    last: dict[str, Any] = {}
    save = stage.notes.save
    monkeypatch.setattr(
        stage.notes, "save", lambda call, record: (last.update(record["callback"]["promise"]), save(call, record))
    )
    stage.mia()
    await stage.until(lambda: last.get("stage") == stage_after)
    assert (last["end"], last["tried"]) == (end, 0)
    assert not stage.telephony.called
    if end:
        await stage.until(lambda: "drop_callback" in stage.vault.asked)
        assert name not in stage.notes.saved


async def test_a_vault_that_is_away_when_the_customer_answers_stops_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await stage.kept()

    async def away(callback: str, leg: Sealed[str]) -> Any:
        raise Unavailable("vault: away")

    monkeypatch.setattr(stage.vault, "answer_callback", away)
    stage.telephony.outcomes = [ANSWERS]
    stage.relay.media_for(name).press("1")
    stage.mia()
    await stage.until(lambda: stage.taken)
    assert (stage.taken[0].progress.vault, stage.taken[0].progress.assurance) == ("unavailable", 0)


@pytest.mark.parametrize("error", [RelayUnavailable("relay: gone"), ValueError("a mistake of ours")])
async def test_a_try_that_breaks_frees_the_agent_and_ends_nothing_else(stage: Stage, error: Exception) -> None:
    name = await stage.kept()
    stage.relay.media_for(name).fault["offer_called"] = error
    stage.mia()
    await stage.until(lambda: stage.notes.outcomes() == ["callback_fault"])
    part = "relay" if isinstance(error, RelayUnavailable) else "call"
    assert (Kind.FAULT, {"part": part}) in stage.notes.noted


async def test_the_last_try_ends_it_and_the_number_is_dropped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "Rules", lambda tries, pause: callback.Rules(1, 0.0))
    name = await stage.kept()
    stage.telephony.outcomes = [BUSY]
    stage.mia()
    await stage.until(lambda: "drop_callback" in stage.vault.asked)
    assert name not in stage.notes.saved
    assert not stage.book.ids


# Another life


async def test_a_saved_place_is_taken_up_and_an_open_try_is_let_go(stage: Stage) -> None:
    name = await stage.kept()
    record = stage.notes.saved[name]
    record["callback"]["promise"] |= {"stage": "trying", "tried": 1}
    later = Stage(LINE)
    later.book.restore(name, record)
    assert later.book.ids == {name}
    later.start()
    try:
        await later.until(lambda: later.floor.waiting())
        assert later.floor.waiting()[0].since == record["callback"]["since"]
        assert later.book._kept[name].promise["tried"] == 1
    finally:
        for task in later.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("record", [{}, {"callback": {"id": "x"}}, {"callback": {"unknown": 1}}])
async def test_a_record_that_cannot_be_read_is_said(stage: Stage, record: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        stage.book.restore("x", record)
