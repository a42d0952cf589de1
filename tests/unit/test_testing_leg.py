"""One simulated call, message by message: what a plain phone must do at the corners of RFC 3261."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from quietline.testing.far_leg import FarLeg
from quietline.testing.rtp import RtpEndpoint
from quietline.testing.sdp_text import MediaTaste, read_audio, write_audio
from quietline.testing.sip_text import Message, response_to
from quietline.testing.srtp import AES_GCM, Crypto

URI = "sip:+442079460101@edge.example"


class Outbox:
    """Keeps what the leg says."""

    contact = "<sip:us@192.0.2.1:5061>"

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.branches = 0

    def request(self, message: Message) -> None:
        self.said.append(message)

    def respond(self, request: Message, response: Message) -> None:
        self.said.append(response)

    def via(self) -> tuple[str, str]:
        self.branches += 1
        return ("Via", f"SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK{self.branches}")

    def authorize(self, challenge: Message, method: str, uri: str) -> tuple[str, str] | None:
        return None

    @property
    def last(self) -> Message:
        return self.said[-1]

    def methods(self) -> list[str]:
        return [m.method if not m.is_response else str(m.code) for m in self.said]


class Call:
    """A leg, its words, and the other side's answers."""

    def __init__(self, media: RtpEndpoint) -> None:
        self.out = Outbox()
        self.leg = FarLeg(self.out, media, MediaTaste())

    def dial(self) -> Message:
        self.leg.invite(URI, "<sip:us@edge.example>")
        return self.out.last

    def answer(self, invite: Message, sdp: str = "", status: str = "200 OK") -> Message:
        routes = [("Record-Route", "<sip:near;lr>"), ("Record-Route", "<sip:far;lr>")]
        contact = ("Contact", "<sip:them@192.0.2.9:5061>")
        response = response_to(invite, status, "theirs", [*routes, contact], sdp or self.sdp(invite))
        self.leg.on_response(response)
        return response

    def sdp(self, invite: Message, direction: str = "sendrecv") -> str:
        tag, offered = next(iter(read_audio(invite.body).cryptos.items()))
        return write_audio(MediaTaste(), "127.0.0.1", 9, {tag: Crypto.fresh(offered.suite)}, direction)

    def asked(self, method: str, body: str = "", cseq: int = 50) -> Message:
        headers = [("Via", f"SIP/2.0/TLS x;branch=z9hG4bK{method}{cseq}"), ("From", "<sip:them@x>;tag=theirs")]
        headers += [("To", f"<sip:us@x>;tag={self.leg.tag}"), ("Call-ID", self.leg.call_id)]
        headers += [("CSeq", f"{cseq} {method}"), ("Contact", "<sip:moved@192.0.2.8>")]
        request = Message(f"{method} sip:us@192.0.2.1 SIP/2.0", headers, body)
        self.leg.on_request(request)
        return request


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    async with RtpEndpoint("127.0.0.1") as media:
        yield Call(media)


async def test_the_route_set_is_reversed_and_the_contact_is_the_target(call: Call) -> None:
    call.answer(call.dial())
    assert call.out.last.method == "ACK"
    assert call.out.last.all("route") == ["<sip:far;lr>", "<sip:near;lr>"]
    assert call.out.last.start == "ACK sip:them@192.0.2.9:5061 SIP/2.0"
    assert call.leg.remote_tag == "theirs"
    assert call.leg.state == "answered"


async def test_a_repeated_answer_is_acknowledged_again(call: Call) -> None:
    invite = call.dial()
    response = call.answer(invite)
    call.leg.on_response(response)
    assert call.out.methods() == ["INVITE", "ACK", "ACK"]
    assert {m.cseq for m in call.out.said} == {invite.cseq}


async def test_a_refusal_is_acknowledged_on_the_invites_own_branch(call: Call) -> None:
    invite = call.dial()
    call.leg.on_response(response_to(invite, "486 Busy Here", "theirs"))
    assert (call.out.last.method, call.out.last.branch) == ("ACK", invite.branch)
    assert call.out.last.first("to").endswith("tag=theirs")
    assert (call.leg.state, call.leg.code, call.leg.reason) == ("refused", 486, "Busy Here")


async def test_cancel_waits_for_the_first_word_and_is_sent_once(call: Call) -> None:
    invite = call.dial()
    call.leg.cancels()
    assert call.out.methods() == ["INVITE"]
    call.leg.on_response(response_to(invite, "100 Trying", ""))
    call.leg.on_response(response_to(invite, "180 Ringing", "theirs"))
    call.leg.cancels()
    assert call.out.methods() == ["INVITE", "CANCEL"]
    assert (call.out.last.branch, call.out.last.cseq) == (invite.branch, invite.cseq)
    call.leg.on_response(response_to(invite, "487 Request Terminated", "theirs"))
    assert (call.leg.state, call.leg.code) == ("cancelled", 487)


async def test_an_answer_that_crosses_cancel_is_ended_with_bye(call: Call) -> None:
    invite = call.dial()
    call.leg.cancels()
    call.answer(invite)
    assert call.out.methods() == ["INVITE", "ACK", "BYE"]
    assert call.leg.state != "answered"


@pytest.mark.parametrize(
    ("sdp", "why"),
    [
        ("v=0\r\n", "no audio stream"),
        (write_audio(MediaTaste(), "127.0.0.1", 0, {}), "refused"),
        (write_audio(MediaTaste(), "127.0.0.1", 9, {7: Crypto.fresh(AES_GCM)}), "none of our SRTP keys"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_ended_and_said(call: Call, sdp: str, why: str) -> None:
    call.answer(call.dial(), sdp)
    assert call.out.methods() == ["INVITE", "ACK", "BYE"]
    assert (call.leg.state, call.leg.code) == ("refused", 488)
    assert why in call.leg.reason


async def test_hold_by_the_other_side_is_mirrored_and_the_target_follows(call: Call) -> None:
    invite = call.dial()
    call.answer(invite)
    call.asked("INVITE", call.sdp(invite, "sendonly"))
    assert call.out.last.code == 200
    assert "a=recvonly" in call.out.last.body
    call.leg.sends("INFO")
    assert call.out.last.start.startswith("INFO sip:moved@192.0.2.8 ")


async def test_an_offerless_reinvite_gets_our_offer_and_an_update_nothing(call: Call) -> None:
    call.answer(call.dial())
    call.asked("INVITE")
    assert "m=audio" in call.out.last.body
    call.asked("UPDATE", cseq=51)
    assert (call.out.last.code, call.out.last.body) == (200, "")
    assert call.leg.offers == 2


async def test_a_refused_reinvite_leaves_the_call(call: Call) -> None:
    call.answer(call.dial())
    call.leg.reoffers("sendonly")
    reinvite = call.out.last
    assert "a=sendonly" in reinvite.body
    call.leg.on_response(response_to(reinvite, "491 Request Pending", "theirs"))
    assert call.leg.state == "answered"


async def test_bye_is_answered_once_and_ends_the_call(call: Call) -> None:
    call.answer(call.dial())
    call.asked("BYE")
    assert (call.out.last.code, call.leg.state, call.leg.ended_by) == (200, "ended", "them")
    call.leg.hangs_up()
    assert call.out.methods()[-1] == "200"


async def test_an_old_answer_changes_nothing(call: Call) -> None:
    invite = call.dial()
    old = Message("", [(k, "1 INVITE" if k == "CSeq" else v) for k, v in invite.headers])
    call.leg.on_response(response_to(old, "486 Busy Here", "theirs"))
    assert call.leg.state == "calling"
