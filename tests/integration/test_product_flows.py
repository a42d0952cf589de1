"""Flows and routing over SIP: languages, digits, consent, closed stores, overflow by time, size and expected wait, the
agent whom the caller knows, the end of a wait, and a crash on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import Agent, Shop, becomes, hear_each_other, product

from quietline.telephony.prompt_scripts import Spoken
from quietline.telephony.prompts import Prompts
from quietline.testing.caller import Person, SimulatedCaller

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

NORTH, HARBOUR, MILL, HUB = "+442079460101", "+442079460102", "+442079460103", "+442079460100"
QUAY, PIER = "+442079460104", "+442079460105"
KNOWN_FOR = 6.0  # seconds for which the vault knows whom a customer spoke with
CHAIN = """\
stores:
  north: {name: Northgate, numbers: [+442079460101], flow: shop}
  harbour:
    {name: Harbour Street, numbers: [+442079460102], flow: fitting, agents: own, overflow: [{to: hub, expected: 400}]}
  quay: {name: Quayside, numbers: [+442079460104], flow: plain, agents: own, overflow: [{to: hub, after: 1}]}
  pier: {name: Pier Road, numbers: [+442079460105], flow: plain, agents: own, overflow: [{to: hub, waiting: 2}]}
  mill: {name: Old Mill, numbers: [+442079460103], flow: plain, hours: never}
  hub: {name: Service hub, numbers: [+442079460100], flow: plain}
hours:
  never: {zone: Europe/London, week: {mon-sun: closed}}
queues:
  orders: {name: Orders, needs: [orders], ring: 3, wrap_up: 0.5, announce: {every: 0.5}}
  returns: {name: Returns, needs: [returns], ring: 3, wrap_up: 0.5, longest_wait: 1.5, reason: return_refund}
  fittings: {name: Fittings, needs: [orders], ring: 3, wrap_up: 0.5}
  known: {name: Known, needs: [orders], ring: 3, wrap_up: 0.5, sticky: 20}
flows:
  shop:
    languages: [en, fr]
    steps:
      language:
        do: menu
        choices: {1: {language: en, go: topic}, 2: {language: fr, go: topic}}
        otherwise: topic
      topic:
        do: menu
        choices:
          1: {label: {en: your order, fr: votre commande}, go: speaks}
          2: {label: {en: a return, fr: un retour}, go: returns}
          3: {label: {en: an order number, fr: un numéro}, go: number}
          4: {label: {en: a code, fr: un code}, go: check}
          5: {label: {en: a question again, fr: une question}, go: known}
        otherwise: speaks
      number: {do: collect, say: number, least: 4, most: 6, go: ask, otherwise: speaks}
      ask: {do: consent, wording: survey, version: "2026-11-24", say: number, yes: speaks, no: speaks, wait: 20}
      check: {do: verify, passed: proven, failed: end}
      proven: {do: branch, on: assurance, cases: {2: speaks}, otherwise: end}
      end: {do: hang_up}
      speaks: {do: branch, on: language, cases: {fr: french}, otherwise: orders}
      french: {do: queue, queue: orders, needs: [lang:fr], keys: {9: returns}}
      orders: {do: queue, queue: orders}
      returns: {do: queue, queue: returns, hold: null}
      known: {do: queue, queue: known, hold: null}
  plain:
    steps:
      orders: {do: queue, queue: orders, hold: null}
  fitting:
    steps:
      fittings: {do: queue, queue: fittings, hold: null}
prompts:  # short ones: nobody here listens for their sake
  number: {en: Number., fr: Numéro.}
  code: {en: Code.}
  code_ok: {en: Right.}
  code_wrong: {en: Wrong.}
  closed: {en: Closed.}
  sorry: {en: Sorry.}
"""


async def apply(shop: Shop, folder: Path, text: str = CHAIN) -> None:
    """`quietline apply`, as an administrator would."""
    (folder / "chain.yaml").write_text(text)
    await shop.site.apply(folder / "chain.yaml")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with product({"vault": {"last_agent_seconds": KNOWN_FOR}}) as running:
        await apply(running, tmp_path_factory.mktemp("chain"))
        yield running


async def calls(caller: SimulatedCaller, number: str, keys: str = "") -> None:
    await caller.dials(number)
    await caller.answered()
    if keys:
        await caller.press(keys)


async def test_a_french_caller_waits_for_somebody_who_speaks_french(shop: Shop) -> None:
    """Noor has been ready longer; Mia speaks French."""
    async with shop.agent("noor") as noor, shop.agent("mia") as mia, shop.caller() as caller:
        await calls(caller, NORTH, "21")
        await shop.taken(mia)
        await hear_each_other(caller, mia)
        view = await mia.reaches("on_call")
        assert (view["queue"], view["topic"]) == ("Orders", "order_status")
        assert noor.phone.legs == []
    await shop.nothing_left()


async def test_the_menus_second_choice_leads_to_its_queue(shop: Shop) -> None:
    async with shop.agent("noor") as noor, shop.caller() as caller:
        await calls(caller, NORTH, "12")
        await shop.taken(noor)
        await hear_each_other(caller, noor)
        assert (await noor.reaches("on_call"))["queue"] == "Returns"
    await shop.nothing_left()


async def test_digits_reach_the_agents_card_and_nothing_else(shop: Shop) -> None:
    """The number that was keyed stands on the card; no log and no ledger entry has it. Consent is in the ledger."""
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await calls(caller, NORTH, "13")
        await caller_keys(shop, caller, "918273")
        await shop.taken(mia)
        view = await mia.reaches("on_call", vault="ok")
        status, body = await mia.desk.get(f"/api/calls/{view['call']}/card")
        assert status == 200
        assert '"call.keyed"' in body
        assert '"918273"' in body
    given = await shop.noted("consent.given")
    assert dict(given.fields or {}).items() >= {"wording": "survey/2026-11-24", "how": "key"}.items()
    for part in ("controller", "vault", "relay", "web", "edge"):
        assert "918273" not in shop.log(part), part
    assert "918273" not in str(await shop.ledger())
    await shop.nothing_left()


async def caller_keys(shop: Shop, caller: SimulatedCaller, number: str) -> None:
    """The number, then yes: keys from before the question do not count, so 1 is pressed until it does."""
    await asyncio.sleep(1.0)  # a person listens first
    await caller.press(number)
    async with asyncio.timeout(20):
        while (await shop.floor())["agents"]["ready"]:
            await caller.press("1")
            await asyncio.sleep(0.5)


async def test_a_caller_proves_who_they_are_before_an_agent_answers(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await calls(caller, NORTH, "14")
        await caller.press(await shop.gateway.next_code(shop.customer().phone))
        await shop.taken(mia)
        await mia.reaches("on_call", vault="ok", assurance=2)
    await shop.nothing_left()


async def test_a_closed_store_never_rings(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await calls(caller, MILL)
        await caller.is_hung_up_on(15)
        assert mia.phone.legs == []
        assert (await mia.view())["state"] == "ready"
    assert (await shop.noted("call.closed")).fields["store"] == "mill"  # type: ignore[index]
    await shop.noted("call.ended", outcome="closed")


async def test_the_longest_wait_ends_with_words(shop: Shop) -> None:
    async with shop.caller() as caller:
        await calls(caller, NORTH, "12")
        await shop.queued(1)
        await caller.is_hung_up_on(20)
    await shop.noted("call.ended", outcome="waited_too_long")
    await shop.nothing_left()


async def test_a_key_while_waiting_leads_on(shop: Shop) -> None:
    """Nobody speaks French; 9 leads to those who take returns in any language."""
    async with shop.agent("noor") as noor, shop.caller() as caller:
        await calls(caller, NORTH, "21")
        await shop.queued(1)
        await caller.press("9")
        await shop.taken(noor)
        await hear_each_other(caller, noor)
        assert (await noor.reaches("on_call"))["queue"] == "Returns"
    await shop.nothing_left()


async def test_another_stores_agents_help_after_a_while(shop: Shop) -> None:
    """Quayside's own people come first; Mia of the hub is rung once the call has waited a second."""
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await calls(caller, QUAY)
        await shop.queued(1)
        await shop.taken(mia, 15)
        await hear_each_other(caller, mia)
    await shop.noted("call.overflowed", store="quay", to="hub", why="after")
    await shop.nothing_left()


async def test_another_stores_agents_help_once_so_many_wait(shop: Shop) -> None:
    """The rule is two. Mia of the hub is not rung for one; with the second she is, and for who came first."""
    async with shop.agent("mia") as mia, shop.caller() as first, shop.caller(another(shop, 1)) as second:
        await calls(first, PIER)
        await shop.queued(1)
        await asyncio.sleep(1.0)
        assert mia.phone.legs == []
        await calls(second, PIER)
        await shop.taken(mia, 15)
        await hear_each_other(first, mia)
        assert (await shop.floor())["waiting"] == 1
    await shop.noted("call.overflowed", store="pier", to="hub", why="waiting")
    await shop.nothing_left()


async def test_another_stores_agents_help_once_the_wait_would_be_long(shop: Shop) -> None:
    """Harbour Street has Wren alone, who talks. One more would wait about four minutes (a conversation, as long as
    none was measured), two would wait eight: with the second in line the rule of 400 s holds, and the hub is rung."""
    async with shop.agent("wren") as wren, shop.agent("mia") as mia, shop.caller() as first:
        for agent in (wren, mia):
            await agent.reaches("ready")  # the floor knows them: else nobody is there, and the hub helps at once
        await calls(first, HARBOUR)
        await shop.taken(wren)
        await wren.reaches("on_call", vault="ok")  # who is only being rung waits still, and would count
        async with shop.caller(another(shop, 1)) as second:
            await calls(second, HARBOUR)
            await shop.queued(1)
            assert mia.phone.legs == []
            await shop.taken(mia, 15)
            await hear_each_other(second, mia)
            await hear_each_other(first, wren)
    await shop.noted("call.overflowed", store="harbour", to="hub", why="expected")
    await shop.nothing_left()


def another(shop: Shop, place: int) -> Person:
    return Person(shop.customer(place).phone)


async def test_who_calls_again_gets_the_agent_they_know_for_as_long_as_is_stated(shop: Shop) -> None:
    """Mia is longer idle each time. The vault alone knows that it is the same person; a stranger gets Mia."""
    async with shop.agent("noor") as noor, shop.agent("mia", ready=False) as mia:
        await talks_briefly(shop, noor, shop.caller())
        await mia.ready()
        await noor.away()
        await noor.ready()
        await talks_briefly(shop, noor, shop.caller())  # known: though Mia is longer idle
        await asyncio.sleep(KNOWN_FOR)
        await talks_briefly(shop, mia, shop.caller())  # not any more
        assert len(noor.phone.legs) == 2
    await shop.nothing_left()


async def talks_briefly(shop: Shop, agent: Agent, caller: SimulatedCaller) -> None:
    """A call that this agent takes, up to the open card (the grant, by which the vault knows), and to the end."""
    async with caller:
        await calls(caller, NORTH, "15")
        await shop.taken(agent)
        await agent.reaches("on_call", vault="ok")
        await caller.hangs_up()
        await agent.reaches("ready")


async def announced(shop: Shop, text: str) -> bool:
    """Whether the words are there as a sound, made by the controller for who waits."""
    folder = shop.site.config.paths.state / "prompts"
    made = Prompts(folder).known((Spoken(text, "en"),))
    return all(path.exists() for path in made)


async def test_a_new_chain_keeps_the_place_of_who_waits(shop: Shop, tmp_path: Path) -> None:
    async with shop.caller() as caller:
        await calls(caller, HUB)
        await shop.queued(1)
        await becomes(lambda: announced(shop, "You are next."), "the place in the queue is made to be said")
        await apply(shop, tmp_path, CHAIN.replace("name: Orders", "name: Your orders"))
        assert (await shop.floor())["waiting"] == 1
        async with shop.agent("noor") as noor:
            await shop.taken(noor)
            await hear_each_other(caller, noor)
    await apply(shop, tmp_path)
    await shop.nothing_left()


async def test_promise_11_a_killed_controller_knows_where_the_caller_stood(shop: Shop) -> None:
    """Still in the queue, at the same place, and still in French: Noor, who is ready, is not rung."""
    async with shop.agent("noor") as noor, shop.caller() as caller:
        await calls(caller, NORTH, "21")
        await shop.queued(1)
        await shop.kill("controller")
        await shop.queued(1)
        await noor.ready()
        async with shop.agent("mia") as mia:
            await shop.taken(mia, 20)
            await hear_each_other(caller, mia)
        assert noor.phone.legs == []
    await shop.nothing_left()
