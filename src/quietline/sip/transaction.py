"""The four transaction machines of RFC 3261 §17, with the corrections of RFC 6026.

A machine is plain data and knows no clock: `now` is handed in, `deadline` is the absolute time (same clock, seconds) at
which `tick` must run. Letters in comments are the RFC's timers. Each method returns what to send, and whether the
transaction user must hear of it.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Any, ClassVar

from quietline.errors import ProtocolError
from quietline.sip.message import Headers, Request, Response
from quietline.sip.parse import parse

T1, T2, T4 = 0.5, 4.0, 5.0  # seconds; RFC 3261 §17.1.1.1 and Table 4
LIFE = 64 * T1  # 32 s: timers B, D, F, H, J, L, M
PATIENCE = 360.0  # ours, after a provisional response: more than the 3 minutes of timer C (§16.6)


class State(StrEnum):
    """Where a transaction stands (RFC 3261 §17, figures 5 to 8)."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"  # RFC 6026 §7.1, §7.2
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Transaction:
    """What the four share. `last` is what a retransmission repeats; `owner` and `role` belong to the user agent."""

    kind: ClassVar[str]
    __slots__ = (
        "ends_at", "interval", "key", "last", "owner", "queued", "reliable", "request", "resend_at", "role", "state",
        "text",
    )  # fmt: skip

    def __init__(self, request: Request, now: float, state: State, reliable: bool = False) -> None:
        self.request = request
        self.state = state
        self.reliable = reliable
        self.last = b""
        self.interval = T1
        self.resend_at = inf
        self.ends_at = inf
        self.key: tuple[str, ...] = ()
        self.owner: Any = None
        self.role = ""
        self.queued = inf
        self.text = ""  # the request as `dump` wrote it: it does not change any more

    @property
    def deadline(self) -> float:
        return self.resend_at if self.resend_at < self.ends_at else self.ends_at

    @property
    def done(self) -> bool:
        return self.state is State.TERMINATED

    def _rest(self, state: State, now: float, life: float) -> None:
        """Stop retransmitting and end in `life` seconds, at once when that is 0."""
        self.state = State.TERMINATED if life == 0 else state
        self.resend_at = inf
        self.ends_at = inf if life == 0 else now + life

    def _resend(self, now: float, cap: float) -> bytes:
        self.interval = min(self.interval * 2, cap)
        self.resend_at = now + self.interval
        return self.last

    def tick(self, now: float) -> tuple[bytes, bool]:
        """(bytes to send or b"", timed out). Harmless before the deadline."""
        if now >= self.ends_at:
            late = self._is_late()
            self.state, self.resend_at, self.ends_at = State.TERMINATED, inf, inf
            return b"", late
        if now >= self.resend_at:
            return self._again(now), False
        return b"", False

    def _is_late(self) -> bool:
        raise TypeError("one of the four machines")

    def _again(self, now: float) -> bytes:
        raise TypeError("one of the four machines")

    def dump(self) -> dict[str, Any]:
        """Plain data for `load`; times are absolute."""
        self.text = self.text or _text(self.request.encode())
        return {
            "kind": self.kind, "state": self.state.value, "request": self.text,
            "last": _text(self.last), "interval": self.interval, "resend_at": _finite(self.resend_at),
            "ends_at": _finite(self.ends_at), "reliable": self.reliable,
        }  # fmt: skip


class ClientInvite(Transaction):
    """RFC 3261 §17.1.1, figure 5, as replaced by RFC 6026 §8.4."""

    kind = "client-invite"
    __slots__ = ()

    def __init__(self, request: Request, now: float, reliable: bool = False) -> None:
        super().__init__(request, now, State.CALLING, reliable)
        self.last = request.encode()
        self.resend_at = inf if reliable else now + T1  # A
        self.ends_at = now + LIFE  # B

    def receive(self, response: Response, now: float) -> tuple[bytes, bool]:
        """(the ACK to send or b"", whether the transaction user must see the response)."""
        if self.state in (State.CALLING, State.PROCEEDING):
            return self._first(response, now)
        if self.state is State.ACCEPTED:
            return b"", 200 <= response.status < 300
        return (self.last if self.state is State.COMPLETED and response.status >= 300 else b""), False

    def _first(self, response: Response, now: float) -> tuple[bytes, bool]:
        if response.status < 200:
            self.state, self.resend_at, self.ends_at = State.PROCEEDING, inf, now + PATIENCE
            return b"", True
        if response.status < 300:
            self._rest(State.ACCEPTED, now, LIFE)  # M
            return b"", True
        self.last = ack_for_refusal(self.request, response).encode()
        self._rest(State.COMPLETED, now, 0 if self.reliable else LIFE)  # D
        return self.last, True

    def _is_late(self) -> bool:
        return self.state in (State.CALLING, State.PROCEEDING)

    def _again(self, now: float) -> bytes:
        return self._resend(now, inf)


class ClientOther(Transaction):
    """RFC 3261 §17.1.2, figure 6."""

    kind = "client-other"
    __slots__ = ()

    def __init__(self, request: Request, now: float, reliable: bool = False) -> None:
        super().__init__(request, now, State.TRYING, reliable)
        self.last = request.encode()
        self.resend_at = inf if reliable else now + T1  # E
        self.ends_at = now + LIFE  # F

    def receive(self, response: Response, now: float) -> tuple[bytes, bool]:
        """(b"", whether the transaction user must see the response)."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return b"", False
        if response.status < 200:
            self.state = State.PROCEEDING
        else:
            self._rest(State.COMPLETED, now, 0 if self.reliable else T4)  # K
        return b"", True

    def _is_late(self) -> bool:
        return self.state in (State.TRYING, State.PROCEEDING)

    def _again(self, now: float) -> bytes:
        if self.state is State.PROCEEDING:
            self.interval = T2
        return self._resend(now, T2)


class ServerInvite(Transaction):
    """RFC 3261 §17.2.1, figure 7, as replaced by RFC 6026 §8.7. The 2xx is repeated by the dialog, not here."""

    kind = "server-invite"
    __slots__ = ()

    def __init__(self, request: Request, now: float, reliable: bool = False) -> None:
        super().__init__(request, now, State.PROCEEDING, reliable)

    def repeat(self) -> bytes:
        """The INVITE came again: what to send."""
        return self.last if self.state in (State.PROCEEDING, State.COMPLETED) else b""

    def respond(self, response: Response, now: float) -> bytes:
        """Send a response; b"" when a final one has gone out before."""
        if self.state is not State.PROCEEDING:
            return b""
        self.last = response.encode()
        if 200 <= response.status < 300:
            self._rest(State.ACCEPTED, now, LIFE)  # L
        elif response.status >= 300:
            self.state, self.ends_at = State.COMPLETED, now + LIFE  # H
            self.resend_at = inf if self.reliable else now + T1  # G
        return self.last

    def ack(self, now: float) -> bool:
        """An ACK came. True when it is for a 2xx, which the dialog must see."""
        if self.state is State.COMPLETED:
            self._rest(State.CONFIRMED, now, 0 if self.reliable else T4)  # I
        return self.state is State.ACCEPTED

    def _is_late(self) -> bool:
        return self.state is State.COMPLETED

    def _again(self, now: float) -> bytes:
        return self._resend(now, T2)


class ServerOther(Transaction):
    """RFC 3261 §17.2.2, figure 8."""

    kind = "server-other"
    __slots__ = ()

    def __init__(self, request: Request, now: float, reliable: bool = False) -> None:
        super().__init__(request, now, State.TRYING, reliable)

    def repeat(self) -> bytes:
        """The request came again: what to send; nothing before the first response."""
        return self.last

    def respond(self, response: Response, now: float) -> bytes:
        """Send a response; b"" when a final one has gone out before."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return b""
        self.last = response.encode()
        if response.status < 200:
            self.state = State.PROCEEDING
        else:
            self._rest(State.COMPLETED, now, 0 if self.reliable else LIFE)  # J
        return self.last

    def _is_late(self) -> bool:
        return False

    def _again(self, now: float) -> bytes:
        return b""


_KINDS: dict[str, type[ClientInvite] | type[ClientOther] | type[ServerInvite] | type[ServerOther]] = {
    kind.kind: kind for kind in (ClientInvite, ClientOther, ServerInvite, ServerOther)
}


def load(saved: dict[str, Any], now: float) -> Transaction:
    """A machine where `dump` left it; no deadline is further away than `PATIENCE`. Raises ProtocolError."""
    try:
        request = parse(saved["request"].encode("utf-8", "surrogateescape"))
        assert isinstance(request, Request)
        machine: Transaction = _KINDS[saved["kind"]](request, now, saved["reliable"])
        machine.state = State(saved["state"])
        machine.last = saved["last"].encode("utf-8", "surrogateescape")
        machine.interval = float(saved["interval"])
        machine.resend_at = _clamped(saved["resend_at"], now)
        machine.ends_at = _clamped(saved["ends_at"], now)
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError):
        raise ProtocolError("SIP: a saved transaction cannot be read") from None
    return machine


def ack_for_refusal(invite: Request, response: Response) -> Request:
    """The ACK of a final response that is no 2xx (RFC 3261 §17.1.1.3): same branch, Request-URI and Route."""
    names = ("via", "max-forwards", "from", "call-id", "route")
    kept = [(name, value) for name, value in invite.headers if name in names]
    headers = Headers([*kept, ("to", response.headers.get("to")), ("cseq", f"{invite.cseq} ACK")])
    return Request("ACK", invite.uri, headers)


def client_key(message: Request | Response) -> tuple[str, ...]:
    """What a response is matched by (RFC 3261 §17.1.3)."""
    return message.branch, message.cseq_method


def server_key(request: Request) -> tuple[str, ...]:
    """What a request is matched by (RFC 3261 §17.2.3); the second form is for RFC 2543 clients."""
    method = "INVITE" if request.method == "ACK" else request.method
    if len(request.branch) > 7 and request.branch.startswith("z9hG4bK"):
        return request.branch, request.sent_by, method
    return request.uri, request.call_id, request.from_tag, str(request.cseq), request.sent_by, method


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _finite(time: float) -> float | None:
    return None if time == inf else time


def _clamped(time: float | None, now: float) -> float:
    return inf if time is None else min(float(time), now + PATIENCE)
