"""Time-based one-time passwords (RFC 6238): SHA-1, 6 digits, 30 s, as every authenticator app knows them. Pure.

A code is good once: the step it belongs to is stored, and only later ones count (RFC 6238 §5.2). One step early or late
is let pass, for clocks drift.
"""

from __future__ import annotations

import hmac
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
DRIFT: Final = 1  # steps
DIGITS: Final = 6
ISSUER: Final = "Quietline"


def new_secret() -> str:
    """160 random bits in base 32 (RFC 4226 §4, R6)."""
    return pyotp.random_base32(32)


def address(secret: str, account: str) -> str:
    """What an app reads: otpauth://totp/... `account` is shown in the app."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def fits(secret: str, code: str, now: float, last: int) -> int:
    """The step this code belongs to, or 0 when it fits none after step `last`. `now`: UTC seconds."""
    given = "".join(code.split())
    if len(given) != DIGITS or not (given.isascii() and given.isdigit()):
        return 0
    maker, today = pyotp.TOTP(secret), int(now) // STEP_SECONDS
    steps = range(today - DRIFT, today + DRIFT + 1)
    found = [step for step in steps if hmac.compare_digest(maker.generate_otp(step), given)]
    return max((step for step in found if step > last), default=0)
