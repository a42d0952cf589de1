"""Whole calls between two cores: set-up, refusal, CANCEL, retransmission, re-offers, ends."""

from __future__ import annotations

import gc

import pytest

from quietline.sip import core as core_module
from quietline.sip.message import Request, Response
from quietline.sip.parse import parse
from quietline.sip.session import Phase, Send, Session, What
from quietline.sip.transaction import LIFE, Transaction
from quietline.testing.sip_network import ANSWER, OFFER, A, B, Network, call, methods, pair, sent, statuses


def dial(network: Network, **extra: str) -> Session:
    headers = [(name.replace("_", "-"), value) for name, value in extra.items()]
    leg, effects = network.agents[A].invite("sip:b@192.0.2.2", "<sip:a@192.0.2.1>", OFFER, B, network.now, headers)
    network.take(A, effects)
    return leg


def do(network: Network, at: tuple[str, int], verb: str, leg: Session, *arguments: object) -> None:
    network.take(at, getattr(network.agents[at], verb)(leg, *arguments, network.now))


def wire(network: Network) -> list[str]:
    """Every message so far, in short."""
    short = []
    for _, data in network.log:
        message = parse(data)
        short.append(message.method if isinstance(message, Request) else f"{message.status} {message.cseq_method}")
    return short


def gone(network: Network) -> None:
    """Nothing is left behind at either end."""
    network.rest()
    for one in network.agents.values():
        assert (one.sessions, one.transactions, one.core.invited) == ([], 0, {})


# Set-up and its end


def test_a_call_from_invite_to_bye() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "hang_up", one)
    assert not one.alive
    network.run(network.now)
    assert wire(network) == ["INVITE", "100 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]
    assert network.seen(A) == [What.ANSWERED, What.ENDED]
    assert network.seen(B) == [What.INVITED, What.CONFIRMED, What.ENDED]
    assert (one.phase, other.phase) == (Phase.ENDED, Phase.ENDED)
    gone(network)


def test_the_called_side_hangs_up() -> None:
    network = pair()
    _, other = call(network)
    do(network, B, "hang_up", other)
    gone(network)
    assert network.seen(A)[-1] is What.ENDED


def test_sdp_and_ringing_reach_the_user() -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    do(network, B, "ring", leg)
    do(network, B, "answer", leg, ANSWER)
    network.run(network.now)
    kinds = [(event.what, event.code, event.sdp) for at, event in network.heard if at == A]
    assert kinds == [(What.RINGING, 180, ""), (What.ANSWERED, 200, ANSWER)]
    assert next(event.sdp for at, event in network.heard if at == B) == OFFER


@pytest.mark.parametrize("code", [302, 404, 486, 488, 503, 603])
def test_a_refusal_reaches_the_caller_and_is_acknowledged(code: int) -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    do(network, B, "reject", network.last(B, What.INVITED), code)
    gone(network)
    assert [(event.what, event.code) for at, event in network.heard if at == A] == [(What.REJECTED, code)]
    assert "ACK" in wire(network)


def test_hanging_up_an_unanswered_incoming_leg_refuses_it() -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    do(network, B, "hang_up", network.last(B, What.INVITED))
    gone(network)
    assert "480 INVITE" in wire(network)


def test_an_invite_that_nobody_answers_times_out() -> None:
    network = pair()
    del network.agents[B]
    dial(network)
    network.run(network.now + LIFE)
    assert [(event.what, event.code) for _, event in network.heard] == [(What.REJECTED, 408)]
    gone(network)


def test_ringing_for_ever_is_cancelled() -> None:
    network = pair(ring_limit=60.0)
    dial(network)
    network.run(network.now + 61)
    assert network.seen(B) == [What.INVITED, What.CANCELLED]
    assert network.seen(A) == [What.REJECTED]
    gone(network)


# CANCEL


def test_cancel_while_ringing() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    do(network, B, "ring", network.last(B, What.INVITED))
    network.run(network.now)
    do(network, A, "hang_up", one)
    gone(network)
    assert wire(network)[-4:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert (network.seen(A)[-1], network.seen(B)[-1]) == (What.REJECTED, What.CANCELLED)


def test_cancel_waits_for_a_provisional_response() -> None:
    network = pair()
    one = dial(network)
    do(network, A, "hang_up", one)
    assert wire(network) == ["INVITE"]
    gone(network)
    assert wire(network)[:3] == ["INVITE", "100 INVITE", "CANCEL"]


def test_cancel_and_200_cross() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    do(network, B, "answer", leg, ANSWER)
    do(network, A, "hang_up", one)
    network.run(network.now)
    assert "CANCEL" in wire(network)
    assert "487 INVITE" not in wire(network)
    gone(network)
    assert wire(network).count("BYE") == 1
    assert What.ANSWERED not in network.seen(A)
    assert network.seen(B)[-1] is What.ENDED


def test_a_cancel_for_nothing_is_481() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    do(network, A, "hang_up", one)
    cancel = next(data for _, data in network.log if data.startswith(b"CANCEL"))
    fresh = pair().agents[B]
    assert statuses(fresh.receive(cancel, A, 0.0)) == [481]


# Retransmission


def test_a_lost_ack_is_sent_again_for_each_repeated_200() -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    effects = network.agents[B].answer(leg, ANSWER, network.now)
    [ok] = [effect.data for effect in effects if isinstance(effect, Send)]
    first = network.agents[A].receive(ok, B, network.now)
    again = network.agents[A].receive(ok, B, network.now + 0.5)
    late = network.agents[A].receive(ok, B, network.now + 40)  # after timer M
    acks = [effect.data for one in (first, again, late) for effect in one if isinstance(effect, Send)]
    assert len(acks) == 3
    assert len(set(acks)) == 1
    assert acks[0].startswith(b"ACK ")


def test_the_200_is_repeated_until_the_ack_and_then_the_leg_is_ended() -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    del network.agents[A]
    start = network.now
    do(network, B, "answer", leg, ANSWER)
    network.run(start + 31.9)
    assert wire(network).count("200 INVITE") == 11  # 0, 0.5, 1.5, 3.5, 7.5, then every 4 s (RFC 3261 §13.3.1.4)
    assert network.seen(B) == [What.INVITED]
    network.run(start + LIFE)
    ended = network.heard[-1][1]
    assert (ended.what, ended.reason) == (What.ENDED, "no ACK")
    assert wire(network)[-1] == "BYE"
    gone_at_b(network)


def gone_at_b(network: Network) -> None:
    network.rest()
    assert (network.agents[B].sessions, network.agents[B].transactions) == ([], 0)


def test_no_bye_before_the_ack() -> None:
    network = pair()
    dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    do(network, B, "answer", leg, ANSWER)
    do(network, B, "hang_up", leg)
    assert not leg.alive
    assert "BYE" not in wire(network)
    gone(network)
    assert wire(network)[-3:] == ["ACK", "BYE", "200 BYE"]


def test_repeated_requests_get_the_same_answer_and_one_event() -> None:
    network = pair()
    one, _ = call(network)
    do(network, A, "hang_up", one)
    bye = network.log[-1][1]
    answers = [network.agents[B].receive(bye, A, network.now + wait) for wait in (0.0, 0.5, 1.5)]
    assert [statuses(effects) for effects in answers] == [[200], [200], [200]]
    assert len({effect.data for effects in answers for effect in effects if isinstance(effect, Send)}) == 1
    assert sum(not isinstance(effect, Send) for effects in answers for effect in effects) == 1


def test_a_forked_second_answer_is_acknowledged_and_hung_up() -> None:
    network = pair()
    one, _ = call(network)
    ok = next(data for _, data in network.log if data.startswith(b"SIP/2.0 200"))
    tag = parse(ok).to_tag.encode()
    effects = network.agents[A].receive(ok.replace(b"tag=" + tag, b"tag=another"), B, network.now)
    assert methods(effects) == ["ACK", "BYE"]
    assert {message.to_tag for message in sent(effects)} == {"another"}
    again = network.agents[A].receive(ok.replace(b"tag=" + tag, b"tag=another"), B, network.now)
    assert methods(again) == ["ACK"]
    assert one.alive


# In dialog


@pytest.mark.parametrize("caller", [True, False])
def test_a_re_invite_from_either_side(caller: bool) -> None:
    network = pair()
    one, other = call(network)
    asker, asked, leg = (A, B, one) if caller else (B, A, other)
    do(network, asker, "reinvite", leg, OFFER + "a=sendonly\r\n")
    network.run(network.now)
    offer = network.heard[-1][1]
    assert (offer.what, offer.sdp) == (What.OFFER, OFFER + "a=sendonly\r\n")
    do(network, asked, "accept_offer", offer.session, ANSWER + "a=recvonly\r\n")
    network.run(network.now)
    done = network.heard[-1][1]
    assert (done.what, done.code, done.sdp) == (What.REOFFERED, 200, ANSWER + "a=recvonly\r\n")
    assert wire(network)[-4:] == ["INVITE", "100 INVITE", "200 INVITE", "ACK"]
    do(network, asker, "hang_up", leg)
    gone(network)


def test_a_refused_re_invite_leaves_the_call_as_it_was() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "reinvite", one, OFFER)
    network.run(network.now)
    do(network, B, "refuse_offer", other, 488)
    network.run(network.now)
    assert (network.heard[-1][1].what, network.heard[-1][1].code) == (What.REOFFERED, 488)
    assert one.alive
    assert other.alive
    assert one.local_sdp == OFFER


def test_glare_is_491_and_both_try_again() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "reinvite", one, OFFER)
    do(network, B, "reinvite", other, ANSWER)
    network.run(network.now)
    assert wire(network).count("491 INVITE") == 2
    assert What.REOFFERED not in network.seen(A)
    network.on_event = lambda at, event: (
        do(network, at, "accept_offer", event.session, ANSWER) if event.what is What.OFFER else None
    )
    network.run(network.now + 10)
    assert [event.code for _, event in network.heard if event.what is What.REOFFERED] == [200, 200]
    do(network, A, "hang_up", one)
    gone(network)


def test_a_second_offer_while_one_waits_is_500_with_retry_after() -> None:
    network = pair()
    one, _ = call(network)
    do(network, A, "reinvite", one, OFFER)
    network.run(network.now)
    update = one.dialog.request("UPDATE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKup",
                                [("content-type", "application/sdp")], OFFER.encode())  # fmt: skip
    [answer] = sent(network.agents[B].receive(update.encode(), A, network.now))
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers.get("retry-after")) == (500, "3")


def test_bye_while_an_offer_waits_answers_it_487() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "reinvite", one, OFFER)
    network.run(network.now)
    do(network, A, "hang_up", one)
    network.run(network.now)
    assert "487 INVITE" in wire(network)
    do(network, B, "accept_offer", other, ANSWER)  # too late: does nothing
    gone(network)


def test_a_re_invite_without_offer_is_offered_what_stands() -> None:
    network = pair()
    one, other = call(network)
    plain = one.dialog.request(
        "INVITE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlate", [("contact", "<sip:a@192.0.2.1>")]
    )
    [answer] = sent(network.agents[B].receive(plain.encode(), A, network.now))
    assert (statuses_of(answer), answer.sdp()) == (200, ANSWER)
    assert other.unacked


def statuses_of(message: Request | Response) -> int:
    assert isinstance(message, Response)
    return message.status


def test_the_remote_target_moves_with_a_re_invite() -> None:
    network = pair()
    one, other = call(network)
    moved = one.dialog.request(
        "UPDATE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKmove", [("contact", "<sip:new@192.0.2.77>")]
    )
    assert statuses(network.agents[B].receive(moved.encode(), A, network.now)) == [200]
    [bye] = sent(network.agents[B].hang_up(other, network.now))
    assert isinstance(bye, Request)
    assert bye.uri == "sip:new@192.0.2.77"


def test_our_offer_waits_while_theirs_is_unanswered() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "reinvite", one, OFFER)
    network.run(network.now)
    assert methods(network.agents[B].reinvite(other, ANSWER, network.now)) == []
    do(network, B, "accept_offer", other, ANSWER)
    network.run(network.now + 5)
    assert network.seen(A)[-1] is What.OFFER


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"192.0.2.1:5060;rport", b"192.0.2.8:5060;rport"),
        (b"\r\nMax-Forwards", b"\r\nVia: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKx\r\nMax-Forwards"),
    ],
)
def test_a_response_that_went_astray_is_dropped(old: bytes, new: bytes) -> None:
    network = pair()
    dial(network)
    invite = network.log[0][1]
    assert old in invite
    head = invite.partition(b"\r\n")[2].partition(b"\r\n\r\n")[0].replace(old, new)
    busy = b"SIP/2.0 486 Busy Here\r\n" + head.replace(b"Content-Length: 68", b"Content-Length: 0") + b"\r\n\r\n"
    assert network.agents[A].receive(busy, B, network.now) == []


def test_info_is_answered_and_told() -> None:
    network = pair()
    one, _ = call(network)
    do(network, A, "info", one, "application/dtmf-relay", b"Signal=5\r\n")
    network.run(network.now)
    assert wire(network)[-2:] == ["INFO", "200 INFO"]
    event = network.heard[-1][1]
    assert (event.what, event.message and event.message.body) == (What.INFO, b"Signal=5\r\n")


@pytest.mark.parametrize("step", [0, -1])
def test_a_cseq_that_does_not_grow_is_500(step: int) -> None:
    network = pair()
    one, _ = call(network)
    do(network, A, "info", one, "text/plain", b"x")
    network.run(network.now)
    old = one.dialog.request("INFO", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKold", cseq=one.dialog.local_cseq + step)
    assert statuses(network.agents[B].receive(old.encode(), A, network.now)) == [500]


def test_a_request_for_an_unknown_dialog_is_481() -> None:
    network = pair()
    one, other = call(network)
    one.dialog.remote_tag, one.dialog.remote = "no", one.dialog.remote.replace(other.dialog.local_tag, "no")
    lost = one.dialog.request("BYE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlost")
    assert statuses(network.agents[B].receive(lost.encode(), A, network.now)) == [481]
    assert other.alive


def test_the_right_call_id_and_our_tag_are_not_enough() -> None:
    network = pair()
    one, other = call(network)
    one.dialog.local = one.dialog.local.replace(one.dialog.local_tag, "guessed")
    forged = one.dialog.request("BYE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKforged")
    assert statuses(network.agents[B].receive(forged.encode(), A, network.now)) == [481]
    assert other.alive


@pytest.mark.parametrize(("headers", "status"), [({"require": "100rel"}, 420), ({"content-type": "text/plain"}, 415)])
def test_what_is_not_supported_in_dialog(headers: dict[str, str], status: int) -> None:
    network = pair()
    one, _ = call(network)
    odd = one.dialog.request("INVITE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKodd", headers.items(), b"x")
    assert statuses(network.agents[B].receive(odd.encode(), A, network.now)) == [status]


def test_bye_that_overtakes_its_200() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    effects = network.agents[B].answer(leg, ANSWER, network.now)
    leg.phase = Phase.CONFIRMED  # as if its ACK had come
    leg.unacked = None
    bye = network.agents[B].hang_up(leg, network.now)
    network.take(B, bye)
    network.run(network.now)
    assert network.seen(A) == [What.ENDED]
    network.take(B, effects)
    gone(network)
    assert one.phase is Phase.ENDED


def test_legs_that_are_over_are_not_kept_by_a_timer_minutes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_module, "OVER", 10)
    network = pair()
    for _ in range(50):
        one, _ = call(network)
        do(network, A, "hang_up", one)
        network.run(network.now)
    kept = [item for _, _, item in network.agents[A].core._due if isinstance(item, Session)]
    assert len(kept) < 40


def test_a_leg_that_is_over_is_freed_by_its_last_reference() -> None:
    """A cycle would wait for the collector, which stops every call while it looks (collector.py)."""
    network = pair()
    one, _ = call(network)
    gc.collect()
    gc.disable()
    try:
        do(network, A, "hang_up", one)
        gone(network)
        network.heard.clear()
        del one, _
        assert not [each for each in gc.get_objects() if isinstance(each, Session | Transaction)]
    finally:
        gc.enable()
