"""Vouchers: a MAC over each row of staff and certificates, under a key that only the vault holds.

Policy inputs come from a database that a thief or a rogue administrator may write. A row counts only with a voucher
over all of its content, the hash of the ledger entry that set it included; so a changed role, a longer certificate,
another password hash or a row moved to another person is refused.

What a voucher alone cannot show is an *older* row with its own true voucher put back. The highest version seen of each
row is remembered while the process lives; over a restart the ledger must be asked: an audit compares `leaf` with the
newest entry.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

from quietline.access.ports import CertificateRow, StaffRow
from quietline.errors import TamperError


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
        self._check("staff", (row.agent,), _staff_content(row), row.voucher, row.version)
        return row

    def check_certificate(self, row: CertificateRow) -> CertificateRow:
        """The row, if we wrote it and nothing newer. Raises TamperError naming the agent's token and the class."""
        self._check("certificate", (row.agent, row.data_class), _certificate_content(row), row.voucher, row.version)
        return row

    def _check(self, kind: str, name: tuple[str, ...], content: list[Any], voucher: str, version: int) -> None:
        if not hmac.compare_digest(self._mac(kind, content).encode(), voucher.encode()):
            raise TamperError(f"{kind} of {' '.join(name)}: changed behind our back; set it anew")
        newest, newest_voucher = self._seen.get((kind, *name), (0, ""))
        if version < newest or (version == newest and voucher != newest_voucher):
            raise TamperError(f"{kind} of {' '.join(name)}: an older state was put back; set it anew")
        self._seen[(kind, *name)] = (version, voucher)

    def _mac(self, kind: str, content: list[Any]) -> str:
        body = json.dumps([kind, *content], separators=(",", ":")).encode()
        return hmac.digest(self._key, body, hashlib.sha256).hex()


def _staff_content(row: StaffRow) -> list[Any]:
    who = [row.agent, row.login, row.name.hex(), row.password]
    return [*who, row.role, row.store, list(row.skills), float(row.starts), float(row.ends), row.leaf, int(row.version)]


def _certificate_content(row: CertificateRow) -> list[Any]:
    return [row.agent, row.data_class, float(row.expires), row.leaf, int(row.version)]
