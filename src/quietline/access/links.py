"""Who is who at the identity provider: issuer and subject, set by an administrator, never an e-mail address.

Subjects are kept as keyed tokens, each row with a voucher. Methods block: call them in a thread.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

from quietline.access.ports import LinkRow, LinkStore
from quietline.access.vouch import Voucher
from quietline.errors import TamperError


class Links:
    """`key`: 32 bytes that only the vault has."""

    def __init__(self, store: LinkStore, voucher: Voucher, key: bytes) -> None:
        self._store, self._voucher, self._key = store, voucher, key

    def token(self, issuer: str, subject: str) -> str:
        """What a subject is kept under. Does not block."""
        return hmac.digest(self._key, f"{issuer}\0{subject}".encode(), hashlib.sha256).hex()

    def holder(self, token: str) -> str:
        """Whose it is, "" for nobody's. Raises TamperError for a row that is not ours."""
        row = next((each for each in self._store.links() if each.subject == token), None)
        if row is None:
            return ""
        if not self._voucher.holds("link", lambda: _content(row), row.voucher):
            raise TamperError("link: changed behind our back; link the account anew")
        return row.agent

    def put(self, token: str, agent: str, leaf: str) -> None:
        """This account's one link from now on. `leaf`: of the ledger entry just made durable."""
        row = LinkRow(token, agent, leaf)
        self._store.put_link(replace(row, voucher=self._voucher.mark("link", _content(row))))

    def drop(self, agent: str) -> None:
        """Harmless where there is none."""
        self._store.drop_links(agent)


def _content(row: LinkRow) -> list[Any]:
    return [row.subject, row.agent, row.leaf]
