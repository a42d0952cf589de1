"""An edge for the browser's softphone, in memory: registers it, rings it, hangs up. Signalling only, no media.

It speaks through any object with `send(text)` and `on_message(handler)`, such as Playwright's WebSocketRoute.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

WAIT_SECONDS = 8.0
FINGERPRINT = ":".join(["5A"] * 32)

# What the relay offers a browser: G.711, telephone-event, DTLS-SRTP, ICE; a candidate nobody listens on (RFC 5737).
OFFER = f"""v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
t=0 0
a=ice-lite
m=audio 30000 UDP/TLS/RTP/SAVPF 0 8 101
c=IN IP4 192.0.2.1
a=mid:0
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
a=rtcp-mux
a=setup:actpass
a=fingerprint:sha-256 {FINGERPRINT}
a=ice-ufrag:quiet
a=ice-pwd:0123456789abcdef01234567
a=candidate:1 1 UDP 2130706431 192.0.2.1 30000 typ host
""".replace("\n", "\r\n")


class Socket(Protocol):
    """One browser's signalling socket."""

    def send(self, message: str) -> None: ...

    def on_message(self, handler: Callable[[str | bytes], None]) -> None: ...


class FakePhoneEdge:
    """Everybody who registers is taken; the latest one is rung."""

    def __init__(self) -> None:
        self.refuse = False  # answer REGISTER with 403, as an edge that restarted
        self.registered = 0
        self.sockets: list[Socket] = []
        self.seen: list[str] = []  # start lines, in order
        self._contact = ""
        self._invite = ""
        self._to = ""
        self._answered = asyncio.Event()
        self._rejected = asyncio.Event()
        self._ended = asyncio.Event()

    def accept(self, socket: Socket) -> None:
        """A browser has connected."""
        self.sockets.append(socket)
        socket.on_message(lambda text: self._hear(socket, text if isinstance(text, str) else text.decode()))

    async def invite(self, alias: str = "Caller 4821") -> None:
        """Ring the phone, with a masked identity."""
        for event in (self._answered, self._rejected, self._ended):
            event.clear()
        call = secrets.token_hex(6)
        self._invite = (
            f"Via: SIP/2.0/WSS edge.invalid;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n"
            f'From: "{alias}" <sip:anonymous@anonymous.invalid>;tag=f{call}\r\nTo: <sip:agent@localhost>{{to}}\r\n'
            f"Call-ID: {call}\r\nContact: <sip:edge@edge.invalid;transport=ws>\r\n"
        )
        self._to = ""
        body = f"CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n{OFFER}"
        self.sockets[-1].send(f"INVITE {self._contact} SIP/2.0\r\n{self._invite.format(to='')}{body}")

    def bye(self) -> None:
        """The caller hangs up."""
        self._request("BYE", 2)

    def cancel(self) -> None:
        """The offer is taken back."""
        self._request("CANCEL", 1)

    async def answered(self) -> None:
        await asyncio.wait_for(self._answered.wait(), WAIT_SECONDS)

    async def rejected(self) -> None:
        await asyncio.wait_for(self._rejected.wait(), WAIT_SECONDS)

    async def ended(self) -> None:
        """The agent's phone sent BYE."""
        await asyncio.wait_for(self._ended.wait(), WAIT_SECONDS)

    def _request(self, method: str, number: int) -> None:
        head = self._invite.format(to="" if method == "CANCEL" else self._to)
        if method == "BYE":
            head = head.replace("branch=z9hG4bK", f"branch=z9hG4bK{method}")
        self.sockets[-1].send(
            f"{method} {self._contact} SIP/2.0\r\n{head}CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        )

    def _hear(self, socket: Socket, text: str) -> None:
        start, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
        if not lines:
            return  # a keep-alive
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.seen.append(start)
        if start.startswith("SIP/2.0"):
            self._hear_answer(start, headers)
        else:
            self._hear_request(socket, start.split()[0], headers)

    def _hear_answer(self, start: str, headers: dict[str, str]) -> None:
        code = int(start.split()[1])
        if "INVITE" not in headers["cseq"] or code < 200:
            return
        tag = headers["to"].partition(";tag=")[2]
        self._to = f";tag={tag}"
        self._request("ACK", 1)
        (self._answered if code < 300 else self._rejected).set()

    def _hear_request(self, socket: Socket, method: str, headers: dict[str, str]) -> None:
        if method == "REGISTER":
            self._register(socket, headers)
        elif method == "BYE":
            self._ended.set()
            _reply(socket, headers, "200 OK")
        elif method == "INVITE":
            self._reinvite(socket, headers)

    def _register(self, socket: Socket, headers: dict[str, str]) -> None:
        if self.refuse:
            _reply(socket, headers, "403 Forbidden")
            return
        self._contact = headers.get("contact", "").partition("<")[2].partition(">")[0]
        self.registered += 1
        _reply(socket, headers, "200 OK", f"Contact: {headers.get('contact', '')};expires=90\r\n")

    def _reinvite(self, socket: Socket, headers: dict[str, str]) -> None:
        """Hold and resume: the phone's own offer, answered with what it may not send."""
        answer = OFFER.replace("a=setup:actpass", "a=setup:passive").replace("a=sendrecv", "a=recvonly")
        extra = "Contact: <sip:edge@edge.invalid;transport=ws>\r\nContent-Type: application/sdp\r\n"
        _reply(socket, headers, "200 OK", extra, answer)


def _reply(socket: Socket, headers: dict[str, str], status: str, extra: str = "", body: str = "") -> None:
    to = headers["to"] if ";tag=" in headers["to"] else headers["to"] + ";tag=edge"
    same = f"Via: {headers['via']}\r\nFrom: {headers['from']}\r\nTo: {to}\r\n"
    same += f"Call-ID: {headers['call-id']}\r\nCSeq: {headers['cseq']}\r\n"
    socket.send(f"SIP/2.0 {status}\r\n{same}{extra}Content-Length: {len(body)}\r\n\r\n{body}")
