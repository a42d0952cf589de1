"""The parser over random and mutated bytes: its own error or a message, soon; what it reads it can write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.sip.grammar import read_address, read_via, split_list
from quietline.sip.message import Headers, Request, Response
from quietline.sip.parse import LIMITS, BadMessage, Limits, parse
from quietline.testing.sip_network import agent, request

SEEDS = [
    request(),
    request("BYE", tag="t1", body="", route="<sip:192.0.2.5;lr>", record_route="<sip:a@b;lr>, <sip:c;lr>"),
    (
        b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/TCP [2001:db8::1]\r"
        b'\nf: "B \\" C" <sip:b@192.0.2.2>;tag=1\r\nt: sip:a@192.0.2.1;tag=2\r\n'
        b"i: x\r\nCSeq: 1\r\n  INVITE\r\nl: 0\r\n\r\n"
    ),
]
PIECES = [
    b"\r\n",
    b"\r\n ",
    b";",
    b",",
    b"<",
    b">",
    b'"',
    b"\\",
    b"=",
    b":",
    b"\0",
    b"\xff",
    b"%00",
    b" " * 300,
    b"SIP/2.0",
]
PIECES += [
    b"Via: SIP/2.0/UDP a;branch=z9hG4bKx\r\n",
    b"Content-Length: 4294967296\r\n",
    b"tag=",
    b"[",
    b"]",
    b"@",
    b"?",
    b"\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good message with pieces put in, cut out or doubled."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        at, to = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
        data = draw(st.sampled_from([data[:at] + piece + data[at:], data[:at] + data[to:], data[:to] + data[at:]]))
    return data[: LIMITS.message]


def read(data: bytes, limits: Limits = LIMITS) -> Request | Response | None:
    try:
        return parse(data, limits)
    except BadMessage as bad:
        refusal = bad
    assert refusal.status == 0 or (400 <= refusal.status < 700 and refusal.request is not None)
    return None


@given(st.binary(max_size=2_000))
def test_random_bytes_bring_a_message_or_the_parsers_own_error(data: bytes) -> None:
    read(data)


@given(mutated())
def test_mutated_messages_too(data: bytes) -> None:
    read(data)


@given(mutated())
def test_writing_what_was_read_is_stable(data: bytes) -> None:
    message = read(data)
    if message is None:
        return
    once = message.encode()
    again = parse(once)
    assert again.encode() == once
    assert (again.call_id, again.cseq, again.from_tag, again.to_tag, again.branch, again.body) == (
        message.call_id, message.cseq, message.from_tag, message.to_tag, message.branch, message.body
    )  # fmt: skip


@given(mutated())
def test_no_bytes_break_the_agent_and_what_it_answers_is_one_message(data: bytes) -> None:
    one = agent()
    for effect in one.receive(data, ("192.0.2.9", 5060), 0.0):
        if (wire := getattr(effect, "data", None)) is not None:
            assert wire.startswith(b"SIP/2.0 ")
            assert wire.count(b"\r\n\r\n") == 1 or wire.endswith(b"\r\n\r\n")
    assert one.next_deadline() > 0


RUNS = [b" ", b";", b";a=", b'"', b'\\"', b"<", b",", b"\r\n ", b"a=b;", b'"a" ', b"SIP/2.0 ", b"@", b":"]


@pytest.mark.parametrize("piece", RUNS)
def test_long_runs_are_read_in_linear_time(piece: bytes) -> None:
    """A quadratic pattern takes minutes at this length and hits the test's time limit."""
    run = (piece * 400_000)[:400_000]
    wide = Limits(message=10**6, head=10**6, start_line=10**6)
    for head in (b"From: x", b"Via: SIP/2.0/UDP a", b'To: "', b"Contact: <sip:a>", b"X: "):
        data = b"INVITE sip:a@b SIP/2.0\r\n" + head + run + b"\r\n\r\n"
        read(data, wide)
    read(b"INVITE " + run + b" SIP/2.0\r\n\r\n", wide)
    read(run + b"\r\n\r\n", wide)
    for reader in (read_address, read_via, split_list):
        try:
            reader(run.decode())
        except ValueError:
            continue


@given(
    st.lists(st.text(alphabet=st.characters(blacklist_characters=',"<>\\', blacklist_categories=("Cs",)), max_size=9))
)
def test_a_list_is_cut_where_it_was_joined(parts: list[str]) -> None:
    quoted = [f'"{part},"<sip:{len(part)},>' for part in parts] or ["x"]
    assert split_list(",".join(quoted)) == quoted


def test_a_header_never_shows_in_a_repr() -> None:
    message = parse(SEEDS[0])
    for shown in (repr(message), repr(message.headers), repr(Headers([("from", "sip:x@y")]))):
        assert "2079460001" not in shown
        assert "sip:" not in shown
