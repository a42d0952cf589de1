"""SIP as text for the simulated phones: a reader and writer of their own, so that errors in `quietline.sip` cannot
cancel out. Small on purpose: what a plain phone needs of RFC 3261, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from quietline.errors import ProtocolError

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}
_COMMA = re.compile(r',(?=(?:[^"<>]|"[^"]*"|<[^>]*>)*$)')  # outside quotes and angle brackets


@dataclass(slots=True)
class Message:
    """One request or response; header names keep their spelling, lookups ignore case and know the compact forms."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Raises ProtocolError for what has no start line or a header without a colon."""
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "replace").split("\r\n")
        if "SIP/2.0" not in start:
            raise ProtocolError("sip: no start line")
        headers: list[tuple[str, str]] = []
        for line in lines:
            if line[:1] in (" ", "\t") and headers:
                headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
                continue
            name, colon, value = line.partition(":")
            if not colon:
                raise ProtocolError("sip: a header line without a colon")
            headers.append((name.strip(), value.strip()))
        return cls(start, headers, body.decode("utf-8", "replace"))

    def all(self, name: str) -> list[str]:
        """Every value of that name, a comma-joined line taken apart."""
        lines = [value for key, value in self.headers if _canonical(key) == name.lower()]
        return [part.strip() for line in lines for part in _COMMA.split(line)]

    def first(self, name: str) -> str:
        """The first line of that name as it stands, "" when there is none."""
        return next((value for key, value in self.headers if _canonical(key) == name.lower()), "")

    @property
    def is_response(self) -> bool:
        return self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """The request's method; for a response, that of its CSeq."""
        return self.first("cseq").rpartition(" ")[2] if self.is_response else self.start.partition(" ")[0]

    @property
    def code(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.start.split(" ")[1]) if self.is_response else 0

    @property
    def reason(self) -> str:
        return self.start.split(" ", 2)[2] if self.is_response and self.start.count(" ") > 1 else ""

    @property
    def cseq(self) -> int:
        return int(self.first("cseq").partition(" ")[0])

    @property
    def branch(self) -> str:
        return parameter(self.first("via"), "branch")

    def encode(self) -> bytes:
        """Bytes for the wire, Content-Length included."""
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _canonical(name: str) -> str:
    lowered = name.lower()
    return _COMPACT.get(lowered, lowered)


def parameter(value: str, name: str) -> str:
    """A `;name=value` of a header, outside its angle brackets; "" when there is none."""
    outside = re.sub(r"<[^>]*>", "", value)
    found = re.search(rf';\s*{re.escape(name)}\s*=\s*"?([^";,\s]+)', outside, re.IGNORECASE)
    return found.group(1) if found else ""


def uri_of(value: str) -> str:
    """The URI of a Contact, From or Route value."""
    bracketed = re.search(r"<([^>]*)>", value)
    return bracketed.group(1) if bracketed else value.partition(";")[0].strip()


def response_to(
    request: Message, status: str, to_tag: str, extra: Iterable[tuple[str, str]] = (), body: str = ""
) -> Message:
    """A response that copies what RFC 3261 §8.2.6 says, with our tag in To."""
    to = request.first("to")
    if to_tag and not parameter(to, "tag"):
        to += f";tag={to_tag}"
    copied = [(k, v) for k, v in request.headers if _canonical(k) in ("via", "record-route", "from", "call-id", "cseq")]
    return Message(f"SIP/2.0 {status}", [*copied, ("To", to), *extra], body)


def take_message(buffer: bytearray) -> bytes | None:
    """Cut the first whole message off a stream's buffer (RFC 3261 §18.3); None while it is incomplete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = re.search(rb"^(?:content-length|l)\s*:\s*(\d+)", bytes(buffer[:end]), re.IGNORECASE | re.MULTILINE)
    total = end + 4 + (int(length.group(1)) if length else 0)
    if len(buffer) < total:
        return None
    message = bytes(buffer[:total])
    del buffer[:total]
    return message
