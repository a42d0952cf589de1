"""The floor, the journal, the recorder, the desk's socket and the controller, against ports in memory."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline import wire
from quietline.chain.model import Chain, from_config
from quietline.clock import SystemClock
from quietline.config import Config, Queue
from quietline.config import Controller as Settings
from quietline.desk_protocol import AgentState
from quietline.errors import Denied, ProtocolError, Unavailable, VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.live import controller as controller_module
from quietline.live import floor as floor_module
from quietline.live import journal as journal_module
from quietline.live import recorder as recorder_module
from quietline.live.aliases import alias
from quietline.live.controller import Controller
from quietline.live.desk_server import DeskServer
from quietline.live.floor import Floor
from quietline.live.house import House
from quietline.live.journal import SealedJournal, calls_in
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.live.recorder import VaultRecorder
from quietline.routing.model import GiveUp, Need, Offer, QueueRule, Waiting, Withdraw
from quietline.telephony.ports import AgentPhone, LegEvent, LegEventKind
from quietline.testing.fake_call import FakeLeg, FakeRelay, FakeTelephony, FakeVault, FakeVoice, ticket
from quietline.vault.ports import StaffMember

NUMBER = "+442079460177"
KEY = b"j" * 32


def member(agent: str, lapses: float = 1e12) -> StaffMember:
    return StaffMember(agent, {"orders": 3}, {"invoice": lapses}, "hub")


def waiting(call: str) -> Waiting:
    return Waiting(call, "orders", SystemClock().monotonic(), (Need("orders"),))


class TestAliases:
    def test_they_hold_no_digit_and_vary(self) -> None:
        drawn = {alias() for _ in range(200)}
        assert len(drawn) > 150
        assert not any(letter.isdigit() for name in drawn for letter in name)


class TestFloor:
    @pytest.fixture
    def floor(self) -> Floor:
        built = Floor([QueueRule("orders", ring=0.05, wrap_up=0.05, longest_wait=0.1)], SystemClock())
        built.staff([member("mia"), member("lou", lapses=1.0)])
        return built

    async def test_a_call_is_offered_and_the_page_shows_it(self, floor: Floor) -> None:
        floor.wish("mia", AgentState.READY)
        floor.enter(waiting("c1"))
        turn = await floor.turn("c1")
        assert isinstance(turn, Offer)
        floor.show("mia", alias="Amber Heron")
        view = floor.view("mia")
        assert (view.state, view.call, view.alias) == (AgentState.RINGING, "c1", "Amber Heron")
        assert view.deadline > SystemClock().wall()

    async def test_a_wish_that_comes_before_the_vault_names_the_agent_is_kept(self, floor: Floor) -> None:
        floor.wish("new", AgentState.READY)
        assert floor.view("new").state is AgentState.OFFLINE
        floor.staff([member("mia"), member("new")])
        assert floor.view("new").state is AgentState.READY

    async def test_the_last_early_wish_counts(self, floor: Floor) -> None:
        floor.wish("new", AgentState.READY)
        floor.wish("new", AgentState.OFFLINE)
        floor.staff([member("new")])
        assert floor.view("new").state is AgentState.OFFLINE

    async def test_nothing_of_a_call_stays_on_the_page_after_it(self, floor: Floor) -> None:
        floor.wish("mia", AgentState.READY)
        floor.enter(waiting("c1"))
        offer = await floor.turn("c1")
        assert isinstance(offer, Offer)
        floor.answered(offer, alias="Amber Heron", grant="gr_1", assurance=2)
        floor.leave("c1", "mia")
        assert floor.view("mia").grant == "gr_1"  # wrap-up may still ask for the order reference
        floor.wrapped_up("mia")
        view = floor.view("mia")
        assert (view.state, view.alias, view.grant, view.assurance) == (AgentState.READY, "", "", 0)

    async def test_deadlines_are_kept(self, floor: Floor) -> None:
        running = asyncio.get_running_loop().create_task(floor.run())
        floor.wish("mia", AgentState.READY)
        floor.enter(waiting("c1"))
        turns = [await asyncio.wait_for(floor.turn("c1"), 5) for _ in range(3)]
        assert [type(turn) for turn in turns] == [Offer, Withdraw, GiveUp]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def test_promise_5_a_lapsed_agent_is_told_and_gets_no_offer(self, floor: Floor) -> None:
        floor.wish("lou", AgentState.READY)
        floor.enter(waiting("c1"))
        assert floor.view("lou").lapsed == ("invoice",)
        groups = floor.explain("c1")["groups"]
        assert [each["words"] for each in groups if "lou" in each["agents"]] == [
            "not offered: certificate for invoice lapsed 1 Jan 1970"
        ]
        assert not floor.eligible(Waiting("c2", "orders", 0.0, (Need("welding"),)))

    async def test_what_changes_in_one_moment_is_told_once_as_it_stands_then(self, floor: Floor) -> None:
        events = floor.events()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        for state in (AgentState.READY, AgentState.AWAY):
            floor.wish("mia", state)
        floor.wish("lou", AgentState.READY)
        told = [await first, await anext(events)]
        assert [(each.agent, each.view.state) for each in told] == [("mia", AgentState.AWAY), ("lou", AgentState.READY)]
        assert told[0].view == floor.view("mia")
        floor.wish("mia", AgentState.OFFLINE)
        assert (await anext(events)).view.state is AgentState.OFFLINE

    async def test_subscribers_see_every_change(self, floor: Floor) -> None:
        events = floor.events()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        floor.wish("mia", AgentState.READY)
        event = await first
        assert (event.agent, event.view.state) == ("mia", AgentState.READY)
        assert event.as_frame()["event"] == "state"

    async def test_a_view_does_not_jitter_and_every_change_has_a_larger_revision(self, floor: Floor) -> None:
        """Two readings of one state are equal: a page must be able to tell old from new (found live: lost events)."""
        floor.wish("mia", AgentState.READY)
        first = floor.view("mia")
        assert all(floor.view("mia") == first for _ in range(1_000))
        floor.show("mia", vault="unavailable")
        floor.wish("mia", AgentState.AWAY)
        assert floor.view("mia").revision > first.revision > 0

    async def test_a_page_that_falls_behind_is_cut(self, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(floor_module, "MAX_UNREAD", 2)
        events = floor.events()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        floor.staff([member("mia"), member("lou"), member("noor")])
        for agent in ("mia", "lou", "noor"):
            floor.wish(agent, AgentState.READY)
        await first
        seen = [event async for event in events]
        assert len(seen) <= 2

    def test_the_floor_in_numbers(self, floor: Floor) -> None:
        floor.wish("lou", AgentState.READY)
        floor.enter(waiting("c1"))
        counts = floor.counts()
        assert counts["waiting"] == 1
        assert counts["agents"] == {"offline": 1, "ready": 1, "away": 0, "ringing": 0, "on_call": 0, "wrap_up": 0}


class TestJournal:
    RECORD: ClassVar = {"leg": {"from": f"<sip:{NUMBER}@carrier.example>"}, "progress": {"id": "c1"}}

    def test_it_remembers_and_forgets(self, tmp_path: Path) -> None:
        journal = SealedJournal(tmp_path / "j", KEY)
        journal.save("c1", self.RECORD)
        journal.save("c2", {})
        journal.forget("c2")
        journal.close()
        assert SealedJournal(tmp_path / "j", KEY).load() == {"c1": self.RECORD}

    def test_words_of_enumerations_come_back_as_words(self, tmp_path: Path) -> None:
        record = {"progress": {"state": AgentState.AWAY, "needs": ("orders",)}}
        SealedJournal(tmp_path / "j", KEY).save("c1", record)
        again = SealedJournal(tmp_path / "j", KEY).load()
        assert again == {"c1": {"progress": {"state": "away", "needs": ["orders"]}}}
        assert type(again["c1"]["progress"]["state"]) is str

    @given(data=st.binary(max_size=60))
    def test_what_another_python_wrote_is_dropped(self, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("journal") / "j"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_module, "_packed", lambda record: b"?" + data)
            SealedJournal(path, KEY).save("c1", {})
        assert SealedJournal(path, KEY).load() == {}
        assert calls_in(path) == []

    def test_promise_1_a_copied_disk_shows_noise(self, tmp_path: Path) -> None:
        SealedJournal(tmp_path / "j", KEY).save("c1", self.RECORD)
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"c1" in stored
        assert NUMBER[1:].encode() not in stored

    def test_records_of_an_earlier_boot_are_dropped(self, tmp_path: Path) -> None:
        SealedJournal(tmp_path / "j", KEY).save("c1", self.RECORD)
        journal = SealedJournal(tmp_path / "j", b"x" * 32)
        assert journal.load() == {}
        assert journal.load() == {}

    def test_a_record_moved_to_another_call_is_dropped(self, tmp_path: Path) -> None:
        SealedJournal(tmp_path / "j", KEY).save("c1", self.RECORD)
        (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes().replace(b"c1", b"c9"))
        journal = SealedJournal(tmp_path / "j", KEY)
        assert calls_in(tmp_path / "j") == ["c9"]
        assert journal.load() == {}
        assert calls_in(tmp_path / "j") == []

    def test_a_full_disk_raises_nothing_and_the_newest_is_written_when_there_is_room(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal, room = SealedJournal(tmp_path / "j", KEY), os.pwrite
        journal.save("old", self.RECORD)
        long = {"padding": "x" * 5_000}
        monkeypatch.setattr(os, "pwrite", lambda file, data, at: room(file, data[:99], at))  # as on a full disk
        journal.save("c1", long)
        journal.save("c1", self.RECORD | long)
        journal.save("c2", long)
        journal.forget("c2")
        assert set(journal.load()) == {"old"}
        monkeypatch.setattr(os, "pwrite", room)
        journal.forget("old")
        journal.close()
        assert SealedJournal(tmp_path / "j", KEY).load() == {"c1": self.RECORD | long}

    def test_what_no_longer_counts_does_not_stay(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal_module, "SLACK", 10_000)
        journal = SealedJournal(tmp_path / "j", KEY)
        journal.save("c0", self.RECORD)
        for number in range(1, 200):
            journal.save(f"c{number}", {"padding": "x" * 500})
            journal.forget(f"c{number}")
        journal.save("c0", self.RECORD | {"newest": True})
        assert (tmp_path / "j").stat().st_size < 12_000
        assert [path.name for path in tmp_path.iterdir()] == ["j"]
        assert journal.load() == {"c0": self.RECORD | {"newest": True}}

    @given(cut=st.integers(0, 10_000), tail=st.binary(max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_a_file_cut_anywhere_holds_every_whole_record(self, cut: int, tail: bytes) -> None:
        """As kill -9 inside a write leaves it; what stands after the cut makes no difference to what stands before."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "j"
            journal, ends = SealedJournal(path, KEY), []
            for number in range(4):
                journal.save(f"c{number}", {"number": number})
                ends.append(path.stat().st_size)
            journal.close()
            at = max(len(journal_module.MAGIC), cut % (ends[-1] + 1))
            path.write_bytes(path.read_bytes()[:at] + tail)
            whole = {f"c{number}": {"number": number} for number, end in enumerate(ends) if end <= at}
            again = SealedJournal(path, KEY)
            assert whole.items() <= again.load().items()
            again.save("later", self.RECORD)
            again.close()
            assert "later" in calls_in(path)

    def test_a_file_of_another_version_is_begun_anew(self, tmp_path: Path) -> None:
        (tmp_path / "j").write_bytes(b"SQLite format 3\0 and more")
        journal = SealedJournal(tmp_path / "j", KEY)
        assert journal.load() == {}
        journal.save("c1", self.RECORD)
        assert SealedJournal(tmp_path / "j", KEY).load() == {"c1": self.RECORD}

    def test_kill_9_loses_nothing(self, tmp_path: Path) -> None:
        child = os.fork()
        if child == 0:
            SealedJournal(tmp_path / "j", KEY).save("c1", self.RECORD)
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        assert SealedJournal(tmp_path / "j", KEY).load() == {"c1": self.RECORD}


class TestRecorder:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recorder_module, "RETRY", 0.01)
        monkeypatch.setattr(recorder_module, "PAUSE", 0.001)

    @pytest.fixture
    async def vault(self) -> FakeVault:
        return FakeVault()

    async def deliver(self, recorder: VaultRecorder, vault: FakeVault, count: int) -> None:
        running = asyncio.get_running_loop().create_task(recorder.run())
        async with asyncio.timeout(5):
            while len(vault.events) < count:
                await asyncio.sleep(0.002)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def test_entries_arrive_in_order(self, vault: FakeVault) -> None:
        recorder = VaultRecorder(vault)
        for number in range(500):
            recorder.record(Kind.CALL_QUEUED, f"leg_{number}", queue="orders")
        await self.deliver(recorder, vault, 500)
        assert [event.leg for event in vault.events] == [f"leg_{number}" for number in range(500)]

    async def test_a_vault_that_is_away_loses_nothing(self, vault: FakeVault) -> None:
        recorder = VaultRecorder(vault)
        vault.fault = VaultLocked("locked")
        recorder.record(Kind.CALL_ENDED, "leg_1")
        running = asyncio.get_running_loop().create_task(recorder.run())
        await asyncio.sleep(0.05)
        assert vault.events == []
        vault.fault = None
        async with asyncio.timeout(5):
            while not vault.events:
                await asyncio.sleep(0.002)
        running.cancel()

    async def test_what_does_not_fit_is_counted_in_the_ledger(self, vault: FakeVault, monkeypatch: Any) -> None:
        monkeypatch.setattr(recorder_module, "MAX_QUEUED", 3)
        recorder = VaultRecorder(vault)
        for _ in range(10):
            recorder.record(Kind.CALL_QUEUED, "leg_1")
        await self.deliver(recorder, vault, 4)
        assert vault.events[-1].fields == {"part": "recorder", "entries_lost": 7}

    async def test_a_refusal_is_not_repeated_for_ever(self, vault: FakeVault) -> None:
        recorder = VaultRecorder(vault)
        vault.fault = Denied("wrong-user")
        recorder.record(Kind.CALL_QUEUED, "leg_1")
        running = asyncio.get_running_loop().create_task(recorder.run())
        await asyncio.sleep(0.05)
        running.cancel()
        assert vault.asked == ["note_events"]


def _kept(built: Building, agent: str) -> str:
    """The agent's state as another life would find it."""
    return str(built.journal.load().get("floor", {}).get(agent, {}).get("state", ""))


class Building:
    """A controller with everything around it in memory, on a real Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.telephony, self.vault, self.relay = (
            FakeTelephony(),
            FakeVault([member("mia"), member("noor")]),
            FakeRelay(),
        )
        self.telephony.answers = [LegEvent(LegEventKind.ANSWERED, sdp="sdp")]
        self.journal = SealedJournal(folder / "journal", KEY)
        settings, queues = Settings(), (Queue("orders", "Orders", "1", ("orders",)),)
        chain = from_config(Config(queues=queues, controller=settings))
        self.floor = Floor(chain.rules(), self.clock)
        house = House(
            self.telephony,
            self.vault,
            self.floor,
            self.journal,
            VaultRecorder(self.vault),
            self.clock,
            PlanInForce(chain),
            Outlook(self.floor, self.clock),
            FakeVoice(),
        )
        self.controller = Controller(house, self.relay, self.journal)
        desk = DeskServer(self.floor, self.controller.calls, frozenset(), lambda: chain)
        self.server = wire.WireServer(folder / "controller.sock", desk.handle, desk.subscribe)
        self.client = wire.WireClient(folder / "controller.sock")
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.server.start()
        self.running = asyncio.get_running_loop().create_task(self.controller.run())

    async def stop(self) -> None:
        assert self.running
        self.running.cancel()
        await self.running
        await self.client.close()
        await self.server.stop()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    async def connect(self) -> tuple[FakeLeg, str]:
        await self.until(lambda: self.floor.view("mia").since and self.vault.asked)
        await self.client.call("state", agent="mia", state="ready", phone="sip")
        leg = FakeLeg(ticket())
        self.telephony.callers.put_nowait(leg)
        await self.until(lambda: self.floor.view("mia").grant)
        return leg, self.floor.view("mia").call


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Building]:
    built = Building(tmp_path)
    await built.start()
    yield built
    await built.stop()


class TestController:
    async def test_a_caller_reaches_an_agent_and_the_desk_ends_it(self, building: Building) -> None:
        leg, call = await building.connect()
        assert building.floor.phone("mia") is AgentPhone.SIP
        view = await building.client.call("snapshot", agent="mia")
        assert (view["state"], view["grant"], view["call"]) == ("on_call", "gr_1", call)
        await building.client.call("hang_up", agent="mia", call=call)
        await building.until(lambda: not leg.alive)
        assert building.controller.calls == {} or call not in building.controller.calls

    async def test_the_talk_of_an_agent_who_is_dismissed_is_ended(self, building: Building) -> None:
        """By the controller: the page may be gone, and the phone may be a desk phone."""
        leg, call = await building.connect()
        building.vault.staff_members = [member("noor")]
        building.floor.staff(building.vault.staff_members)
        await building.until(lambda: not leg.alive)
        assert building.floor.view("mia").state is AgentState.OFFLINE
        assert building.floor.explain(call)["story"][-1].endswith("conversation with mia over")

    async def test_another_agents_call_cannot_be_touched(self, building: Building) -> None:
        _, call = await building.connect()
        for operation in ("hang_up", "verify"):
            with pytest.raises(Denied, match="not-your-call"):
                await building.client.call(operation, agent="noor", call=call)

    @pytest.mark.parametrize(
        "frame",
        [
            {"op": "state", "agent": "mia", "state": "on_call"},
            {"op": "state", "agent": "mia", "state": "dancing"},
            {"op": "state", "agent": "mia", "state": "ready", "phone": "tin can"},
            {"op": "state", "state": "ready"},
            {"op": "snapshot", "agent": 7},
            {"op": "__init__"},
            {"op": None},
        ],
    )
    async def test_nonsense_is_refused_by_name(self, building: Building, frame: dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            await building.client.call(**frame)

    async def test_only_the_web_process_may_ask(self, building: Building) -> None:
        desk = DeskServer(building.floor, {}, frozenset({4242}), Chain)
        with pytest.raises(Denied, match="wrong-user"):
            await desk.handle(wire.Peer(1, 4243, 1), {"op": "floor"})
        assert "waiting" in await desk.handle(wire.Peer(1, 4242, 1), {"op": "floor"})

    async def test_only_root_may_change_what_is_in_force(self, building: Building) -> None:
        asked: list[str] = []
        desk = DeskServer(building.floor, {}, frozenset({4242}), lambda: asked.append("reload") or Chain())
        with pytest.raises(Denied, match="wrong-user"):
            await desk.handle(wire.Peer(1, 4242, 1), {"op": "reload"})
        assert asked == []
        assert await desk.handle(wire.Peer(1, 0, 0), {"op": "reload"}) == {"stores": 0, "queues": 0, "flows": 0}
        assert asked == ["reload"]

    async def test_a_clean_stop_says_goodbye(self, tmp_path: Path) -> None:
        built = Building(tmp_path)
        await built.start()
        leg, _ = await built.connect()
        await built.stop()
        assert leg.did == ["answer", "hang_up"]
        assert set(built.journal.load()) <= {"floor"}

    async def test_promise_11_a_killed_controller_picks_up_where_it_stood(self, tmp_path: Path) -> None:
        first = Building(tmp_path)
        await first.start()
        _, call = await first.connect()
        await first.until(lambda: first.journal.load().get(call, {}).get("progress", {}).get("grant"))
        kept = first.journal.load()
        await first.stop()
        for name, record in {**kept, "floor": {"noor": {"state": "away", "phone": "sip"}}}.items():
            first.journal.save(name, record)  # as if `first` had been killed: nobody cleaned up
        second = Building(tmp_path)
        await second.start()
        await second.until(lambda: second.floor.view("mia").state is AgentState.ON_CALL)
        assert second.relay.reaped == {call}
        assert (second.floor.view("mia").grant, second.floor.view("noor").state) == ("gr_1", AgentState.AWAY)
        second.telephony.restored[0].happens(LegEventKind.ENDED)
        await second.until(lambda: second.floor.view("mia").state is AgentState.WRAP_UP)
        await second.stop()

    async def test_promise_11_an_agent_who_has_just_come_is_not_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(controller_module, "STAFF_EVERY", 1_000.0)
        built = Building(tmp_path)
        await built.start()
        for state in ("ready", "away"):
            await built.client.call("state", agent="mia", state=state, phone="sip")
            await built.until(lambda wanted=state: _kept(built, "mia") == wanted)
        await built.stop()

    async def test_one_broken_call_does_not_end_the_others(self, building: Building) -> None:
        leg, _ = await building.connect()
        broken = FakeLeg(ticket())
        broken.answer = None  # type: ignore[assignment,method-assign]
        building.telephony.callers.put_nowait(broken)
        await building.until(lambda: "hang_up" in broken.did)
        assert leg.alive

    async def test_a_record_that_cannot_be_read_is_dropped_aloud(self, tmp_path: Path) -> None:
        built = Building(tmp_path)
        built.journal.save("c1", {"leg": {}, "media": {}, "agent_leg": None, "progress": {}})
        await built.start()
        await built.until(lambda: "c1" not in built.journal.load())
        await built.stop()


@pytest.fixture(autouse=True)
def no_fault_is_hidden(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever these tests print must not hold the caller's number."""
    yield
    captured = capfd.readouterr()
    assert NUMBER[1:] not in captured.out + captured.err


async def test_the_event_stream_ends_with_the_controller(tmp_path: Path) -> None:
    built = Building(tmp_path)
    await built.start()
    events = built.client.events()
    first = asyncio.ensure_future(anext(events))
    await built.connect()
    assert (await first)["event"] == "state"
    await built.stop()
    with pytest.raises(Unavailable):
        _ = [event async for event in events]
