"""A challenge to our INVITE goes back to the edge, once, in the same dialog (RFC 3261 §22.2)."""

from __future__ import annotations

import itertools

import pytest

from quietline.sip.agent import UserAgent
from quietline.sip.core import Settings
from quietline.sip.message import Request, Response, respond
from quietline.sip.parse import parse
from quietline.sip.session import Effect, Event, Phase, Send, Session, What

EDGE = ("127.0.0.1", 5090)
CHALLENGE = 'Digest realm="carrier.example", nonce="abc", qop="auth"'


def calling(signs: bool = True) -> tuple[UserAgent, Session, Request]:
    numbers = itertools.count(1)
    agent = UserAgent(Settings(("127.0.0.1", 5070)), lambda: f"{next(numbers):016x}")
    extra = (("x-ql-trunk", "carrier-a"), ("x-ql-shows", "+442079460101"))
    session, effects = agent.invite("sip:+442079460123@carrier.example", "<sip:a@b>", "v=0\r\n", EDGE, 0.0, extra)
    session.signs = signs
    return agent, session, sent(effects)[0]


def sent(effects: list[Effect]) -> list[Request]:
    messages = [parse(each.data) for each in effects if isinstance(each, Send)]
    return [each for each in messages if isinstance(each, Request)]


def told(effects: list[Effect]) -> list[tuple[What, int]]:
    return [(each.what, each.code) for each in effects if isinstance(each, Event)]


def answers(agent: UserAgent, request: Request, status: int, *extra: tuple[str, str], tag: str = "t1") -> list[Effect]:
    response: Response = respond(request, status, tag, extra)
    return agent.receive(response.encode(), EDGE, 0.1)


@pytest.mark.parametrize(("status", "header"), [(401, "www-authenticate"), (407, "proxy-authenticate")])
def test_the_invite_goes_again_with_the_next_cseq_and_the_challenge(status: int, header: str) -> None:
    agent, session, first = calling()
    effects = answers(agent, first, status, (header, CHALLENGE))
    acknowledged, again = sent(effects)
    assert acknowledged.method == "ACK"
    assert (again.method, again.cseq, again.call_id, again.from_tag) == ("INVITE", 2, first.call_id, first.from_tag)
    assert again.branch != first.branch
    assert again.to_tag == ""
    assert again.headers.get("x-ql-challenge") == f"{status} {CHALLENGE}"
    assert again.headers.get("x-ql-trunk") == "carrier-a"
    assert again.body == first.body
    assert len(again.headers.all("cseq")) == len(again.headers.all("via")) == 1
    assert told(effects) == []
    assert session.alive


def test_a_second_challenge_is_the_end() -> None:
    agent, session, first = calling()
    again = sent(answers(agent, first, 407, ("proxy-authenticate", CHALLENGE)))[1]
    effects = answers(agent, again, 407, ("proxy-authenticate", CHALLENGE), tag="t2")
    assert [each.method for each in sent(effects)] == ["ACK"]
    assert told(effects) == [(What.REJECTED, 407)]
    assert session.done


def test_a_call_that_is_not_to_be_signed_is_refused_at_once() -> None:
    agent, session, first = calling(signs=False)
    assert told(answers(agent, first, 407, ("proxy-authenticate", CHALLENGE))) == [(What.REJECTED, 407)]
    assert session.done


def test_a_hang_up_before_the_challenge_signs_nothing() -> None:
    agent, session, first = calling()
    answers(agent, first, 100, tag="")
    agent.hang_up(session, 0.1)
    effects = answers(agent, first, 407, ("proxy-authenticate", CHALLENGE))
    assert [each.method for each in sent(effects)] == ["ACK"]
    assert session.done


def test_the_signed_call_is_answered_and_hung_up_in_its_own_dialog() -> None:
    agent, session, first = calling()
    again = sent(answers(agent, first, 401, ("www-authenticate", CHALLENGE)))[1]
    effects = answers(agent, again, 200, ("contact", "<sip:c@127.0.0.1>"), tag="answer")
    assert told(effects) == [(What.ANSWERED, 200)]
    assert sent(effects)[0].cseq == 2
    assert session.phase is Phase.CONFIRMED
    (bye,) = sent(agent.hang_up(session, 0.2))
    assert (bye.method, bye.cseq, bye.to_tag) == ("BYE", 3, "answer")


def test_a_cancel_of_the_signed_call_names_the_signed_one() -> None:
    agent, session, first = calling()
    again = sent(answers(agent, first, 407, ("proxy-authenticate", CHALLENGE)))[1]
    answers(agent, again, 180, tag="ringing")
    (cancel,) = sent(agent.hang_up(session, 0.2))
    assert (cancel.method, cancel.cseq, cancel.branch) == ("CANCEL", 2, again.branch)
