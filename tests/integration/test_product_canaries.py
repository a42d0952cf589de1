"""Promise 1, and the sameness of promise 6: a known, an unknown and a withheld caller at once, with the notice on.

Planted values are then searched for in everything that lies around; and a seeded leak is found by the same search.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import PHONE, STORE, Agent, Shop, hear_each_other, hung_up_on, product

from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.canaries import Finding, scan, scan_bytes
from quietline.testing.g711 import PCMU

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

NAME = f"Canary {secrets.token_hex(4)}"
SAME = 200  # packets of 20 ms: four seconds of the notice, byte for byte
EARLY = 4  # packets
NOTE = f"Asked for {NAME} twice"


@dataclass(slots=True)
class Scene:
    """What stands after the calls."""

    shop: Shop
    canaries: dict[str, str]
    callers: dict[str, SimulatedCaller]
    agents: list[Agent]


def _person(number: str, **more: str) -> Person:
    """Gives away all a phone can: display name, identity, free headers, SDES items in RTCP."""
    return Person(
        number,
        name=NAME,
        identities=(f'"{NAME}" <sip:{number}@carrier-a.example>',),
        headers=(("Subject", f"from {NAME}"), ("Organization", NAME), ("Call-Info", f"<https://{number}.invalid>")),
        rtcp={"CNAME": f"{NAME}@phone.invalid", "NAME": NAME, "PHONE": number},
        **more,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(product({"controller": {"notice": True}}))
        known = shop.customer(3)
        people = {
            "known": _person(known.phone),
            "unknown": _person("+447700900997"),
            "withheld": _person("+447700900996", privacy="id"),
        }
        callers = {name: await stack.enter_async_context(shop.caller(each)) for name, each in people.items()}
        agents = [await stack.enter_async_context(shop.agent(login)) for login in ("mia", "noor", "wren")]
        await asyncio.gather(*(_is_greeted(caller) for caller in callers.values()))
        await asyncio.gather(*(_is_served(shop, agent) for agent in agents))
        await _verified(shop, callers["known"], agents)
        for caller in callers.values():
            await caller.hangs_up()
        await asyncio.gather(*(hung_up_on(agent.phone.legs[-1]) for agent in agents))
        await shop.nothing_left()
        fields = known.fields
        canaries = {"display name": NAME, "known number": known.phone, "unknown number": people["unknown"].number}
        canaries |= {"withheld number": people["withheld"].number, "e-mail": fields["contact.email"]}
        canaries |= {"customer's name": fields["contact.name"], "address": fields["delivery.address"]}
        yield Scene(shop, canaries, callers, agents)


async def _is_greeted(caller: SimulatedCaller) -> None:
    """The key is pressed during the notice: it counts, and the notice plays on."""
    await caller.dials(STORE)
    await caller.answered()
    await caller.press("1")


async def _is_served(shop: Shop, agent: Agent) -> None:
    await shop.taken(agent, 40.0)
    await agent.reaches("on_call", vault="ok")


async def _verified(shop: Shop, caller: SimulatedCaller, agents: list[Agent]) -> None:
    """The known caller keys a code, the agent sees the number and writes a note: the secret parts have been handled."""
    views = [await agent.view() for agent in agents]
    place = next(at for at, view in enumerate(views) if view["assurance"] == 1)
    agent, call = agents[place], views[place]["call"]
    await hear_each_other(caller, agent)
    await agent.desk.post(f"/api/calls/{call}/verify")
    await caller.press(await shop.gateway.next_code(shop.customer(3).phone))
    await agent.reaches("on_call", verifying="passed")
    status, body = await agent.looks(call, PHONE, "delivery_change")
    assert (status, shop.customer(3).phone in body) == (200, True)
    status, _ = await agent.desk.post(f"/api/calls/{call}/note", {"text": NOTE})
    assert status == 204


async def test_known_unknown_and_withheld_callers_hear_the_same_for_as_long(scene: Scene) -> None:
    heard = {name: _words(caller) for name, caller in scene.callers.items()}
    assert _alike(heard["known"], heard["unknown"])
    assert _alike(heard["known"], heard["withheld"])
    waits = [await _seconds_to_queue(scene, leg) for leg in await _legs(scene)]
    assert len(waits) == 3
    assert max(waits) - min(waits) < 0.5, waits  # three timers on a busy machine


def _words(caller: SimulatedCaller) -> list[bytes]:
    return [heard.packet.payload for heard in caller.media.received if heard.packet.payload_type == PCMU]


def _alike(one: list[bytes], other: list[bytes]) -> bool:
    """The same words from the beginning; a packet or two may have come before the phone had read the answer."""
    first = [one[at : at + SAME] for at in range(EARLY)]
    return any(len(part) == SAME and part == other[at : at + SAME] for part in first for at in range(EARLY))


async def _legs(scene: Scene) -> list[str]:
    return [str((each.fields or {})["leg"]) for each in await scene.shop.ledger() if each.kind.value == "call.arrived"]


async def _seconds_to_queue(scene: Scene, leg: str) -> float:
    at = {
        each.kind.value: each.at for each in await scene.shop.ledger() if each.fields and each.fields.get("leg") == leg
    }
    return at["call.queued"] - at["call.arrived"]


async def test_no_planted_value_is_on_disk_while_the_product_runs(scene: Scene) -> None:
    paths = scene.shop.site.config.paths
    files = [path for path in paths.run.rglob("*") if path.is_file()]  # not the sockets
    assert await asyncio.to_thread(scan, [paths.log, paths.state, *files], scene.canaries) == []


async def test_no_planted_value_is_in_a_process_argument_or_environment(scene: Scene) -> None:
    ours = await _processes(scene.shop)
    assert len(ours) > 5  # Kamailio has children
    found = [finding for process in ours for finding in _of_process(process, scene.canaries)]
    assert found == []


async def _processes(shop: Shop) -> list[Path]:
    """The parts and all their children: each part leads a session of its own."""
    leaders = {life["pid"] for life in (await shop.site.lives()).values()}
    every = [path for path in Path("/proc").glob("[0-9]*") if (path / "stat").exists()]
    return [path for path in every if _session(path) in leaders]


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])  # proc(5): field 6
    except OSError:
        return 0  # ended meanwhile


def _of_process(process: Path, canaries: dict[str, str]) -> Iterator[Finding]:
    for name in ("cmdline", "environ"):
        yield from scan_bytes((process / name).read_bytes(), canaries, f"{process.name}/{name}")


async def test_no_planted_value_reached_an_agents_phone(scene: Scene) -> None:
    """SIP and RTCP toward the agent, decrypted as the phone has it; the caller's own RTCP said it all."""
    for agent in scene.agents:
        sip, rtcp = b"\n".join(agent.phone.received), b"\n".join(agent.phone.rtcp_received)
        assert b"INVITE sip:ag_" in sip
        assert scan_bytes(sip, scene.canaries, "SIP") == []
        assert scan_bytes(rtcp, scene.canaries, "RTCP") == []


async def test_no_planted_value_is_in_an_exported_ledger(scene: Scene) -> None:
    folder = scene.shop.site.folder / "export"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    vault = scene.shop.site.admin()
    await vault.call("ledger_export", directory=str(folder))
    await vault.close()
    assert await asyncio.to_thread(scan, [folder], scene.canaries) == []


LEAKS = {
    "log/edge.log": lambda number: f"INVITE from sip:%2B{number[1:]}@x".encode(),
    "state/vault/extra.db": lambda number: gzip.compress(number.encode("utf-16-le")),
    "run/edge/cfg.part": lambda number: base64.b64encode(f"to {number}".encode()),
}


@pytest.mark.parametrize("place", LEAKS)
async def test_the_same_search_finds_a_seeded_leak(scene: Scene, place: str) -> None:
    leak, number = scene.shop.site.folder / place, scene.canaries["known number"]
    before = leak.read_bytes() if leak.exists() else None
    leak.write_bytes((before or b"") + b"\n" + LEAKS[place](number))
    try:
        found = await asyncio.to_thread(scan, [leak], scene.canaries)
        assert {finding.canary for finding in found} == {"known number"}
    finally:
        leak.unlink() if before is None else leak.write_bytes(before)
