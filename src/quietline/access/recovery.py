"""Recovery codes: ten, each good once, for who lost the phone or the key. Pure.

80 random bits each, so no guess meets one; kept as keyed hashes (OWASP ASVS 5.0 V6.5), under a key that only the vault
has, and bound to the account.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from quietline.access.words import typed

CODES: Final = 10
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none that look alike
_GROUPS, _GROUP = 4, 4


def new_codes() -> list[str]:
    """Ten such as "7KQF-M2XT-9RBD-HW4P"."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS)) for _ in range(CODES)
    ]


def looks_like(code: str) -> bool:
    """Whether this is meant as a recovery code, not as one of an app."""
    return len(typed(code)) == _GROUPS * _GROUP


def kept(codes: Iterable[str], agent: str, key: bytes) -> tuple[str, ...]:
    """What is stored of them, hex."""
    return tuple(_digest(code, agent, key) for code in codes)


def without(stored: tuple[str, ...], code: str, agent: str, key: bytes) -> tuple[str, ...] | None:
    """What is left when this code is used up; None where it is none of them, or used."""
    given = _digest(code, agent, key)
    left = tuple(each for each in stored if not hmac.compare_digest(each, given))
    return left if len(left) < len(stored) else None


def _digest(code: str, agent: str, key: bytes) -> str:
    return hmac.digest(key, f"recovery v1\0{agent}\0{typed(code)}".encode(), hashlib.sha256).hex()
