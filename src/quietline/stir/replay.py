"""One PASSporT, one call. SHAKEN has no `jti`, so a header is known by what it signs and its signature.

Kept as long as it would still pass as fresh (RFC 8224 §12.1); then freshness alone refuses it. In memory: a restart
opens the window once, for sixty seconds, and attestation raises no level.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections import OrderedDict

from quietline.stir.passport import FRESH_SECONDS, Passport
from quietline.stir.verdict import Unattested, Verdict

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group (SEC 2 §2.4.2)
REMEMBERED = 100_000  # headers; at 200 calls a second, two windows are 24,000


class Replays:
    """Digests only: no number is kept. Not safe across threads; nothing here awaits."""

    def __init__(self, fresh: float = FRESH_SECONDS, remembered: int = REMEMBERED) -> None:
        self._fresh, self._remembered = fresh, remembered
        self._seen: OrderedDict[bytes, float] = OrderedDict()  # digest -> when it is stale

    def check(self, passport: Passport) -> None:
        """Raises Unattested(REPLAYED) for what was used already."""
        if _digest(passport) in self._seen:
            raise Unattested(Verdict.REPLAYED)

    def use(self, passport: Passport, now: float) -> None:
        """Count it as used: for a signature that is genuine. Raises Unattested(REPLAYED)."""
        self._forget(now)
        self.check(passport)
        # Both ends of the window: an `iat` may be ahead of our clock by as much as it may lag behind.
        self._seen[_digest(passport)] = passport.at + self._fresh
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)

    def _forget(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) < now - self._fresh:
            self._seen.popitem(last=False)


def _digest(passport: Passport) -> bytes:
    """`orig`, `dest`, `iat` and the signature, in the one form of the two that anybody can make of it: (r, s) and
    (r, n - s) are both genuine (SEC 1 §4.1.4). Two calls of one second differ by it, unless a carrier signs without
    chance (RFC 6979) and says the same of both: then the second is unattested.
    """
    signed, _, signature = passport.token.rpartition(".")
    raw = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    r, s = raw[:32], int.from_bytes(raw[32:64], "big")
    one = min(s, (_ORDER - s) % _ORDER).to_bytes(32, "big")
    return hashlib.sha256(b"\0".join((signed.encode(), r, one))).digest()
