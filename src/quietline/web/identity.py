"""Who asks: the session cookie, the CSRF token, and a short memory for the time when the vault does not answer."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from fastapi import Request, Response

from quietline import errors
from quietline.clock import Clock
from quietline.sealed import Sealed
from quietline.vault.ports import DeskVault, Session
from quietline.web.problems import Forged

COOKIE = "__Host-quietline"
VISIT_COOKIE = "__Host-quietline-visit"
SIGN_ON_COOKIE = "__Host-quietline-sign-on"
CSRF_HEADER = "X-CSRF-Token"
MAX_TOKEN = 512  # characters
MAX_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A request's session. `degraded`: from memory, because the vault does not answer; enough for call control only."""

    token: Sealed[str]
    key: str  # a hash of the token: names the session inside this process
    session: Session
    degraded: bool = False

    def for_data(self) -> SignedIn:
        """Itself, where customer data is asked for. Raises Unavailable while the vault is away."""
        if self.degraded:
            raise errors.Unavailable("the vault does not answer")
        return self


@dataclass(frozen=True, slots=True)
class _Remembered:
    session: Session
    checked: float  # monotonic seconds, of the vault's last word


def session_key(token: str) -> str:
    """Names a session inside this process: a hash, so that no token lies in tables here."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Asks the vault about every request's session; remembers its answers for `cache_seconds`, by hash."""

    def __init__(self, vault: DeskVault, clock: Clock, cache_seconds: float) -> None:
        self._vault = vault
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._memory: dict[str, _Remembered] = {}
        self._ended: dict[str, None] = {}  # in order of ending

    async def check(self, token: str) -> SignedIn:
        """Raises NotSignedIn, or Unavailable when the vault is away and the session is not remembered."""
        if not token or len(token) > MAX_TOKEN:
            raise errors.NotSignedIn("signed-out", "Sign in.")
        key = session_key(token)
        if key in self._ended:
            raise errors.NotSignedIn("signed-out", "Sign in.")
        try:
            session = await self._vault.session(token)
        except errors.NotSignedIn:
            self._memory.pop(key, None)
            raise
        except errors.Unavailable:
            return SignedIn(Sealed(token), key, self._recall(key), degraded=True)
        self.remember(key, session)
        return SignedIn(Sealed(token), key, session)

    async def recall(self, token: str) -> SignedIn:
        """For what takes the token on to the vault, which checks it there: agent and CSRF token never change meanwhile.

        Raises as `check` does for a token that is not remembered.
        """
        key = session_key(token)
        found = self._memory.get(key)
        if found is None or key in self._ended or self._clock.wall() >= found.session.expires:
            return (await self.check(token)).for_data()
        return SignedIn(Sealed(token), key, found.session)

    def remember(self, key: str, session: Session) -> None:
        """Keep the vault's answer; the oldest goes when the memory is full."""
        self._memory.pop(key, None)
        if len(self._memory) >= MAX_REMEMBERED:
            self._memory.pop(next(iter(self._memory)))
        self._memory[key] = _Remembered(session, self._clock.monotonic())

    def end(self, key: str) -> None:
        """Signed out here: never again, whether or not the vault could be told."""
        self._memory.pop(key, None)
        while len(self._ended) >= MAX_REMEMBERED:
            self._ended.pop(next(iter(self._ended)))
        self._ended[key] = None

    def _recall(self, key: str) -> Session:
        found = self._memory.get(key)
        now = self._clock
        if found is None or now.monotonic() - found.checked > self._cache_seconds:
            raise errors.Unavailable("the vault does not answer")
        if now.wall() >= found.session.expires:
            raise errors.NotSignedIn("expired", "Sign in again.")
        return found.session


class Visits:
    """The CSRF token of a page on which nobody has signed in yet, tied to a cookie (OWASP: signed double submit).

    Its key lives as long as the process: after a restart the sign-in page is reloaded once.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token(self, visit: str) -> str:
        return hmac.new(self._key, visit.encode(), hashlib.sha256).hexdigest()

    def new(self) -> str:
        """A random visit, for the cookie."""
        return secrets.token_urlsafe(24)


def require_csrf(request: Request, expected: str) -> None:
    """Raises Forged unless the header carries the token; compares in constant time."""
    given = request.headers.get(CSRF_HEADER, "")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forged("The page is too old to do this. Reload it.")


def set_cookie(response: Response, name: str, value: str) -> None:
    """`__Host-`: Secure, no Domain, Path=/ (RFC 6265bis §4.1.3.2). It ends with the browser, or sooner."""
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")


def clear_cookie(response: Response, name: str) -> None:
    """Ends a cookie, with the same attributes it was set with, or browsers keep it."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")
