"""The four machines of RFC 3261 §17 and RFC 6026, one row a rule: what comes in, when, and what must follow."""

from __future__ import annotations

import json
from math import inf

import pytest

from quietline.errors import ProtocolError
from quietline.sip.message import Request, Response, respond
from quietline.sip.parse import parse
from quietline.sip.transaction import (
    LIFE,
    PATIENCE,
    T1,
    T2,
    T4,
    ClientInvite,
    ClientOther,
    ServerInvite,
    ServerOther,
    State,
    Transaction,
    client_key,
    load,
    server_key,
)
from quietline.testing.sip_network import request

MACHINES = [ClientInvite, ClientOther, ServerInvite, ServerOther]


def asked(method: str = "INVITE", **fields: object) -> Request:
    message = parse(request(method, **fields))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def answered(machine: Transaction, status: int) -> Response:
    return respond(machine.request, status, "t")


def times(machine: Transaction, until: float = 100.0) -> list[float]:
    """When a machine sends by itself."""
    sent = []
    while (now := machine.deadline) <= until:
        data, _ = machine.tick(now)
        if data:
            sent.append(now)
    return sent


# Timers A, E, G: when it is sent again


def test_invite_is_repeated_with_doubling_gaps_until_timer_b() -> None:
    assert times(ClientInvite(asked(), 0.0)) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_other_requests_are_repeated_with_gaps_of_at_most_t2() -> None:
    assert times(ClientOther(asked("BYE"), 0.0)) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_after_a_provisional_response_other_requests_are_repeated_every_t2() -> None:
    machine = ClientOther(asked("BYE"), 0.0)
    machine.receive(answered(machine, 100), 0.1)
    assert times(machine)[:4] == [0.5, 4.5, 8.5, 12.5]


def test_a_refused_invites_response_is_repeated_until_the_ack() -> None:
    machine = ServerInvite(asked(), 0.0)
    machine.respond(answered(machine, 486), 0.0)
    assert times(machine) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert machine.done


@pytest.mark.parametrize("kind", [ClientInvite, ClientOther])
def test_a_reliable_transport_repeats_nothing(kind: type[ClientInvite] | type[ClientOther]) -> None:
    assert times(kind(asked("INVITE" if kind is ClientInvite else "BYE"), 0.0, reliable=True)) == []


@pytest.mark.parametrize("kind", [ClientInvite, ClientOther])
def test_no_answer_is_a_time_out_after_64_t1(kind: type[ClientInvite] | type[ClientOther]) -> None:
    machine = kind(asked("INVITE" if kind is ClientInvite else "BYE"), 0.0)
    assert machine.tick(LIFE - 0.01)[1] is False
    assert machine.tick(LIFE) == (b"", True)
    assert machine.done
    assert machine.deadline == inf


# Client INVITE


@pytest.mark.parametrize(
    ("before", "status", "state", "seen", "acked", "deadline"),
    [
        ([], 100, State.PROCEEDING, True, False, PATIENCE),
        ([], 200, State.ACCEPTED, True, False, LIFE),  # M
        ([], 486, State.COMPLETED, True, True, LIFE),  # D
        ([180], 183, State.PROCEEDING, True, False, PATIENCE),
        ([180], 200, State.ACCEPTED, True, False, LIFE),
        ([180], 603, State.COMPLETED, True, True, LIFE),
        ([486], 486, State.COMPLETED, False, True, LIFE),
        ([486], 200, State.COMPLETED, False, False, LIFE),
        ([486], 180, State.COMPLETED, False, False, LIFE),
        ([200], 200, State.ACCEPTED, True, False, LIFE),  # RFC 6026: every 2xx is passed up
        ([200], 180, State.ACCEPTED, False, False, LIFE),
        ([200], 486, State.ACCEPTED, False, False, LIFE),
    ],
)
def test_client_invite(before: list[int], status: int, state: State, seen: bool, acked: bool, deadline: float) -> None:
    machine = ClientInvite(asked(), 0.0)
    for earlier in before:
        machine.receive(answered(machine, earlier), 0.0)
    data, passed = machine.receive(answered(machine, status), 0.0)
    assert (machine.state, passed, bool(data), machine.deadline) == (state, seen, acked, deadline)


def test_the_ack_of_a_refusal_is_hop_by_hop() -> None:
    machine = ClientInvite(asked(route="<sip:192.0.2.5;lr>"), 0.0)
    data, _ = machine.receive(answered(machine, 486), 0.0)
    ack = parse(data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.branch, ack.cseq, ack.to_tag) == ("ACK", machine.request.uri, "z9hG4bKx1", 1, "t")
    assert ack.headers.get("route") == "<sip:192.0.2.5;lr>"
    assert ack.body == b""


def test_an_accepted_or_refused_invite_ends_silently() -> None:
    for status in (200, 486):
        machine = ClientInvite(asked(), 0.0)
        machine.receive(answered(machine, status), 1.0)
        assert machine.tick(1.0 + LIFE) == (b"", False)
        assert machine.done


def test_ringing_for_ever_is_a_time_out_in_the_end() -> None:
    machine = ClientInvite(asked(), 0.0)
    machine.receive(answered(machine, 180), 1.0)
    assert machine.tick(1.0 + PATIENCE) == (b"", True)


# Client non-INVITE


@pytest.mark.parametrize(
    ("before", "status", "state", "seen"),
    [
        ([], 100, State.PROCEEDING, True),
        ([], 200, State.COMPLETED, True),
        ([100], 481, State.COMPLETED, True),
        ([200], 200, State.COMPLETED, False),
        ([200], 100, State.COMPLETED, False),
    ],
)
def test_client_other(before: list[int], status: int, state: State, seen: bool) -> None:
    machine = ClientOther(asked("BYE"), 0.0)
    for earlier in before:
        machine.receive(answered(machine, earlier), 0.0)
    assert machine.receive(answered(machine, status), 0.0) == (b"", seen)
    assert machine.state is state
    if state is State.COMPLETED:
        assert machine.deadline == T4  # K


# Server INVITE


@pytest.mark.parametrize(
    ("statuses", "repeats", "state", "deadline"),
    [
        ([], b"", State.PROCEEDING, inf),
        ([100], b"SIP/2.0 100", State.PROCEEDING, inf),
        ([100, 180], b"SIP/2.0 180", State.PROCEEDING, inf),
        ([180, 486], b"SIP/2.0 486", State.COMPLETED, T1),  # G
        ([180, 200], b"", State.ACCEPTED, LIFE),  # L; the dialog repeats the 2xx
        ([200, 486], b"", State.ACCEPTED, LIFE),  # a second final response is not sent
    ],
)
def test_server_invite(statuses: list[int], repeats: bytes, state: State, deadline: float) -> None:
    machine = ServerInvite(asked(), 0.0)
    for status in statuses:
        machine.respond(answered(machine, status), 0.0)
    assert machine.repeat()[:11] == repeats
    assert (machine.state, machine.deadline) == (state, deadline)


@pytest.mark.parametrize(
    ("status", "passed", "state", "deadline"),
    [(180, False, State.PROCEEDING, inf), (486, False, State.CONFIRMED, T4), (200, True, State.ACCEPTED, LIFE)],
)
def test_ack_at_a_server_invite(status: int, passed: bool, state: State, deadline: float) -> None:
    machine = ServerInvite(asked(), 0.0)
    machine.respond(answered(machine, status), 0.0)
    assert machine.ack(0.0) is passed
    assert (machine.state, machine.deadline) == (state, deadline)


def test_a_confirmed_invite_absorbs_and_ends_after_timer_i() -> None:
    machine = ServerInvite(asked(), 0.0)
    machine.respond(answered(machine, 486), 0.0)
    machine.ack(1.0)
    assert machine.repeat() == b""
    assert machine.ack(2.0) is False
    assert machine.tick(1.0 + T4) == (b"", False)
    assert machine.done


def test_a_refusal_that_is_never_acknowledged_times_out() -> None:
    machine = ServerInvite(asked(), 0.0)
    machine.respond(answered(machine, 486), 0.0)
    assert machine.tick(LIFE) == (b"", True)  # H


# Server non-INVITE


@pytest.mark.parametrize(
    ("statuses", "repeats", "state", "deadline"),
    [
        ([], b"", State.TRYING, inf),
        ([100], b"SIP/2.0 100", State.PROCEEDING, inf),
        ([200], b"SIP/2.0 200", State.COMPLETED, LIFE),  # J
        ([200, 500], b"SIP/2.0 200", State.COMPLETED, LIFE),
    ],
)
def test_server_other(statuses: list[int], repeats: bytes, state: State, deadline: float) -> None:
    machine = ServerOther(asked("BYE"), 0.0)
    for status in statuses:
        machine.respond(answered(machine, status), 0.0)
    assert machine.repeat()[:11] == repeats
    assert (machine.state, machine.deadline) == (state, deadline)


@pytest.mark.parametrize("kind", [ServerInvite, ServerOther])
def test_a_reliable_transport_lets_servers_go_early(kind: type[ServerInvite] | type[ServerOther]) -> None:
    machine = kind(asked("INVITE" if kind is ServerInvite else "BYE"), 0.0, reliable=True)
    machine.respond(answered(machine, 486), 0.0)
    assert machine.resend_at == inf
    if isinstance(machine, ServerInvite):
        machine.ack(0.1)
    assert machine.done


# Matching, §17.1.3 and §17.2.3


def test_an_ack_and_a_cancel_find_their_way() -> None:
    invite, ack, cancel = (asked(method, body="") for method in ("INVITE", "ACK", "CANCEL"))
    assert server_key(invite) == server_key(ack) != server_key(cancel)
    assert server_key(invite)[:-1] == server_key(cancel)[:-1]


@pytest.mark.parametrize("branch", ["z9hG4bK", "390skdjuw", "1"])
def test_without_the_cookie_rfc_2543_rules_match(branch: str) -> None:
    first, again = asked(branch=branch), asked(branch=branch)
    assert server_key(first) == server_key(again)
    assert server_key(first) != server_key(asked(branch=branch, cseq=2))
    assert server_key(first) != server_key(asked(branch=branch, call_id="another"))


def test_a_response_is_matched_by_branch_and_method() -> None:
    invite = asked()
    assert client_key(invite) == client_key(respond(invite, 200)) != client_key(respond(asked("BYE"), 200))


# Save and load


@pytest.mark.parametrize("kind", MACHINES)
def test_a_machine_survives_json(kind: type[ClientInvite]) -> None:
    machine = kind(asked("INVITE" if "invite" in kind.kind else "BYE"), 10.0)
    if hasattr(machine, "respond"):
        machine.respond(answered(machine, 486), 10.0)
    back = load(json.loads(json.dumps(machine.dump())), 11.0)
    assert type(back) is kind
    assert (back.state, back.deadline, back.last, back.interval) == (
        machine.state, machine.deadline, machine.last, machine.interval
    )  # fmt: skip
    assert back.request.encode() == machine.request.encode()


def test_a_clock_that_was_set_back_does_not_make_a_machine_immortal() -> None:
    machine = ClientInvite(asked(), 1e9)
    assert load(machine.dump(), 5.0).deadline <= 5.0 + PATIENCE


@pytest.mark.parametrize(
    "damage", [{"kind": "x"}, {"state": "x"}, {"request": "x"}, {"last": 1}, {"interval": None}, {"resend_at": "x"}]
)
def test_a_damaged_record_is_a_protocol_error(damage: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        load({**ClientInvite(asked(), 0.0).dump(), **damage}, 0.0)


def test_t2_is_the_cap() -> None:
    assert T2 == 8 * T1
