"""Messages, headers, the grammar's pieces, and each refusal of the parser."""

from __future__ import annotations

import pytest

from quietline.sip.grammar import is_loose, is_uri, read_address, read_via, split_list
from quietline.sip.message import Headers, Request, Response, pretty, respond
from quietline.sip.parse import LIMITS, BadMessage, parse
from quietline.testing.sip_network import OFFER, request


def changed(old: bytes, new: bytes) -> bytes:
    data = request()
    assert old in data
    return data.replace(old, new)


# Reading


def test_a_request_is_read() -> None:
    message = parse(request(max_forwards="70", supported="timer, 100rel"))
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.call_id, message.cseq) == ("INVITE", "sip:shop@192.0.2.1", "call-1", 1)
    assert (message.from_tag, message.to_tag, message.branch) == ("far", "", "z9hG4bKx1")
    assert message.sent_by == "192.0.2.9:5060"
    assert message.sdp() == OFFER
    assert message.listed("supported") == {"timer", "100rel"}


def test_compact_forms_and_folded_lines() -> None:
    data = (
        b"\r\nSIP/2.0 200 OK\r\nv: SIP/2.0/TCP [2001:db8::1]:5061 ;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\n"
        b't: "B"\r\n <sip:b@c>\r\n\t;tag=2\r\ni: x\r\nCSeq: 7 INVITE\r\nm: <sip:b@c>\r\nl: 2\r\n\r\nabcdef'
    )
    message = parse(data)
    assert isinstance(message, Response)
    assert (message.status, message.to_tag, message.sent_by, message.body) == (200, "2", "[2001:db8::1]:5061", b"ab")
    assert [name for name, _ in message.headers] == [
        "via",
        "from",
        "to",
        "call-id",
        "cseq",
        "contact",
        "content-length",
    ]


def test_order_and_repetition_are_kept() -> None:
    headers = Headers([("via", "1"), ("x", "a"), ("via", "2")])
    headers.add("x", "b")
    assert headers.all("via") == ["1", "2"]
    assert headers.get("x") == "a"
    assert headers.get("y", "none") == "none"
    assert "x" in headers
    assert len(headers) == 4
    assert headers == Headers(list(headers))


def test_content_length_is_always_the_bodys() -> None:
    wire = Request("INFO", "sip:a@b", Headers([("content-length", "999")]), b"abc").encode()
    assert wire == b"INFO sip:a@b SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("name", "wire"), [("call-id", "Call-ID"), ("cseq", "CSeq"), ("x-ql-leg", "X-QL-Leg"), ("min-se", "Min-SE"),
                       ("max-forwards", "Max-Forwards"), ("p-asserted-identity", "P-Asserted-Identity")],
)  # fmt: skip
def test_names_on_the_wire(name: str, wire: str) -> None:
    assert pretty(name) == wire


def test_a_response_echoes_what_it_must_and_tags_once() -> None:
    message = parse(request(record_route="<sip:192.0.2.5;lr>"))
    assert isinstance(message, Request)
    answer = respond(message, 180, "ours", [("contact", "<sip:me@192.0.2.1>")])
    assert [name for name, _ in answer.headers] == ["via", "from", "to", "call-id", "cseq", "contact"]
    assert answer.headers.get("to").endswith(";tag=ours")
    tagged = parse(request(tag="theirs"))
    assert isinstance(tagged, Request)
    assert respond(tagged, 200, "ours").headers.get("to").count("tag=") == 1


# Nothing personal shows


def test_reprs_and_errors_name_no_one() -> None:
    shown = [repr(parse(request())), repr(parse(request()).headers)]
    for bad in (changed(b"CSeq: 1", b"CSeq: x"), changed(b"<sip:+44", b"sip:+44"), b"+442079460001"):
        with pytest.raises(BadMessage) as caught:
            parse(bad)
        shown += [str(caught.value), repr(caught.value)]
    assert not [text for text in shown if "2079460001" in text or "192.0.2" in text]
    assert shown[0] == "<Request INVITE cseq=1>"


# Refusing


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (changed(b" SIP/2.0\r\nVia", b" SIP/3.0\r\nVia"), 505, "version"),
        (changed(b"INVITE sip:shop@192.0.2.1 ", b"INVITE  sip:shop@192.0.2.1 "), 400, "request line"),
        (changed(b"INVITE sip:shop@192.0.2.1 ", b"INVITE sip:shop@ "), 400, "request line"),
        (changed(b"INVITE sip:shop@192.0.2.1 ", b"INVITE " + b"s" * 5_000 + b":x "), 414, "too long"),
        (changed(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"), 400, "another method"),
        (changed(b"CSeq: 1 INVITE", b"CSeq: 2147483648 INVITE"), 400, "CSeq"),
        (changed(b"CSeq: 1 INVITE", b"CSeq: \xd9\xa1 INVITE"), 400, "CSeq"),  # an Arabic one is a digit to Python
        (changed(b"CSeq: 1 INVITE\r\n", b""), 400, "no cseq"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID:\r\n"), 400, "call-id"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\r\ni: b\r\n"), 400, "more than one call-id"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\r\nno colon here\r\n"), 400, "header line"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\nX: b\r\n"), 400, "header line"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\rX: b\r\n"), 400, "header line"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\r\nX Y: b\r\n"), 400, "header line"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\r\nMax-Forwards: 256\r\n"), 400, "Max-Forwards"),
        (changed(b"Contact: <sip:far@192.0.2.9:5060>", b"Contact: <sip:a b>"), 400, "Contact"),
        (changed(b"Call-ID: call-1\r\n", b"Call-ID: a\r\nRecord-Route: <sip:a;lr>, oops\r\n"), 400, "Record-Route"),
        (request(body="")[:-2], 400, "no empty line"),
        (request(x="y" * 20_000), 513, "too large"),
        (request(**{f"x_{number}": "y" for number in range(200)}), 513, "too large"),
    ],
)
def test_each_refusal(data: bytes, status: int, why: str) -> None:
    with pytest.raises(BadMessage, match=why) as caught:
        parse(data)
    assert caught.value.status == status
    assert caught.value.request is not None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"\0" * 40, b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 700 x\r\n\r\n", b"SIP/2.0 20 x\r\n\r\n",
        request("ACK", cseq=1).replace(b"CSeq: 1", b"CSeq: x"),
        changed(b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx1\r\n", b""),
        b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
    ],
)  # fmt: skip
def test_where_no_answer_can_be_formed_there_is_silence(data: bytes) -> None:
    with pytest.raises(BadMessage, match="dropped") as caught:
        parse(data)
    assert (caught.value.status, caught.value.request) == (0, None)


def test_the_limits_are_inclusive() -> None:
    assert LIMITS.headers == 128
    exact = request(**{f"x_{number}": "y" for number in range(128 - 8)})
    assert len(parse(exact).headers) == LIMITS.headers


# Grammar


@pytest.mark.parametrize(
    ("value", "uri", "tag"),
    [
        ("<sip:a@b>", "sip:a@b", ""),
        ("sip:a@b;tag=x", "sip:a@b", "x"),
        ('"Q, <\\"> ;tag=no" <sip:a@b;tag=uri>;x="tag=no;tag=no";TAG = yes', "sip:a@b;tag=uri", "yes"),
        ("Ana <tel:+442079460001>;tag=1", "tel:+442079460001", "1"),
        ("Zoë Ω <sip:a@[2001:db8::1]:5060>", "sip:a@[2001:db8::1]:5060", ""),
    ],
)
def test_addresses(value: str, uri: str, tag: str) -> None:
    assert read_address(value) == (uri, tag)


@pytest.mark.parametrize(
    "value",
    ["", "sip", "<sip:a@b", "a, b <sip:a@b>", '"open <sip:a@b>', "<sip:a b>", "<sip:a@b>;;", "sip:a@b?x=y", "<>"],
)
def test_bad_addresses(value: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|not a name-addr"):
        read_address(value)


def test_via_values() -> None:
    assert read_via("SIP / 2.0 / udp  Host.Example : 5060 ;branch=z9hG4bKx;rport, SIP/2.0/TCP b") == (
        "UDP", "host.example : 5060", "z9hG4bKx"
    )  # fmt: skip
    for bad in ("", "SIP/2.0/UDP", "SIP/2.0/UDP a;;", "SIP/1.0/UDP a"):
        with pytest.raises(ValueError, match="malformed Via"):
            read_via(bad)


def test_lists_are_cut_outside_of_quotes_and_brackets() -> None:
    assert split_list('"a, b" <sip:a,b@c>, <sip:d> ,e') == ['"a, b" <sip:a,b@c>', "<sip:d>", "e"]


@pytest.mark.parametrize(
    ("uri", "good"),
    [("sip:b", True), ("sips:a:pw@b.example:5061;x=y", True), ("tel:+442079460001", True), ("sip:a@b?x=y", False),
     ("sip:", False), ("nothing", False), ("sip:a@b@c", False), ("sip:a@b:123456", False), ("urn:x:y", True)],
)  # fmt: skip
def test_request_uris(uri: str, good: bool) -> None:
    assert is_uri(uri) is good


@pytest.mark.parametrize(
    ("route", "loose"),
    [
        ("<sip:a;lr>", True),
        ("<sip:a;LR=on;x>", True),
        ("<sip:a;lrx>", False),
        ("<sip:a>;lr", False),
        ("<sip:lr@a>", False),
    ],
)
def test_loose_routes(route: str, loose: bool) -> None:
    assert is_loose(route) is loose
