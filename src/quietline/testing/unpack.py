"""Finds and opens compressed streams anywhere in bytes: gzip (RFC 1952) and zlib (RFC 1950; PDF's Flate is that)."""

from __future__ import annotations

import contextlib
import mmap
import re
import zlib
from collections.abc import Iterator

LARGEST = 64 * 1024 * 1024  # bytes unpacked from one stream
PEEK = 512  # bytes tried before a stream is believed
# RFC 1950 §2.2: CM 8, any window, header divisible by 31. The six usual headers plus PDF's keyword before any other.
_HEADS = re.compile(
    rb"\x1f\x8b\x08[\x00-\x1f]|\x78[\x01\x5e\x9c\xda]|(?<=stream\n)[\x08-\x78].|(?<=stream\r\n)[\x08-\x78].", re.DOTALL
)


def streams(data: bytes | mmap.mmap) -> Iterator[tuple[int, str, bytes]]:
    """(offset, "gzip" or "zlib", content). A stream that breaks off yields what came before the break."""
    for head in _HEADS.finditer(data):
        kind = "gzip" if head.group()[:1] == b"\x1f" else "zlib"
        content = _inflate(data, head.start(), kind)
        if content:
            yield head.start(), kind, content


def _inflate(data: bytes | mmap.mmap, start: int, kind: str) -> bytes:
    opener = zlib.decompressobj(zlib.MAX_WBITS | 16 if kind == "gzip" else zlib.MAX_WBITS)
    unpacked = bytearray()
    at, step = start, PEEK
    while at < len(data) and not opener.eof and len(unpacked) < LARGEST:
        before, piece = opener.copy(), data[at : at + step]
        try:
            unpacked += opener.decompress(piece, LARGEST)
        except zlib.error:
            unpacked += _up_to_the_damage(before, piece)
            break
        at += step
        step = 65_536
    return bytes(unpacked)


def _up_to_the_damage(opener: zlib._Decompress, piece: bytes) -> bytes:
    """zlib throws away all of a call's output when the call meets an error: go in small steps."""
    unpacked = bytearray()
    with contextlib.suppress(zlib.error):  # the damage, or what only looked like a stream
        for at in range(0, len(piece), 8):
            unpacked += opener.decompress(piece[at : at + 8])
    return bytes(unpacked)
