"""A text-message carrier that lives on loopback: it takes one-time codes by HTTP and lets tests read them by number.

    async with CodeGateway() as gateway:
        ...  # code_gateway = gateway.url, token file with gateway.token
        code = await gateway.next_code("+447700900001")

`POST /messages` with `{"to": "+44…", "text": "…"}` and `Authorization: Bearer <token>`: 202, else 400, 401 or 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
import secrets
import socket
from collections import defaultdict
from collections.abc import Iterator
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from quietline.errors import ProtocolError

NUMBER = re.compile(r"\+\d{7,15}")
CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
LONGEST = 4_096  # bytes of a request's body


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


class CodeGateway:
    """`fails` makes it answer 503, as a carrier that is down."""

    def __init__(self, token: str = "", port: int = 0) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.fails = False
        self.taken = 0
        self.refused = 0
        self._inboxes: defaultdict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._server = _Server(uvicorn.Config(self._app(), log_config=None, access_log=False, lifespan="off"))
        self._owner = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/messages"

    async def __aenter__(self) -> CodeGateway:
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

    async def next_message(self, number: str, within: float = 10.0) -> str:
        """The next message to this number, each once. Raises ProtocolError when none comes."""
        try:
            async with asyncio.timeout(within):
                return await self._inboxes[number].get()
        except TimeoutError:
            raise ProtocolError(f"code gateway: no message to that number within {within:g} s") from None

    async def next_code(self, number: str, within: float = 10.0) -> str:
        """The six digits of the next message. Raises ProtocolError when it holds none."""
        code = CODE.search(await self.next_message(number, within))
        if code is None:
            raise ProtocolError("code gateway: the message holds no six-digit code")
        return code.group()

    def waiting(self, number: str) -> int:
        """Messages to this number that nobody has read."""
        return self._inboxes[number].qsize()

    # The carrier's side

    def _app(self) -> Starlette:
        return Starlette(routes=[Route("/messages", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> JSONResponse:
        if self.fails:
            return self._refuse(503, "out of order")
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {self.token}"):
            return self._refuse(401, "a bearer token is needed")
        message = _message(await request.body())
        if message is None:
            return self._refuse(400, 'send {"to": "+…", "text": "…"}')
        self._inboxes[message[0]].put_nowait(message[1])
        self.taken += 1
        return JSONResponse({"accepted": True}, 202)

    def _refuse(self, status: int, why: str) -> JSONResponse:
        self.refused += 1
        return JSONResponse({"error": why}, status)


def _message(body: bytes) -> tuple[str, str] | None:
    try:
        given = json.loads(body) if len(body) <= LONGEST else None
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    to, text = given.get("to"), given.get("text")
    if not isinstance(to, str) or not isinstance(text, str) or not NUMBER.fullmatch(to) or not text:
        return None
    return to, text
