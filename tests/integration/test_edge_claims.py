"""What the edge signs of a caller, and what it refuses for want of encryption. Real Kamailio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.sealed import SIGNALLING, Ticket
from quietline.testing.edge_kit import RealEdge, call, forget, hang_up, real_edge, ticket_for
from quietline.testing.sip_wire import (
    PLAIN_SDP,
    SDP,
    Request,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SEEN = Ticket(who="test", why="test", entry=SIGNALLING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    async with real_edge(Path(tmp_path_factory.mktemp("edge")), requests_per_source=100_000) as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="module")
async def edge(running: RealEdge) -> RealEdge:
    await forget(running)
    return running


# ---- what is signed: the number claimed ----------------------------------------------------------

CLAIMS = [
    ("<sip:+442079460001@x.example>", "", "+442079460001", False),
    ("<sip:+442079460001@x.example>", "P-Asserted-Identity: <sip:+442079460002@x.example>", "+442079460002", False),
    ("<sip:a@x.example>", 'P-Asserted-Identity: "A" <sip:02079460002@x>, <tel:+442079460003>', "+442079460003", False),
    (
        "<sip:a@x.example>",
        'P-Asserted-Identity: "tel:+441" <sip:+442079460002@x>\r\nP-Asserted-Identity: <tel:+44-20-7946-0003;ext=1>',
        "+44-20-7946-0003",
        False,
    ),
    ("<sip:a@x.example>", 'P-Asserted-Identity: "tel:+441 \\" tel:5" <sip:+442079460002@x>', "+442079460002", False),
    ("<sip:a@x.example>", "P-Asserted-Identity: sip:+442079460002;npdi@x", "+442079460002", False),
    ("<tel:+442079460004>", "", "+442079460004", False),
    ("<sip:%2B442079460005@x.example>", "", "+442079460005", False),
    ("<sip:(0)2079460005@x.example>", "", "(0)2079460005", False),
    ("<sip:a%3Bkind%3Dagent%25@x.example>", "", "a;kind=agent%", False),
    ("<sip:+442079460001;npdi=yes@x.example>", "", "+442079460001", False),
    ('"Anonymous" <sip:anonymous@anonymous.invalid>', "", "", True),
    ("<sip:anonymous@anonymous.invalid>", "P-Asserted-Identity: <sip:+442079460002@x>\r\nPrivacy: id", "", True),
    ("<sip:anonymous@anonymous.invalid>", "P-Asserted-Identity: <sip:+442079460002@x>", "", True),
    ("<sip:Restricted@x.example>", "", "", True),
    ("<sip:+442079460001@x.example>", "Privacy: header;id", "", True),
    ("<sip:+442079460001@x.example>", "Privacy: User", "", True),
    ("<sip:+442079460001@x.example>", "Privacy: none", "+442079460001", False),
    ("<sip:+442079460001@x.example>", "Remote-Party-ID: <sip:1@x>;privacy=full", "", True),
    ("<sip:x.example>", "", "", False),
    ("<sip:" + "1" * 65 + "@x.example>", "", "", False),
]


@pytest.mark.parametrize(("caller", "extra", "claimed", "private"), CLAIMS)
async def test_the_claimed_number_of_a_named_trunk(
    edge: RealEdge, caller: str, extra: str, claimed: str, private: bool
) -> None:
    phone = await edge.phone("127.0.0.17")
    request = Request(body=SDP, caller=caller, to="<sip:+442079460100@x>", extra=extra + "\r\n" if extra else "")
    ticket = await ticket_for(edge, phone, request)
    assert ticket.trunk == "by-address"
    assert (ticket.caller.open(SEEN), ticket.private) == (claimed, private)


@pytest.mark.parametrize(
    ("source", "uri", "to", "extra", "dialled"),
    [
        ("127.0.0.1", "sip:+442079460100@x", "<sip:+442079460101@x>", "", "+442079460100"),
        ("127.0.0.1", "tel:+442079460100", "", "", "+442079460100"),
        ("127.0.0.17", "sip:+442079460100@x", "<sip:+442079460101@x>", "", "+442079460101"),
        (
            "127.0.0.32",
            "sip:+442079460100@x",
            "",
            "Diversion: <sip:+442079460102@x>;reason=no-answer\r\n",
            "+442079460102",
        ),
        ("127.0.0.32", "sip:+442079460100@x", "", "", "+442079460100"),
    ],
)
async def test_the_dialled_number_comes_from_where_the_trunk_says(
    edge: RealEdge, source: str, uri: str, to: str, extra: str, dialled: str
) -> None:
    phone = await edge.phone(source)
    assert (await ticket_for(edge, phone, Request(uri=uri, to=to, extra=extra, body=SDP))).dialled == dialled


# ---- encryption policy ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        PLAIN_SDP,
        "",
        SDP + "m=audio 4002 RTP/AVP 0\r\n",
        PLAIN_SDP + "m=audio 4002 RTP/SAVP 0\r\n",
        SDP + "m=message 7654 TCP/MSRP *\r\n",
        SDP.replace("RTP/SAVP", "udp"),
        SDP.replace("m=audio", "m=image").replace("RTP/SAVP", "udptl"),
        PLAIN_SDP + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "\r\n",
        PLAIN_SDP.replace("\r\n", "\n"),
    ],
)
async def test_what_is_not_encrypted_is_refused(edge: RealEdge, body: str) -> None:
    phone = await edge.phone()
    assert (await call(phone, Request(body=body))).code == 488


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"])
async def test_every_srtp_profile_is_let_in(edge: RealEdge, profile: str) -> None:
    phone = await edge.phone()
    assert (await ticket_for(edge, phone, Request(body=SDP.replace("RTP/SAVP", profile)))).grade == "tls-srtp"


async def test_cleartext_is_for_the_trunk_named_so_alone(edge: RealEdge) -> None:
    named, other = await edge.cleartext(), await edge.cleartext("127.0.0.10")
    assert (await call(other, Request(body=PLAIN_SDP))).code == 403
    assert (await call(other, Request("OPTIONS"))).code == 403
    ticket = await ticket_for(edge, named, Request(body=PLAIN_SDP))
    assert (ticket.trunk, ticket.grade) == ("clear", "cleartext")
    assert (await call(named, Request(body=""))).code == 488


async def test_an_encrypted_call_cannot_turn_plain_later(edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP)
    answered = await call(phone, request)
    await phone.send(request.within(answered, "ACK", 1).text(phone))
    for number, method, body, code in (
        (2, "INVITE", PLAIN_SDP, 488),
        (3, "UPDATE", PLAIN_SDP, 488),
        (4, "INVITE", "", 488),
        (5, "UPDATE", "", 200),
        (6, "INVITE", SDP, 200),
    ):
        assert (await call(phone, request.within(answered, method, number, body))).code == code
    await hang_up(phone, replace(request, cseq=6), answered)
