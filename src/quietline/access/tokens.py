"""API tokens: for machines that ask in somebody's name. Opaque, 256 bits, kept only as hashes, few rights, an end.

A token does what its scopes say and no more, and never more than its owner may; it dies with the owner's account.
`check` is memory only and quick; what changes tokens blocks.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

import structlog

from quietline.access.ports import TokenRow, TokenStore
from quietline.access.sessions import digest_of, random_token
from quietline.access.vouch import Voucher
from quietline.clock import Clock
from quietline.errors import ConfigError
from quietline.reasons import Why, denied

log = structlog.get_logger()

PREFIX: Final = "qlt_"  # so that a scanner of repositories knows one when it leaks
LONGEST_DAYS: Final = 366
DAY: Final = 86_400.0
MOST: Final = 20  # an owner
_FORM: Final = re.compile(r"qlt_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a token may be for. Closed."""

    FLOOR_READ = "floor.read"  # queues and counts of the live floor, as a wallboard shows them; nobody's name
    TOKEN_READ = "token.read"  # noqa: S105 - what this token is: scopes and end


class ApiTokens:
    """Every token that has not ended. Safe across threads."""

    def __init__(
        self, store: TokenStore, voucher: Voucher, clock: Clock, make_token: Callable[[], str] = random_token
    ) -> None:
        self._store, self._voucher, self._clock, self._make_token = store, voucher, clock, make_token
        self._rows: dict[str, TokenRow] = {}
        self._lock = threading.Lock()

    def load(self) -> list[str]:
        """Take up what is stored; the digests of rows that were planted or changed, which are left out. Blocking."""
        rows, planted = {}, []
        for row in self._store.tokens():
            if self._voucher.holds("token", lambda row=row: _content(row), row.voucher):  # type: ignore[misc]
                rows[row.digest] = row
            else:
                log.error("a stored API token was changed behind our back and is left out")
                planted.append(row.digest)
        with self._lock:
            self._rows = rows
        return planted

    def plan(self, agent: str, scopes: Iterable[str], days: float) -> TokenRow:
        """A token to be, without its digest. Raises ConfigError: no scope, one nobody knows, too long, too many."""
        wanted = tuple(sorted(set(scopes)))
        known = {scope.value for scope in Scope}
        if not wanted or not known.issuperset(wanted):
            raise ConfigError(f"token: scopes: one or more of {', '.join(sorted(known))}")
        if not 0 < days <= LONGEST_DAYS:
            raise ConfigError(f"token: days: more than 0, {LONGEST_DAYS} at most")
        if len(self.of_agent(agent)) >= MOST:
            raise ConfigError(f"token: this account has {MOST} tokens; revoke one")
        now = self._clock.wall()
        return TokenRow("", "tk_" + secrets.token_hex(6), agent, wanted, now, now + days * DAY, "")

    def issue(self, planned: TokenRow, leaf: str) -> str:
        """The token, given out here and never again; durable on return. `leaf`: of its ledger entry. Blocking."""
        token = PREFIX + self._make_token()
        row = replace(planned, digest=digest_of(token), leaf=leaf)
        row = replace(row, voucher=self._voucher.mark("token", _content(row)))
        self._store.put_token(row)
        with self._lock:
            self._rows[row.digest] = row
        return token

    def check(self, token: str, scope: Scope) -> TokenRow:
        """The token's row, where it is good for this. Raises Denied("token-refused"). Does not block."""
        row = self._rows.get(digest_of(token)) if _FORM.fullmatch(token) else None
        if row is None or row.expires <= self._clock.wall() or scope not in row.scopes:
            raise denied(Why.TOKEN_REFUSED)
        return row

    def of_agent(self, agent: str) -> list[TokenRow]:
        """An owner's tokens that have not ended, oldest first."""
        return [row for row in self.all() if row.agent == agent]

    def all(self) -> list[TokenRow]:
        """Everybody's that have not ended, oldest first."""
        now = self._clock.wall()
        with self._lock:
            rows = [row for row in self._rows.values() if row.expires > now]
        return sorted(rows, key=lambda row: (row.made, row.id))

    def revoke(self, token: str) -> TokenRow:
        """By its id. At once in memory, durable on return. Blocking. Raises ConfigError where there is none."""
        with self._lock:
            found = next((row for row in self._rows.values() if row.id == token), None)
        if found is None:
            raise ConfigError("token: there is none of this id; `quietline token list` shows them")
        self._drop([found])
        return found

    def revoke_agent(self, agent: str) -> list[str]:
        """All of an owner's; their ids. Blocking."""
        with self._lock:
            found = [row for row in self._rows.values() if row.agent == agent]
        self._drop(found)
        return [row.id for row in found]

    def drop_expired(self) -> int:
        """Forget those that have ended; how many. Blocking."""
        now = self._clock.wall()
        with self._lock:
            found = [row for row in self._rows.values() if row.expires <= now]
        self._drop(found)
        return len(found)

    def _drop(self, rows: list[TokenRow]) -> None:
        with self._lock:
            for row in rows:
                self._rows.pop(row.digest, None)
        if rows:
            self._store.drop_tokens([row.digest for row in rows])


def _content(row: TokenRow) -> list[Any]:
    return [row.digest, row.id, row.agent, list(row.scopes), float(row.made), float(row.expires), row.leaf]
