"""One call as a simulated phone lives it: INVITE to BYE, its keys and its media (RFC 3261 §12–15, client and server).

Everything happens in callbacks of the wire; the phone's owner waits on `ringing`, `settled` and `ended`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Protocol

from quietline.errors import ProtocolError, QuietlineError
from quietline.testing.rtp import Remote, RtpEndpoint
from quietline.testing.sdp_text import Audio, MediaTaste, read_audio, write_audio
from quietline.testing.sip_text import Message, parameter, response_to, uri_of
from quietline.testing.srtp import Crypto

ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE")
SDP_TYPE = ("Content-Type", "application/sdp")
MIRROR = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv"}
Headers = Sequence[tuple[str, str]]


class CallRefused(QuietlineError):
    """The far side answered with a final response of 300 or more; `code` and `reason` are its words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"call refused: {code} {reason}")
        self.code = code
        self.reason = reason


class Outbox(Protocol):
    """What a leg needs of its phone."""

    contact: str

    def request(self, message: Message) -> None: ...

    def respond(self, request: Message, response: Message) -> None: ...

    def via(self) -> tuple[str, str]: ...

    def authorize(self, challenge: Message, method: str, uri: str) -> tuple[str, str] | None: ...


class FarLeg:
    """`state` is "new", "calling", "ringing", "answered", "refused", "cancelled" or "ended"."""

    def __init__(self, outbox: Outbox, media: RtpEndpoint, taste: MediaTaste, call_id: str = "") -> None:
        self.outbox, self.media, self.taste = outbox, media, taste
        self.call_id = call_id or secrets.token_hex(12)
        self.tag = secrets.token_hex(6)
        self.state = "new"
        self.code, self.reason = 0, ""
        self.ended_by = ""  # "us" | "them"
        self.audio: Audio | None = None
        self.ringing, self.settled, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.bye_answered = asyncio.Event()
        self.probes = 0  # in-dialog OPTIONS answered
        self.offers = 0  # re-INVITEs and UPDATEs answered
        self._keys: dict[int, Crypto] = {}  # ours, by tag
        self._connected_as: tuple[Remote, Crypto | None, Crypto | None] | None = None
        self._local = self._peer = self._target = ""
        self._routes: list[str] = []
        self._cseq = secrets.randbelow(1000) + 1
        self._invite = Message("")  # ours or theirs
        self._extra: Headers = ()
        self._tried_password = self._cancel_wanted = self._cancel_sent = self._provisional = False

    # Calling

    def invite(self, uri: str, from_value: str, extra: Headers = ()) -> None:
        """Send INVITE with our offer."""
        self._target, self._peer, self._local = uri, f"<{uri}>", f"{from_value};tag={self.tag}"
        self._keys = dict(enumerate(self.taste.keys(), start=1))
        self._extra = extra
        self.state = "calling"
        self._send_invite(self._offer())

    def _offer(self, direction: str = "sendrecv") -> str:
        return write_audio(self.taste, self.media.host, self.media.port, self._keys, direction)

    def _send_invite(self, sdp: str, *authorization: tuple[str, str]) -> None:
        self._cseq += 1
        self._invite = self._request("INVITE", [ALLOW, *authorization, *self._extra, SDP_TYPE], sdp)
        self.outbox.request(self._invite)

    def _request(self, method: str, extra: Headers = (), body: str = "", cseq: int = 0) -> Message:
        routes = [("Route", route) for route in self._routes]
        fixed = [
            self.outbox.via(),
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", self._peer),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq or self._cseq} {method}"),
            ("Contact", self.outbox.contact),
        ]
        return Message(f"{method} {self._target} SIP/2.0", [*fixed, *routes, *extra], body)

    def on_response(self, response: Message) -> None:
        """Responses to requests other than INVITE need nothing more of us."""
        if response.method == "BYE" and response.code >= 200:
            self.bye_answered.set()
        if response.method == "INVITE" and response.cseq == self._invite.cseq:
            if response.code < 200:
                self._on_provisional(response)
            elif response.code < 300:
                self._on_accepted(response)
            else:
                self._on_refused(response)

    def _on_provisional(self, response: Message) -> None:
        self._provisional = True
        if response.code > 100 and self.state == "calling":
            self.state = "ringing"
            self.ringing.set()
        if self._cancel_wanted:
            self._send_cancel()

    def _on_accepted(self, response: Message) -> None:
        self._peer = response.first("to")
        self._target = uri_of(response.first("contact")) or self._target
        self._routes = list(reversed(response.all("record-route")))  # RFC 3261 §12.1.2
        self.outbox.request(self._request("ACK", cseq=response.cseq))
        if self.state in ("ended", "cancelled") or self._cancel_wanted:
            self._bye()  # the 200 crossed our CANCEL
            return
        try:
            self._connect(read_audio(response.body))
        except ProtocolError as error:
            self._give_up(str(error))
            return
        self.state = "answered"
        self.settled.set()

    def _give_up(self, why: str) -> None:
        """Answered with SDP we cannot use: BYE, and the call counts as refused with 488."""
        self._bye()
        self.code, self.reason, self.state = 488, why, "refused"
        self._finish()

    def _on_refused(self, response: Message) -> None:
        self._acknowledge_refusal(response)
        if response.code in (401, 407) and not self._tried_password:
            header = self.outbox.authorize(response, "INVITE", self._target)
            if header:
                self._tried_password = True
                self._send_invite(self._invite.body, header)
                return
        if self.state == "answered":
            return  # a refused re-INVITE leaves the call as it was (RFC 3261 §14.1)
        self.code, self.reason = response.code, response.reason
        self.state = "cancelled" if self._cancel_wanted else "refused"
        self._finish()

    def _acknowledge_refusal(self, response: Message) -> None:
        """ACK of a final response >= 300: the INVITE's own branch and Request-URI (RFC 3261 §17.1.1.3)."""
        kept = [(k, v) for k, v in self._invite.headers if k in ("Via", "Max-Forwards", "From", "Call-ID", "Route")]
        headers = [*kept, ("To", response.first("to")), ("CSeq", f"{response.cseq} ACK")]
        self.outbox.request(Message(self._invite.start.replace("INVITE", "ACK", 1), headers))

    # Taking a call

    def invited(self, request: Message) -> None:
        """An INVITE for us: remember its dialog. Raises ProtocolError when it has no audio offer."""
        self._invite = request
        self.call_id = request.first("call-id")
        self._local = f"{request.first('to')};tag={self.tag}"
        self._peer = request.first("from")
        self._target = uri_of(request.first("contact"))
        self._routes = request.all("record-route")
        self.audio = read_audio(request.body)
        self.state = "calling"

    def rings(self) -> None:
        """180, without a body."""
        self.state = "ringing"
        self.ringing.set()
        self._respond("180 Ringing", [("Contact", self.outbox.contact)])

    def accepts(self) -> None:
        """200 with our answer; 488 where there is no common codec or suite."""
        assert self.audio is not None
        try:
            sdp = self._answer_to(self.audio)
        except ProtocolError:
            self.declines("488 Not Acceptable Here")
            return
        self._respond("200 OK", [("Contact", self.outbox.contact), ALLOW, SDP_TYPE], sdp)
        self.state = "answered"
        self.settled.set()

    def declines(self, status: str, extra: Headers = ()) -> None:
        """A final response such as "486 Busy Here"."""
        self._respond(status, extra)
        self.code, self.state = int(status[:3]), "refused"
        self._finish()

    def _respond(self, status: str, extra: Headers = (), body: str = "") -> None:
        self.outbox.respond(self._invite, response_to(self._invite, status, self.tag, extra, body))

    def _answer_to(self, offer: Audio, direction: str = "sendrecv") -> str:
        taste = self.taste.answering(offer)
        if offer.cryptos and not self._keys.keys() & offer.cryptos.keys():
            tag = next((t for t, c in offer.cryptos.items() if c.suite in self.taste.suites), None)
            if tag is None:
                raise ProtocolError("sdp: no common SRTP suite")
            self._keys = {tag: Crypto.fresh(offer.cryptos[tag].suite)}
        self._connect(offer)
        keys = self._keys if offer.cryptos else {}
        return write_audio(taste, self.media.host, self.media.port, keys, direction)

    # In the dialog

    def on_request(self, request: Message) -> None:
        handlers = {"BYE": self._on_bye, "INVITE": self._on_offer, "UPDATE": self._on_offer, "CANCEL": self._on_cancel}
        if request.method == "ACK":
            if self.state == "answered" and request.body:
                self._connect(read_audio(request.body))
        else:
            handlers.get(request.method, self._on_other)(request)

    def _reply(self, request: Message, status: str, extra: Headers = (), body: str = "") -> None:
        self.outbox.respond(request, response_to(request, status, self.tag, extra, body))

    def _on_bye(self, request: Message) -> None:
        self._reply(request, "200 OK")
        if self.state == "answered":
            self.state, self.ended_by = "ended", "them"
            self._finish()

    def _on_cancel(self, request: Message) -> None:
        self._reply(request, "200 OK")
        if self.state in ("calling", "ringing"):
            self.declines("487 Request Terminated")
            self.state, self.ended_by = "cancelled", "them"

    def _on_other(self, request: Message) -> None:
        if self.ended.is_set():  # RFC 3261 §12.2.2: a dialog that is no more
            self._reply(request, "481 Call/Transaction Does Not Exist")
            return
        self.probes += request.method == "OPTIONS"
        self._reply(request, "200 OK", [ALLOW])

    def _on_offer(self, request: Message) -> None:
        """re-INVITE or UPDATE: a session refresh, hold, or moved media (RFC 3261 §14.2)."""
        self.offers += 1
        self._target = uri_of(request.first("contact")) or self._target
        contact = ("Contact", self.outbox.contact)
        if not request.body:
            body = self._offer() if request.method == "INVITE" else ""
            self._reply(request, "200 OK", [contact, ALLOW, *([SDP_TYPE] if body else [])], body)
            return
        offer = read_audio(request.body)
        sdp = self._answer_to(offer, MIRROR[offer.direction])
        self._reply(request, "200 OK", [contact, ALLOW, SDP_TYPE], sdp)

    def reoffers(self, direction: str = "sendrecv") -> None:
        """re-INVITE with the same media and keys: "sendonly" holds, "sendrecv" resumes or refreshes."""
        self._extra = ()
        self._tried_password = False
        self._send_invite(self._offer(direction))

    def sends(self, method: str, extra: Headers = (), body: str = "") -> None:
        """Any other request in the dialog, such as INFO."""
        self._cseq += 1
        self.outbox.request(self._request(method, extra, body))

    def hangs_up(self) -> None:
        """BYE; harmless when the call is not up."""
        if self.state == "answered":
            self._bye()
            self.state, self.ended_by = "ended", "us"
            self._finish()

    def _bye(self) -> None:
        self._cseq += 1
        self.outbox.request(self._request("BYE"))

    def cancels(self) -> None:
        """CANCEL, once the far side has said anything (RFC 3261 §9.1)."""
        self._cancel_wanted = True
        if self._provisional:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._cancel_sent or self.state not in ("calling", "ringing"):
            return
        self._cancel_sent = True
        kept = [
            (k, v) for k, v in self._invite.headers if k in ("Via", "Max-Forwards", "From", "To", "Call-ID", "Route")
        ]
        headers = [*kept, ("CSeq", f"{self._invite.cseq} CANCEL")]
        self.outbox.request(Message(self._invite.start.replace("INVITE", "CANCEL", 1), headers))

    def _connect(self, audio: Audio) -> None:
        self.audio = audio
        tag = next((tag for tag in audio.cryptos if tag in self._keys), None)
        if self.taste.suites and audio.cryptos and tag is None:
            raise ProtocolError("sdp: the answer takes none of our SRTP keys")
        ours, theirs = (self._keys[tag], audio.cryptos[tag]) if tag is not None else (None, None)
        wanted = (audio.remote(), ours, theirs)
        if wanted != self._connected_as:
            self._connected_as = wanted
            self.media.connect(*wanted)

    @property
    def suite(self) -> str:
        """The SRTP suite this leg sends with; "" for cleartext."""
        return self._connected_as[1].suite if self._connected_as and self._connected_as[1] else ""

    def _finish(self) -> None:
        self.settled.set()
        self.ended.set()
        self.media.close()

    @property
    def remote_tag(self) -> str:
        return parameter(self._peer, "tag")
