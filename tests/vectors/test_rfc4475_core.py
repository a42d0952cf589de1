"""RFC 4475, all 49 torture messages at the core: what each must bring, and that a call still works afterwards.

A number is the status that answers; `CALL` a leg that our user may take; `SILENCE` no answer at all (responses that
match nothing). Where the RFC leaves a choice the comment says which was taken. REGISTER and MESSAGE are well-known
methods that a call controller does not offer, so the good ones among them get 405 with Allow (RFC 3261 §8.2.1).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quietline.sip.session import Send, What
from quietline.testing.sip_network import A, agent, call, events, pair, sent, statuses, whats

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "rfc4475"
SOURCE = ("192.0.2.9", 5060)
CALL, SILENCE = "call", "silence"

EXPECTED: dict[str, int | str] = {
    # 3.1.1 valid
    "wsinv": 481,  # well formed, and its To has a tag: a dialog that we do not have (RFC 3261 §12.2.2)
    "intmeth": 501,
    "esc01": CALL,
    "escnull": 405,
    "esc02": 501,  # RE%47IST%45R is not REGISTER
    "lwsdisp": 200,
    "longreq": CALL,
    "dblreq": 405,  # the REGISTER; what follows it in the datagram is dropped (RFC 3261 §18.3)
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": SILENCE,
    "noreason": SILENCE,
    # 3.1.2 invalid
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": SILENCE,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "baddate": 400,
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 501,  # 400 would do too; 501 has the better future
    "bigcode": SILENCE,
    # 3.2 transaction layer
    "badbranch": 200,  # nothing after the cookie: matched as RFC 2543 does
    # 3.3 application layer
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "bext01": 420,
    "invut": 415,
    "regaut01": 405,
    "multi01": 400,
    "mcl01": 400,
    "bcast": SILENCE,
    "zeromf": 200,  # Max-Forwards stops proxies; we are where it was going
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "sdp01": 406,
    # 3.4 backward compatibility
    "inv2543": CALL,
}

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors/rfc4475 is not here")


def torture(name: str) -> bytes:
    return (VECTORS / f"{name}.dat").read_bytes()


def test_the_table_names_every_message() -> None:
    assert {path.stem for path in VECTORS.glob("*.dat")} == set(EXPECTED)
    assert len(EXPECTED) == 49


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_each_message_is_answered_as_the_rfc_asks(name: str, expected: int | str) -> None:
    one = agent()
    effects = one.receive(torture(name), SOURCE, 0.0)
    if expected == CALL:
        assert (statuses(effects), whats(effects)) == ([100], [What.INVITED])
    else:
        assert statuses(effects) == ([] if expected == SILENCE else [expected])
        assert not one.sessions


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected == CALL])
def test_the_valid_calls_can_be_answered_and_hung_up(name: str) -> None:
    one = agent()
    [invited] = events(one.receive(torture(name), SOURCE, 0.0))
    assert statuses(one.answer(invited.session, "v=0\r\n", 0.1)) == [200]
    one.hang_up(invited.session, 0.2)
    while one.next_deadline() < 100:  # no ACK comes: repeated, then BYE, which nobody answers
        one.tick(one.next_deadline())
    assert one.sessions == []
    assert one.transactions == 0


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("bext01", "unsupported", "nothingSupportsThis, nothingSupportsThisEither"),
        ("invut", "accept", "application/sdp"),
        ("intmeth", "allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"),
        ("escnull", "allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"),
    ],
)
def test_refusals_say_what_would_be_taken(name: str, header: str, value: str) -> None:
    [answer] = sent(agent().receive(torture(name), SOURCE, 0.0))
    assert answer.headers.get(header) == value


def test_after_all_of_them_a_normal_call_works() -> None:
    network = pair()
    for name in EXPECTED:
        network.agents[A].receive(torture(name), SOURCE, network.now)
    one, other = call(network)
    assert one.phase == other.phase == "confirmed"


def test_the_same_refusal_again_has_the_same_tag() -> None:
    one = agent()
    first, second = (one.receive(torture("bext01"), SOURCE, now) for now in (0.0, 0.5))
    assert first == second
    assert sent(first)[0].to_tag


def test_a_refusal_echoes_no_header_twice() -> None:
    [answer] = agent().receive(torture("multi01"), SOURCE, 0.0)
    assert isinstance(answer, Send)
    names = [line.partition(b":")[0] for line in answer.data.split(b"\r\n")[1:]]
    assert [names.count(name) for name in (b"From", b"To", b"Call-ID", b"CSeq")] == [1, 1, 1, 1]
