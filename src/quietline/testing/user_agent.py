"""What the simulated caller and the simulated agent's phone share: one wire, legs by Call-ID, retransmission."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from quietline.errors import ProtocolError
from quietline.testing.digest import Credentials, authorization
from quietline.testing.sip_text import Message, response_to
from quietline.testing.wire import Edge, SocketFactory, Wire

T1 = 0.5  # seconds, RFC 3261 §17.1.1.1
T2 = 4.0
GIVE_UP = 32.0  # 64 × T1, timers B and F
BRANCH = "z9hG4bK"  # RFC 3261 §8.1.1.7


class Conversation(Protocol):
    """Whatever shares a Call-ID: a call or a registration."""

    def on_response(self, response: Message) -> None: ...

    def on_request(self, request: Message) -> None: ...


class UserAgent:
    """A phone without behaviour: give it `on_new_request`. Use as `async with`; leaving closes sockets and timers."""

    def __init__(
        self,
        edge: Edge,
        user: str,
        *,
        credentials: Credentials | None = None,
        sockets: SocketFactory = socket.socket,
        on_new_request: Callable[[Message], None] | None = None,
    ) -> None:
        self.edge = edge
        self.user = user
        self.conversations: dict[str, Conversation] = {}
        self.contact = ""
        self.silent = False  # a phone that has vanished answers nothing
        self.wire = Wire(edge, self._on_message, sockets)
        self._credentials = credentials
        self._on_new_request = on_new_request or self._refuse
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._answered: dict[tuple[str, str], Message] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Raises what `Wire.open` raises."""
        await self.wire.open()
        self.contact = f"<sip:{self.user}@{self.host_port};transport={self.edge.transport}>"

    @property
    def host_port(self) -> str:
        """Where this agent is reached, as it stands in Via and Contact."""
        host, port = self.wire.local
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        self._cancel_timers()
        await self.wire.close()

    def vanish(self) -> None:
        """Gone without a word: no BYE, no answer to anything."""
        self.silent = True
        self._cancel_timers()
        self.wire.abort()

    def _cancel_timers(self) -> None:
        while self._timers:
            self._timers.popitem()[1].cancel()

    # For legs

    def via(self) -> tuple[str, str]:
        return (
            "Via",
            f"SIP/2.0/{self.edge.transport.upper()} {self.host_port};branch={BRANCH}{secrets.token_hex(8)};rport",
        )

    def request(self, message: Message) -> None:
        """Send; over UDP again until answered (RFC 3261 §17.1), ACK excepted."""
        self.wire.send(message)
        if self.edge.transport == "udp" and message.method != "ACK":
            self._schedule(message, T1, 0.0)

    def _schedule(self, message: Message, wait: float, waited: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[_key(message)] = loop.call_later(wait, self._resend, message, wait, waited + wait)

    def _resend(self, message: Message, wait: float, waited: float) -> None:
        self._timers.pop(_key(message), None)
        if waited < GIVE_UP:
            self.wire.send(message)
            longest = GIVE_UP if message.method == "INVITE" else T2
            self._schedule(message, min(2 * wait, longest), waited)

    def respond(self, request: Message, response: Message) -> None:
        """Send, and remember the answer for a request that comes again (RFC 3261 §17.2)."""
        self._answered[(request.branch, request.method)] = response
        self.wire.send(response)

    def authorize(self, challenge: Message, method: str, uri: str) -> tuple[str, str] | None:
        """The header that answers a 401 or 407; None without credentials."""
        if self._credentials is None:
            return None
        asked, header = {
            401: ("www-authenticate", "Authorization"),
            407: ("proxy-authenticate", "Proxy-Authorization"),
        }[challenge.code]
        return (header, authorization(challenge.first(asked), self._credentials, method, uri))

    # From the wire

    def _on_message(self, message: Message) -> None:
        if self.silent:
            return
        if message.is_response:
            timer = self._timers.pop(_key(message), None)
            if timer:
                timer.cancel()
        repeated = None if message.is_response else self._answered.get((message.branch, message.method))
        if repeated is not None:
            self.wire.send(repeated)
            return
        self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        conversation = self.conversations.get(message.first("call-id"))
        if conversation is None:
            if not message.is_response and message.method != "ACK":
                self._on_new_request(message)
        elif message.is_response:
            conversation.on_response(message)
        else:
            conversation.on_request(message)

    def _refuse(self, request: Message) -> None:
        """OPTIONS outside a call is a ping; anything else finds nobody."""
        status = "200 OK" if request.method == "OPTIONS" else "481 Call/Transaction Does Not Exist"
        self.respond(request, response_to(request, status, secrets.token_hex(6)))


def _key(message: Message) -> str:
    return f"{message.branch} {message.method}"


async def wait_for(event: asyncio.Event, within: float, what: str) -> None:
    """Raises ProtocolError naming what did not happen in time."""
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        raise ProtocolError(f"simulated phone: {what} did not happen within {within:g} s") from None
