"""A WooCommerce shop that lives on loopback: its REST v3 for orders and customers, and its signed webhooks.

    async with WooShop() as shop:
        shop.sells(customer=7, billing={...})
        await shop.delivers("order.created", number, to="http://127.0.0.1:8446/webhooks/woocommerce")

Faults: `down` (connections are answered 500), `busy` (so many answers 429), `between_pages` (called after every page).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from quietline.connector.woo import sign

BILLING = {
    "first_name": "Ana", "last_name": "Example", "phone": "020 7946 0001", "email": "ana@example.com",
    "address_1": "1 Test Lane", "city": "London", "postcode": "ZZ1 1AA", "country": "GB",
}  # fmt: skip
START = 1_790_000_000  # UTC seconds of the first order


class _Server(uvicorn.Server):
    """uvicorn that says when it listens and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Books:
    """What the shop has: orders by id. `now`: its clock, UTC seconds; each sale and each change is a second later."""

    def __init__(self) -> None:
        self.table: dict[int, dict[str, Any]] = {}
        self.people: dict[int, dict[str, Any]] = {}
        self.now = START
        self.next = 10_001

    def sells(self, customer: int = 7, step: int = 1, **changes: Any) -> int:
        """An order; its number."""
        self.now += step
        number, self.next = self.next, self.next + 1
        self.table[number] = {
            "id": number, "number": str(number), "status": "processing", "currency": "GBP", "total": "31.00",
            "customer_id": customer, "date_created_gmt": _said(self.now), "date_modified_gmt": _said(self.now),
            "billing": dict(BILLING), "shipping": {}, "line_items": [{"name": "a kettle", "quantity": 1}], **changes,
        }  # fmt: skip
        return number

    def changes(self, number: int, **values: Any) -> None:
        """The order becomes another, a second later."""
        self.now += 1
        self.table[number] |= {**values, "date_modified_gmt": _said(self.now)}


class WooShop(Books):
    """The shop on a port. `key`: what its API asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.key = (f"ck_{secrets.token_hex(8)}", f"cs_{secrets.token_hex(8)}")
        self.webhook_secret = secrets.token_hex(16)
        self.asked = 0
        self.down = False
        self.busy = 0
        self.between_pages: Callable[[], None] = lambda: None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = _Server(uvicorn.Config(self._app(), log_config=None, access_log=False, lifespan="off"))
        self._owner = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def __aenter__(self) -> WooShop:
        group = await self._owner.enter_async_context(asyncio.TaskGroup())
        group.create_task(self._server.serve(sockets=[self._socket]))
        async with asyncio.timeout(10):
            await self._server.listening.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._owner.aclose()

    async def delivers(self, topic: str, number: int, to: str, delivery: str = "", signature: str = "") -> int:
        """One webhook; the status that came back. `signature`: in place of the right one."""
        body = json.dumps(self.table.get(number, {"id": number})).encode()
        headers = {
            "x-wc-webhook-topic": topic,
            "x-wc-webhook-delivery-id": delivery or secrets.token_hex(8),
            "x-wc-webhook-signature": signature or sign(self.webhook_secret.encode(), body),
        }
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.post(to, content=body, headers=headers)).status_code

    # -- its API

    def _app(self) -> Starlette:
        base = "/wp-json/wc/v3"
        return Starlette(
            routes=[
                Route(f"{base}/orders", self._orders),
                Route(f"{base}/orders/{{number:int}}", self._order),
                Route(f"{base}/customers/{{number:int}}", self._customer),
            ]
        )

    def _refusal(self, request: Request) -> JSONResponse | None:
        self.asked += 1
        if self.down:
            return JSONResponse({"code": "down"}, 500)
        if self.busy:
            self.busy -= 1
            return JSONResponse({"code": "busy"}, 429, headers={"retry-after": "7"})
        right = base64.b64encode(":".join(self.key).encode()).decode()
        if request.headers.get("authorization") != f"Basic {right}":
            return JSONResponse({"code": "woocommerce_rest_cannot_view"}, 401)
        return None

    async def _orders(self, request: Request) -> JSONResponse:
        if refusal := self._refusal(request):
            return refusal
        query = request.query_params
        after = datetime.fromisoformat(query["modified_after"]).replace(tzinfo=UTC).timestamp()
        page, size = int(query["page"]), int(query["per_page"])
        found = [each for each in self.table.values() if _seconds(each) > after and each["status"] != "trash"]
        found.sort(key=lambda each: (_seconds(each), each["id"]))
        answer = JSONResponse(found[(page - 1) * size : page * size])
        self.between_pages()
        return answer

    async def _order(self, request: Request) -> JSONResponse:
        return self._refusal(request) or _found(self.table.get(request.path_params["number"]))

    async def _customer(self, request: Request) -> JSONResponse:
        return self._refusal(request) or _found(self.people.get(request.path_params["number"]))


def _found(data: dict[str, Any] | None) -> JSONResponse:
    return JSONResponse({"code": "invalid_id"}, 404) if data is None else JSONResponse(data)


def _said(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _seconds(order: dict[str, Any]) -> float:
    return datetime.fromisoformat(order["date_modified_gmt"]).replace(tzinfo=UTC).timestamp()
