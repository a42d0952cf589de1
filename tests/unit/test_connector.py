"""WooCommerce as data, its deliveries, the cursor, and sweeps that skip no order however the shop sells meanwhile."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.config import Config
from quietline.config_file import parse
from quietline.connector.api import PER_PAGE, ShopApi, SlowDown, _retry_after
from quietline.connector.cursor import Cursor, CursorFile
from quietline.connector.process import read_secrets
from quietline.connector.sync import Sync
from quietline.connector.webhooks import Webhooks
from quietline.connector.woo import Deliveries, Hint, is_genuine, is_ping, read_customer, read_hint, read_order, sign
from quietline.errors import ConfigError, ProtocolError, Unavailable
from quietline.testing.woo_shop import BILLING, Books
from quietline.vault.importing import read_each

SECRET = b"a secret of the shop's webhooks"


def order(**changes: Any) -> dict[str, Any]:
    return {
        "id": 10_442, "number": "10442", "status": "completed", "currency": "GBP", "total": "31.00", "customer_id": 7,
        "date_created_gmt": "2026-11-20T09:00:00", "date_modified_gmt": "2026-11-24T09:30:00",
        "billing": dict(BILLING), "shipping": {},
        "line_items": [{"name": "A &amp; B kettle", "quantity": 2}], **changes,
    }  # fmt: skip


# An order as data


def test_an_order_is_what_the_vault_takes() -> None:
    read = read_order(order(), "brand")
    assert (read.id, read.reference, read.modified, read.gone) == (10_442, "10442", 1_795_512_600.0, False)
    assert read.customer == {
        "key": "woo:7",
        "controller": "brand",
        "fields": {
            "contact.name": "Ana Example",
            "contact.phone": "020 7946 0001",
            "contact.email": "ana@example.com",
            "contact.address": "1 Test Lane, London, ZZ1 1AA, GB",
            "delivery.address": "1 Test Lane, London, ZZ1 1AA, GB",
        },
        "orders": [
            {
                "order.reference": "10442",
                "order.status": "delivered",
                "order.items": "A & B kettle ×2",
                "order.total": "31.00 GBP",
                "order.placed": "2026-11-20",
            }
        ],
    }
    assert not read_each([read.customer], {"brand"}).rejected
    assert "Ana" not in repr(read)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"customer_id": 0}, "woo-guest:ana@example.com"),
        ({"customer_id": 0, "billing": {"email": "ANA@Example.com"}}, "woo-guest:ana@example.com"),
        ({"customer_id": 0, "billing": {}}, "woo-order:10442"),
        ({"customer_id": True}, "woo-guest:ana@example.com"),
    ],
)
def test_whose_an_order_is(changes: dict[str, Any], key: str) -> None:
    assert read_order(order(**changes), "brand").customer["key"] == key


def test_an_address_to_deliver_to_of_its_own() -> None:
    read = read_order(order(shipping={"address_1": "2 Test Lane", "city": "Leeds"}), "brand")
    assert read.customer["fields"]["delivery.address"] == "2 Test Lane, Leeds"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "order: an object"),
        (order(id="x"), "order: id"),
        (order(id=True), "order: id"),
        (order(date_modified_gmt="soon"), "date_modified_gmt"),
        (order(billing="Ana"), "billing: an object"),
        (order(line_items=[1]), "line_items"),
    ],
)
def test_an_order_that_is_none_is_told_by_key(wrong: Any, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as error:
        read_order(wrong, "brand")
    assert "Ana" not in str(error.value)


def test_a_registered_customer() -> None:
    person = {"id": 7, "email": "ana@example.com", "first_name": "Ana", "last_name": "Example", "billing": {}}
    read = read_customer(person, "brand")
    assert read["key"] == "woo:7"
    assert read["fields"] == {"contact.name": "Ana Example", "contact.email": "ana@example.com"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*order()]), JSON))
def test_whatever_the_shop_says_it_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        read = read_order({**order(), **changes}, "brand")
    except ProtocolError:
        return
    rejected = read_each([read.customer], {"brand"}).rejected
    assert all("order.placed" in reason or "card number" in reason for _, reason in rejected)


# Deliveries


def test_the_signature_is_woocommerces() -> None:
    """base64(HMAC-SHA256(secret, raw body)), as `openssl dgst -sha256 -hmac secret -binary | base64` makes it."""
    assert sign(b"secret", b'{"id":1}') == "A971iWIMgT8Zj9A9eWfikrFj7wQ16/Qwcc4OlRl2PLc="


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(min_size=1, max_size=20))
def test_another_body_or_secret_is_not_genuine(body: bytes, other: bytes, secret: bytes) -> None:
    signature = sign(secret, body)
    assert is_genuine(secret, body, signature)
    assert is_genuine(secret, other, signature) == (other == body)
    assert not is_genuine(secret + b"x", body, signature)


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "é", "=" * 9])
def test_what_is_no_signature(signature: str) -> None:
    assert not is_genuine(SECRET, b"{}", signature)


class Inbox:
    """What a genuine delivery becomes."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []
        self.full = False
        self.webhooks = Webhooks(SECRET, self._take)

    def _take(self, hint: Hint) -> bool:
        if not self.full:
            self.hints.append(hint)
        return not self.full

    def gets(self, body: bytes = b'{"id": 5}', changes: dict[str, str] | None = None) -> int:
        given = {"signature": sign(SECRET, body), "delivery-id": "d-1", "topic": "order.updated"}
        headers = given | (changes or {})
        return self.webhooks.decide({f"x-wc-webhook-{name}": value for name, value in headers.items()}, body)


def test_a_genuine_delivery_is_taken_once() -> None:
    inbox = Inbox()
    assert [inbox.gets(), inbox.gets()] == [200, 200]
    assert inbox.hints == [Hint("order", 5)]


def test_a_delivery_that_could_not_be_taken_may_come_again() -> None:
    inbox = Inbox()
    inbox.full = True
    assert inbox.gets() == 503
    inbox.full = False
    assert inbox.gets() == 200
    assert inbox.hints == [Hint("order", 5)]


def test_a_replay_under_another_id_is_a_hint_and_no_more() -> None:
    """The id is not signed: whoever replays can change it. Then we ask the shop once more, and learn the truth."""
    inbox = Inbox()
    assert [inbox.gets(), inbox.gets(changes={"delivery-id": "d-2"})] == [200, 200]
    assert inbox.hints == [Hint("order", 5)] * 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"signature": sign(b"another secret", b'{"id": 5}')}, 401),
        ({"signature": ""}, 401),
        ({"delivery-id": ""}, 400),
        ({"delivery-id": "x" * 201}, 400),
        ({"topic": "product.updated"}, 204),
        ({"topic": ""}, 204),
    ],
)
def test_what_is_not_taken(changes: dict[str, str], status: int) -> None:
    inbox = Inbox()
    assert inbox.gets(changes=changes) == status
    assert inbox.hints == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": "5"}', b'{"id": -1}', b"[" * 50_000])
def test_signed_nonsense_is_400(body: bytes) -> None:
    assert Inbox().gets(body) == 400


def test_a_ping_is_answered_and_nothing_else_unsigned_is() -> None:
    assert is_ping({}, b"webhook_id=12")
    assert not is_ping({"x-wc-webhook-signature": "x"}, b"webhook_id=12")
    assert not any(is_ping({}, body) for body in (b"", b"webhook_id=", b"webhook_id=x", b"webhook_id=1&order=2"))


def test_old_ids_are_forgotten() -> None:
    deliveries = Deliveries(keep=2)
    for name in ("a", "b", "c"):
        deliveries.take(name, "s")
    assert [deliveries.is_new(name, "s") for name in ("a", "b", "c")] == [True, False, False]


def test_a_topic_that_is_not_followed_is_no_hint() -> None:
    assert read_hint("coupon.created", b"nonsense") is None
    assert read_hint("customer.updated", b'{"id": 9}') == Hint("customer", 9)


# The cursor


def test_a_cursor_is_kept_and_holds_no_orders_number(tmp_path: Path) -> None:
    keeper = CursorFile(tmp_path / "connector")
    assert keeper.load() == Cursor()
    moved = Cursor().moved([read_order(order(), "brand")])
    keeper.save(moved)
    assert keeper.load() == moved
    text = (tmp_path / "connector" / "shop.json").read_text()
    assert "10442" not in text
    (tmp_path / "connector" / "shop.json").write_text("{")
    assert keeper.load() == Cursor()


# Sweeps


class MemoryShop:
    """The shop without HTTP; `meanwhile` is called after every page."""

    def __init__(self) -> None:
        self.shop = Books()
        self.faults: list[Exception] = []
        self.pages = 0
        self.meanwhile: list[int] = []  # places of orders that are modified after the next page

    async def orders(self, modified_after: float, page: int = 1) -> list[Any]:
        if self.faults:
            raise self.faults.pop(0)
        self.pages += 1
        found = sorted(self.shop.table.values(), key=lambda each: (each["date_modified_gmt"], each["id"]))
        after = datetime.fromtimestamp(modified_after, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        found = [each for each in found if each["date_modified_gmt"] > after]
        answer = [dict(each) for each in found[(page - 1) * PER_PAGE : page * PER_PAGE]]
        if self.meanwhile and self.shop.table:
            numbers = sorted(self.shop.table)
            self.shop.changes(numbers[self.meanwhile.pop() % len(numbers)], status="completed")
        return answer

    async def order(self, number: int) -> Any:
        if self.faults:
            raise self.faults.pop(0)
        return self.shop.table.get(number)

    async def customer(self, number: int) -> Any:
        return self.shop.people.get(number)


class MemorySink:
    """What the vault has: order -> status; and how often it was told."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.fields: dict[str, dict[str, str]] = {}
        self.calls = 0

    async def sync(self, customers: list[dict[str, Any]], gone: list[str]) -> dict[str, Any]:
        self.calls += 1
        for customer in customers:
            self.fields[customer["key"]] = customer["fields"]
            self.orders |= {each["order.reference"]: each["order.status"] for each in customer["orders"]}
        self.orders |= dict.fromkeys(gone, "gone")
        return {"rejected": []}


class Kept:
    """A cursor in memory."""

    def __init__(self) -> None:
        self.cursor = Cursor()

    def load(self) -> Cursor:
        return self.cursor

    def save(self, cursor: Cursor) -> None:
        self.cursor = cursor


class Desk:
    """A sync over memory, with pauses counted and not waited."""

    def __init__(self) -> None:
        self.shop, self.sink, self.kept = MemoryShop(), MemorySink(), Kept()
        self.sync = Sync(self.shop, self.sink, self.kept, "brand", 300.0)
        self.pauses: list[float] = []
        self.sync.pause = self._pause

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def wanted(self) -> dict[str, str]:
        words = {"processing": "being packed", "completed": "delivered"}
        return {each["number"]: words[each["status"]] for each in self.shop.shop.table.values()}


async def test_a_sweep_brings_everything_once() -> None:
    desk = Desk()
    for _ in range(PER_PAGE * 2 + 5):
        desk.shop.shop.sells()
    assert await desk.sync.sweep() == PER_PAGE * 2 + 5
    assert desk.sink.orders == desk.wanted()
    assert await desk.sync.sweep() == 0
    desk.shop.shop.changes(10_003, status="completed")
    assert await desk.sync.sweep() == 1
    assert desk.sink.orders == desk.wanted()


async def test_a_second_that_fills_pages_is_paged_through() -> None:
    desk = Desk()
    for _ in range(PER_PAGE * 3):
        desk.shop.shop.sells(step=0)
    assert await desk.sync.sweep() == PER_PAGE * 3
    assert desk.sink.orders == desk.wanted()


@settings(max_examples=25)
@given(st.integers(1, 230), st.lists(st.integers(0, 300), max_size=6), st.integers(0, 3))
def test_no_order_is_skipped_while_the_shop_sells(count: int, meanwhile: list[int], step: int) -> None:
    """With pages by number, one that moves to the end lets the next page begin one too late."""

    async def sweep() -> None:
        desk = Desk()
        for _ in range(count):
            desk.shop.shop.sells(step=step)
        desk.shop.meanwhile = list(meanwhile)
        await desk.sync.sweep()
        desk.shop.meanwhile = []
        await desk.sync.sweep()
        assert desk.sink.orders == desk.wanted()

    asyncio.run(sweep())


async def test_an_order_that_cannot_be_read_holds_up_no_other() -> None:
    desk = Desk()
    bad = desk.shop.shop.sells(line_items="nonsense")
    desk.shop.shop.sells()
    await desk.sync.sweep()
    assert set(desk.sink.orders) == {str(bad + 1)}


async def test_how_to_reach_somebody_is_what_the_newest_order_says() -> None:
    desk = Desk()
    old = desk.shop.shop.sells(billing={**BILLING, "phone": "020 7946 0009"})
    desk.shop.shop.sells(step=90_000)
    desk.shop.shop.changes(old, status="completed")  # modified last, and yet the older one
    await desk.sync.sweep()
    assert desk.sink.fields["woo:7"]["contact.phone"] == "020 7946 0001"


async def test_hints_are_fetched_whatever_they_said_and_in_whatever_order() -> None:
    desk = Desk()
    number = desk.shop.shop.sells()
    desk.shop.shop.changes(number, status="completed")
    for hint in (Hint("order", number), Hint("order", 99), Hint("order", number), Hint("customer", 5)):
        assert desk.sync.hint(hint)
    await desk.sync.follow()
    assert desk.sink.orders == {str(number): "delivered", "99": "gone"}
    assert desk.sink.calls == 2  # the same hint twice is one look; a customer the shop does not know is none


async def test_what_changes_while_it_is_looked_at_is_looked_at_again() -> None:
    desk = Desk()
    number = desk.shop.shop.sells()
    real = desk.sink.sync

    async def slow(customers: list[dict[str, Any]], gone: list[str]) -> dict[str, Any]:
        """The order changes, and its webhook arrives, after we have fetched it and before the vault has it."""
        if desk.sink.calls == 0:
            desk.shop.shop.changes(number, status="completed")
            desk.sync.hint(Hint("order", number))
        return await real(customers, gone)

    desk.sink.sync = slow  # type: ignore[method-assign]
    desk.sync.hint(Hint("order", number))
    await desk.sync.follow()
    assert desk.sink.orders == {str(number): "delivered"}


async def test_a_hint_that_fails_stays() -> None:
    desk = Desk()
    number = desk.shop.shop.sells()
    desk.sync.hint(Hint("order", number))
    desk.shop.faults = [Unavailable("shop: ConnectError")]
    with pytest.raises(Unavailable):
        await desk.sync.follow()
    await desk.sync.follow()
    assert str(number) in desk.sink.orders


async def test_too_many_hints_are_left_to_the_sweep() -> None:
    desk = Desk()
    assert all(desk.sync.hint(Hint("order", number)) for number in range(1, 10_001))
    assert not desk.sync.hint(Hint("order", 10_001))
    assert desk.sync.hint(Hint("order", 5))


async def test_failures_wait_longer_each_time_and_as_long_as_the_shop_says() -> None:
    desk = Desk()
    desk.shop.shop.sells()
    gone = [Unavailable("shop: ConnectError")] * 3
    desk.shop.faults = [*gone, SlowDown(7.0), ConfigError("[shop] key_file: refused")]
    async with asyncio.timeout(10):
        running = asyncio.ensure_future(desk.sync.run())
        while not desk.sync.in_step:
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
    assert desk.pauses == [1.0, 2.0, 4.0, 7.0, 16.0]
    assert desk.sync.failures == 0
    assert desk.sink.orders == desk.wanted()


# The API's client


def api(answer: httpx.Response) -> ShopApi:
    return ShopApi("https://shop.example/sub/", ("ck", "cs"), httpx.MockTransport(lambda request: answer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), Unavailable),
        (httpx.Response(302, headers={"location": "https://else.example"}), Unavailable),
        (httpx.Response(401), ConfigError),
        (httpx.Response(403), ConfigError),
        (httpx.Response(200, text="<html>"), ProtocolError),
        (httpx.Response(200, json={}), ProtocolError),
        (httpx.Response(503, headers={"retry-after": "9"}), SlowDown),
    ],
)
async def test_what_the_shop_may_answer(answer: httpx.Response, error: type[Exception]) -> None:
    client = api(answer)
    with pytest.raises(error) as raised:
        await client.orders(0.0)
    await client.close()
    assert "cs" not in str(raised.value).split()


async def test_what_is_asked_of_the_shop() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=[])

    client = ShopApi("https://shop.example/sub", ("ck", "cs"), httpx.MockTransport(answer))
    await client.orders(1_795_512_600.0, 2)
    await client.close()
    assert seen[0].url.path == "/sub/wp-json/wc/v3/orders"
    query = dict(seen[0].url.params)
    assert query["modified_after"] == "2026-11-24T09:30:00"
    assert (query["orderby"], query["order"], query["page"], query["dates_are_gmt"]) == ("modified", "asc", "2", "true")


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("0", 1.0), ("999999", 3_600.0), ("", 30.0), ("soon", 30.0), ("-5", 30.0)]
)
def test_how_long_to_wait(text: str, seconds: float) -> None:
    assert _retry_after(text) == seconds


def test_a_date_to_wait_for_is_bounded_too() -> None:
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 1.0
    assert _retry_after("Wed, 21 Oct 2099 07:28:00 GMT") == 3_600.0


def test_plain_http_is_for_this_machine_alone() -> None:
    with pytest.raises(ConfigError, match="https"):
        ShopApi("http://shop.example", ("ck", "cs"))


# Configuration

STORE = '[[store]]\nid = "hub"\nname = "Hub"\n'
SHOP = '[shop]\nurl = "https://shop.example"\nkey_file = "k"\nwebhook_secret_file = "w"\n'


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (('key_file = "k"\n', ""), "key_file"),
        (('webhook_secret_file = "w"\n', ""), "webhook_secret_file"),
        (("https://", "http://"), "url"),
        (('"w"\n', '"w"\naddresses = ["192.0.2.1"]\n'), "addresses"),
        (('"w"\n', '"w"\npoll_seconds = 0\n'), "poll_seconds"),
        (('"w"\n', '"w"\ncontroller = "nobody"\n'), "controller"),
        (('"w"\n', '"w"\nport = 8444\n'), "port"),
    ],
)
def test_a_wrong_shop_is_refused_by_key(wrong: tuple[str, str], key: str) -> None:
    assert parse(STORE + SHOP).shop.poll_seconds == 300.0
    with pytest.raises(ConfigError, match=rf"\[shop\] {key}"):
        parse(STORE + SHOP.replace(*wrong))


def secrets_of(folder: Path, key: str, webhook: str) -> Config:
    (folder / "k").write_text(key)
    (folder / "w").write_text(webhook)
    text = SHOP.replace('"k"', json.dumps(str(folder / "k"))).replace('"w"', json.dumps(str(folder / "w")))
    return parse(text)


def test_secrets_come_from_files_and_do_not_show(tmp_path: Path) -> None:
    read = read_secrets(secrets_of(tmp_path, "ck_1\ncs_2\n", "x" * 20))
    assert (read.key, read.webhook) == (("ck_1", "cs_2"), b"x" * 20)
    assert "cs_2" not in repr(read)
    for key, webhook, says in (("ck_1", "x" * 20, "two lines"), ("a b", "short", "16 characters")):
        with pytest.raises(ConfigError, match=says):
            read_secrets(secrets_of(tmp_path, key, webhook))
