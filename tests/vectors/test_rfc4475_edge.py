"""RFC 4475 against the edge: every message over UDP and TLS, what each gets, and a call right after it.

A valid message is answered; a broken one gets a 4xx or silence; neither ever stops the edge. On a stream, a message
whose length is not known makes the edge wait or close. Where Kamailio's parser cannot read a valid message, the table
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.testing.edge_kit import RealEdge, real_edge
from quietline.testing.sip_wire import SDP, WAIT, Peer, Request, ha1

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "rfc4475"
pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not VECTORS.is_dir(), reason="RFC 4475 messages are not in ../shared/vectors"),
]

# name: (first final answer over TLS, over UDP from a trunk named cleartext); 0 is silence
EXPECTED = {
    # §3.1.1 valid
    "wsinv": (0, 0),  # valid, but Kamailio 5.6.3 does not read a folded CSeq
    "intmeth": (0, 0),  # valid, but Kamailio 5.6.3 does not read such header names
    "esc01": (488, 200),
    "escnull": (401, 403),
    "esc02": (0, 0),  # valid, but Kamailio 5.6.3 does not read % in a header name
    "lwsdisp": (200, 200),
    "longreq": (488, 200),
    "dblreq": (401, 400),  # UDP: the octets after the message are an error for us, where the RFC ignores them
    "semiuri": (200, 200),
    "transports": (200, 200),
    "mpart01": (405, 405),
    "unreason": (0, 0),  # a response to nothing
    "noreason": (0, 0),
    # §3.1.2 invalid
    "badinv01": (0, 0),
    "clerr": (0, 400),  # on a stream, the rest is waited for
    "ncl": (0, 0),
    "scalar02": (400, 400),
    "scalarlg": (0, 0),
    "quotbal": (0, 0),
    "ltgtruri": (400, 400),
    "lwsruri": (0, 0),
    "lwsstart": (0, 0),
    "trws": (200, 200),  # trailing white space: lenient, as §3.1.2.10 allows
    "escruri": (400, 400),
    "baddate": (488, 200),  # §3.1.2.12: a Date that is not used does no harm
    "regbadct": (401, 403),
    "badaspec": (200, 200),  # §3.1.2.14: lenient
    "baddn": (0, 400),
    "badvers": (0, 0),
    "mismatch01": (400, 400),
    "mismatch02": (400, 400),
    "bigcode": (0, 0),
    # §3.2 transaction layer
    "badbranch": (200, 200),
    # §3.3 application layer
    "insuf": (0, 0),
    "unkscm": (400, 400),
    "novelsc": (400, 400),
    "unksm2": (400, 400),
    "bext01": (420, 420),
    "invut": (415, 415),
    "regaut01": (401, 403),
    "multi01": (0, 0),
    "mcl01": (0, 0),
    "bcast": (0, 0),
    "zeromf": (483, 483),
    "cparam01": (401, 403),
    "cparam02": (401, 403),
    "regescrt": (401, 403),
    "sdp01": (488, 200),
    # §3.4 RFC 2543
    "inv2543": (488, 488),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    async with real_edge(Path(tmp_path_factory.mktemp("edge"))) as running:
        # no grace, and some credential known: unknown users are challenged
        await running.rpc.call("htable.sets", "state", "started", "1")
        await running.rpc.put_credential("ag_1", ha1("ag_1", "secret"))
        yield running


async def outcome(peer: Peer, message: bytes, expected: int) -> int:
    """The first final answer, 0 when none comes; where silence is expected, it is not waited for long."""
    wait = WAIT if expected else 0.2
    await peer.send(message)
    try:
        while True:
            answered = await peer.receive(wait)
            if answered.code >= 200:
                return answered.code
    except TimeoutError:
        return 0


async def takes_a_call(edge: RealEdge) -> bool:
    phone, request = await edge.phone("127.0.0.18"), Request(body=SDP)
    await phone.send(request.text(phone))
    answered = await phone.final()
    await phone.send(request.within(answered, "ACK", 1).text(phone))
    await phone.send(request.within(answered, "BYE").text(phone))
    return answered.code == 200 and (await phone.final()).code == 200


async def test_the_table_is_whole() -> None:
    assert {path.stem for path in VECTORS.glob("*.dat")} == set(EXPECTED)
    assert len(EXPECTED) == 49


@pytest.mark.parametrize("name", sorted(EXPECTED))
async def test_every_message_and_a_call_after_it(edge: RealEdge, name: str) -> None:
    message = (VECTORS / f"{name}.dat").read_bytes()
    over_tls = await outcome(await edge.phone("127.0.0.17"), message, EXPECTED[name][0])
    assert await takes_a_call(edge)
    over_udp = await outcome(await edge.cleartext(), message, EXPECTED[name][1])
    assert await takes_a_call(edge)
    assert (over_tls, over_udp) == EXPECTED[name]
    assert edge.alive


async def test_none_of_them_was_a_reason_to_ban(edge: RealEdge) -> None:
    await asyncio.sleep(0)
    assert await edge.rpc.bans() == []
