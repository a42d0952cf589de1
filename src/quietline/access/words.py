"""One-time sign-in words: how somebody whom `quietline apply` added signs in first, and chooses a password with it.

A word is 120 random bits, so a plain hash keeps it; it is good for one password, within a bounded time. Stored where a
password would stand: "word$<until, UTC seconds>$<SHA-256, hex>".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

LIFE_SECONDS: Final = 14 * 86_400.0
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none that look alike
_GROUPS, _GROUP = 6, 4  # 24 letters of 5 bits
_KIND: Final = "word"


def new_word() -> str:
    """Such as "7KQF-M2XT-9RBD-HW4P-0ZNC-E6VA"."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def stored_word(word: str, until: float) -> str:
    """What is kept of it. `until`: UTC seconds."""
    return f"{_KIND}${until:.0f}${_digest(word)}"


def is_word(stored: str) -> bool:
    """Whether this is a word's, not a password's."""
    return stored.startswith(f"{_KIND}$")


def word_fits(stored: str, given: str, now: float) -> bool:
    """Whether `given`, however it is typed, is the stored word, and its time is not over."""
    kind, _, rest = stored.partition("$")
    until, _, digest = rest.partition("$")
    fits = hmac.compare_digest(digest.encode(), _digest(given).encode())
    return fits and kind == _KIND and until.isdigit() and now < int(until)


def typed(word: str) -> str:
    """A word as it was meant, however it is typed: capitals, no hyphens, letters that look alike as one."""
    letters = "".join(char for char in word.upper() if char.isalnum())
    return letters.replace("O", "0").replace("I", "1").replace("L", "1")


def _digest(word: str) -> str:
    return hashlib.sha256(typed(word).encode()).hexdigest()
