"""Requests out of dialog: which become a leg, and what the others are told (RFC 3261 §8.2)."""

from __future__ import annotations

import pytest

from quietline.sip.agent import UserAgent
from quietline.sip.message import Response
from quietline.sip.session import Effect, Event, What
from quietline.testing.sip_network import agent, events, request, sent, statuses, whats

EDGE = ("127.0.0.1", 5090)


def ask(one: UserAgent, now: float = 0.0, **fields: object) -> list[Effect]:
    return one.receive(request(**fields), EDGE, now)  # type: ignore[arg-type]


def answer(effects: list[Effect]) -> Response:
    [message] = sent(effects)
    assert isinstance(message, Response)
    return message


def test_an_invite_becomes_a_leg_and_is_tried_at_once() -> None:
    one = agent()
    effects = ask(one)
    assert (statuses(effects), whats(effects)) == ([100], [What.INVITED])
    assert answer([effects[0]]).to_tag == ""  # RFC 3261 §8.2.6.2


@pytest.mark.parametrize(
    ("fields", "status", "header", "value"),
    [
        ({"body": ""}, 488, "", ""),  # late offer
        ({"body": "x", "content_type": "multipart/mixed;boundary=x"}, 415, "accept", "application/sdp"),
        ({"content_encoding": "gzip"}, 415, "accept-encoding", "identity"),
        ({"accept": "text/plain"}, 406, "", ""),
        ({"require": "100rel"}, 420, "unsupported", "100rel"),
        ({"session_expires": "30", "supported": "timer"}, 422, "min-se", "90"),
        ({"uri": "mailto:a@b"}, 416, "", ""),
        ({"method": "REGISTER"}, 405, "allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"),
        ({"method": "PRACK"}, 405, "allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"),
        ({"method": "HELLO"}, 501, "allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"),
        ({"method": "BYE", "body": ""}, 481, "", ""),
        ({"method": "CANCEL", "body": ""}, 481, "", ""),
        ({"method": "INFO", "tag": "x"}, 481, "", ""),
        ({"method": "OPTIONS", "body": ""}, 200, "accept", "application/sdp"),
    ],
)
def test_what_the_others_are_told(fields: dict[str, object], status: int, header: str, value: str) -> None:
    one = agent()
    message = answer(ask(one, **fields))
    assert message.status == status
    assert message.to_tag
    assert not header or message.headers.get(header) == value
    assert (one.sessions, one.transactions, one.next_deadline()) == ([], 0, float("inf"))


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": "tel:+442079460002"},
        {"accept": "application/*"},
        {"accept": "text/plain, application/sdp;level=1"},
        {"content_type": "Application/SDP; charset=utf-8"},
        {"require": "timer"},
        {"session_expires": "30"},  # it does not know timers: we refresh at our own least
        {"session_expires": "nonsense", "supported": "timer"},
    ],
)
def test_what_is_taken_all_the_same(fields: dict[str, object]) -> None:
    assert whats(ask(agent(), **fields)) == [What.INVITED]


def test_the_same_invite_over_another_way_is_a_loop() -> None:
    one = agent()
    ask(one)
    assert answer(ask(one, branch="z9hG4bKother")).status == 482
    assert len(one.sessions) == 1


def test_above_the_limit_503_says_when_to_come_back() -> None:
    one = agent(max_incoming=2, retry_after=7)
    for number in range(2):
        ask(one, call_id=f"c{number}", branch=f"z9hG4bK{number}")
    refused = answer(ask(one, call_id="c9", branch="z9hG4bK9"))
    assert (refused.status, refused.headers.get("retry-after")) == (503, "7")
    one.hang_up(one.sessions[0], 0.1)
    assert whats(ask(one, call_id="c10", branch="z9hG4bK10")) == [What.INVITED]


def test_while_busy_new_callers_get_503_and_the_legs_that_stand_are_served() -> None:
    one = agent(retry_after=7)
    ask(one)
    busy = one.receive(request(call_id="c9", branch="z9hG4bK9"), EDGE, 0.1, busy=True)
    assert (answer(busy).status, answer(busy).headers.get("retry-after")) == (503, "7")
    again = one.receive(request(), EDGE, 0.2, busy=True)
    assert (statuses(again), whats(again)) == ([100], [])  # sent again: it has its leg
    assert statuses(one.receive(request(method="CANCEL", body=""), EDGE, 0.3, busy=True)) == [200, 487]
    assert whats(ask(one, call_id="c10", branch="z9hG4bK10")) == [What.INVITED]


def test_transactions_are_bounded_too() -> None:
    one = agent(max_transactions=3)
    answers = [ask(one, call_id=f"c{number}", branch=f"z9hG4bK{number}") for number in range(5)]
    assert [statuses(effects) for effects in answers] == [[100]] * 3 + [[503]] * 2


def test_rport_is_filled_in_where_asked_for() -> None:
    data = request().replace(b"branch=z9hG4bKx1", b"branch=z9hG4bKx1;rport")
    [effect, _] = agent().receive(data, ("127.0.0.1", 40_000), 0.0)
    via = answer([effect]).headers.get("via")
    assert via == "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx1;rport=40000;received=127.0.0.1"


def test_an_ack_for_nothing_and_responses_for_nothing_are_silent() -> None:
    one = agent()
    invite = request().replace(b"INVITE sip:shop@192.0.2.1 SIP/2.0", b"SIP/2.0 200 OK")
    for data in (request("ACK", body=""), request("ACK", body="", tag="x"), invite):
        assert one.receive(data, EDGE, 0.0) == []


def test_a_bad_datagram_is_counted() -> None:
    one = agent()
    assert one.receive(b"hello", EDGE, 0.0) == []
    assert one.dropped == 1


def test_a_rejected_leg_is_forgotten_once_acknowledged() -> None:
    one = agent()
    [event] = events(ask(one))
    assert isinstance(event, Event)
    effects = one.reject(event.session, 486, 0.0, "Busy Here")
    tag = answer(effects).to_tag
    ask(one, 1.0, method="ACK", body="", tag=tag)
    one.tick(1.0 + 5.0)
    assert (one.sessions, one.transactions, one.core.invited) == ([], 0, {})


def test_verbs_that_do_not_fit_do_nothing() -> None:
    one = agent()
    [event] = events(ask(one))
    leg = event.session
    assert one.accept_offer(leg, "v=0", 0.0) == []
    assert one.options(leg, 0.0) == []
    assert one.reinvite(leg, "v=0", 0.0) == []
    one.reject(leg, 486, 0.0)
    for effects in (one.ring(leg, 1.0), one.answer(leg, "v=0", 1.0), one.reject(leg, 404, 1.0), one.hang_up(leg, 1.0)):
        assert effects == []
