"""Where the shop's webhooks arrive: signature, size, replay, topic; then a hint. Nothing of the body goes further."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from quietline.connector.woo import Deliveries, Hint, is_genuine, is_ping, read_hint
from quietline.errors import ProtocolError

PATH = "/webhooks/woocommerce"
MAX_BODY = 1024 * 1024  # bytes; an order is some 5 KB


class Webhooks:
    """`take`: called with what a genuine delivery points at; False where nothing more can be taken."""

    def __init__(self, secret: bytes, take: Callable[[Hint], bool]) -> None:
        self._secret, self._take = secret, take
        self._deliveries = Deliveries()

    def app(self) -> Starlette:
        """The ASGI application: one route."""
        return Starlette(routes=[Route(PATH, self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        if is_ping(request.headers, body):
            return Response(status_code=200)
        return Response(status_code=self.decide(dict(request.headers), body))

    def decide(self, headers: dict[str, str], body: bytes) -> int:
        """The status: 200 taken or taken before, 204 no topic of ours, 400 nonsense, 401 not signed, 503 too many."""
        signature, delivery = headers.get("x-wc-webhook-signature", ""), headers.get("x-wc-webhook-delivery-id", "")
        if not is_genuine(self._secret, body, signature):
            return 401
        if not delivery or len(delivery) > 200:
            return 400
        if not self._deliveries.is_new(delivery, signature):
            return 200
        try:
            hint = read_hint(headers.get("x-wc-webhook-topic", ""), body)
        except ProtocolError:
            return 400
        if hint is None:
            return 204
        if not self._take(hint):
            return 503
        self._deliveries.take(delivery, signature)
        return 200


async def _body(request: Request) -> bytes | None:
    """The body, None for one that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
