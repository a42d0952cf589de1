"""One PASSporT, one call. SHAKEN has no `jti`, so a header is known by the whole of what it signs.

Kept as long as it would still pass as fresh (RFC 8224 §12.1); then freshness alone refuses it. In memory: a restart
opens the window once, for sixty seconds, and attestation raises no level.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from quietline.stir.passport import FRESH_SECONDS, Passport
from quietline.stir.verdict import Unattested, Verdict

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
    """`orig`, `dest`, `iat` and the signature. An ES256 signature has a twin (r, n - s) that anybody can make of it, so
    the signed part alone names the header."""
    signed = passport.token.rpartition(".")[0]
    return hashlib.sha256(signed.encode()).digest()
