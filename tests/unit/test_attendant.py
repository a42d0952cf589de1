"""The attendant, a caller's company and place in the queue, the outlook: a flow run against ports in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from quietline.chain.model import Announcements, Chain, Queue, Store
from quietline.errors import ConfigError, Denied, VaultLocked
from quietline.live import company as company_module
from quietline.live.attendant import Attendant, first_key, gather
from quietline.live.company import Company
from quietline.live.floor import Floor
from quietline.live.outlook import Outlook
from quietline.live.plan import Plan, PlanInForce
from quietline.live.step_up import step_up
from quietline.routing import flow as f
from quietline.routing.flow import Choice, Flow
from quietline.routing.flow_run import AskDigits, Consented, End, Enter, Event, Key, Position, Waited
from quietline.routing.hours import Hours
from quietline.routing.model import QueueRule, Waiting
from quietline.routing.overflow import Spill
from quietline.sealed import Sealed
from quietline.telephony.sdp import UnacceptableOffer
from quietline.testing.clock import ManualClock
from quietline.testing.fake_call import FakeMedia, FakeVault, FakeVoice
from quietline.vault.ports import StaffMember

NEVER = Hours("UTC", ((),) * 7)  # no day has a span
END = f.HangUp("bye")
MENU = f.Menu("menu", (Choice("1", "wait"), Choice("2", "end", language="fr")), otherwise="end", wait=0.05)


class Hands:
    """Remembers what a flow asked of the call."""

    def __init__(self) -> None:
        self.level, self.passes, self.promises = 0, True, True
        self.positions: list[Position] = []
        self.consents: list[Consented] = []
        self.digits: list[tuple[Sealed[str], str]] = []

    def assurance(self) -> int:
        return self.level

    def moved(self, position: Position) -> None:
        self.positions.append(position)

    def consented(self, consent: Consented) -> None:
        self.consents.append(consent)

    async def prove(self, language: str) -> bool:
        return self.passes

    async def keep_digits(self, digits: Sealed[str], to: str) -> None:
        self.digits.append((digits, to))

    async def promise(self, queue: str) -> bool:
        return self.promises


def chain(*stores: Store, **steps: f.FlowStep) -> Chain:
    queues = (Queue(QueueRule("orders"), "Orders"), Queue(QueueRule("returns"), "Returns", hours=NEVER))
    flow = Flow("shop", next(iter(steps), "end"), {**steps, "end": END}, ("en", "fr"))
    return Chain(stores or (Store("north", "Northgate", "shop", ("+442079460101",)),), queues, {"shop": flow})


class Desk:
    """One attendant at work."""

    def __init__(self, made: Chain) -> None:
        self.media, self.hands = FakeMedia(), Hands()
        self.attendant = Attendant(Plan(made), self.media, self.hands, ManualClock())

    async def begins(self, keys: str = "") -> Enter | End:
        self.media.press(keys)
        async with asyncio.timeout(5):
            return await self.attendant.begin("north")


# The attendant


async def test_notice_menu_queue() -> None:
    desk = Desk(chain(notice=f.Notice("menu"), menu=MENU, wait=f.Queue("orders")))
    assert await desk.begins("1") == Enter("orders", hold="hold")
    assert desk.media.did == ["play notice@en", "play menu@en"]
    assert [position.step for position in desk.hands.positions] == ["notice", "menu", "wait"]


async def test_a_key_changes_the_language_of_what_follows() -> None:
    desk = Desk(chain(menu=MENU, wait=f.Queue("orders")))
    assert await desk.begins("92") == End("flow_ended")  # 9 is overheard
    assert desk.media.did == ["play menu@en", "play bye@fr"]


async def test_silence_reads_the_menu_again_and_then_goes_on() -> None:
    desk = Desk(chain(menu=MENU, wait=f.Queue("orders")))
    assert await desk.begins() == End("flow_ended")
    assert desk.media.did == ["play menu@en", "play menu@en", "play bye@en"]


async def test_a_wrong_key_is_answered_where_the_flow_says_so() -> None:
    menu = f.Menu("menu", (Choice("1", "wait"),), "end", invalid="invalid", wait=0.05)
    desk = Desk(chain(menu=menu, wait=f.Queue("orders")))
    assert isinstance(await desk.begins("71"), Enter)
    assert desk.media.did == ["play menu@en", "play invalid@en"]


class Early(FakeMedia):
    """Hands out keys that were pressed before the listening began to nobody, as the relay does."""

    def digits(self) -> Any:
        self._keys = asyncio.Queue()
        return super().digits()


async def test_keys_from_before_the_words_are_no_consent() -> None:
    made = chain(ask=f.Consent("survey", "1", "ask", "end", "end", tries=1, wait=0.05))
    desk = Desk(made)
    desk.media = Early()
    desk.attendant = Attendant(Plan(made), desk.media, desk.hands, ManualClock())
    await desk.begins("1")
    assert desk.hands.consents == [Consented("survey", "1", False, "silence")]


async def test_consent_by_key_is_handed_on() -> None:
    desk = Desk(chain(ask=f.Consent("survey", "1", "ask", "end", "end")))
    await desk.begins("1")
    assert desk.hands.consents == [Consented("survey", "1", True, "key")]


async def test_digits_are_sealed_and_handed_on() -> None:
    desk = Desk(chain(ask=f.Collect("number", "wait", "end", 3, 6, wait=0.05), wait=f.Queue("orders")))
    assert isinstance(await desk.begins("1*4711#"), Enter)
    assert desk.hands.digits == [(Sealed("4711"), "card")]
    assert "4711" not in repr((desk.hands.digits, desk.hands.positions))


async def test_too_few_digits_are_none() -> None:
    desk = Desk(chain(ask=f.Collect("number", "wait", "end", 3, 6, tries=1, wait=0.05), wait=f.Queue("orders")))
    assert await desk.begins("12#") == End("flow_ended")
    assert desk.hands.digits == []


@pytest.mark.parametrize(("passes", "step"), [(True, "wait"), (False, "end")])
async def test_verify(passes: bool, step: str) -> None:
    desk = Desk(chain(verify=f.Verify("wait", "end"), wait=f.Queue("orders")))
    desk.hands.passes = passes
    await desk.begins()
    assert desk.attendant.position.step == step


async def test_hours_are_asked_of_the_plan_at_that_time() -> None:
    shut = Store("north", "Northgate", "shop", hours=NEVER)
    desk = Desk(chain(shut, hours=f.Hours("wait", "end"), wait=f.Queue("orders")))
    assert await desk.begins() == End("flow_ended")
    desk = Desk(chain(hours=f.Hours("wait", "end", queue="returns"), wait=f.Queue("orders")))
    assert await desk.begins() == End("flow_ended")


async def test_after_the_wait_the_flow_goes_on() -> None:
    call = f.Callback("end", "wait", "end", wait=0.05)
    desk = Desk(chain(wait=f.Queue("orders", keys={"1": "call"}), call=call))
    await desk.begins()
    desk.media.press("2")
    assert isinstance(await desk.attendant.after(Key("1")), Enter)
    assert await desk.attendant.after(Waited()) == End("waited_too_long")
    assert desk.media.did[-1] == "play sorry@en"


async def test_another_life_goes_on_where_the_caller_stood() -> None:
    desk = Desk(chain(menu=MENU, wait=f.Queue("orders")))
    desk.media.press("1")
    assert isinstance(await desk.attendant.again(Position("shop", "menu", "north", "fr")), Enter)
    assert desk.media.did == ["play menu@fr"]


async def test_first_key_and_gather() -> None:
    media = FakeMedia()
    media.press("x5")
    assert await first_key(media.digits(), "56", 1.0) == "5"
    assert await first_key(media.digits(), "", 0.01) == ""
    ask = AskDigits((), 2, 4, "*", "card", 0.01)
    for keys, found in (("12345", "1234"), ("12*", "12"), ("1*", ""), ("1#23*", "23"), ("12", "12")):
        media = FakeMedia()
        media.press(keys)
        stream = media.digits()
        assert await gather(stream, await first_key(stream, "", 1.0), ask) == Sealed(found)


# The plan


def test_the_plan_knows_stores_by_number_and_what_is_closed() -> None:
    mill = Store("mill", "Old Mill", "shop", ("+442079460103",), hours=NEVER)
    plan = Plan(chain(Store("north", "Northgate", "shop", ("+442079460101",)), mill))
    assert [plan.store(number) for number in ("+442079460103", "+442079460101", "+442079460199")] == [
        "mill",
        "north",
        "north",
    ]
    closed = plan.closed_at(0.0)
    assert [name in closed for name in ("store:mill", "store:north", "queue:returns", "queue:none")] == [
        True,
        False,
        True,
        False,
    ]
    assert plan.queue("none") is None


@pytest.mark.parametrize(
    ("queue", "waited", "agent", "word"),
    [
        ("orders", 4.9, "", "short_abandon"),
        ("orders", 5.0, "", "caller_hung_up"),
        ("orders", 1.0, "mia", "caller_hung_up"),
        ("", 1.0, "", "caller_hung_up"),
    ],
)
def test_who_leaves_a_queue_at_once_has_changed_their_mind(queue: str, waited: float, agent: str, word: str) -> None:
    assert Plan(chain()).gave_up(queue, waited, agent) == word


def test_a_chain_without_anything_says_sorry() -> None:
    plan = Plan(Chain())
    assert plan.store("+442079460101") == ""
    move = plan.flows.begin("", Desk(chain()).attendant._facts())
    assert move.position.step == "sorry"


def test_whose_agents_may_take_a_call() -> None:
    load = Outlook(Floor([QueueRule("orders")], ManualClock()), ManualClock()).load
    always = Plan(replace(chain(), queues=(Queue(QueueRule("orders"), "Orders"),)))
    assert always.reach("north", "orders", 0.0, lambda store: load(store, "orders"), 0.0) is None
    mill = Store("mill", "Old Mill", "shop", hours=NEVER)
    some = Plan(chain(Store("north", "Northgate", "shop"), mill))
    found = some.reach("north", "orders", 0.0, lambda store: load(store, "orders"), 0.0)
    assert found is not None
    assert found.stores == ("north",)
    shut = Plan(chain(Store("mill", "Old Mill", "shop", hours=NEVER, shared=False)))
    found = shut.reach("mill", "orders", 0.0, lambda store: load(store, "orders"), 0.0)
    assert found is not None
    assert found.stores == ()


def test_overflow_reaches_another_store() -> None:
    harbour = Store("harbour", "Harbour", "shop", shared=False, overflow=(Spill("hub", after=10.0),))
    plan = Plan(chain(harbour, Store("hub", "Hub", "shop")))
    load = Outlook(Floor([QueueRule("orders")], ManualClock()), ManualClock()).load
    for waited, stores in ((0.0, ("harbour",)), (11.0, ("harbour", "hub"))):
        found = plan.reach("harbour", "orders", 0.0, lambda store: load(store, "orders"), waited)
        assert found is not None
        assert found.stores == stores


def test_a_new_plan_is_for_calls_that_begin() -> None:
    plans = PlanInForce(chain())
    before = plans.now
    plans.use(Chain())
    assert plans.now is not before
    assert before.queue("orders") is not None


# Company


class Line:
    """A line whose end is known."""

    def __init__(self, place: int = 3, expected: float | None = 200.0) -> None:
        self._place, self._expected = place, expected

    def place(self, call: str) -> int:
        return self._place

    def expected(self, call: str) -> float | None:
        return self._expected


class Caller:
    """One caller in company."""

    def __init__(self, line: Line | None = None) -> None:
        self.media, self.voice = FakeMedia(), FakeVoice()
        self.told: list[Event] = []
        self.company = Company("call_1", self.media, self.voice, line or Line(), self.told.append)

    async def until(self, work: Awaitable[None], condition: Callable[[], bool]) -> None:
        task = asyncio.ensure_future(work)
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait({task})


async def test_words_once_then_music_then_the_place_and_the_wait() -> None:
    caller = Caller()
    announced = Announcements(every=0.01)
    await caller.until(caller.company.entertain("hold", "en", announced), lambda: len(caller.media.did) >= 8)
    assert caller.media.did[:5] == ["play hold@en", "loop music", "play place 3@en", "play wait 4@en", "loop music"]
    assert caller.media.did[5:8] == ["play place 3@en", "play wait 4@en", "loop music"]
    assert caller.voice.said[:2] == ["You are number 3.", "The wait is about 4 minutes."]


@pytest.mark.parametrize(
    ("line", "announced", "language", "said"),
    [
        (Line(1, None), Announcements(0.01), "fr", ["Vous êtes le prochain appel."]),
        (Line(40, 60.0), Announcements(0.01), "en", ["The wait is about one minute."]),
        (Line(), Announcements(0.01, wait=False), "de", ["Sie sind auf Platz 3."]),
        (Line(), Announcements(0.01, place=False), "es", ["La espera es de unos 4 minutos."]),
        (Line(), Announcements(0.01), "cy", []),
    ],
)
async def test_what_is_announced(line: Line, announced: Announcements, language: str, said: list[str]) -> None:
    caller = Caller(line)
    did = caller.media.did
    await caller.until(caller.company.entertain("", language, announced), lambda: did.count("loop music") >= 2)
    assert caller.voice.said[: len(said)] == said
    assert len(caller.voice.said) >= len(said)


async def test_without_announcements_there_is_music_only() -> None:
    caller = Caller()
    await asyncio.wait_for(caller.company.entertain("", "en", Announcements(every=0.0)), 5)
    assert caller.media.did == ["loop music"]


async def test_an_announcement_that_cannot_be_made_leaves_the_music() -> None:
    caller = Caller()

    async def fails(name: str, language: str, text: str) -> str:
        raise ConfigError("prompts: espeak-ng failed")

    caller.voice.say = fails  # type: ignore[method-assign]
    did = caller.media.did
    await caller.until(caller.company.entertain("", "en", Announcements(0.01)), lambda: did.count("loop music") >= 2)
    assert set(did) == {"loop music"}


async def test_a_key_that_works_while_waiting_is_told() -> None:
    caller = Caller()
    caller.media.press("73")
    await caller.until(caller.company.listen("13"), lambda: bool(caller.told))
    assert caller.told == [Key("3")]


async def test_the_steps_own_longest_wait_is_told_until_somebody_minds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company_module, "SAY_AGAIN", 0.01)
    caller = Caller()
    await caller.until(caller.company.time_out(-1.0), lambda: len(caller.told) >= 2)
    assert caller.told[:2] == [Waited(), Waited()]


@pytest.mark.parametrize(
    ("wanted", "works"), [(Enter("q"), 0), (Enter("q", keys="1"), 1), (Enter("q", keys="1", longest_wait=5.0), 2)]
)
async def test_only_what_is_needed_runs(wanted: Enter, works: int) -> None:
    found = list(Caller().company.ends(wanted, 5.0))
    assert len(found) == works
    for each in found:
        each.close()  # type: ignore[attr-defined]


# The outlook


class Scene:
    """A real floor with a clock that moves when told."""

    def __init__(self, agents: int = 2) -> None:
        self.clock = ManualClock()
        self.floor = Floor([QueueRule("orders"), QueueRule("returns")], self.clock)
        certificates = {"invoice": self.clock.wall() + 9e6}
        self.floor.staff([StaffMember(f"a{n}", {}, certificates, "hub" if n else "north") for n in range(agents)])
        for number in range(agents):
            self.floor.adopt(f"talk{number}", f"a{number}", "orders")
        self.outlook = Outlook(self.floor, self.clock)

    def waits(self, call: str, queue: str = "orders", store: str = "north") -> None:
        since = self.clock.monotonic()
        self.floor.enter(Waiting(call, queue, since))
        self.outlook.entered(call, queue, store, since)
        self.clock.advance(1.0)


async def test_places_are_those_of_the_queue() -> None:
    scene = Scene()
    for call, queue in (("c1", "orders"), ("c2", "returns"), ("c3", "orders")):
        scene.waits(call, queue)
    assert [scene.outlook.place(call) for call in ("c1", "c2", "c3", "c4")] == [1, 1, 2, 0]


async def test_the_expected_wait_grows_with_the_place_and_falls_with_agents() -> None:
    waits = {}
    for agents in (1, 2):
        scene = Scene(agents)
        for call in ("c1", "c2", "c3"):
            scene.waits(call)
        waits[agents] = [scene.outlook.expected(call) or 0.0 for call in ("c1", "c2", "c3")]
        assert waits[agents] == sorted(waits[agents])
    assert waits[1][2] == pytest.approx(2 * waits[2][2])
    assert Scene().outlook.expected("nobody") is None


async def test_nobody_in_service_means_nobody_can_tell() -> None:
    scene = Scene(0)
    scene.waits("c1")
    assert scene.outlook.expected("c1") is None


async def test_what_happens_teaches_the_estimator() -> None:
    scene = Scene()
    scene.waits("c1")
    told = scene.outlook.expected("c1")
    scene.outlook.handled("orders", 30.0)
    assert (scene.outlook.expected("c1") or 0.0) < (told or 0.0)
    scene.outlook.answered("c1")
    assert scene.outlook.estimator.error().calls == 1
    scene.waits("c2")
    scene.outlook.left("c2", hung_up=True)
    assert scene.outlook.estimator.rates("orders").left > 0
    scene.outlook.left("c2", hung_up=True)  # twice does no harm


async def test_who_may_take_what_is_remembered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at every agent is dear."""
    scene, looks = Scene(), []
    able = scene.floor.able
    monkeypatch.setattr(scene.floor, "able", lambda waiting: looks.append(waiting) or able(waiting))
    for _ in range(5):
        scene.outlook.load("north", "orders")
    assert len(looks) == 1
    scene.clock.advance(4.0)
    scene.outlook.load("north", "orders")
    assert len(looks) == 2


async def test_how_a_store_stands() -> None:
    scene = Scene()
    scene.waits("c1", store="north")
    scene.waits("c2", store="hub")
    north = scene.outlook.load("north", "orders")
    assert (north.waiting, scene.outlook.load("mill", "orders").waiting) == (1, 0)
    assert north.expected is not None
    assert scene.outlook.load("mill", "orders").expected is None  # nobody of the mill is in service


# Step-up


async def test_a_code_that_is_right() -> None:
    media, vault, sent = FakeMedia(), FakeVault(), []
    media.press("424242")
    assert await step_up(vault, media, "leg", "fr", private=True, sent=lambda: sent.append(1)) == 2
    assert media.did == ["mute_digits True", "play code@fr", "mute_digits False"]
    assert sent == [1]


async def test_without_an_agent_nothing_is_muted() -> None:
    media, vault = FakeMedia(), FakeVault()
    media.press("000000424242")
    assert await step_up(vault, media, "leg", "en", sent=lambda: None) == 2
    assert media.did == ["play code@en", "play code_wrong@en"]


@pytest.mark.parametrize("fault", [VaultLocked("locked"), Denied("code-sends-used-up")])
async def test_a_vault_that_cannot(fault: Any) -> None:
    media, vault = FakeMedia(), FakeVault(fault=fault)
    assert await step_up(vault, media, "leg", "en", private=True, sent=lambda: None) == 0
    assert media.did[-1] == "mute_digits False"


def test_an_unacceptable_offer_is_no_business_of_a_flow() -> None:
    assert not issubclass(UnacceptableOffer, ConfigError)
