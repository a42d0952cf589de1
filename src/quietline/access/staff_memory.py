"""The stores of `ports.py` in memory: for tests, drills and simulation. Nothing outlives the process.

`fault` makes it fail like a disk: "before" (nothing was written) or "after" (written, yet reported as failed).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from quietline.access.ports import CertificateRow, FactorRow, LinkRow, SessionRow, StaffRow, TokenRow
from quietline.errors import ConfigError, Unavailable


class MemoryStaff:
    """All stores of `ports.py`. Safe across threads."""

    def __init__(self) -> None:
        self.fault = ""
        self._lock = threading.RLock()
        self._version = 0
        self._staff: dict[str, StaffRow] = {}
        self._certificates: dict[tuple[str, str], CertificateRow] = {}
        self._sessions: dict[str, SessionRow] = {}
        self._grants: dict[str, dict[str, Any]] = {}
        self._factors: dict[str, FactorRow] = {}
        self._links: dict[str, LinkRow] = {}
        self._tokens: dict[str, TokenRow] = {}

    def close(self) -> None:
        """Nothing to do."""

    def version(self) -> int:
        return self._version

    def by_login(self, login: str) -> StaffRow | None:
        return next((row for row in self.all_staff() if row.login == login), None)

    def by_agent(self, agent: str) -> StaffRow | None:
        with self._lock:
            return self._staff.get(agent)

    def all_staff(self) -> list[StaffRow]:
        with self._lock:
            return [self._staff[agent] for agent in sorted(self._staff)]

    def put_staff(self, row: StaffRow) -> None:
        self.put_all([row])

    def put_all(self, rows: Sequence[StaffRow]) -> None:
        with self._lock:
            staff, holders = dict(self._staff), {row.login: row.agent for row in self._staff.values()}
            for row in rows:
                if holders.get(row.login, row.agent) != row.agent:
                    raise ConfigError(f"staff {row.agent}: another account has this login; choose another")
                if row.agent in staff:
                    holders.pop(staff[row.agent].login)
                staff[row.agent], holders[row.login] = row, row.agent
            self._write(lambda: setattr(self, "_staff", staff))

    def certificates(self, agent: str) -> list[CertificateRow]:
        return [row for row in self.all_certificates() if row.agent == agent]

    def all_certificates(self) -> list[CertificateRow]:
        with self._lock:
            return [self._certificates[key] for key in sorted(self._certificates)]

    def put_certificate(self, row: CertificateRow) -> None:
        self._write(lambda: self._certificates.update({(row.agent, row.data_class): row}))

    def sessions(self) -> list[SessionRow]:
        with self._lock:
            return sorted(self._sessions.values(), key=lambda row: (row.opened, row.digest))

    def put_session(self, row: SessionRow) -> None:
        self._write(lambda: self._sessions.update({row.digest: row}))

    def touch_sessions(self, seen: Sequence[tuple[str, float]]) -> None:
        known = {digest: at for digest, at in seen if digest in self._sessions}
        self._write(
            lambda: self._sessions.update({key: replace(self._sessions[key], seen=at) for key, at in known.items()})
        )

    def drop_sessions(self, digests: Iterable[str]) -> None:
        wanted = set(digests)
        self._write(lambda: [self._sessions.pop(digest, None) for digest in wanted])

    def grants(self) -> list[dict[str, Any]]:
        with self._lock:
            return [copy.deepcopy(self._grants[key]) for key in sorted(self._grants)]

    def write_grants(self, put: Sequence[dict[str, Any]], drop: Iterable[str]) -> None:
        dropped, kept = set(drop), {str(record["id"]): copy.deepcopy(record) for record in put}
        with self._lock:
            left = {key: record for key, record in self._grants.items() if key not in dropped}
            self._write(lambda: setattr(self, "_grants", {**left, **kept}))

    def factors(self, agent: str) -> FactorRow | None:
        with self._lock:
            return self._factors.get(agent)

    def put_factors(self, row: FactorRow) -> None:
        self._write(lambda: self._factors.update({row.agent: row}))

    def put_factors_and_staff(self, row: FactorRow, account: StaffRow) -> None:
        with self._lock:
            self.put_staff(account)
            self._factors[row.agent] = row

    def links(self) -> list[LinkRow]:
        with self._lock:
            return sorted(self._links.values(), key=lambda row: (row.agent, row.subject))

    def put_link(self, row: LinkRow) -> None:
        left = {each.subject: each for each in self.links() if each.agent != row.agent}
        self._write(lambda: setattr(self, "_links", {**left, row.subject: row}))

    def drop_links(self, agent: str) -> None:
        left = {each.subject: each for each in self.links() if each.agent != agent}
        self._write(lambda: setattr(self, "_links", left))

    def tokens(self) -> list[TokenRow]:
        with self._lock:
            return sorted(self._tokens.values(), key=lambda row: (row.made, row.digest))

    def put_token(self, row: TokenRow) -> None:
        self._write(lambda: self._tokens.update({row.digest: row}))

    def drop_tokens(self, digests: Iterable[str]) -> None:
        wanted = set(digests)
        self._write(lambda: [self._tokens.pop(digest, None) for digest in wanted])

    def _write(self, change: Callable[[], object]) -> None:
        with self._lock:
            if self.fault == "before":
                raise Unavailable("memory store: set to fail before writing")
            change()
            self._version += 1
            if self.fault == "after":
                raise Unavailable("memory store: set to fail after writing")
