"""The outermost layer: who may speak to us at all, how much, and what every answer carries.

Pure ASGI, so that event streams pass through unbuffered.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quietline.logs import place
from quietline.web.headers import security_headers
from quietline.web.problems import Forged, TooLarge, WebError, WrongHost, internal, problem_of
from quietline.web.site import Site

log = structlog.get_logger()

SAFE_METHODS = frozenset({"GET", "HEAD"})
LOOPBACK_PATHS = frozenset({"/healthz", "/metrics"})
LOOPBACK = frozenset({"127.0.0.1", "::1"})


def check_request(site: Site, scope: Scope) -> None:
    """Raises WrongHost, Forged or TooLarge before anything of the request is read.

    Origin is asked of every request that changes something (Fetch standard: browsers send it on all of them), so a
    page of another origin is refused even if it could guess the CSRF token.
    """
    headers = Headers(scope=scope)
    if scope["path"] in LOOPBACK_PATHS:
        return
    if headers.get("host", "").lower() != site.authority:
        raise WrongHost(f"This address is not served here. Use {site.origin}/")
    if _length(headers) > site.limits.body_bytes:
        raise TooLarge(f"The request is longer than {site.limits.body_bytes} bytes.")
    if scope["method"] not in SAFE_METHODS and not site.allows_origin(headers.get("origin", "")):
        raise Forged("The request does not come from this page. Reload it.")


def _length(headers: Mapping[str, str]) -> int:
    value = headers.get("content-length", "0")
    if not value.isascii() or not value.isdigit():
        raise WebError("Content-Length is not a number.")
    return int(value) if len(value) < 16 else 1 << 60


def route_of(scope: Scope) -> str:
    """The route's template, never the path."""
    return str(getattr(scope.get("route"), "path", "(none)"))


class Guard:
    """Wraps the application. `counts` are answers by route template and status, for metrics: nothing personal."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site
        self._headers = security_headers(site)
        self.counts: Counter[tuple[str, int]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        await self._serve(scope, receive, _Answer(self, scope, send, self._headers))

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        scope.setdefault("state", {})["guard"] = self
        try:
            check_request(self._site, scope)
            await self._app(scope, _limited(receive, self._site.limits.body_bytes), answer)
        except WebError as error:
            if not answer.started:
                await problem_of(error).response()(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the last layer: answered and logged, without its text
            log.error("request failed", route=route_of(scope), error=place(error))
            if not answer.started:
                await internal().response()(scope, receive, answer)
            elif not answer.complete:
                raise ConnectionAbortedError("answer broken off") from None

    def record(self, scope: Scope, status: int, started: float) -> None:
        """The access log: the route's template, never the path, query, address or cookie."""
        route = route_of(scope)
        self.counts[(route, status)] += 1
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        log.info("request", method=scope["method"][:8], route=route, status=status, milliseconds=milliseconds)


def _limited(receive: Receive, limit: int) -> Receive:
    """A body without Content-Length (chunked) is counted as it comes. An HTTPException is what FastAPI lets through."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return counted


class _Answer:
    """`send`, with our headers on it."""

    def __init__(self, guard: Guard, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._guard = guard
        self._scope = scope
        self._send = send
        self._headers = headers
        self._began = time.perf_counter()
        self.started = False
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", []), *self._headers]
            MutableHeaders(raw=message["headers"]).setdefault("cache-control", "no-store")
            self._guard.record(self._scope, int(message["status"]), self._began)
        await self._send(message)
        self.complete = message["type"] == "http.response.body" and not message.get("more_body")
