"""A call is handed on, against ports in memory: grants, places, the colleague's part, and every way it may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from quietline.call import Call, Progress
from quietline.chain.model import from_config
from quietline.clock import SystemClock
from quietline.config import Config, Queue, Store
from quietline.desk_protocol import AgentState
from quietline.errors import VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.live import handover
from quietline.live.floor import Floor
from quietline.live.house import House
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.routing.model import QueueRule
from quietline.telephony.ports import AgentPhone, LegEvent, LegEventKind
from quietline.testing.fake_call import FakeLeg, FakeMedia, FakeTelephony, FakeVault, FakeVoice, ticket
from quietline.vault.ports import StaffMember

QUEUES = (Queue("orders", "Orders", "1", ("orders",)), Queue("returns", "Returns", "2", ("returns",)))
ANSWERS = LegEvent(LegEventKind.ANSWERED, sdp="agent sdp")
DECLINES = LegEvent(LegEventKind.REJECTED, code=486)
RINGS = LegEvent(LegEventKind.RINGING)


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

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        return [fields for each, fields in self.noted if each is kind]


class Stage:
    """A caller who talks to mia; noor may be asked."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        rules = [QueueRule(queue.id, ring=0.3, wrap_up=5.0, longest_wait=5.0) for queue in QUEUES]
        self.floor = Floor(rules, self.clock)
        self.telephony, self.vault, self.notes, self.media = FakeTelephony(), FakeVault(), Notes(), FakeMedia()
        certificates = {"invoice": self.clock.wall() + 1000}
        skills = {"orders": 3, "returns": 3}
        self.floor.staff([StaffMember(agent, skills, certificates, "hub") for agent in ("mia", "noor")])
        self.leg = FakeLeg(ticket())
        self.chain = from_config(Config(stores=(Store("north", "North", ("+442079460101",)),), queues=QUEUES))
        self.house = House(
            self.telephony, self.vault, self.floor, self.notes, self.notes, self.clock, PlanInForce(self.chain),
            Outlook(self.floor, self.clock), FakeVoice(),
        )  # fmt: skip
        self.tasks: list[asyncio.Task[None]] = []

    async def talking(self, noor: AgentState = AgentState.READY) -> Call:
        """Mia has the caller and a grant."""
        self.telephony.answers = [ANSWERS]
        progress = Progress("call_1", self.clock.monotonic() - 100)
        call = Call(self.house, self.leg, self.media, progress)
        loop = asyncio.get_running_loop()
        self.floor.wish("mia", AgentState.READY, AgentPhone.SIP)
        self.tasks += [loop.create_task(self.floor.run()), loop.create_task(call.run())]
        self.media.press("1")
        await self.until(lambda: progress.grant)
        self.floor.wish("noor", noor, AgentPhone.SIP)
        return call

    @property
    def call_task(self) -> asyncio.Task[None]:
        return self.tasks[-1]

    def state(self, agent: str) -> AgentState:
        return self.floor.view(agent).state

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    async def asked(self, call: Call) -> FakeLeg:
        """Noor answers: the two talk."""
        call.consult("noor")
        await self.until(lambda: self.floor.view("mia").consult == "talking")
        return self.telephony.dialled[-1][2]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    built = Stage()
    yield built
    for task in built.tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_blind_transfer_closes_the_grant_before_anybody_else_is_rung(stage: Stage) -> None:
    call = await stage.talking()
    first = stage.telephony.dialled[0][2]
    assert first.ticket
    call.transfer(agent="noor")
    await stage.until(lambda: call.progress.agent == "noor" and call.progress.grant)
    asked = stage.vault.asked
    assert asked.index("hang_up") < len(asked) - 1 - asked[::-1].index("connect")
    assert first.did == ["hang_up"]
    assert stage.state("mia") is AgentState.WRAP_UP
    assert stage.media.did[-1] == "bridge AG2"
    assert "park" in stage.media.did
    (entry,) = stage.notes.of(Kind.CALL_TRANSFERRED)
    assert (entry["how"], entry["agent"], entry["to"]) == ("blind", "mia", "noor")


async def test_a_caller_handed_to_a_queue_waits_at_the_place_of_the_arrival(stage: Stage) -> None:
    call = await stage.talking(noor=AgentState.AWAY)
    call.transfer(queue="returns")
    await stage.until(lambda: stage.floor.waiting())
    (waiting,) = stage.floor.waiting()
    assert (waiting.queue, waiting.since - waiting.head_start) == ("returns", pytest.approx(call.progress.arrived))
    stage.floor.wish("noor", AgentState.READY)
    await stage.until(lambda: call.progress.agent == "noor")
    assert stage.notes.saved["call_1"]["progress"]["queue"] == "returns"


async def test_a_colleague_who_got_busy_meanwhile_leaves_the_caller_to_all(stage: Stage) -> None:
    call = await stage.talking(noor=AgentState.AWAY)
    call.transfer(agent="noor")
    await stage.until(lambda: stage.floor.waiting())
    assert stage.floor.waiting()[0].only_agent == ""


async def test_a_vault_that_is_away_does_not_stop_a_transfer(stage: Stage) -> None:
    call = await stage.talking()
    stage.vault.fault = VaultLocked("vault: locked")
    call.transfer(agent="noor")
    await stage.until(lambda: call.progress.agent == "noor")
    assert call.progress.grant == ""


async def test_a_word_and_the_hand_over(stage: Stage) -> None:
    call = await stage.talking()
    before = stage.vault.asked.count("connect")
    second = await stage.asked(call)
    view = stage.floor.view("noor")
    assert (view.consult, view.colleague, view.grant, view.call) == ("asked", "mia", "", "call_1.1")
    assert stage.vault.asked.count("connect") == before  # who is asked has no grant
    call.settle("complete")
    await stage.until(lambda: call.progress.agent == "noor" and call.progress.grant)
    assert call.agent_leg is second
    assert stage.media.did[-1] == "hand_over"
    assert stage.state("mia") is AgentState.WRAP_UP
    assert stage.floor.view("noor").call == "call_1"
    assert stage.floor.view("noor").consult == ""
    assert stage.notes.of(Kind.CALL_TRANSFERRED)[0]["how"] == "warm"


@pytest.mark.parametrize("how", ["desk", "hang up", "page"])
async def test_the_caller_is_taken_back(stage: Stage, how: str) -> None:
    call = await stage.talking()
    second = await stage.asked(call)
    assert call.asking
    if how == "desk":
        call.settle("back")
    elif how == "page":
        call.asking.hang_up()
    else:
        second.happens(LegEventKind.ENDED)
    await stage.until(lambda: call.asking is None)
    assert stage.media.did[-1] == "take_back"
    assert (call.progress.agent, bool(call.progress.grant)) == ("mia", True)
    assert stage.state("noor") is AgentState.READY
    assert stage.floor.view("mia").consult == ""
    assert stage.notes.of(Kind.CALL_TRANSFERRED) == []


@pytest.mark.parametrize(("answer", "reason"), [(DECLINES, "declined"), (RINGS, "no_answer")])
async def test_a_colleague_who_does_not_take_it_gives_the_caller_back(
    stage: Stage, answer: LegEvent, reason: str
) -> None:
    call = await stage.talking()
    stage.telephony.answers = [answer]
    call.consult("noor")
    await stage.until(lambda: "take_back" in stage.media.did)
    assert stage.floor.view("noor").reason == reason
    assert call.progress.agent == "mia"


async def test_a_colleague_who_is_not_ready_is_not_rung(stage: Stage) -> None:
    call = await stage.talking(noor=AgentState.AWAY)
    rung = len(stage.telephony.dialled)
    call.consult("noor")
    await stage.until(lambda: "take_back" in stage.media.did)
    assert len(stage.telephony.dialled) == rung


async def test_the_first_agent_who_leaves_leaves_the_caller_to_the_colleague(stage: Stage) -> None:
    call = await stage.talking()
    await stage.asked(call)
    stage.telephony.dialled[0][2].happens(LegEventKind.ENDED)
    await stage.until(lambda: call.progress.agent == "noor")
    assert not stage.call_task.done()


async def test_when_nobody_is_left_the_queue_takes_the_caller(stage: Stage) -> None:
    call = await stage.talking()
    stage.telephony.answers = [RINGS]
    call.consult("noor")
    await stage.until(lambda: stage.floor.view("noor").consult == "asked")
    stage.telephony.dialled[0][2].happens(LegEventKind.ENDED)
    await stage.until(lambda: stage.floor.waiting())
    assert not stage.call_task.done()
    assert "take_back" not in stage.media.did


async def test_a_word_has_a_deadline(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "LONGEST_CONSULT", 0.05)
    call = await stage.talking()
    await stage.asked(call)
    await stage.until(lambda: call.asking is None)
    assert stage.media.did[-1] == "take_back"


@pytest.mark.parametrize("answer", [ANSWERS, RINGS])
async def test_a_caller_who_hangs_up_ends_it_for_everybody(stage: Stage, answer: LegEvent) -> None:
    call = await stage.talking()
    stage.telephony.answers = [answer]
    call.consult("noor")
    await stage.until(lambda: len(stage.telephony.dialled) == 2 and stage.floor.view("noor").consult == "asked")
    stage.leg.happens(LegEventKind.ENDED)
    async with asyncio.timeout(5):
        await stage.call_task
    assert [leg.did[-1] for _, _, leg in stage.telephony.dialled] == ["hang_up", "hang_up"]
    assert stage.state("noor") is AgentState.READY
    assert stage.state("mia") is AgentState.WRAP_UP
    assert stage.media.did[-1] == "release"


async def test_a_browser_that_takes_its_caller_back_is_woken(stage: Stage) -> None:
    call = await stage.talking()
    stage.floor.wish("mia", AgentState.READY, AgentPhone.BROWSER)
    await stage.asked(call)
    call.settle("back")
    first = stage.telephony.dialled[0][2]
    await stage.until(lambda: first.did == ["reoffer"])
    assert stage.media.did[-1] == "agent_again inactive"
    first.happens(LegEventKind.REOFFERED, code=200)
    await stage.until(lambda: first.did == ["reoffer", "reoffer"])
    assert stage.media.did[-1] == "agent_again sendrecv"
    first.happens(LegEventKind.REOFFERED, code=200)
    await asyncio.sleep(0.01)
    assert first.did == ["reoffer", "reoffer"]


@pytest.mark.parametrize(("answers", "offers"), [((500, 200), 3), ((500, 488, 200), 4), ((500, 500, 500), 4)])
async def test_a_browser_that_refuses_to_speak_again_is_asked_again(
    stage: Stage, answers: tuple[int, ...], offers: int
) -> None:
    """It was stilled by the first re-INVITE, and would stay deaf and mute. Three times, and no more."""
    call = await stage.talking()
    stage.floor.wish("mia", AgentState.READY, AgentPhone.BROWSER)
    await stage.asked(call)
    call.settle("back")
    first = stage.telephony.dialled[0][2]
    await stage.until(lambda: first.did == ["reoffer"])
    for place, code in enumerate((200, *answers), 1):
        first.happens(LegEventKind.REOFFERED, code=code)
        await stage.until(lambda place=place: len(first.did) == min(place + 1, offers))
    await asyncio.sleep(0.01)
    assert first.did == ["reoffer"] * offers
    assert stage.media.did[-1] == "agent_again sendrecv"


class Holds:
    """Only what the history is told of holding."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def holds(self, agent: str, on: bool) -> None:
        self.told.append((agent, on))

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


async def test_the_history_is_told_when_the_agents_phone_holds_and_resumes(stage: Stage) -> None:
    await stage.talking()
    holds = Holds()
    stage.floor.watch(holds)
    leg = stage.telephony.dialled[-1][2]
    for sdp in ("a=sendonly", "a=sendrecv"):
        leg.happens(LegEventKind.OFFER, sdp=sdp)
        await stage.until(lambda sdp=sdp: holds.told and holds.told[-1][1] == ("sendonly" in sdp))
    assert holds.told == [("mia", True), ("mia", False)]


async def test_a_word_with_a_colleague_is_hold_until_the_caller_is_back(stage: Stage) -> None:
    call = await stage.talking()
    holds = Holds()
    stage.floor.watch(holds)
    await stage.asked(call)
    assert holds.told == [("mia", True)]
    call.settle("back")
    await stage.until(lambda: len(holds.told) == 2)
    assert holds.told[-1] == ("mia", False)


async def test_the_journal_knows_of_the_colleague_so_that_another_life_can_let_go(stage: Stage) -> None:
    call = await stage.talking()
    await stage.asked(call)
    record = stage.notes.saved["call_1"]
    assert record["second_leg"]
    assert record["progress"]["consulting"] == "noor"
    call.settle("back")
    await stage.until(lambda: stage.notes.saved["call_1"]["second_leg"] is None)
