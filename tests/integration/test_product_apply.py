"""A chain applied to the running product: overflow, a store shut by hand, and calls that keep their places."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import STORE, Shop, becomes, product

from quietline.chain.in_force import active_path
from quietline.testing.agent_phone import rings_only

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

QUIETLINE = Path(sys.executable).parent / "quietline"
HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "add-a-store.md"
CHAIN = """\
default_store: hub
stores:
  north:
    name: Northgate
    numbers: [+442079460101]
    flow: shop
    hours: always
    agents: own
    overflow: [{to: hub, after: 4}]
  hub:
    name: Service hub
    numbers: [+442079460100]
    flow: shop
hours:
  always: {zone: Europe/London, week: {mon-sun: 00:00-24:00}}
queues:
  orders: {name: Orders, needs: [orders], ring: 3, wrap_up: 1}
flows:
  shop:
    steps:
      orders: {do: queue, queue: orders, hold: null}
"""
CHANGED = CHAIN.replace("name: Orders", "name: Orders and more").replace("ring: 3", "ring: 4")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product() as running:
        assert "In force" in await apply(running, CHAIN)
        yield running


async def quietline(shop: Shop, *words: str, folder: Path | None = None) -> str:
    """The command line as root types it; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(str(QUIETLINE), *words),
        cwd=folder,
        env={**os.environ, "QUIETLINE_CONFIG": str(shop.site.config_path), "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def apply(shop: Shop, text: str) -> str:
    file = shop.site.folder / "chain.yaml"
    file.write_text(text)
    return await quietline(shop, "apply", str(file), "--yes")


async def test_the_ledger_names_what_is_in_force_and_a_second_time_nothing_happens(shop: Shop) -> None:
    active = active_path(shop.site.config.paths.state)
    await shop.noted("config.applied", digest=hashlib.sha256(active.read_bytes()).hexdigest(), stores_added=2)
    assert await apply(shop, "# the same\n" + CHAIN) == "Nothing to do.\n"
    applied = [each for each in await shop.ledger() if each.kind.value == "config.applied"]
    assert len(applied) == 1


async def test_a_call_nobody_of_the_store_takes_overflows_to_the_hub(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:  # of the hub
        await caller.dials(STORE)
        await caller.answered()
        await shop.taken(mia, within=15.0)
        assert (await mia.reaches("on_call"))["queue"] == "Orders"
        await shop.noted("call.overflowed", to="hub", why="after")
        await caller.hangs_up()
        await shop.nothing_left()


async def test_calls_keep_their_places_while_the_chain_changes(shop: Shop) -> None:
    await apply(shop, CHAIN)
    async with shop.agent("mia", ready=False) as mia, shop.caller() as first, shop.caller() as second:
        for number, caller in enumerate((first, second), 1):
            await caller.dials("+442079460100")
            await caller.answered()
            await shop.queued(number)
        await apply(shop, CHANGED)
        await shop.queued(2)
        await mia.ready()
        await shop.taken(mia)
        await mia.reaches("on_call", queue="Orders")  # a call keeps the flow and the names that it began with
        await first.hears(mia.tone)
        await first.hangs_up()
        await shop.taken(mia)
        await second.hears(mia.tone)
        await second.hangs_up()
        await shop.nothing_left()


async def test_a_store_that_is_shut_by_hand_does_not_ring(shop: Shop) -> None:
    await apply(shop, CHANGED)
    async with shop.agent("tomos", ready=False) as tomos, shop.agent("mia", ready=False) as mia:
        tomos.phone.behaviour = rings_only()
        async with shop.caller() as caller:
            await caller.dials(STORE)  # north's, where tomos is
            await caller.answered()
            await shop.queued(1)
            said = await quietline(shop, "store", "close", "north", "--reason", "power cut")
            assert said == "north: shut until it is opened again\n"
            await tomos.ready()
            await mia.ready()
            await shop.taken(mia)  # of the hub; tomos has been ready longer
            assert tomos.phone.legs == [], "who waited already is not offered to a shut store either"
            await shop.noted("call.overflowed", to="hub", why="closed")
            await caller.hangs_up()
        await shop.nothing_left()
        await quietline(shop, "store", "open", "north")
        async with shop.caller() as caller:
            await caller.dials(STORE)
            await caller.answered()

            async def rings() -> bool:
                return bool(tomos.phone.legs)

            await becomes(rings, "tomos of the store is rung again")
            await caller.hangs_up()
        await shop.nothing_left()


async def test_a_controller_that_was_killed_comes_back_with_the_chain(shop: Shop) -> None:
    await shop.kill("controller")
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await caller.dials("+442079460100")
        await caller.answered()
        await shop.taken(mia)
        assert (await mia.reaches("on_call"))["queue"] == "Orders and more"
        await caller.hangs_up()
        await shop.nothing_left()


async def test_the_how_to_add_a_store_does_what_it_says(shop: Shop) -> None:
    text = HOWTO.read_text()
    store, hours = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    said: dict[str, str] = {}
    for line in re.findall(r"^(?:sudo )?quietline (.*)$", text, re.MULTILINE):
        words, _, target = line.partition(" > ")
        said[words] = await quietline(shop, *shlex.split(words), folder=shop.site.folder)
        if target:
            shown = said[words].replace("stores:\n", f"stores:\n{store}", 1).replace("hours:\n", f"hours:\n{hours}", 1)
            (shop.site.folder / target).write_text(shown)
    assert "right (3 stores" in said["chain check chain.yaml --strict"]
    assert [word for word in ("quay", "added") if word not in said["apply chain.yaml --dry-run"]] == []
    assert "In force" in said["apply chain.yaml --yes"]
    assert "Quayside" in said["store list"]
    assert "quay: shut until" in said['store close quay --until 23:59 --reason "power cut"']
    assert said["store open quay"] == "quay: its hours hold again\n"
