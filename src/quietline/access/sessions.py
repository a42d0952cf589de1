"""Sessions: opaque 256-bit tokens, kept only as hashes, revocable at once (OWASP ASVS 5.0 V7; nothing self-contained).

`check` is memory only and quick. What changes sessions also writes them to the store before it returns, so it *blocks*:
call `load`, `open`, `revoke…` and `flush` in a thread. Safe across threads.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from quietline.access.ports import SessionRow, SessionStore
from quietline.clock import Clock
from quietline.reasons import Why, denied


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Seconds. `touch`: how old the stored "last seen" may get; a restart may idle a session out that much early."""

    absolute: float = 36_000.0
    idle: float = 3_600.0
    touch: float = 60.0


def random_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """SHA-256, hex. No salt or stretching is needed for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def public_id(row: SessionRow) -> str:
    """Names a session in a person's own list: made from its digest, which it does not reveal."""
    return hashlib.sha256(f"quietline session v1 {row.digest}".encode()).hexdigest()[:16]


def csrf_of(token: str) -> str:
    """The page token of a session: made from the cookie's value, which it does not reveal, so it need not be stored."""
    return hmac.digest(token.encode(), b"quietline csrf v1", hashlib.sha256).hex()


class Sessions:
    """Who is signed in."""

    def __init__(
        self,
        store: SessionStore,
        clock: Clock,
        limits: SessionLimits | None = None,
        make_token: Callable[[], str] = random_token,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits or SessionLimits()
        self._make_token = make_token
        self._rows: dict[str, SessionRow] = {}
        self._touched: set[str] = set()
        self._lock = threading.Lock()  # the rows in memory, for a moment
        self._writing = threading.Lock()  # opening and ending, memory and store together

    def load(self) -> int:
        """Take up the stored sessions that have not expired; how many. Blocking."""
        now = self._clock.wall()
        rows = {row.digest: row for row in self._store.sessions() if self._expiry(row) > now}
        with self._lock:
            self._rows = rows
        return len(rows)

    def open(
        self, agent: str, methods: Iterable[str] = ("password",), authenticated: float | None = None
    ) -> tuple[str, SessionRow]:
        """A new session; its token is given out here and never again. Blocking: durable on return.

        `authenticated`: when the person proved who they are, UTC seconds; None for just now.
        """
        token, now = self._make_token(), self._clock.wall()
        proved = now if authenticated is None else authenticated
        row = SessionRow(digest_of(token), agent, now, now, authenticated=proved, methods=tuple(methods))
        with self._writing:
            self._store.put_session(row)
            with self._lock:
                self._rows[row.digest] = row
        return token, row

    def stepped_up(self, token: str, methods: Iterable[str]) -> SessionRow:
        """The person has just proved again who they are, in these ways. Blocking. Raises NotSignedIn."""
        row = self.check(token)
        with self._writing:
            with self._lock:
                if row.digest not in self._rows:
                    raise denied(Why.SIGNED_OUT)
                now = self._clock.wall()
                new = replace(row, seen=now, authenticated=now, methods=tuple(methods))
                self._rows[row.digest] = new
            self._store.put_session(new)
        return new

    def check(self, token: str) -> SessionRow:
        """The live session, which this use keeps from idling out. Raises NotSignedIn. Does not block.

        The lookup is by hash, so the time it takes says nothing of the token.
        """
        now, digest = self._clock.wall(), digest_of(token)
        with self._lock:
            row = self._rows.get(digest)
            if row is None or self._expiry(row) <= now:
                raise denied(Why.SIGNED_OUT)
            seen = self._rows[digest] = replace(row, seen=max(row.seen, now))
            self._touched.add(digest)
        return seen

    def check_csrf(self, token: str, presented: str) -> None:
        """Returns when the page token belongs to this session. Raises Denied("page-token-wrong")."""
        if not hmac.compare_digest(csrf_of(token).encode(), presented.encode()):
            raise denied(Why.PAGE_TOKEN_WRONG)

    def expires(self, row: SessionRow) -> float:
        """When it ends if nothing more happens, UTC seconds."""
        return self._expiry(row)

    def of_agent(self, agent: str) -> list[SessionRow]:
        """Live sessions of one agent, oldest first."""
        now = self._clock.wall()
        with self._lock:
            rows = [row for row in self._rows.values() if row.agent == agent and self._expiry(row) > now]
        return sorted(rows, key=lambda row: (row.opened, row.digest))

    def all(self) -> list[SessionRow]:
        """Every live session, oldest first."""
        now = self._clock.wall()
        with self._lock:
            rows = [row for row in self._rows.values() if self._expiry(row) > now]
        return sorted(rows, key=lambda row: (row.opened, row.digest))

    def revoke(self, token: str) -> str:
        """Sign out. Ended in memory at once, durable on return; the agent, or "" if it had ended already. Blocking."""
        ended = self._end([digest_of(token)])
        return ended[0].agent if ended else ""

    def revoke_id(self, agent: str, session: str) -> bool:
        """End one of the agent's sessions, by its `public_id`; whether there was one. Blocking."""
        with self._lock:
            found = [row.digest for row in self._rows.values() if row.agent == agent and public_id(row) == session]
        return bool(found and self._end(found))

    def revoke_others(self, token: str) -> int:
        """End the agent's sessions but this one; how many. Blocking. Raises NotSignedIn."""
        kept = self.check(token)
        with self._lock:
            others = [each for each, row in self._rows.items() if row.agent == kept.agent and each != kept.digest]
        return len(self._end(others)) if others else 0

    def revoke_digest(self, digest: str) -> None:
        """End the session listed under this digest. Blocking."""
        self._end([digest])

    def revoke_agent(self, agent: str) -> int:
        """End every session of an agent; how many. Blocking."""
        with self._writing:
            with self._lock:
                digests = [row.digest for row in self._rows.values() if row.agent == agent]
            return len(self._drop(digests))

    def flush(self) -> list[SessionRow]:
        """Write down who was seen, end what has expired; the expired ones. Blocking; call it every `touch` seconds."""
        now = self._clock.wall()
        with self._lock:
            expired = [row.digest for row in self._rows.values() if self._expiry(row) <= now]
            touched, self._touched = self._touched, set()
            seen = [(digest, self._rows[digest].seen) for digest in sorted(touched) if digest in self._rows]
        if seen:
            self._store.touch_sessions(seen)
        return self._end(expired)

    def _end(self, digests: Sequence[str]) -> list[SessionRow]:
        with self._writing:
            return self._drop(digests)

    def _drop(self, wanted: Sequence[str]) -> list[SessionRow]:
        with self._lock:
            ended = [row for digest in wanted if (row := self._rows.pop(digest, None))]
            self._touched.difference_update(wanted)
        if wanted:
            self._store.drop_sessions(wanted)
        return ended

    def _expiry(self, row: SessionRow) -> float:
        return min(row.opened + self._limits.absolute, row.seen + self._limits.idle)
