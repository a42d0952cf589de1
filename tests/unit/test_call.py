"""The story of a call against ports in memory: every ending, every refusal, every fault."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from quietline import call as story
from quietline.call import Call, Progress
from quietline.chain.model import Chain, from_config
from quietline.chain.model import Queue as ChainQueue
from quietline.chain.model import Store as ChainStore
from quietline.clock import SystemClock
from quietline.config import Config, Queue, Store
from quietline.desk_protocol import AgentState
from quietline.errors import RelayUnavailable, VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.live import handover
from quietline.live.floor import Floor
from quietline.live.house import House
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.routing import flow as f
from quietline.routing.hours import Hours
from quietline.routing.model import Need, QueueRule
from quietline.sealed import Sealed
from quietline.telephony.ports import LegEvent, LegEventKind
from quietline.telephony.sdp import UnacceptableOffer
from quietline.testing.fake_call import FakeLeg, FakeMedia, FakeTelephony, FakeVault, FakeVoice, ticket
from quietline.vault.ports import StaffMember

NORTH = Store("north", "Northgate", ("+442079460101",))
ORDERS = Queue("orders", "Orders", "1", ("orders",))
RETURNS = Queue("returns", "Returns", "2", ("returns",), reason="return_refund")
ANSWERS = LegEvent(LegEventKind.ANSWERED, sdp="agent sdp")
DECLINES = LegEvent(LegEventKind.REJECTED, code=486)


class Notes:
    """A journal and a recorder that only remember."""

    def __init__(self) -> None:
        self.saved: dict[str, dict[str, Any]] = {}
        self.history: list[dict[str, Any]] = []
        self.kinds: list[Kind] = []

    def save(self, call: str, record: dict[str, Any]) -> None:
        self.saved[call] = record
        self.history.append(dict(record["progress"]))

    def forget(self, call: str) -> None:
        self.saved.pop(call, None)

    def record(self, kind: Kind, leg: str, **fields: Any) -> None:
        self.kinds.append(kind)


class Stage:
    """One caller, two agents, and a call to run."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.floor = Floor(
            [QueueRule(queue, ring=0.2, wrap_up=5.0, longest_wait=0.5) for queue in ("orders", "returns")], self.clock
        )
        self.telephony, self.vault, self.notes, self.media = FakeTelephony(), FakeVault(), Notes(), FakeMedia()
        self.telephony.answers = [ANSWERS]
        skills, certificates = {"orders": 3, "returns": 3}, {"invoice": self.clock.wall() + 1000}
        self.floor.staff([StaffMember(agent, skills, certificates, "hub") for agent in ("mia", "noor")])
        self.leg = FakeLeg(ticket())
        self.outlook, self.voice = Outlook(self.floor, self.clock), FakeVoice()
        self.chain: Chain | None = None
        self.tasks: list[asyncio.Task[None]] = []

    def call(self, *queues: Queue, **progress: Any) -> Call:
        chain = self.chain or from_config(Config(stores=(NORTH,), queues=queues or (ORDERS,)))
        house = House(
            self.telephony,
            self.vault,
            self.floor,
            self.notes,
            self.notes,
            self.clock,
            PlanInForce(chain),
            self.outlook,
            self.voice,
        )
        return Call(house, self.leg, self.media, Progress("call_1", self.clock.monotonic(), **progress))

    def start(self, call: Call) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        self.tasks.append(loop.create_task(self.floor.run()))
        self.tasks.append(loop.create_task(call.run()))
        return self.tasks[-1]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    async def talking(self, call: Call) -> None:
        await self.until(lambda: call.progress.grant)

    async def end(self, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(5):
            await task


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    built = Stage()
    yield built
    for task in built.tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_nobody_waits_for_a_vault_that_hangs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, match = asyncio.Event(), stage.vault.arrive_and_match

    async def slow_match(leg: Any) -> Any:
        await answers.wait()
        return await match(leg)

    monkeypatch.setattr(stage.vault, "arrive_and_match", slow_match)
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.until(lambda: stage.floor.view("mia").state is AgentState.ON_CALL)
    assert (stage.floor.view("mia").vault, call.progress.grant) == ("connecting", "")
    answers.set()
    await stage.talking(call)
    assert stage.vault.asked == ["arrive_and_match", "connect"]
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)


def sticky(stage: Stage) -> Chain:
    """A chain whose orders go to the last agent first."""
    chain = from_config(Config(stores=(NORTH,), queues=(ORDERS,)))
    line = chain.queues[0]
    stage.floor.configure([replace(line.rule, sticky=20.0)])
    return replace(chain, queues=(replace(line, rule=replace(line.rule, sticky=20.0)),))


async def test_the_agent_whom_the_caller_knows_comes_first(stage: Stage) -> None:
    """Mia has been ready for longer."""
    stage.chain, stage.vault.last_agent = sticky(stage), "noor"
    for agent in ("mia", "noor"):
        stage.floor.wish(agent, AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    assert call.progress.agent == "noor"


async def test_a_vault_that_hangs_costs_the_caller_their_own_agent_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(leg: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(stage.vault, "arrive_and_match", hangs)
    stage.chain, stage.vault.last_agent = sticky(stage), "noor"
    for agent in ("mia", "noor"):
        stage.floor.wish(agent, AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: call.progress.agent)
    assert call.progress.agent == "mia"


async def test_whom_a_transfer_named_stands_before_whom_the_vault_knows(stage: Stage) -> None:
    stage.vault.last_agent = "noor"
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call(last_agent="mia")
    stage.start(call)
    await stage.talking(call)
    assert call.progress.last_agent == "mia"


async def test_a_whole_call(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    assert stage.leg.did == ["answer"]
    assert stage.telephony.dialled[0][:2] == ("mia", call.progress.alias)
    said = ["answer_caller", "play notice@en", "offer_agent AG1", "bridge AG1"]
    assert stage.media.did == said  # connected at once: spared a scrap of words and music
    view = stage.floor.view("mia")
    assert (view.state, view.grant, view.assurance, view.topic) == (AgentState.ON_CALL, "gr_1", 1, "order_status")
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)
    assert call.progress.outcome == "caller_hung_up"
    assert stage.telephony.dialled[0][2].did == ["hang_up"]
    assert stage.media.did[-1] == "release"
    assert stage.notes.kinds[-1] is Kind.CALL_ENDED  # the vault's word to close the grants
    assert stage.notes.saved == {}
    assert stage.floor.view("mia").state is AgentState.WRAP_UP


async def test_the_caller_and_the_agent_are_saved_at_once_and_what_lies_between_together(stage: Stage) -> None:
    """Promise 11: what cannot be taken up again without its record is written before the loop comes round."""
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    assert [each["step"] for each in stage.notes.history] == [1, 3]
    await stage.until(lambda: stage.notes.saved["call_1"]["progress"]["grant"])
    assert len(stage.notes.history) == 3
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)
    await asyncio.sleep(2 * story.SAVE_WITHIN)
    assert (len(stage.notes.history), stage.notes.saved) == (3, {})


async def test_the_desk_may_end_a_call_that_has_not_begun(stage: Stage) -> None:
    call = stage.call()
    call.hang_up("shutdown")
    call.hang_up("agent_hung_up")
    await stage.end(stage.start(call))
    assert (call.progress.outcome, stage.notes.saved) == ("shutdown", {})


async def test_every_step_is_in_the_ledger_in_order(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    call.hang_up()
    await stage.end(task)
    kinds = [Kind.CALL_QUEUED, Kind.CALL_OFFERED, Kind.CALL_CONNECTED, Kind.CALL_ENDED]
    assert stage.notes.kinds == kinds
    assert stage.vault.asked[0] == "arrive_and_match"


async def test_a_decline_rings_the_next_agent(stage: Stage) -> None:
    stage.telephony.answers = [DECLINES, ANSWERS]
    stage.floor.wish("mia", AgentState.READY)
    stage.floor.wish("noor", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    assert [agent for agent, _, _ in stage.telephony.dialled] == ["mia", "noor"]
    assert stage.floor.view("mia").reason == "declined"
    assert call.progress.agent == "noor"


@pytest.mark.parametrize(
    ("code", "reason"), [(302, "declined"), (603, "declined"), (480, "phone_lost"), (503, "phone_lost")]
)
async def test_why_an_offer_failed(stage: Stage, code: int, reason: str) -> None:
    stage.telephony.answers = [LegEvent(LegEventKind.REJECTED, code=code)]
    stage.floor.wish("mia", AgentState.READY)
    stage.start(stage.call())
    await stage.until(lambda: stage.floor.view("mia").state is AgentState.AWAY)
    assert stage.floor.view("mia").reason == reason


async def test_no_answer_moves_on(stage: Stage) -> None:
    stage.telephony.answers = [LegEvent(LegEventKind.RINGING), ANSWERS]
    stage.floor.wish("mia", AgentState.READY)
    stage.floor.wish("noor", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    assert stage.telephony.dialled[0][2].did == ["hang_up"]
    assert stage.floor.view("mia").reason == "no_answer"
    assert call.progress.agent == "noor"


async def test_a_phone_with_no_usable_media_costs_the_caller_nothing(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    stage.media.fault["bridge"] = UnacceptableOffer("no audio")
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: "bridge" not in stage.media.fault)
    stage.floor.wish("noor", AgentState.READY)
    await stage.talking(call)
    assert call.progress.agent == "noor"


async def test_the_menu_chooses_the_queue(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    stage.media.press("92")
    call = stage.call(ORDERS, RETURNS)
    stage.start(call)
    await stage.talking(call)
    assert call.progress.queue == "returns"
    assert stage.floor.view("mia").topic == "return_refund"


async def test_the_wait_ends_with_words(stage: Stage) -> None:
    call = stage.call()
    await stage.end(stage.start(call))
    assert call.progress.outcome == "waited_too_long"
    assert "play sorry@en" in stage.media.did
    assert stage.leg.did == ["answer", "hang_up"]


@pytest.mark.parametrize(
    ("error", "answer", "outcome"),
    [
        (UnacceptableOffer("no G.711"), "reject 488", "no_common_codec"),
        (RelayUnavailable("gone"), "reject 503", "relay_lost"),
    ],
)
async def test_a_call_that_cannot_have_media_is_refused(stage: Stage, error: Any, answer: str, outcome: str) -> None:
    stage.media.fault["answer_caller"] = error
    call = stage.call()
    await stage.end(stage.start(call))
    assert stage.leg.did == [answer]
    assert call.progress.outcome == outcome


async def test_promise_2_a_locked_vault_still_routes_and_the_page_says_so(stage: Stage) -> None:
    stage.vault.fault = VaultLocked("locked")
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.until(lambda: stage.floor.view("mia").vault == "unavailable")
    assert stage.media.did[-1] == "bridge AG1"
    assert stage.floor.view("mia").grant == ""
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)


async def test_when_the_vault_is_back_the_grant_follows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "VAULT_RETRY", 0.01)
    stage.vault.fault = VaultLocked("locked")
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: stage.floor.view("mia").vault == "unavailable")
    stage.vault.fault = None
    await stage.talking(call)
    assert (stage.floor.view("mia").vault, call.progress.assurance) == ("ok", 1)


async def test_an_unsigned_leg_gets_no_grant(stage: Stage) -> None:
    stage.leg.ticket = None
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: "bridge AG1" in stage.media.did)
    await asyncio.sleep(0.05)
    assert (call.progress.assurance, call.progress.grant) == (0, "")
    assert "match" not in stage.vault.asked


@pytest.mark.parametrize("keyed", ["424242", "000000424242", "12*424242"])
async def test_the_right_code_raises_assurance(stage: Stage, keyed: str) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    call.verify()
    stage.media.press(keyed)
    await stage.until(lambda: stage.floor.view("mia").verifying == "passed")
    assert stage.floor.view("mia").assurance == 2
    muted = [verb for verb in stage.media.did if verb.startswith("mute_digits")]
    assert muted == ["mute_digits True", "mute_digits False"]


async def test_keys_are_muted_before_the_code_is_on_its_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick caller's first keys would reach the agent otherwise."""
    before: list[str] = []
    send = stage.vault.send_code

    async def send_code(leg: str) -> bool:
        before.append(stage.media.did[-1])
        return await send(leg)

    monkeypatch.setattr(stage.vault, "send_code", send_code)
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    call.verify()
    await stage.until(lambda: stage.floor.view("mia").verifying == "sent")
    assert before == ["mute_digits True"]


async def test_a_vault_that_fails_in_mid_code_unmutes_the_caller(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    call.verify()
    await stage.until(lambda: stage.floor.view("mia").verifying == "sent")
    stage.vault.fault = VaultLocked("locked")
    stage.media.press("424242")
    await stage.until(lambda: stage.floor.view("mia").verifying == "failed")
    assert stage.media.did[-2:] == ["mute_digits False", "play code_wrong@en"]


async def test_hold_is_answered_here_and_the_caller_is_not_asked(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    agent_leg = stage.telephony.dialled[0][2]
    agent_leg.happens(LegEventKind.OFFER, sdp="sendonly")
    await stage.until(lambda: "accept_offer" in agent_leg.did)
    assert "accept_offer" not in stage.leg.did
    stage.media.fault["agent_reoffer"] = UnacceptableOffer("video only")
    agent_leg.happens(LegEventKind.OFFER, sdp="nonsense")
    await stage.until(lambda: "refuse_offer 488" in agent_leg.did)


@pytest.mark.parametrize(
    ("who", "reason", "outcome"),
    [("agent", "", "agent_hung_up"), ("agent", "dead peer", "agent_lost"), ("caller", "no ACK", "caller_lost")],
)
async def test_either_side_may_end_it(stage: Stage, who: str, reason: str, outcome: str) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    leg = stage.leg if who == "caller" else stage.telephony.dialled[0][2]
    leg.happens(LegEventKind.ENDED, reason=reason)
    await stage.end(task)
    assert call.progress.outcome == outcome
    assert not stage.leg.alive


async def test_a_caller_who_gives_up_while_ringing_frees_the_agent(stage: Stage) -> None:
    stage.telephony.answers = [LegEvent(LegEventKind.RINGING)]
    stage.floor.wish("mia", AgentState.READY)
    task = stage.start(stage.call())
    await stage.until(lambda: stage.telephony.dialled)
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)
    assert stage.telephony.dialled[0][2].did == ["hang_up"]
    assert stage.floor.view("mia").state is AgentState.READY


async def test_a_caller_who_gives_up_while_the_two_are_joined_frees_the_agent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    joining, never = asyncio.Event(), asyncio.Event()

    async def slow_bridge(attempt: str, agent_sdp: str) -> None:
        joining.set()
        await never.wait()

    monkeypatch.setattr(stage.media, "bridge", slow_bridge)
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await asyncio.wait_for(joining.wait(), 5)
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)
    assert stage.floor.view("mia").state is AgentState.WRAP_UP
    assert stage.telephony.dialled[0][2].did == ["hang_up"]


async def test_dead_peers_are_probed_and_a_lost_relay_ends_the_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "HEARTBEAT", 0.01)
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    await stage.until(lambda: "probe" in stage.leg.did and "probe" in stage.telephony.dialled[0][2].did)
    stage.media.fault["silence_seconds"] = RelayUnavailable("unknown call")
    await stage.end(task)
    assert call.progress.outcome == "relay_lost"
    assert Kind.FAULT in stage.notes.kinds


async def test_the_journal_resumes_a_conversation(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    record = stage.notes.saved["call_1"]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    later = Stage()
    leg, agent_leg = FakeLeg(ticket()), FakeLeg(ticket("agent"))
    resumed = story.resume(later.call().house, leg, later.media, agent_leg, record["progress"])
    running = later.start(resumed)
    await later.until(lambda: later.floor.view("mia").state is AgentState.ON_CALL)
    assert later.floor.view("mia").alias == call.progress.alias
    agent_leg.happens(LegEventKind.ENDED)
    await later.end(running)
    assert resumed.progress.outcome == "agent_hung_up"
    assert later.media.did == ["release"]
    for each in later.tasks:
        each.cancel()


async def test_the_journal_resumes_a_place_in_the_queue(stage: Stage) -> None:
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: stage.notes.saved.get("call_1", {}).get("progress", {}).get("step") == 2)
    record = stage.notes.saved["call_1"]
    later = Stage()
    ringing = FakeLeg()
    resumed = story.resume(later.call().house, FakeLeg(ticket()), later.media, ringing, record["progress"])
    assert ringing.did == ["hang_up"]
    later.start(resumed)
    await later.until(lambda: later.floor.counts()["waiting"] == 1)
    assert resumed.progress.since == record["progress"]["since"]
    await later.until(lambda: later.media.did == ["loop music"])
    for each in later.tasks:
        each.cancel()


# Flows


def shop(*stores: ChainStore, **steps: f.FlowStep) -> Chain:
    """A chain whose callers go through these steps; without steps of theirs the first is where they begin."""
    queues = (ChainQueue(QueueRule("orders"), "Orders"), ChainQueue(QueueRule("returns"), "Returns"))
    flow = f.Flow("shop", next(iter(steps)), {**steps, "end": f.HangUp("bye")}, ("en", "fr"))
    return Chain(stores or (ChainStore("north", "Northgate", "shop", NORTH.numbers),), queues, {"shop": flow})


NEVER = Hours("UTC", ((),) * 7)


async def test_a_closed_store_rings_nobody(stage: Stage) -> None:
    stage.chain = shop(ChainStore("north", "Northgate", "shop", NORTH.numbers, hours=NEVER), wait=f.Queue("orders"))
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    await stage.end(stage.start(call))
    assert call.progress.outcome == "closed"
    assert stage.media.did[-2:] == ["play closed@en", "release"]
    assert Kind.CALL_CLOSED in stage.notes.kinds
    assert stage.telephony.dialled == []


async def test_a_key_while_waiting_leads_on_and_the_new_queue_is_shown(stage: Stage) -> None:
    stage.chain = shop(wait=f.Queue("orders", (Need("welding"),), keys={"5": "other"}), other=f.Queue("returns"))
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)
    stage.media.press("75")
    await stage.talking(call)
    assert stage.floor.view("mia").queue == "Returns"


async def test_who_comes_back_to_a_queue_keeps_the_place(stage: Stage) -> None:
    call_me = f.Callback("end", "wait", "end")
    stage.chain = shop(wait=f.Queue("orders", (Need("welding"),), keys={"1": "call_me"}), call_me=call_me)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)
    since = call.progress.since
    stage.media.press("1")
    await stage.until(lambda: "play callback_offer@en" in stage.media.did)
    stage.media.press("2")
    await stage.until(lambda: stage.notes.kinds.count(Kind.CALL_QUEUED) == 2)
    assert call.progress.since == since


async def test_nothing_is_promised_where_nobody_rings_back(stage: Stage) -> None:
    stage.chain = shop(call_me=f.Callback("wait", "wait", "end", queue="orders"), wait=f.Queue("orders"))
    stage.media.press("1")
    call = stage.call()
    await stage.end(stage.start(call))
    assert call.progress.outcome == "flow_ended"
    assert stage.media.did[-2:] == ["play bye@en", "release"]


async def test_the_steps_own_longest_wait_is_shorter_than_the_queues(stage: Stage) -> None:
    stage.chain = shop(wait=f.Queue("orders", longest_wait=0.05, waited="end"))
    call = stage.call()
    await stage.end(stage.start(call))
    assert call.progress.outcome == "flow_ended"


@pytest.mark.parametrize(("key", "kind"), [("1", Kind.CONSENT_GIVEN), ("2", Kind.CONSENT_REFUSED)])
async def test_consent_is_in_the_ledger(stage: Stage, key: str, kind: Kind) -> None:
    stage.chain = shop(ask=f.Consent("survey", "2026-11", "ask", "end", "end"))
    stage.media.press(key)
    await stage.end(stage.start(stage.call()))
    assert kind in stage.notes.kinds


async def test_digits_go_to_the_vault_and_stand_in_no_record(stage: Stage) -> None:
    stage.chain = shop(ask=f.Collect("number", "wait", "end", 4, 6), wait=f.Queue("orders"))
    stage.media.press("918273")
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)
    assert stage.vault.digits == Sealed("918273")
    await stage.until(lambda: stage.notes.saved)
    assert "918273" not in repr((stage.notes.saved, stage.notes.history, call.progress))


async def test_a_vault_that_keeps_no_digits_holds_nobody_up(stage: Stage) -> None:
    stage.chain = shop(ask=f.Collect("number", "wait", "end", 4, 6), wait=f.Queue("orders"))
    stage.vault.fault = VaultLocked("locked")
    stage.media.press("918273")
    stage.start(stage.call())
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)


@pytest.mark.parametrize(("keyed", "words"), [("424242", "play code_ok@en"), ("000000", "play code_wrong@en")])
async def test_a_code_in_a_flow(stage: Stage, monkeypatch: pytest.MonkeyPatch, keyed: str, words: str) -> None:
    monkeypatch.setattr("quietline.live.step_up.CODE_WAIT", 0.05)
    stage.chain = shop(check=f.Verify("wait", "end"), wait=f.Queue("orders"))
    stage.media.press(keyed)
    call = stage.call()
    stage.start(call)
    await stage.until(lambda: words in stage.media.did)
    assert "mute_digits True" not in stage.media.did  # there is no agent who could hear
    assert call.progress.assurance == (2 if keyed == "424242" else 1)


async def test_another_life_begins_the_step_again_and_waits_without_the_words(stage: Stage) -> None:
    stage.chain = shop(menu=f.Menu("menu", (f.Choice("1", "wait", language="fr"),), "end"), wait=f.Queue("orders"))
    position = {"flow": "shop", "step": "wait", "store": "north", "language": "fr", "queue": "orders"}
    call = stage.call(step=2, queue="orders", since=stage.clock.monotonic(), flow=position)
    stage.start(call)
    await stage.until(lambda: "loop music" in stage.media.did)
    assert stage.media.did == ["loop music"]
    stage.floor.wish("mia", AgentState.READY)
    await stage.talking(call)
    assert call.language == "fr"


async def test_a_store_that_is_shut_as_the_wait_begins_ends_it(stage: Stage) -> None:
    """Nobody looks for another plan before the music begins; what changed meanwhile counts then."""
    stage.chain = shop(wait=f.Queue("orders", (Need("welding"),)))
    call = stage.call()
    task = stage.start(call)
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)
    shut = ChainStore("north", "Northgate", "shop", NORTH.numbers, hours=NEVER)
    call.house.plans.use(shop(shut, wait=f.Queue("orders")))
    await stage.end(task)
    assert call.progress.outcome == "closed"


async def test_a_queue_that_is_gone_is_closed(stage: Stage) -> None:
    stage.chain = shop(wait=f.Queue("gone"))
    call = stage.call()
    await stage.end(stage.start(call))
    assert call.progress.outcome == "closed"


async def test_a_caller_who_leaves_the_queue_at_once_changed_their_mind(stage: Stage) -> None:
    stage.chain = shop(wait=f.Queue("orders", (Need("welding"),)))
    call = stage.call()
    task = stage.start(call)
    await stage.until(lambda: stage.floor.counts()["waiting"] == 1)
    stage.leg.happens(LegEventKind.ENDED)
    await stage.end(task)
    assert call.progress.outcome == "short_abandon"


async def test_the_company_is_gone_before_the_two_are_joined(stage: Stage) -> None:
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    stage.start(call)
    await stage.talking(call)
    did = stage.media.did
    assert not [verb for verb in did[did.index("bridge AG1") :] if verb.startswith(("play", "loop"))]


async def test_a_call_that_is_over_leaves_the_collector_nothing(stage: Stage) -> None:
    """A look for cycles stops every call for as long as it takes: what was a call must be gone by itself."""
    stage.floor.wish("mia", AgentState.READY)
    call = stage.call()
    task = stage.start(call)
    await stage.talking(call)
    gc.collect()
    gc.disable()
    try:
        stage.leg.happens(LegEventKind.ENDED)
        await stage.end(task)
        over = weakref.ref(call)
        stage.tasks.remove(task)
        del call, task
        await asyncio.sleep(0.01)
        assert over() is None
    finally:
        gc.enable()
