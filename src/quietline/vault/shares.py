"""Secret sharing after Shamir (CACM 22(11), 1979) over GF(2^8) with AES's polynomial (FIPS 197 §4.2): any 2 of 3.

Fewer shares than needed say nothing: every secret is equally likely. A share is text to be written on paper; its last
group tells a slip of the pen, and its set tells shares of another key apart.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import xor

from quietline.errors import ConfigError

NEEDED, MADE = 2, 3
PREFIX = "ql1"
CHECK_BYTES = 4
SET_BYTES = 4
_POLYNOMIAL = 0x11B


def multiply(left: int, right: int) -> int:
    """In GF(2^8), by shift and add (FIPS 197 §4.2.1)."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left & 0x100:
            left ^= _POLYNOMIAL
        right >>= 1
    return product


def inverse(value: int) -> int:
    """value^254, which is its inverse. Raises ZeroDivisionError for 0."""
    if not value:
        raise ZeroDivisionError("0 has no inverse in GF(2^8)")
    result = 1
    for _ in range(254):
        result = multiply(result, value)
    return result


def split(secret: bytes, needed: int = NEEDED, made: int = MADE) -> list[tuple[int, bytes]]:
    """(place, bytes) of each share, places from 1. Raises ValueError unless 1 <= needed <= made <= 255."""
    if not 1 <= needed <= made <= 255:
        raise ValueError("shares: want 1 <= needed <= made <= 255")
    polynomials = [(byte, *secrets.token_bytes(needed - 1)) for byte in secret]
    return [(place, bytes(_at(each, place) for each in polynomials)) for place in range(1, made + 1)]


def combine(shares: Sequence[tuple[int, bytes]]) -> bytes:
    """The secret of these shares, as many as were needed. Raises ValueError for the same place twice."""
    places = [place for place, _ in shares]
    if len(set(places)) != len(places) or 0 in places or len({len(share) for _, share in shares}) != 1:
        raise ValueError("shares: want different shares of one secret")
    weights = [_weight(place, places) for place in places]
    columns = zip(*(share for _, share in shares), strict=True)
    return bytes(_sum(map(multiply, weights, column)) for column in columns)


def write_shares(secret: bytes) -> list[str]:
    """Three lines of text; any two of them give the secret back."""
    return [_write(secret_set(secret), place, share) for place, share in split(secret)]


def read_shares(texts: Sequence[str]) -> bytes:
    """The secret of two of the three. Raises ConfigError: a slip of the pen, the same one twice, of two sets."""
    read = [_read(number, text) for number, text in enumerate(texts, 1)]
    if len(read) < NEEDED:
        raise ConfigError(f"shares: give {NEEDED} of the {MADE}")
    if len({which for which, _, _ in read}) != 1:
        raise ConfigError("shares: these belong to different sets; the newest set is the one that opens the key file")
    if len({place for _, place, _ in read}) != len(read):
        raise ConfigError(f"shares: the same share twice; give {NEEDED} different ones")
    secret = combine([(place, share) for _, place, share in read])
    if secret_set(secret) != read[0][0]:
        raise ConfigError("shares: together they give no secret of ours; copy them again")
    return secret


def secret_set(secret: bytes) -> str:
    """Names the shares of one secret; 32 bits of a hash, of use to nobody who lacks 224 more."""
    return hashlib.sha256(b"quietline share set v1" + secret).digest()[:SET_BYTES].hex()


def _write(which: str, place: int, share: bytes) -> str:
    body = f"{which}-{place}-{share.hex()}"
    return f"{PREFIX}-{body}-{_check(body)}"


def _read(number: int, text: str) -> tuple[str, int, bytes]:
    parts = "".join(text.split()).lower().split("-")
    try:
        prefix, which, place, share, check = parts
        good = prefix == PREFIX and _check(f"{which}-{place}-{share}") == check
        read = which, int(place), bytes.fromhex(share)
    except ValueError:
        good, read = False, ("", 0, b"")
    if not good or not read[2] or not 1 <= read[1] <= MADE:
        raise ConfigError(
            f"shares: share {number} is miscopied: it has five groups, and the last one does not fit the others"
        )
    return read


def _check(body: str) -> str:
    return hashlib.sha256(b"quietline share v1" + body.encode()).digest()[:CHECK_BYTES].hex()


def _at(polynomial: Sequence[int], place: int) -> int:
    """Horner's rule."""
    value = 0
    for coefficient in reversed(polynomial):
        value = multiply(value, place) ^ coefficient
    return value


def _weight(place: int, places: Sequence[int]) -> int:
    """Lagrange's basis polynomial of this place, at 0."""
    weight = 1
    for other in places:
        if other != place:
            weight = multiply(weight, multiply(other, inverse(other ^ place)))
    return weight


def _sum(values: Iterable[int]) -> int:
    return reduce(xor, values, 0)
