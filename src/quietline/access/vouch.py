"""Vouchers: a MAC over each stored row that says who may look, under a key that only the vault holds.

Policy inputs come from a database that a thief or a rogue administrator may write. A row counts only with a voucher
over all of its content, the hash of the ledger entry that set it included; so a changed role, a longer certificate,
another password hash or a row moved to another person is refused. So is a session or a grant that somebody planted.

What a voucher alone cannot show is an *older* row with its own true voucher put back. The highest version seen of each
row is remembered while the process lives; over a restart the ledger must be asked: an audit compares `leaf` with the
newest entry.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import structlog

from quietline.access.ports import CertificateRow, FactorRow, GrantStore, SessionRow, SessionStore, StaffRow
from quietline.errors import TamperError

log = structlog.get_logger()


class Voucher:
    """Makes and checks vouchers. The key is 32 bytes, from the vault's key service."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("a voucher key has at least 32 bytes")
        self._key = key
        self._seen: dict[tuple[str, ...], tuple[int, str]] = {}

    def staff(self, row: StaffRow) -> StaffRow:
        """The row with its voucher."""
        return replace(row, voucher=self._mac("staff", _staff_content(row)))

    def certificate(self, row: CertificateRow) -> CertificateRow:
        """The row with its voucher."""
        return replace(row, voucher=self._mac("certificate", _certificate_content(row)))

    def check_staff(self, row: StaffRow) -> StaffRow:
        """The row, if we wrote it and nothing newer. Raises TamperError naming the agent's token."""
        self._check("staff", (row.agent,), lambda: _staff_content(row), row.voucher, row.version)
        return row

    def check_certificate(self, row: CertificateRow) -> CertificateRow:
        """The row, if we wrote it and nothing newer. Raises TamperError naming the agent's token and the class."""
        name = (row.agent, row.data_class)
        self._check("certificate", name, lambda: _certificate_content(row), row.voucher, row.version)
        return row

    def factors(self, row: FactorRow) -> FactorRow:
        """The row with its voucher."""
        return replace(row, voucher=self._mac("factors", _factor_content(row)))

    def check_factors(self, row: FactorRow) -> FactorRow:
        """The row, if we wrote it and nothing newer. Raises TamperError naming the agent's token."""
        self._check("factors", (row.agent,), lambda: _factor_content(row), row.voucher, row.version)
        return row

    def newest(self, kind: str, *name: str) -> int:
        """The highest version of this row that was seen in this life; 0 for none."""
        return self._seen.get((kind, *name), (0, ""))[0]

    def mark(self, kind: str, content: list[Any]) -> str:
        """The MAC of anything JSON can say, hex."""
        return self._mac(kind, content)

    def fits(self, kind: str, content: list[Any], voucher: str) -> bool:
        """Whether `mark` made this voucher of this content."""
        return hmac.compare_digest(self._mac(kind, content).encode(), voucher.encode())

    def _check(
        self, kind: str, name: tuple[str, ...], content: Callable[[], list[Any]], voucher: str, version: int
    ) -> None:
        if not self.holds(kind, content, voucher):
            raise TamperError(f"{kind} of {' '.join(map(str, name))}: changed behind our back; set it anew")
        newest, newest_voucher = self._seen.get((kind, *name), (0, ""))
        if version < newest or (version == newest and voucher != newest_voucher):
            raise TamperError(f"{kind} of {' '.join(name)}: an older state was put back; set it anew")
        self._seen[(kind, *name)] = (version, voucher)

    def holds(self, kind: str, content: Callable[[], list[Any]], voucher: str) -> bool:
        """`fits` for a stored row. A file may hold text where a number belongs: not ours, and it harms no other row."""
        try:
            return self.fits(kind, content(), voucher)
        except (TypeError, ValueError, AttributeError):
            return False

    def _mac(self, kind: str, content: list[Any]) -> str:
        body = json.dumps([kind, *content], separators=(",", ":")).encode()
        return hmac.digest(self._key, body, hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A stored row that was planted or changed. `kind`: "session" or "grant"; `name`: its digest or id as stored."""

    kind: str
    name: str


class LiveStore(SessionStore, GrantStore, Protocol):
    """Both at once, as the adapters are."""


class VouchedState:
    """SessionStore and GrantStore over another: vouches for what is written, leaves out what was planted or changed.

    `tampered`: what was left out, to be written down and then dropped by whoever loads. The time a
    session was last seen is not vouched for: changing it keeps a session from idling out, never beyond its full
    length. A session that was ended, put back with its own true voucher, counts again after a restart.
    """

    def __init__(self, store: LiveStore, voucher: Voucher) -> None:
        self._store = store
        self._voucher = voucher
        self.tampered: list[LeftOut] = []

    def sessions(self) -> list[SessionRow]:
        rows = self._store.sessions()
        return [
            row
            for row in rows
            if self._kept(LeftOut("session", row.digest), partial(_session_content, row), row.voucher)
        ]

    def put_session(self, row: SessionRow) -> None:
        self._store.put_session(replace(row, voucher=self._voucher.mark("session", _session_content(row))))

    def touch_sessions(self, seen: Sequence[tuple[str, float]]) -> None:
        self._store.touch_sessions(seen)

    def drop_sessions(self, digests: Iterable[str]) -> None:
        self._store.drop_sessions(digests)

    def grants(self) -> list[dict[str, Any]]:
        kept = []
        for stored in self._store.grants():
            voucher = str(stored.pop("voucher", ""))
            if self._kept(LeftOut("grant", str(stored.get("id", ""))), partial(_sorted, stored), voucher):
                kept.append(stored)
        return kept

    def write_grants(self, put: Sequence[dict[str, Any]], drop: Iterable[str]) -> None:
        vouched = [{**record, "voucher": self._voucher.mark("grant", _sorted(record))} for record in put]
        self._store.write_grants(vouched, drop)

    def _kept(self, row: LeftOut, content: Callable[[], list[Any]], voucher: str) -> bool:
        if self._voucher.holds(row.kind, content, voucher):
            return True
        log.error("a stored row was changed behind our back and is left out", kind=row.kind)
        self.tampered.append(row)
        return False


def _session_content(row: SessionRow) -> list[Any]:
    return [row.digest, row.agent, float(row.opened), float(row.authenticated), list(row.methods)]


def _sorted(record: dict[str, Any]) -> list[Any]:
    return [[key, record[key]] for key in sorted(record)]


def _staff_content(row: StaffRow) -> list[Any]:
    who = [row.agent, row.login, row.name.hex(), row.password]
    job = [row.role, row.store, list(row.skills), float(row.starts), float(row.ends), row.leaf, int(row.version)]
    return [*who, *job, *(["second"] if row.second else [])]  # as layout 1 had it where there is none


def _factor_content(row: FactorRow) -> list[Any]:
    return [row.agent, row.record.hex(), row.leaf, int(row.version)]


def _certificate_content(row: CertificateRow) -> list[Any]:
    return [row.agent, row.data_class, float(row.expires), row.leaf, int(row.version)]
