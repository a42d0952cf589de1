"""What a call must live through: dead peers, session timers, and a restart of our process."""

from __future__ import annotations

import json

import pytest

from quietline.errors import ProtocolError
from quietline.sip.message import Request
from quietline.sip.parse import parse
from quietline.sip.session import Phase, Send, Session, What
from quietline.testing.sip_network import ANSWER, OFFER, A, B, Network, call, methods, pair, sent


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


# Probes


def test_a_probe_of_a_living_peer_changes_nothing() -> None:
    network = pair()
    one, other = call(network)
    do(network, A, "options", one)
    network.run(network.now + 40)
    assert wire(network)[-2:] == ["OPTIONS", "200 OPTIONS"]
    assert (one.phase, other.phase) == (Phase.CONFIRMED, Phase.CONFIRMED)


@pytest.mark.parametrize("wait", [8.0, 20.0])
def test_a_dead_peer_is_noticed_after_the_given_wait(wait: float) -> None:
    network = pair()
    one, _ = call(network)
    del network.agents[B]
    start = network.now
    network.take(A, network.agents[A].options(one, network.now, wait))
    network.take(A, network.agents[A].options(one, network.now, 1.0))  # one at a time: does nothing
    network.run(start + wait - 0.01)
    assert one.alive
    network.run(start + wait)
    assert (network.heard[-1][1].what, network.heard[-1][1].reason) == (What.ENDED, "dead peer")
    assert wire(network)[-1] == "BYE"
    network.rest()
    assert (network.agents[A].sessions, network.agents[A].transactions) == ([], 0)


def test_481_to_a_probe_ends_the_leg_without_bye() -> None:
    network = pair()
    one, other = call(network)
    network.agents[B].core.drop(other, network.now)
    do(network, A, "options", one)
    gone(network)
    assert (network.heard[-1][1].reason, "BYE" in wire(network)) == ("dead peer", False)


@pytest.mark.parametrize(("status", "ends"), [(477, True), (408, True), (405, False), (503, False), (200, False)])
def test_which_answers_to_a_probe_mean_death(status: int, ends: bool) -> None:
    network = pair()
    one, _ = call(network)
    [probe] = network.agents[A].options(one, network.now)
    assert isinstance(probe, Send)
    head = probe.data.partition(b"\r\n")[2].replace(b"Accept", b"X-Accept")
    network.take(A, network.agents[A].receive(b"SIP/2.0 %d x\r\n" % status + head, B, network.now))
    assert one.alive is not ends


# Session timers, RFC 4028


def test_the_callers_refresh_is_waited_for_and_its_absence_ends_the_call() -> None:
    network = pair()
    one = dial(network, session_expires="90;refresher=uac", supported="timer")
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    do(network, B, "answer", leg, ANSWER)
    network.run(network.now)
    ok = next(parse(data) for _, data in network.log if data.startswith(b"SIP/2.0 200"))
    assert (ok.headers.get("session-expires"), ok.headers.get("require")) == ("90;refresher=uac", "timer")
    assert (one.timer.ours, leg.timer.ours) == (True, False)
    network.run(network.now + 200)
    assert wire(network).count("UPDATE") >= 4
    assert one.alive
    assert leg.alive
    del network.agents[A]
    network.run(network.now + 90)
    assert (network.heard[-1][1].what, network.heard[-1][1].reason) == (What.ENDED, "session expired")


def test_we_refresh_for_a_peer_that_does_not_know_session_timers() -> None:
    network = pair()
    dial(network, session_expires="90", supported="")
    network.run(network.now)
    offer = network.last(B, What.INVITED)
    offer.invite.request.headers.items = [  # type: ignore[union-attr]
        (name, value)
        for name, value in offer.invite.request.headers
        if name != "supported"  # type: ignore[union-attr]
    ]
    do(network, B, "answer", offer, ANSWER)
    assert (offer.timer.interval, offer.timer.ours) == (90, True)


def test_without_update_the_refresh_is_a_re_invite() -> None:
    network = pair()
    one = dial(network, session_expires="90;refresher=uac", supported="timer")
    network.run(network.now)
    do(network, B, "answer", network.last(B, What.INVITED), ANSWER)
    network.run(network.now)
    one.peer_updates = False
    network.run(network.now + 46)
    assert network.seen(B)[-1] is What.OFFER
    assert wire(network).count("INVITE") == 2


def test_422_to_a_refresh_is_tried_again_with_the_peers_least() -> None:
    network = pair()
    one = dial(network, session_expires="90;refresher=uac", supported="timer")
    network.run(network.now)
    do(network, B, "answer", network.last(B, What.INVITED), ANSWER)
    network.run(network.now)
    object.__setattr__(network.agents[B].core.settings, "min_session", 300)
    network.run(network.now + 46)
    assert "422 UPDATE" in wire(network)
    assert one.timer.interval == 300
    assert one.alive


# Over a restart


@pytest.mark.parametrize("outgoing", [True, False])
def test_a_restarted_process_hangs_up_with_the_right_cseq_routes_and_tags(outgoing: bool) -> None:
    network = pair()
    one, other = call(network)
    at, leg = (A, one) if outgoing else (B, other)
    leg.dialog.routes = ("<sip:192.0.2.9;lr>",)
    saved = json.loads(json.dumps(network.agents[at].save(leg, network.now)))
    for _ in range(3):  # requests after the last save
        do(network, at, "options", leg)
        network.run(network.now + 1)
    network.join(at, "c")
    back, effects = network.agents[at].restore(saved, network.now)
    assert effects == []
    assert back.id == leg.id
    [bye] = sent(network.agents[at].hang_up(back, network.now))
    assert bye.cseq > leg.dialog.local_cseq
    assert (bye.call_id, bye.from_tag, bye.to_tag) == (
        leg.dialog.call_id, leg.dialog.local_tag, leg.dialog.remote_tag
    )  # fmt: skip
    assert bye.headers.get("route") == "<sip:192.0.2.9;lr>"
    network.log.clear()
    network.take(at, [Send(bye.encode(), B if outgoing else A)])
    gone(network)
    assert wire(network)[-1] == "200 BYE"


def test_a_session_timer_runs_on_after_a_restart() -> None:
    network = pair()
    dial(network, session_expires="90;refresher=uac", supported="timer")
    network.run(network.now)
    do(network, B, "answer", network.last(B, What.INVITED), ANSWER)
    network.run(network.now)
    saved = network.agents[B].save(network.last(B, What.INVITED), network.now)
    back, _ = network.join(B, "c").restore(saved, network.now)
    del network.agents[A]
    network.run(network.now + 90)
    ended = network.heard[-1][1]
    assert (ended.session, ended.what, ended.reason) == (back, What.ENDED, "session expired")


def test_two_lives_from_one_record_do_not_use_a_cseq_twice() -> None:
    network = pair()
    one, _ = call(network)
    saved = network.agents[A].save(one, network.now)
    network.now += 5
    first, _ = network.join(A, "c").restore(saved, network.now)
    for _ in range(9):
        first.dialog.request("INFO", "x")
    network.now += 5
    second, _ = network.join(A, "d").restore(saved, network.now)
    assert second.dialog.local_cseq > first.dialog.local_cseq


def test_a_ringing_leg_is_picked_up_and_answered_after_a_restart() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    leg = network.last(B, What.INVITED)
    records = [network.agents[A].save(one, network.now), network.agents[B].save(leg, network.now)]
    records = json.loads(json.dumps(records))
    caller, _ = network.join(A, "c").restore(records[0], network.now)
    callee, _ = network.join(B, "d").restore(records[1], network.now)
    do(network, B, "answer", callee, ANSWER)
    network.run(network.now)
    assert (caller.phase, callee.phase) == (Phase.CONFIRMED, Phase.CONFIRMED)
    do(network, B, "hang_up", callee)
    gone(network)


def test_a_cancel_under_way_is_sent_again_after_a_restart() -> None:
    network = pair()
    one = dial(network)
    network.run(network.now)
    network.agents[A].hang_up(one, network.now)  # lost with the process
    saved = network.agents[A].save(one, network.now)
    _, effects = network.join(A, "c").restore(saved, network.now)
    assert methods(effects) == ["CANCEL"]
    network.take(A, effects)
    gone(network)
    assert network.seen(B)[-1] is What.CANCELLED


@pytest.mark.parametrize("damage", ["phase", "dialog", "peer", "timer", "ack", "id"])
def test_a_damaged_record_is_a_protocol_error(damage: str) -> None:
    network = pair()
    one, _ = call(network)
    saved = network.agents[A].save(one, network.now)
    for broken in ({**saved, damage: 7}, {key: value for key, value in saved.items() if key != damage}):
        if broken.get("id") == 7:
            continue
        with pytest.raises(ProtocolError):
            network.join(A, "c").restore(broken, network.now)
