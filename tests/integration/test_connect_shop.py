"""The shop's connector between a WooCommerce shop on loopback and a real vault: orders in step, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from quietline.config import Shop
from quietline.config_file import dump
from quietline.connector.process import Connector, VaultSink, listen, read_secrets
from quietline.connector.webhooks import MAX_BODY, PATH
from quietline.sealed import Ticket
from quietline.testing.vault_house import ANA_NUMBER, VaultHouse
from quietline.testing.woo_shop import BILLING, WooShop
from quietline.vault.blind_index import CUSTOMER_KEY, ORDER, PHONE, normalise
from quietline.vault.operations import Side, Sides

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

T = Ticket("test", "look", 0)


class Street:
    """A shop, a vault and the connector between them."""

    def __init__(self, house: VaultHouse, shop: WooShop) -> None:
        self.house, self.shop = house, shop
        self.connector = Connector(house.config, read_secrets(house.config))
        self.sockets = listen(("127.0.0.1",), 0)
        self.webhooks = f"http://127.0.0.1:{self.sockets[0].getsockname()[1]}{PATH}"
        self.running = asyncio.ensure_future(self.connector.run(self.sockets))

    async def close(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running}, timeout=10)

    async def delivers(self, topic: str, number: int, **more: Any) -> int:
        return await self.shop.delivers(topic, number, self.webhooks, **more)

    def status(self, number: int) -> str:
        """What the vault says of an order; "" for one it does not have."""
        parts: Any = self.house.service._open
        customer = _found(parts, ORDER, str(number))
        for record in parts.records.every(customer) if customer else ():
            reference = parts.records.open(customer, "order.reference", T, record.id)
            if record.kind == "order" and reference.open(T) == str(number):
                return str(parts.records.open(customer, "order.status", T, record.id).open(T))
        return ""

    def value(self, key: str, name: str) -> str:
        parts: Any = self.house.service._open
        found = parts.records.open(_found(parts, CUSTOMER_KEY, key), name, T)
        return str(found.open(T)) if found else ""

    async def until(self, number: int, status: str) -> None:
        """Waits until the vault says so."""
        async with asyncio.timeout(20):
            while self.status(number) != status:
                await asyncio.sleep(0.01)


def _found(parts: Any, field: str, value: str) -> str:
    index = parts.customers._importer._index
    return str(index.find("brand", field, normalise(field, value) or ""))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    folder = tmp_path_factory.mktemp("shop")
    async with WooShop() as shop:
        house = VaultHouse(folder)
        (folder / "key").write_text("\n".join(shop.key))
        (folder / "webhook").write_text(shop.webhook_secret)
        settings = Shop(shop.url, str(folder / "key"), str(folder / "webhook"), poll_seconds=300.0)
        house.config = replace(house.config, shop=settings)
        (folder / "quietline.toml").write_text(dump(house.config))
        async with house:
            made = Street(house, shop)
            try:
                yield made
            finally:
                await made.close()


async def test_an_order_that_is_sold_and_changed_is_in_step(street: Street) -> None:
    number = street.shop.sells()
    assert await street.delivers("order.created", number) == 200
    await street.until(number, "being packed")
    street.shop.changes(number, status="completed")
    assert await street.delivers("order.updated", number) == 200
    await street.until(number, "delivered")
    assert street.value("woo:7", "contact.name") == "Ana Example"


async def test_who_calls_is_recognised_and_the_desk_shows_the_order(street: Street) -> None:
    agent = await street.house.agent("eva")
    call = await street.house.call(agent, ANA_NUMBER)
    card = await street.house.desk.card(await street.house.signed_in("eva"), call.grant)
    fields: Any = card["fields"]
    assert {each["name"]: each.get("value") for each in fields}["order.status"] == "delivered"


async def test_a_bad_signature_a_ping_and_a_huge_body(street: Street) -> None:
    number, asked = street.shop.sells(), street.shop.asked
    assert await street.delivers("order.created", number, signature="AAAA") == 401
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(street.webhooks, content=b"webhook_id=3")).status_code == 200
        assert (await client.post(street.webhooks, content=b"x" * (MAX_BODY + 1))).status_code == 413
        assert (await client.get(street.webhooks)).status_code == 405
        assert (await client.get(street.webhooks.replace(PATH, "/docs"))).status_code == 404
    assert street.shop.asked == asked
    assert street.status(number) == ""


async def test_a_replay_is_answered_and_not_fetched(street: Street) -> None:
    number = street.shop.sells()
    assert await street.delivers("order.created", number, delivery="once") == 200
    await street.until(number, "being packed")
    asked = street.shop.asked
    assert await street.delivers("order.created", number, delivery="once") == 200
    other = street.shop.sells()
    await street.delivers("order.created", other)
    await street.until(other, "being packed")
    assert street.shop.asked == asked + 1


async def test_deliveries_out_of_order_end_at_what_the_shop_has(street: Street) -> None:
    number = street.shop.sells()
    old = dict(street.shop.table[number])
    street.shop.changes(number, status="completed")
    await street.delivers("order.updated", number)
    await street.until(number, "delivered")
    new, street.shop.table[number] = street.shop.table[number], old
    late = street.delivers("order.created", number)  # its body is the old order's
    delivering = asyncio.ensure_future(late)
    await asyncio.sleep(0)
    street.shop.table[number] = new
    assert await delivering == 200
    marker = street.shop.sells()
    await street.delivers("order.created", marker)
    await street.until(marker, "being packed")
    assert street.status(number) == "delivered"


async def test_a_deleted_order_is_said_to_be_and_kept(street: Street) -> None:
    trashed, gone = street.shop.sells(), street.shop.sells()
    for number in (trashed, gone):
        await street.delivers("order.created", number)
        await street.until(number, "being packed")
    street.shop.changes(trashed, status="trash")
    del street.shop.table[gone]
    for number in (trashed, gone):
        await street.delivers("order.deleted", number)
        await street.until(number, "deleted in the shop")


async def test_the_shop_is_down_and_busy_and_then_comes_back(street: Street) -> None:
    street.shop.down = True
    number = street.shop.sells()
    assert await street.delivers("order.created", number) == 200
    await asyncio.sleep(0.05)
    assert street.status(number) == ""
    street.shop.down = False
    await street.until(number, "being packed")


async def test_an_account_opened_with_anothers_number_takes_nothing_over(street: Street) -> None:
    """It stays a customer of its own, and the number identifies neither from then on."""
    before = street.value("woo:7", "contact.email")
    number = street.shop.sells(customer=66, billing={**BILLING, "email": "mallory@example.com"})
    await street.delivers("order.created", number)
    await street.until(number, "being packed")
    assert street.value("woo:7", "contact.email") == before == "ana@example.com"
    parts: Any = street.house.service._open
    assert _found(parts, PHONE, ANA_NUMBER) == ""


async def test_the_vault_takes_the_shops_own_customers_only(street: Street) -> None:
    sink = VaultSink(street.house.config.paths.vault_socket)
    fields = {"contact.name": "Eve Example"}
    batch = [{"key": "C-1001", "fields": fields}, {"key": "woo:1", "controller": "franchise-a", "fields": fields}]
    answer = await sink.sync(batch, [])
    await sink.close()
    assert [place for place, _ in answer["rejected"]] == [0, 1]
    assert answer["new"] == 0


async def test_the_shops_user_may_ask_nothing_else() -> None:
    from quietline.vault.answers import OPERATIONS

    assert [name for name, side in OPERATIONS.items() if side is Side.SHOP] == ["shop_sync"]
    assert Sides(1, 2).uid(Side.SHOP) == -1


async def test_one_sweep_by_the_command(street: Street) -> None:
    folder = street.house.config.paths.state.parent
    street.shop.sells()
    line = (sys.executable, "-m", "quietline.cli", "connect", "shop", "--once", "--json", "-c", "quietline.toml")
    process = await asyncio.create_subprocess_exec(
        *line, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["orders"] >= 1
    assert "Example" not in (out + err).decode()


async def test_state_holds_nothing_personal(street: Street) -> None:
    kept = (Path(street.house.config.paths.state) / "connector" / "shop.json").read_text()
    assert set(json.loads(kept)) == {"modified", "seen"}
