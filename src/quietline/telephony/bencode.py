"""Bencode (BEP 3), as rtpengine's ng protocol uses it: text, whole numbers, lists and dictionaries. Pure.

Truth values travel as 0 and 1. Dictionaries keep their order: rtpengine does not ask for BEP 3's sorted keys.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from quietline.errors import ProtocolError

Value: TypeAlias = "str | int | list[Value] | tuple[Value, ...] | dict[str, Value]"

MAX_DEPTH = 16  # rtpengine's deepest answer, `query`, nests 8
MAX_DIGITS = 20  # a 64-bit number and its sign


def encode(value: Value) -> bytes:
    """The bytes of a value. A tuple is a list that is a constant of ours: its encoding is kept, so nothing of a
    call may be in it. Raises TypeError for what bencode cannot carry (None, float, non-text keys)."""
    out: list[str] = []
    _write(value, out)
    return "".join(out).encode()


def _write(value: Value, out: list[str]) -> None:
    if isinstance(value, str):
        out.append(_text(value))
    elif isinstance(value, int):
        out.append(f"i{int(value)}e")
    elif isinstance(value, tuple):
        out.append(_constant(value))
    elif isinstance(value, list):
        _write_list(value, out)
    elif isinstance(value, dict):
        _write_dict(value, out)
    else:
        raise TypeError(f"bencode cannot carry a {type(value).__name__}")


def _text(value: str) -> str:
    return f"{len(value) if value.isascii() else len(value.encode())}:{value}"


@lru_cache(maxsize=128)
def _constant(value: tuple[Value, ...]) -> str:
    out: list[str] = []
    _write_list(value, out)
    return "".join(out)


def _write_list(value: list[Value] | tuple[Value, ...], out: list[str]) -> None:
    out.append("l")
    for item in value:
        _write(item, out)
    out.append("e")


def _write_dict(value: dict[str, Value], out: list[str]) -> None:
    out.append("d")
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"bencode keys are text, not {type(key).__name__}")
        if isinstance(item, str):
            out.append(_text(key) + _text(item))
        else:
            out.append(_text(key))
            _write(item, out)
    out.append("e")


def decode(data: bytes) -> Value:
    """The value of all the bytes. Raises ProtocolError saying at which byte they stop making sense."""
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise ProtocolError(f"bencode: {len(data) - end} bytes follow the value at byte {end}")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if depth > MAX_DEPTH:
        raise ProtocolError(f"bencode: nested deeper than {MAX_DEPTH} at byte {at}")
    kind = data[at : at + 1]
    if kind == b"i":
        return _number(data, at + 1, b"e")
    if kind == b"l":
        return _read_list(data, at + 1, depth + 1)
    if kind == b"d":
        return _read_dict(data, at + 1, depth + 1)
    return _read_text(data, at)


def _number(data: bytes, at: int, end: bytes) -> tuple[int, int]:
    stop = data.find(end, at, at + MAX_DIGITS + 1)
    digits = data[at:stop] if stop > at else b""
    if not digits.removeprefix(b"-").isdigit():
        raise ProtocolError(f"bencode: no whole number at byte {at}")
    return int(digits), stop + 1


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    colon = data.find(b":", at, at + MAX_DIGITS + 1)
    digits = data[at : max(at, colon)]
    if not digits.isdigit():
        raise ProtocolError(f"bencode: no whole number at byte {at}")
    start = colon + 1
    end = start + int(digits)
    if end > len(data):
        raise ProtocolError(f"bencode: text at byte {at} is longer than the message")
    return data[start:end].decode(errors="replace"), end


def _read_list(data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    items: list[Value] = []
    while data[at : at + 1] != b"e":
        item, at = _read(data, at, depth)
        items.append(item)
    return items, at + 1


def _read_dict(data: bytes, at: int, depth: int) -> tuple[dict[str, Value], int]:
    items: dict[str, Value] = {}
    while data[at : at + 1] != b"e":
        key, at = _read_text(data, at)
        items[key], at = _read(data, at, depth)
    return items, at + 1
