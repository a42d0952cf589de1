"""Bytes to messages: strict, bounded, linear. A request that cannot be read still says how to answer it.

Sources: RFC 3261 §7, §8.2, §16.3, §18.3, §20, §21.4, §25; RFC 4475 is the test table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quietline.errors import ProtocolError
from quietline.sip.grammar import IS_TOKEN, is_uri, read_address, read_via, split_list
from quietline.sip.message import COMPACT, METHODS, Headers, Request, Response


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message. Sizes in bytes; above them 513 (RFC 3261 §21.5.7), or 414 for the request line."""

    message: int = 65_535
    head: int = 16_384
    start_line: int = 4_096
    headers: int = 128  # lines


LIMITS = Limits()
MAX_CSEQ = 2**31 - 1  # RFC 3261 §8.1.1.5
MAX_FORWARDS = 255  # RFC 3261 §20.22

_FOLD = re.compile(r"\r\n[ \t]+")  # spaces before the line end stay: looking for them would be quadratic
_START = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+) (\S+) SIP/2\.0").fullmatch
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.S).fullmatch
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+").fullmatch
_CSEQ = re.compile(r"([0-9]{1,10})[ \t]++([^ \t]++)").fullmatch
_NUMBER = re.compile(r"[0-9]{1,10}").fullmatch
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.A).fullmatch
_SINGLE = frozenset(
    ("call-id", "content-length", "content-type", "cseq", "date", "expires", "from", "max-forwards", "min-se", "to")
)
_NAMES: dict[str, str] = {}  # spellings seen on every call, so that they need no checking; never filled from the wire
for _long in (*COMPACT.values(), *_SINGLE, "route", "record-route", "allow", "accept", "require", "user-agent"):
    _NAMES[_long] = _NAMES[_long.title()] = _long
_NAMES |= {"CSeq": "cseq", "Call-ID": "call-id", "Min-SE": "min-se", "X-QL-Leg": "x-ql-leg", **COMPACT}


class BadMessage(ProtocolError):
    """Bytes that are no good SIP message.

    status: what RFC 3261 asks to answer; 0: stay silent (a response, an ACK, no Via to answer to, or no SIP at all).
    request: what could be read of a request, enough to form that answer; else None. The text has no header values.
    """

    def __init__(self, status: int, why: str, request: Request | None = None) -> None:
        answerable = request is not None and request.method != "ACK" and "via" in request.headers
        super().__init__(f"SIP: {why}" + (f" (answered {status})" if answerable else " (dropped)"))
        self.status = status if answerable else 0
        self.request = request if answerable else None


class _Fault(Exception):
    """How the steps below hand a status to `parse`."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def parse(data: bytes, limits: Limits = LIMITS) -> Request | Response:
    """One datagram, or one framed message of a stream. Raises BadMessage and nothing else.

    Bytes beyond Content-Length are dropped, a body shorter than it is 400 (RFC 3261 §18.3).
    """
    head, blank, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    start, *lines = text.split("\r\n")
    message = _start_line(start)
    try:
        _read_headers(message, (lines if blank else [line for line in lines if line])[: limits.headers])
        if len(data) > limits.message or len(head) > limits.head or len(lines) > limits.headers:
            raise _Fault(513, "message too large")
        _check_start_line(message, start, limits)
        _read_core(message)
        _check_rest(message)
        if not blank:
            raise _Fault(400, "no empty line after the headers")
        message.body = _body(message, body)
    except _Fault as fault:
        message.headers = _first_of_each(message.headers)
        raise BadMessage(fault.status, fault.why, message if isinstance(message, Request) else None) from None
    return message


def _start_line(start: str) -> Request | Response:
    """A message with nothing but its start line, however badly that is written. Raises BadMessage for other bytes."""
    match = _START(start)
    if match:
        return Request(match.group(1), match.group(2))
    if start.startswith("SIP/"):
        status = _STATUS(start)
        if not status:
            raise BadMessage(0, "malformed status line")
        return Response(int(status.group(1)), status.group(2) or " ")
    parts = start.split()
    if len(parts) < 3 or not IS_TOKEN(parts[0]) or not _VERSION(parts[-1]):
        raise BadMessage(0, "not a SIP message")
    return Request(parts[0], parts[1])


def _check_start_line(message: Request | Response, start: str, limits: Limits) -> None:
    if isinstance(message, Response):
        return
    if len(start) > limits.start_line:
        raise _Fault(414, "request line too long")
    if not start.rstrip().endswith(" SIP/2.0"):
        raise _Fault(505, "SIP version is not 2.0")
    if not _START(start) or not is_uri(message.uri):
        raise _Fault(400, "malformed request line")


def _read_headers(message: Request | Response, lines: list[str]) -> None:
    """Fill the headers with every line that can be read, then raise for the first that cannot."""
    items, bad = [], False
    for line in lines:
        name, colon, value = line.partition(":")
        long = _NAMES.get(name)
        if long is None:
            name = name.rstrip(" \t").lower()
            long = COMPACT.get(name, name)
            if not IS_TOKEN(name):
                bad = True
                continue
        if not colon or "\r" in value or "\n" in value:
            bad = True
            continue
        items.append((long, value.strip(" \t")))
    message.headers = Headers(items)
    if bad:
        raise _Fault(400, "malformed header line")


def _read_core(message: Request | Response) -> None:
    """The fields that every message must have (RFC 3261 §8.1.1), each once, and well formed."""
    fields: dict[str, str] = {}
    for name, value in message.headers.items:
        if name not in fields:
            fields[name] = value
        elif name in _SINGLE:
            raise _Fault(400, f"more than one {name} header")
    try:
        _, message.sent_by, message.branch = read_via(fields["via"])
        _, message.from_tag = read_address(fields["from"])
        _, message.to_tag = read_address(fields["to"])
        message.call_id = fields["call-id"]
        message.cseq, message.cseq_method = _cseq(fields["cseq"])
    except KeyError as missing:
        raise _Fault(400, f"no {missing.args[0]} header") from None
    except ValueError as error:
        raise _Fault(400, str(error)) from None
    if not message.call_id:
        raise _Fault(400, "empty call-id header")
    if isinstance(message, Request) and message.method != message.cseq_method:
        raise _Fault(400 if message.method in METHODS else 501, "the CSeq names another method")
    _check_numbers(fields)


def _first_of_each(headers: Headers) -> Headers:
    """What a refusal may echo: one of each single header."""
    seen: set[str] = set()
    kept = []
    for name, value in headers:
        if name not in seen:
            kept.append((name, value))
        seen |= {name} & _SINGLE
    return Headers(kept)


def _cseq(value: str) -> tuple[int, str]:
    match = _CSEQ(value)
    if not match or int(match.group(1)) > MAX_CSEQ or not IS_TOKEN(match.group(2)):
        raise ValueError("malformed CSeq")
    return int(match.group(1)), match.group(2)


def _check_numbers(fields: dict[str, str]) -> None:
    forwards = fields.get("max-forwards", "70")
    if not _NUMBER(forwards) or int(forwards) > MAX_FORWARDS:
        raise _Fault(400, "malformed Max-Forwards")
    if "content-length" in fields and not _NUMBER(fields["content-length"]):
        raise _Fault(400, "malformed Content-Length")
    if "date" in fields and not _DATE(fields["date"]):
        raise _Fault(400, "malformed Date")


def _check_rest(message: Request | Response) -> None:
    """Contact and Record-Route must be readable, for dialogs are built on them."""
    try:
        for name, value in message.headers.items:
            if name in ("contact", "record-route") and value != "*":
                for part in split_list(value):
                    read_address(part)
    except ValueError:
        raise _Fault(400, "malformed Contact or Record-Route") from None


def _body(message: Request | Response, body: bytes) -> bytes:
    length = message.headers.get("content-length")
    if not length:
        return body
    if int(length) > len(body):
        raise _Fault(400, "the body is shorter than Content-Length says")
    return body[: int(length)]
