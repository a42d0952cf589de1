"""What `call.py` needs of telephony. The real adapters are `endpoint.py` (SIP) and `media.py` (rtpengine)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from quietline.carriers import Route
from quietline.legs import LegTicket
from quietline.sealed import Sealed


class LegEventKind(StrEnum):
    """What may happen to a leg, closed."""

    RINGING = "ringing"  # 180/183 from the far side
    ANSWERED = "answered"  # 2xx; `sdp` is the far side's
    REJECTED = "rejected"  # final >= 300; `code`
    CONFIRMED = "confirmed"  # our 2xx was acknowledged
    CANCELLED = "cancelled"  # the caller gave up before the answer
    ENDED = "ended"  # BYE received, or the dialog was lost; `reason`
    OFFER = "offer"  # re-INVITE or UPDATE with SDP: answer with `accept_offer` or `refuse_offer`
    INFO = "info"  # INFO in dialog
    REOFFERED = "reoffered"  # the far side's answer to `reoffer`, or to a refresh; `code`


@dataclass(frozen=True, slots=True)
class LegEvent:
    """One event of a leg. `sdp` may hold addresses and keys: never log it."""

    kind: LegEventKind
    code: int = 0
    reason: str = ""
    sdp: str = field(default="", repr=False)
    ticket: LegTicket | None = None  # on ANSWERED: the edge's word for the agent's leg


class Leg(Protocol):
    """One dialog, ours to steer. Every method returns at once; what follows arrives in `events`.

    Methods that no longer fit the dialog's state (a BYE after BYE) do nothing. Not safe across threads.
    """

    id: str  # our own, stable over restarts
    offer: str  # the far side's latest SDP
    ticket: LegTicket | None  # the caller's, on an incoming leg

    @property
    def alive(self) -> bool: ...

    def ringing(self) -> None: ...

    def answer(self, sdp: str) -> None: ...

    def reject(self, code: int, reason: str = "") -> None: ...

    def hang_up(self) -> None:
        """BYE, CANCEL or final response, whichever the state asks for (RFC 3261 §15)."""

    def accept_offer(self, sdp: str) -> None: ...

    def refuse_offer(self, code: int) -> None: ...

    def reoffer(self, sdp: str) -> None:
        """re-INVITE with this description (RFC 3261 §14.1); what comes of it is REOFFERED."""

    def probe(self, wait: float = 32.0) -> None:
        """In-dialog OPTIONS; no answer in `wait` seconds, or 408/481, ends the leg (`ENDED`, reason "dead peer")."""

    async def next_event(self) -> LegEvent:
        """The next event, in order; waits for it. After ENDED, REJECTED or CANCELLED no more will come."""

    def save(self) -> dict[str, Any]:
        """The dialog as plain data, enough for `Telephony.restore` in another process. Personal: seal it."""


class Telephony(Protocol):
    """Legs in and out, over the edge."""

    def incoming(self) -> AsyncIterator[Leg]:
        """New callers; 100 Trying is already sent."""

    def dial_agent(self, agent: str, alias: str, sdp: str) -> Leg:
        """INVITE the agent's registered phone, masked: From is `"<alias>" <sip:anonymous@anonymous.invalid>`."""

    def dial_out(self, route: Route, number: Sealed[str], sdp: str) -> Leg:
        """INVITE whoever has this E.164 number by a carrier, one of our numbers shown. On ANSWERED the event's
        ticket is the edge's word, kind "called"."""

    def restore(self, saved: dict[str, Any]) -> Leg:
        """A leg of an earlier life of this process, where it stood. Raises ProtocolError on a record it cannot read."""


class Prompt(StrEnum):
    """The recorded words and music, each kept as µ-law and A-law (corrections: 0.5 ms to start against 5.4 ms)."""

    NOTICE = "notice"  # the privacy notice
    MENU = "menu"
    HOLD = "hold"  # "please hold"
    MUSIC = "music"
    CODE = "code"  # "please key in the six-digit code we have just sent you"
    CODE_OK = "code_ok"
    CODE_WRONG = "code_wrong"
    SORRY = "sorry"  # nobody can be reached
    CLOSED = "closed"  # nobody is there at this hour
    INVALID = "invalid"  # a key that is no choice
    CALLBACK_OFFER = "callback_offer"  # "you may hang up and keep your place"
    RINGBACK = "ringback"  # what an agent hears while a customer's phone rings
    CALLBACK_KEPT = "callback_kept"  # "we will call you back, your place is kept"
    CALLBACK = "callback"  # to whoever answers: "press 1 to be connected"


class AgentPhone(StrEnum):
    """How the agent's leg is encrypted."""

    BROWSER = "browser"  # DTLS-SRTP, ICE
    SIP = "sip"  # SRTP with SDES over TLS


class CallMedia(Protocol):
    """The media of one call, all in the relay; no audio passes through Python.

    Raises RelayUnavailable when rtpengine does not answer three tries or refuses. The caller's port and SRTP key never
    change over the call, so the caller is never re-INVITEd.
    """

    async def answer_caller(self, offer: str) -> str:
        """SDP answer for a caller with nobody connected yet. Raises UnacceptableOffer where no G.711 or no allowed
        transport is offered."""

    async def play(self, prompt: str) -> float:
        """Start a prompt toward the caller, by name or as "name@language"; the seconds it lasts. A new one replaces the
        old. On a bridged call the caller does not hear the agent until it ends, for two voices in one ear are none."""

    async def loop(self, prompt: str) -> None: ...

    async def stop(self) -> None: ...

    async def offer_agent(self, attempt: str, phone: AgentPhone) -> str:
        """SDP to send in the INVITE of this attempt (a tag of its own): nothing of the caller's SDP but codecs."""

    async def bridge(self, attempt: str, agent_sdp: str) -> None: ...

    async def agent_reoffer(self, sdp: str) -> str:
        """Answer the agent's re-INVITE (hold, resume, ICE restart) locally. On hold the caller hears music."""

    @property
    def held(self) -> bool:
        """Whether the agent's latest description holds the caller: sendonly, inactive or 0.0.0.0 (RFC 3264 §8.4)."""

    async def caller_reoffer(self, sdp: str) -> str:
        """Answer the caller's re-INVITE (session refresh, hold, address change) locally."""

    async def offer_agent_alone(self, attempt: str, phone: AgentPhone) -> str:
        """SDP for the INVITE of an agent who is rung before there is a caller (a callback)."""

    async def connect_agent(self, attempt: str, agent_sdp: str) -> None:
        """The agent answered, and waits alone. Raises as `bridge`."""

    async def ringback(self, on: bool) -> None:
        """Whether the waiting agent hears a ringing tone."""

    async def offer_called(self, encrypted: bool = True) -> str:
        """SDP for the INVITE of the customer who is called back: SRTP, or plain RTP toward a cleartext trunk."""

    async def connect_called(self, sdp: str) -> None:
        """The customer answered: alone, as after `answer_caller`, for prompts and keys. Raises UnacceptableOffer."""

    async def join(self) -> None:
        """Customer and waiting agent hear each other, as after `bridge`."""

    async def park(self) -> None:
        """The agent's leg is dropped and the caller hears music: the next attempt is offered as the first was."""

    async def offer_consult(self, attempt: str, phone: AgentPhone) -> str:
        """SDP for the INVITE of a colleague the agent asks. From here the caller hears music and neither of them."""

    async def connect_consult(self, attempt: str, agent_sdp: str) -> None:
        """The colleague answered: the two agents hear each other. Raises as `bridge`."""

    async def take_back(self) -> None:
        """Caller and first agent are joined again; the colleague's leg is dropped, answered or not."""

    def agent_again(self, direction: str) -> str:
        """What the agent was offered, once more, in this direction: for a re-INVITE that changes nothing else."""

    async def hand_over(self) -> None:
        """Caller and colleague are joined; the first agent's leg is dropped."""

    async def second_reoffer(self, sdp: str) -> str:
        """Answer the colleague's re-INVITE while they are asked."""

    async def mute_digits(self, muted: bool) -> None:
        """While true the agent hears neither the caller's keys nor voice; digits still arrive here."""

    def digits(self) -> AsyncIterator[str]:
        """The caller's keys (RFC 4733) from now on, one character each; ends with `release`. While an agent's phone
        rings rtpengine reports none."""

    async def silence_seconds(self) -> dict[str, float]:
        """Seconds since the last packet of "caller" and "agent", to a second; absent legs are left out."""

    async def suites(self) -> dict[str, str]:
        """The negotiated SRTP suite of "caller" and "agent", or "none"."""

    async def release(self) -> None:
        """Delete the call in the relay; harmless when it is gone already."""

    def save(self) -> dict[str, Any]:
        """Plain data for `Relay.restore`. Personal: seal before storing."""


class Relay(Protocol):
    """rtpengine as a whole."""

    def media_for(self, call: str) -> CallMedia: ...

    def restore(self, saved: dict[str, Any]) -> CallMedia: ...

    async def reap(self, known: set[str]) -> int:
        """Delete relay calls whose id is ours but not in `known` (left by an earlier life); how many."""

    async def alive(self) -> bool: ...
