"""Cutting a stream into SIP messages by Content-Length (RFC 3261 §18.3), bounded and without sockets."""

from __future__ import annotations

import re

from quietline.errors import ProtocolError
from quietline.sip.parse import LIMITS, Limits

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:[ \t]*+([0-9]{1,6})[ \t]*+(?=\r\n)", re.I)


class Framer:
    """Bytes in, whole messages out. After an error the stream cannot be trusted any more: close it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._looked = 0  # where the search for the empty line goes on
        self._whole = 0  # length of the message in front, once its head is read

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now, in order. Empty lines between them (keep-alives) are skipped.

        Raises ProtocolError for a head above the limit, and for a Content-Length that is missing, double, malformed or
        too large.
        """
        self._buffer += data
        messages = []
        while message := self._next():
            messages.append(message)
        return messages

    def _next(self) -> bytes:
        if not self._whole and not self._read_head():
            return b""
        if len(self._buffer) < self._whole:
            return b""
        message = bytes(self._buffer[: self._whole])
        del self._buffer[: self._whole]
        self._whole = self._looked = 0
        return message

    def _read_head(self) -> bool:
        """Find the end of the head and so the whole length; False when more bytes are needed."""
        if not self._looked:
            self._buffer = self._buffer.lstrip(b"\r\n")
        end = self._buffer.find(b"\r\n\r\n", max(0, self._looked - 3))
        self._looked = len(self._buffer)
        if end > self._limits.head or (end < 0 and self._looked > self._limits.head):
            raise ProtocolError("SIP stream: the head of a message is too large; the connection is closed")
        if end < 0:
            return False
        lengths = _LENGTH.findall(bytes(self._buffer[: end + 2]))
        if len(lengths) != 1 or end + 4 + int(lengths[0]) > self._limits.message:
            raise ProtocolError("SIP stream: no usable Content-Length; the connection is closed")
        self._whole = end + 4 + int(lengths[0])
        return True
