"""Every way a planted value may hide (product.md, promise 1), as patterns over bytes.

Texts: plain (either case), percent, JSON-escaped, hex, base64 at its three alignments (standard and URL-safe), UTF-16.
Phone numbers in addition: national form, and up to three spaces, dashes, dots or parentheses between digits.
A pattern is a tuple of sets: the bytes that may stand at each place; `GAP`, the empty set, is the punctuation.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from quietline.errors import ConfigError

SHORTEST = 6  # characters; less is found by chance
COUNTRY_CODES = {"44": "0", "1": "", "49": "0", "33": "0", "353": "0"}  # calling code -> trunk prefix
GAP: frozenset[int] = frozenset()
GAP_PATTERN = rb"(?:[ \-.()/+]|%20|\xc2\xa0){0,3}"

Pattern = tuple[frozenset[int], ...]


def is_number(value: str) -> bool:
    """E.164, as the vault normalises it."""
    return re.fullmatch(r"\+\d{7,15}", value) is not None


def written_forms(value: str) -> dict[str, str]:
    """The texts a value may stand as: itself; for a number its digits (so with + or 00, too) and its national form.

    Raises ConfigError for a value too short to tell from chance.
    """
    if len(value) < SHORTEST:
        raise ConfigError(f"canary: plant at least {SHORTEST} characters; shorter ones are found by chance")
    if not is_number(value):
        return {"": value}
    digits = value[1:]
    code = next((code for code in COUNTRY_CODES if digits.startswith(code)), None)
    return {"": digits} | ({} if code is None else {"national ": COUNTRY_CODES[code] + digits[len(code) :]})


def patterns(value: str) -> Iterator[tuple[str, Pattern]]:
    """(encoding, pattern) for each way to write the value."""
    for form, text in written_forms(value).items():
        for name, pattern in _encoded(text):
            yield form + name, pattern
    if is_number(value):
        yield from _spaced(value)


def _exact(raw: bytes) -> Pattern:
    return tuple(frozenset({byte}) for byte in raw)


def _any_case(raw: bytes) -> Pattern:
    """ASCII letters in either case, other bytes as they are."""
    return tuple(frozenset(bytes([byte]).lower() + bytes([byte]).upper()) for byte in raw)


def _encoded(text: str) -> Iterator[tuple[str, Pattern]]:
    raw = text.encode()
    yield "plain", _any_case(raw)
    yield "hex", _any_case(raw.hex().encode())
    yield "percent", _any_case("".join(f"%{byte:02x}" for byte in raw).encode())
    for escaped in _partly_percent(text):
        yield "percent", _any_case(escaped.encode())
    for escaped in _json_forms(text):
        yield "json", _any_case(escaped.encode())
    yield from _base64("base64", raw)
    for order in ("le", "be"):
        wide = text.encode(f"utf-16-{order}")
        yield f"utf-16-{order}", _any_case(wide) if text.isascii() else _exact(wide)
        yield from _base64(f"utf-16-{order} base64", wide)


def _partly_percent(text: str) -> set[str]:
    """Only what must be escaped is: in a path, in a query, in a form."""
    forms = {quote(text, safe=""), quote(text, safe="@+/:!$&'()*,;= "), quote(text, safe="@")}
    forms |= {form.replace("%20", "+") for form in forms}
    return forms - {text}


def _json_forms(text: str) -> set[str]:
    units = text.encode("utf-16-be")
    all_escaped = "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    return {all_escaped, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]} - {text}


def _base64(name: str, raw: bytes) -> Iterator[tuple[str, Pattern]]:
    """The characters that depend on these bytes alone, with 0, 1 or 2 foreign bytes before them (RFC 4648 §4, §5)."""
    either = {ord("+"): frozenset(b"+-"), ord("/"): frozenset(b"/_")}
    for before, first in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(raw)) * 8 // 6
        core = base64.b64encode(bytes(before) + raw)[first:whole]
        yield f"{name} +{before}", tuple(either.get(byte, frozenset({byte})) for byte in core)


def _with_gaps(digits: Iterable[str]) -> Pattern:
    places: list[frozenset[int]] = []
    for digit in digits:
        places += [frozenset(digit.encode()), GAP]
    return tuple(places[:-1])


def _spaced(value: str) -> Iterator[tuple[str, Pattern]]:
    """020 7946 0001, +44 20 7946-0001, and +44 (0)20 7946 0001."""
    for form, digits in written_forms(value).items():
        yield f"{form}spaced", _with_gaps(digits)
    for code, prefix in COUNTRY_CODES.items():
        if prefix and value.startswith(f"+{code}"):
            yield "spaced (0)", _with_gaps(code + prefix + value[1 + len(code) :])


def compile_one(pattern: Pattern) -> bytes:
    """Regex source of one pattern."""
    return b"".join(map(_place, pattern))


def _place(allowed: frozenset[int]) -> bytes:
    if not allowed:
        return GAP_PATTERN
    escaped = [re.escape(bytes([byte])) for byte in sorted(allowed)]
    return escaped[0] if len(escaped) == 1 else b"[" + b"".join(escaped) + b"]"


def compile_all(found: Iterable[Pattern]) -> bytes:
    """Regex source of them all as one trie: each byte of the data is looked at once or twice, not once a pattern.

    Every branch at the root starts with one literal byte, which lets `re` skip by a set of first bytes.
    """
    root: _Node = {}
    for first, *rest in found:
        for byte in first:
            node = root
            for allowed in (frozenset({byte}), *rest):
                node = node.setdefault(allowed, {})
            node[_END] = {}
    return _source(root)


_Node = dict[frozenset[int], "_Node"]
_END: frozenset[int] = frozenset({-1})


def _source(node: _Node) -> bytes:
    parts = []
    for start, child in node.items():
        if start == _END:
            continue
        chain = _place(start)
        while len(child) == 1 and _END not in child:
            ((following, child),) = child.items()
            chain += _place(following)
        parts.append(chain + (_source(child) if set(child) != {_END} else b""))
    if _END in node:
        parts.append(b"")
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"
