"""Callbacks over SIP, whole: promised, kept, an agent first, the customer by a carrier that asks for everything."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import CALLERS_TONE, TONES, Agent, Shop, becomes, product

from quietline.config import Carrier, Config
from quietline.errors import ProtocolError
from quietline.telephony.certificates import Issued, issue, make_ca
from quietline.testing.browser import AgentBrowser
from quietline.testing.caller import Person, SimulatedCaller, listens, stays_deaf
from quietline.testing.carrier import SimulatedCarrier, answers_after, never_answers, refuses
from quietline.testing.digest import Credentials
from quietline.testing.far_leg import FarLeg
from quietline.testing.site import TRUNK

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

STORE = "+442079460101"
HOST = "sip.carrier-a.example"
CHAIN = """\
stores:
  north: {{name: Northgate, numbers: [{store}], flow: shop, hours: daytime}}
  hub: {{name: Service hub, flow: shop, hours: daytime}}
hours:
  daytime: {{zone: {zone}, week: {{mon-sun: 00:00-24:00}}}}
queues:
  orders: {{name: Orders, needs: [orders], ring: 3, wrap_up: 0.5, callback: {{tries: 2, pause: 1, expires: 600}}}}
flows:
  shop:
    steps:
      orders: {{do: queue, queue: orders, hold: null, keys: {{9: offer}}}}
      offer: {{do: callback, accepted: promised, refused: orders, impossible: sorry}}
      promised: {{do: hang_up, say: callback_kept}}
      sorry: {{do: hang_up, say: sorry}}
"""


def noon_zone() -> str:
    """A zone in which it is about noon, whenever the test runs: nobody is rung at night."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def pem(folder: Path, name: str, issued: Issued) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    return certificate, key


class Outside:
    """The product with a carrier beyond it."""

    def __init__(self, shop: Shop, carrier: SimulatedCarrier) -> None:
        self.shop, self.carrier = shop, carrier
        self.person = 0

    def next_person(self) -> Person:
        """A customer of their own for each test: one number has one callback."""
        self.person += 1
        return Person(self.shop.customer(self.person).phone)

    async def promised(self) -> Person:
        """A caller waits, asks to be called back, and hangs up; who."""
        person, before = self.next_person(), await kept_so_far(self.shop)

        async def another() -> bool:
            return await kept_so_far(self.shop) > before

        async with self.shop.caller(person) as caller:
            await caller.dials(STORE)
            await caller.answered()
            await self.shop.queued(1)
            await self.asks_to_be_called_back(caller)
            await becomes(another, "the callback is kept")
            await caller.is_hung_up_on()
        return person

    async def asks_to_be_called_back(self, caller: SimulatedCaller) -> None:
        """Out of the queue by a key, and yes to the offer, again where it was not heard; until the line is free."""
        await caller.press("9")
        await self.shop.queued(0)
        for _ in range(3):
            await asyncio.sleep(0.5)
            await caller.press("1")
            with suppress(ProtocolError):
                return await caller.is_hung_up_on(20)
        raise AssertionError("the offer of a callback was not taken")

    async def agent_takes(self, agent: Agent) -> None:
        """The offer says that it is a callback and of whom it says nothing; the desk phone answers."""
        await self.shop.taken(agent)
        await agent.reaches("on_call", callback="dialling")

    async def forget_an_earlier_try(self) -> None:
        """A try that failed may have left a promise that is kept for good: its journal ends with the controller."""
        if self.shop.journal():
            (self.shop.site.config.paths.state / "controller" / "journal").unlink()
            await self.shop.kill("controller")
            await self.no_callback_left()
            await self.carrier.signed_in()

    async def no_callback_left(self) -> None:
        async def empty() -> bool:
            return not self.shop.journal() and not (await self.shop.floor())["waiting"]

        await becomes(empty, "no callback is kept")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outside]:
    folder, now = tmp_path_factory.mktemp("carrier"), datetime.now(UTC)
    ca = make_ca(now)
    authority, _ = pem(folder, "ca", ca)
    server = pem(folder, "server", issue(ca, HOST, [HOST], now))
    credentials = Credentials("quietline", "a carrier's secret")
    secret = folder / "password"
    secret.write_text(credentials.password)
    secret.chmod(0o400)
    async with SimulatedCarrier(*server, credentials, shows=frozenset({STORE}), tone=CALLERS_TONE) as carrier:
        carrier.wants_registration = True
        line = Carrier(
            TRUNK, "127.0.0.1", carrier.port, HOST, str(authority), credentials.user, str(secret), register=True,
            register_seconds=60, shows=(STORE,), ring_seconds=5.0,
        )  # fmt: skip

        def with_carrier(config: Config, _: Path) -> Config:
            return replace(config, carriers=(line,))

        async with product(change=with_carrier) as shop:
            await apply(shop, folder)
            await carrier.signed_in()
            yield Outside(shop, carrier)


async def apply(shop: Shop, folder: Path) -> None:
    (folder / "chain.yaml").write_text(CHAIN.format(store=STORE, zone=noon_zone()))
    program = (sys.executable, "-m", "quietline.cli", "apply", str(folder / "chain.yaml"), "--yes")
    process = await asyncio.create_subprocess_exec(
        *(*program, "--config", str(shop.site.config_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()


@pytest_asyncio.fixture(loop_scope="module")
async def outside(running: Outside) -> AsyncIterator[Outside]:
    await running.forget_an_earlier_try()
    running.carrier.behaviour = answers_after(0.0)
    await running.carrier.forget()
    yield running
    await running.no_callback_left()
    await running.shop.nothing_left()


async def hears_words(called: FarLeg) -> None:
    async def begun() -> bool:
        return called.media.counts["received"] > 15

    await becomes(begun, "the words begin")


async def presses_one(called: FarLeg) -> None:
    """As a person does: once there is something to hear, and once more when nothing seems to happen."""
    await hears_words(called)
    for _ in range(3):
        await called.media.press("1")
        await asyncio.sleep(0.7)


async def hear_each_other(called: FarLeg, agent: Agent) -> None:
    await asyncio.gather(listens(called.media, agent.tone, 5.0), agent.phone.hears(CALLERS_TONE))


async def test_a_callback_from_the_promise_to_the_talk(outside: Outside) -> None:
    shop, carrier = outside.shop, outside.carrier
    person = await outside.promised()
    async with shop.agent("mia") as mia:
        await outside.agent_takes(mia)
        called = await carrier.picks_up()
        assert carrier.invites[-1].start.startswith(f"INVITE sip:{person.number}@")
        assert carrier.invites[-1].first("from").startswith(f"<sip:{STORE}@")
        await stays_deaf(called.media, mia.tone, 0.5)  # until whoever answers has shown that they are a person
        await presses_one(called)
        view = await mia.reaches("on_call", vault="ok", assurance=1)
        await hear_each_other(called, mia)
        assert (await mia.looks(str(view["call"])))[0] == 200
        called.hangs_up()
        await mia.reaches("wrap_up")
        ended = await mia.looks(str(view["call"]))
        assert ended[0] in (409, 410), ended
        page = b"".join(mia.phone.received).decode()
        assert person.number.lstrip("+") not in page
        await nothing_leaks(outside, mia, called, str(view["alias"]))
        for part in await shop.site.lives():
            assert person.number.lstrip("+") not in shop.log(part), part
    await shop.noted("callback.dropped", why="answered")


async def nothing_leaks(outside: Outside, agent: Agent, called: FarLeg, alias: str) -> None:
    """The carrier and whoever is called learn nothing of the agent, nor of our inside; the sound is encrypted."""
    assert called.suite
    said = b"\n".join(outside.carrier.received).decode().lower()
    config = outside.shop.site.config
    inside = [f"127.0.0.1:{port}" for port in (config.controller.sip_port, config.edge.internal_port)]
    for word in (agent.token, alias.lower(), "x-ql", "desk@invalid", "a carrier's secret", *inside):
        assert word not in said, word
    rtcp = b"".join(called.media.rtcp_received)
    assert b"desk@invalid" not in rtcp
    assert agent.token.encode() not in rtcp


async def test_an_agent_in_a_browser_is_told_and_joined(outside: Outside, tmp_path: Path) -> None:
    shop, carrier = outside.shop, outside.carrier
    await outside.promised()
    async with AgentBrowser(shop.site.url, shop.site.ca, tmp_path, tone=TONES["noor"]) as noor:
        await noor.signs_in("noor", shop.site.passwords["noor"])
        await noor.goes_ready()
        await noor.reads("A callback: the customer is rung once you answer.")
        await noor.answers()
        called = await carrier.picks_up(15)
        await noor.reads("Ringing the customer…")
        await presses_one(called)
        await noor.page.locator(".card-body .reference").wait_for()
        await asyncio.gather(listens(called.media, TONES["noor"], 8.0), noor.hears(CALLERS_TONE))
        called.hangs_up()
        await noor.reads("Wrap-up")
        await noor.signs_out()


async def test_busy_then_answered_with_a_pause_between(outside: Outside) -> None:
    carrier = outside.carrier
    carrier.behaviour = refuses("486 Busy Here", 0.2)
    await outside.promised()
    async with outside.shop.agent("mia") as mia:
        await carrier.is_called()
        refused_at = time.monotonic()
        await mia.reaches("ready")
        carrier.behaviour = answers_after(0.0)
        called = await carrier.picks_up()
        assert time.monotonic() - refused_at > 0.9
        await presses_one(called)
        await mia.reaches("on_call", vault="ok")
        await hear_each_other(called, mia)
        mia.phone.hangs_up()
        async with asyncio.timeout(10):
            await called.ended.wait()


async def test_a_machine_presses_no_key_and_nobody_answers_so_it_is_used_up(outside: Outside) -> None:
    carrier = outside.carrier
    await outside.promised()
    async with outside.shop.agent("mia") as mia:
        machine = await carrier.picks_up()
        await hears_words(machine)
        await machine.media.press("5")  # no key of ours
        await stays_deaf(machine.media, mia.tone, 0.5)
        machine.hangs_up()
        await outside.shop.noted("call.ended", outcome="callback_no_key")
        carrier.behaviour = never_answers()
        rung = await carrier.is_called(15)
        async with asyncio.timeout(15):
            await rung.ended.wait()
        assert rung.state == "cancelled"
        await outside.shop.noted("callback.dropped", why="used_up")
        await mia.reaches("ready")


async def test_an_agent_who_hangs_up_while_the_phone_rings_frees_it(outside: Outside) -> None:
    outside.carrier.behaviour = never_answers()
    await outside.promised()
    async with outside.shop.agent("mia") as mia:
        rung = await outside.carrier.is_called(15)
        mia.phone.hangs_up()
        async with asyncio.timeout(10):
            await rung.ended.wait()
        outside.carrier.behaviour = answers_after(0.0)
        called = await outside.carrier.picks_up(15)
        await presses_one(called)
        await mia.reaches("on_call", vault="ok")
        called.hangs_up()


async def test_a_kept_callback_outlives_kill_9_of_the_controller(outside: Outside) -> None:
    shop, carrier = outside.shop, outside.carrier
    carrier.behaviour = never_answers()
    await outside.promised()
    async with shop.agent("mia") as mia:
        rung = await carrier.is_called(15)
        await asyncio.sleep(2.5)  # agents' states go into the journal every two seconds
        await shop.kill("controller")
        async with asyncio.timeout(20):
            await rung.ended.wait()
        carrier.behaviour = answers_after(0.0)
        called = await carrier.picks_up(30)
        await presses_one(called)
        await mia.reaches("on_call", vault="ok")
        await shop.kill("controller")
        await hear_each_other(called, mia)
        called.hangs_up()
        await mia.reaches("wrap_up")


async def test_a_withheld_number_is_promised_nothing(outside: Outside) -> None:
    before = await kept_so_far(outside.shop)
    person = replace(outside.next_person(), privacy="id")
    async with outside.shop.caller(person) as caller:
        await caller.dials(STORE)
        await caller.answered()
        await outside.shop.queued(1)
        await outside.asks_to_be_called_back(caller)
    await outside.no_callback_left()
    assert await kept_so_far(outside.shop) == before


async def kept_so_far(shop: Shop) -> int:
    return sum(entry.kind.value == "callback.kept" for entry in await shop.ledger())
