"""What an account signs in with beside its password: passkeys, an authenticator app, recovery codes. Pure.

One sealed record an account; `factor_book.py` stores it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from quietline.access.step_up import Method
from quietline.errors import TamperError

MOST_PASSKEYS: Final = 10
LONGEST_LABEL: Final = 40  # characters


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential. `id`: URL-safe base 64 as browsers write it; `key`: COSE; times: UTC seconds.

    `count`: the authenticator's signature counter; 0 for those that keep none.
    """

    id: str
    key: bytes = field(repr=False)
    count: int
    label: str
    made: float
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class App:
    """An authenticator app. `step`: the last time step used, which is never good again."""

    secret: str = field(repr=False)
    step: int
    made: float


@dataclass(frozen=True, slots=True)
class Factors:
    """All of an account's. `recovery`: keyed hashes of the codes that are left."""

    app: App | None = None
    passkeys: tuple[Passkey, ...] = ()
    recovery: tuple[str, ...] = field(default=(), repr=False)

    @property
    def second(self) -> bool:
        """Whether there is a second factor, so that the password alone opens nothing."""
        return self.app is not None or bool(self.passkeys)

    def passkey(self, name: str) -> Passkey | None:
        """The one with this id."""
        return next((each for each in self.passkeys if each.id == name), None)

    def with_passkey(self, key: Passkey) -> Factors:
        """With this one in place of an earlier one of the same id."""
        return replace(self, passkeys=(*(each for each in self.passkeys if each.id != key.id), key))

    def without_passkey(self, name: str) -> Factors:
        """Without it; recovery codes go with the last factor."""
        return replace(self, passkeys=tuple(each for each in self.passkeys if each.id != name)).tidy()

    def without_app(self) -> Factors:
        """The same for the app."""
        return replace(self, app=None).tidy()

    def tidy(self) -> Factors:
        """Codes recover a second factor; without one they are nothing."""
        return self if self.second else Factors()

    def ways(self) -> frozenset[Method]:
        """What beside the password can prove who sits there."""
        found = {
            Method.TOTP: self.app is not None,
            Method.PASSKEY: bool(self.passkeys),
            Method.RECOVERY: bool(self.recovery),
        }
        return frozenset(method for method, there in found.items() if there)


def to_bytes(factors: Factors) -> bytes:
    """As `from_bytes` reads it, before it is sealed."""
    keys = [{**asdict(each), "key": b64encode(each.key).decode()} for each in factors.passkeys]
    app = asdict(factors.app) if factors.app else None
    return json.dumps({"app": app, "passkeys": keys, "recovery": factors.recovery}).encode()


def from_bytes(record: bytes) -> Factors:
    """Raises TamperError for what is no such record."""
    try:
        raw: dict[str, Any] = json.loads(record)
        keys = tuple(Passkey(**{**each, "key": b64decode(each["key"])}) for each in raw["passkeys"])
        return Factors(App(**raw["app"]) if raw["app"] else None, keys, tuple(raw["recovery"]))
    except (ValueError, TypeError, KeyError):
        raise TamperError("factors: what is stored is no record of ours; reset them") from None
