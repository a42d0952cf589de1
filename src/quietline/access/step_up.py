"""Step-up: a sensitive act asks for proof of who sits there that is a few minutes old at most (OWASP ASVS 5.0 V7.5.3).

Whoever has a second factor proves it with that one; whose role needs one, and who has none, is sent to set one up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quietline.access.ports import SessionRow
from quietline.reasons import Why, denied

STEP_UP_SECONDS: Final = 300.0


class Method(StrEnum):
    """How somebody proved who they are. Closed; kept in sessions and said in the ledger."""

    PASSWORD = "password"  # noqa: S105 - a word, not a secret
    TOTP = "totp"
    RECOVERY = "recovery"
    PASSKEY = "passkey"
    OIDC = "oidc"
    OIDC_SECOND = "oidc-second"  # the identity provider says that it asked for a second factor


# A recovery code gets somebody in who lost their phone; for a sensitive act they set up a new factor first.
SECOND: Final = frozenset({Method.TOTP, Method.PASSKEY, Method.OIDC_SECOND})


@dataclass(frozen=True, slots=True)
class Needs:
    """What an account must prove. `second`: it has a second factor; `role`: its role asks for one."""

    second: bool
    role: bool = False


def require_step_up(session: SessionRow, now: float, needs: Needs, most: float = STEP_UP_SECONDS) -> None:
    """Returns when the proof is fresh and strong enough. `now`: UTC seconds; `most`: how old it may be, seconds.

    Raises Denied("step-up-needed"), or Denied("set-up-second-factor") for whose role needs one that is not there.
    """
    if needs.role and not needs.second:
        raise denied(Why.SET_UP_SECOND_FACTOR)
    if not fresh(session, now, most) or (needs.second and not strong(session.methods)):
        raise denied(Why.STEP_UP_NEEDED)


def require_fresh(session: SessionRow, now: float, needs: Needs) -> None:
    """For one's own factors: as `require_step_up`, but a first factor may be set up with the password alone, and a new
    one by who came in with a recovery code."""
    recovered = Method.RECOVERY in session.methods
    if not fresh(session, now) or (needs.second and not (strong(session.methods) or recovered)):
        raise denied(Why.STEP_UP_NEEDED)


def fresh(session: SessionRow, now: float, most: float = STEP_UP_SECONDS) -> bool:
    """Whether the last proof is at most so many seconds old; a clock that was set back makes it old."""
    return 0 <= now - session.authenticated <= most


def strong(methods: Collection[str]) -> bool:
    """Whether a second factor is among them."""
    return any(method in SECOND for method in methods)
