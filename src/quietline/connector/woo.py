"""WooCommerce as data: an order becomes what the vault's importer reads, a delivery is genuine or not. Pure.

Fields: https://woocommerce.github.io/woocommerce-rest-api-docs/ (REST API v3, "Order properties", "Webhooks").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quietline.errors import ProtocolError

TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored", "customer.created", "customer.updated")
MAX_DELIVERIES = 10_000  # ids remembered; WooCommerce tries a delivery again for a day at most
MAX_TEXT = 2_000  # characters of a value; the vault takes no more
STATUSES = {
    "pending": "waiting for payment",
    "processing": "being packed",
    "on-hold": "on hold",
    "completed": "delivered",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "failed": "payment failed",
    "trash": "deleted in the shop",
}
GONE = STATUSES["trash"]


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """An order as the importer reads it. `modified`: UTC seconds. `guest`: whose key is made of the e-mail address."""

    id: int
    reference: str = field(repr=False)
    modified: float
    gone: bool
    customer: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a delivery points at; what it says of it is not believed but fetched."""

    kind: str  # "order" | "customer"
    id: int


def read_order(data: Any, controller: str) -> ShopOrder:
    """One order of the API. Raises ProtocolError naming the key, never the value."""
    order = _object(data, "order")
    number, modified = _id(order, "order"), _gmt(order, "date_modified_gmt")
    reference = _text(order.get("number")) or str(number)
    billing, shipping = (_object(order.get(each, {}), each) for each in ("billing", "shipping"))
    key = _customer_key(order, billing, number)
    status = _text(order.get("status"))
    fields = {**_contact(billing), **_delivery(shipping, billing)}
    values = {
        "order.reference": reference,
        "order.status": STATUSES.get(status, status),
        "order.items": _items(order.get("line_items", [])),
        "order.total": f"{_text(order.get('total'))} {_text(order.get('currency'))}".strip(),
        "order.placed": _text(order.get("date_created_gmt"))[:10],
    }
    orders = [{name: value for name, value in values.items() if value}]
    customer = {"key": key, "controller": controller, "fields": fields, "orders": orders}
    return ShopOrder(number, reference, modified, status == "trash", customer)


def read_customer(data: Any, controller: str) -> dict[str, Any]:
    """A registered customer of the API, as the importer reads one. Raises ProtocolError."""
    person = _object(data, "customer")
    billing, shipping = (_object(person.get(each, {}), each) for each in ("billing", "shipping"))
    own = {"email": person.get("email"), "first_name": person.get("first_name"), "last_name": person.get("last_name")}
    billing = {**billing, **{name: value for name, value in own.items() if value and not billing.get(name)}}
    fields = {**_contact(billing), **_delivery(shipping, billing)}
    return {"key": f"woo:{_id(person, 'customer')}", "controller": controller, "fields": fields, "orders": []}


def _customer_key(order: Mapping[str, Any], billing: Mapping[str, Any], number: int) -> str:
    """The account's; a guest is known by the e-mail address, and without one by this order alone."""
    account = order.get("customer_id")
    if isinstance(account, int) and not isinstance(account, bool) and account > 0:
        return f"woo:{account}"
    email = _text(billing.get("email")).casefold()
    return f"woo-guest:{email}" if email else f"woo-order:{number}"


def _contact(billing: Mapping[str, Any]) -> dict[str, str]:
    made = {
        "contact.name": _joined(billing, " ", "first_name", "last_name"),
        "contact.phone": _text(billing.get("phone")),
        "contact.email": _text(billing.get("email")),
        "contact.address": _address(billing),
    }
    return {name: value for name, value in made.items() if value}


def _delivery(shipping: Mapping[str, Any], billing: Mapping[str, Any]) -> dict[str, str]:
    """WooCommerce leaves shipping empty where it is the billing address."""
    address = _address(shipping) or _address(billing)
    return {"delivery.address": address} if address else {}


def _address(part: Mapping[str, Any]) -> str:
    return _joined(part, ", ", "company", "address_1", "address_2", "city", "state", "postcode", "country")


def _joined(part: Mapping[str, Any], between: str, *names: str) -> str:
    return between.join(text for text in (_text(part.get(name)) for name in names) if text)[:MAX_TEXT]


def _items(lines: Any) -> str:
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise ProtocolError("shop: order: line_items: a list of objects is needed")
    return "\n".join(f"{_text(line.get('name'))} ×{_text(line.get('quantity')) or '1'}" for line in lines)[:MAX_TEXT]


def _text(value: Any) -> str:
    """A text or number as text, its HTML entities resolved; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return html.unescape(str(value)).strip()[:MAX_TEXT]


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"shop: {name}: an object is needed")
    return value


def _id(data: Mapping[str, Any], name: str) -> int:
    found = data.get("id")
    if isinstance(found, bool) or not isinstance(found, int) or found <= 0:
        raise ProtocolError(f"shop: {name}: id: a whole number is needed")
    return found


def _gmt(data: Mapping[str, Any], name: str) -> float:
    try:
        return datetime.fromisoformat(str(data.get(name))).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ProtocolError(f"shop: order: {name}: a time such as 2026-11-24T09:30:00 is needed") from None


# Deliveries


def sign(secret: bytes, body: bytes) -> str:
    """X-WC-Webhook-Signature: base64 of the HMAC-SHA256 of the raw body."""
    return base64.b64encode(hmac.digest(secret, body, "sha256")).decode()


def is_genuine(secret: bytes, body: bytes, signature: str) -> bool:
    """In constant time. A signature that is no base64 is none."""
    try:
        given = base64.b64decode(signature.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return hmac.compare_digest(given, hmac.digest(secret, body, "sha256"))


def is_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """What WooCommerce sends when a webhook is saved: `webhook_id=1`, unsigned; it wants a 200 and says nothing."""
    digits = body.removeprefix(b"webhook_id=")
    return "x-wc-webhook-signature" not in headers and digits != body and digits.isdigit() and len(digits) < 20


def read_hint(topic: str, body: bytes) -> Hint | None:
    """What a genuine delivery points at; None for a topic we do not follow. Raises ProtocolError."""
    if topic not in TOPICS:
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ProtocolError("shop: the delivery is not JSON") from None
    kind = topic.partition(".")[0]
    return Hint(kind, _id(_object(data, kind), kind))


class Deliveries:
    """Ids that were taken already: a delivery that comes again changes nothing and is not fetched again."""

    def __init__(self, keep: int = MAX_DELIVERIES) -> None:
        self._keep = keep
        self._taken: OrderedDict[bytes, None] = OrderedDict()

    def is_new(self, delivery: str, signature: str) -> bool:
        """Whether this one was not taken before. Its id is not signed, so the signature stands beside it."""
        name = hashlib.sha256(f"{len(delivery)}:{delivery}{signature}".encode()).digest()
        return name not in self._taken

    def take(self, delivery: str, signature: str) -> None:
        """Remember it, and forget the oldest beyond the limit."""
        self._taken[hashlib.sha256(f"{len(delivery)}:{delivery}{signature}".encode()).digest()] = None
        while len(self._taken) > self._keep:
            self._taken.popitem(last=False)
