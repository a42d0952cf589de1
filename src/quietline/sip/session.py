"""One call leg's signalling as plain data: the dialog, what is pending in it, and its timers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from quietline.errors import ProtocolError
from quietline.sip import dialog as dialogs
from quietline.sip import transaction as transactions
from quietline.sip.dialog import Dialog
from quietline.sip.message import Request, Response
from quietline.sip.transaction import LIFE, T1, T2, ClientInvite, ServerInvite, ServerOther

Address = tuple[str, int]


class Phase(StrEnum):
    """Where a leg stands."""

    CALLING = "calling"  # our INVITE has no final response yet
    INVITED = "invited"  # theirs has none
    ANSWERED = "answered"  # our 2xx waits for its ACK
    CONFIRMED = "confirmed"
    LEAVING = "leaving"  # our BYE, CANCEL or refusal is on its way
    ENDED = "ended"


class What(StrEnum):
    """What the core tells about a leg, closed."""

    INVITED = "invited"
    RINGING = "ringing"
    ANSWERED = "answered"
    REJECTED = "rejected"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    ENDED = "ended"
    OFFER = "offer"
    REOFFERED = "reoffered"  # the final response to our re-INVITE
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the wire."""

    data: bytes = field(repr=False)
    to: Address


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a leg. `message` is what caused it, None for a timer."""

    what: What
    session: Session = field(repr=False)
    code: int = 0
    reason: str = ""
    message: Request | Response | None = field(default=None, repr=False)

    @property
    def sdp(self) -> str:
        return self.message.sdp() if self.message else ""


Effect = Send | Event


@dataclass(slots=True, repr=False)
class Unacknowledged:
    """A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4)."""

    cseq: int
    data: bytes
    resend_at: float
    ends_at: float
    interval: float = T1

    def again(self, now: float) -> bytes:
        """The 2xx once more, and when the next is due (RFC 3261 §13.3.1.4)."""
        self.interval = min(self.interval * 2, T2)
        self.resend_at = now + self.interval
        return self.data


@dataclass(slots=True)
class SessionTimer:
    """RFC 4028. interval in seconds, 0: none. `deadline`: when we refresh, or give the far side up."""

    interval: int = 0
    ours: bool = False  # we are the refresher
    deadline: float = inf

    def restart(self, now: float) -> None:
        if self.interval:
            # §7.2: refresh at half the interval; §10: BYE is sent min(32, interval/3) seconds before the end.
            wait = self.interval / 2 if self.ours else self.interval - min(32.0, self.interval / 3)
            self.deadline = now + wait


@dataclass(slots=True, repr=False)
class Pending:
    """An offer in dialog that waits for our user's word."""

    transaction: ServerInvite | ServerOther
    request: Request


@dataclass(slots=True, eq=False, repr=False)
class Session:
    """A leg. Only the core's functions change it."""

    id: str
    outgoing: bool
    peer: Address
    phase: Phase
    dialog: Dialog
    invite: ClientInvite | ServerInvite | None = None
    local_sdp: str = ""
    peer_updates: bool = False  # the far side allows UPDATE (RFC 3311)
    unacked: Unacknowledged | None = None
    ack: tuple[int, bytes] = (0, b"")  # our last ACK, sent again for each repeated 2xx
    byes: frozenset[str] = frozenset()  # tags of forked answers that we hung up on
    pending: Pending | None = None
    reinvite: ClientInvite | None = None
    reoffer: str = ""  # the SDP to try again after 491
    retry_at: float = inf
    probe_until: float = inf
    give_up_at: float = inf  # an unanswered INVITE or CANCEL ends here
    timer: SessionTimer = field(default_factory=SessionTimer)
    hang_up_wanted: bool = False
    cancelled: bool = False  # our CANCEL is out
    signs: bool = False  # a challenge (401, 407) to our INVITE is handed back to the edge, once, to be signed there
    told: bool = False  # the last event of this leg has been given
    queued: float = inf

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.phase.value}>"

    @property
    def deadline(self) -> float:
        """When time alone next changes something."""
        first = min(self.retry_at, self.probe_until, self.give_up_at, self.timer.deadline)
        return min(first, self.unacked.resend_at, self.unacked.ends_at) if self.unacked else first

    @property
    def done(self) -> bool:
        return self.phase is Phase.ENDED

    @property
    def alive(self) -> bool:
        return self.phase not in (Phase.LEAVING, Phase.ENDED) and not self.hang_up_wanted

    @property
    def established(self) -> bool:
        return self.phase in (Phase.ANSWERED, Phase.CONFIRMED)

    def save(self, now: float) -> dict[str, Any]:
        """Plain, JSON-able data for `load`. Personal: it holds identities and addresses."""
        unacked = self.unacked
        return {
            "id": self.id, "outgoing": self.outgoing, "peer": list(self.peer), "phase": self.phase.value,
            "dialog": self.dialog.save(),
            "invite": self.invite.dump() if self.invite and not self.invite.done else None,
            "local_sdp": self.local_sdp, "peer_updates": self.peer_updates, "saved_at": now,
            "unacked": [unacked.cseq, unacked.data.decode("utf-8", "surrogateescape")] if unacked else None,
            "ack": [self.ack[0], self.ack[1].decode("utf-8", "surrogateescape")],
            "timer": [self.timer.interval, self.timer.ours], "hang_up_wanted": self.hang_up_wanted,
        }  # fmt: skip


def load(saved: dict[str, Any], now: float) -> Session:
    """A leg where it stood; its timers begin anew. Raises ProtocolError on a record it cannot read."""
    try:
        session = Session(
            id=saved["id"], outgoing=bool(saved["outgoing"]), peer=(str(saved["peer"][0]), int(saved["peer"][1])),
            phase=Phase(saved["phase"]), dialog=dialogs.load(saved["dialog"], now - saved["saved_at"]),
            local_sdp=saved["local_sdp"], peer_updates=bool(saved["peer_updates"]),
            ack=(int(saved["ack"][0]), saved["ack"][1].encode("utf-8", "surrogateescape")),
            timer=SessionTimer(int(saved["timer"][0]), bool(saved["timer"][1])),
            hang_up_wanted=bool(saved["hang_up_wanted"]),
        )  # fmt: skip
        session.timer.restart(now)
        if saved["unacked"]:
            cseq, data = saved["unacked"]
            session.unacked = Unacknowledged(int(cseq), data.encode("utf-8", "surrogateescape"), now, now + LIFE)
        if saved["invite"]:
            machine = transactions.load(saved["invite"], now)
            if not isinstance(machine, ClientInvite | ServerInvite):
                raise ProtocolError("SIP: a saved leg's transaction is no INVITE")
            session.invite = machine
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise ProtocolError("SIP: a saved leg cannot be read") from None
    return session
