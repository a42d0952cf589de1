"""Passwords of trunks that sign their calls by digest (RFC 3261 §22.3): one for each, shown once, kept as HA1."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from quietline.config import Trunk
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.vault.edge_credentials import EdgeCredentials
from quietline.vault.journal import Journal
from quietline.vault.phones import ha1

PASSWORD_BYTES = 24


class Trunks:
    """Lives on the event loop. `trunks`: as configured; `credentials`: by digest user."""

    def __init__(self, trunks: Iterable[Trunk], credentials: EdgeCredentials, realm: str, journal: Journal) -> None:
        self._users = {trunk.name: trunk.digest_user for trunk in trunks}
        self._credentials = credentials
        self._realm, self._journal = realm, journal

    async def issue(self, name: str) -> dict[str, str]:
        """`trunk`, `user`, `password`, `realm`; the password is in this answer and nowhere else, an older one is dead.

        Raises ConfigError for no such trunk, and for one that is not known by digest.
        """
        user = self._user(name)
        await self._journal.receipt(Kind.TRUNK_ISSUED, trunk=name)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        await self._credentials.keep(user, {"kind": "trunk", "ha1": ha1(user, self._realm, password)})
        return {"trunk": name, "user": user, "password": password, "realm": self._realm}

    async def revoke(self, name: str) -> bool:
        """No new call by this password; False when there was none. Raises ConfigError as `issue` does."""
        user = self._user(name)
        if not await self._credentials.revoke(user):
            return False
        self._journal.soon(Kind.TRUNK_REVOKED, trunk=name)
        return True

    def _user(self, name: str) -> str:
        if name not in self._users:
            raise ConfigError(f"trunk: one of {', '.join(sorted(self._users)) or 'none configured'}")
        if not self._users[name]:
            raise ConfigError(f"trunk {name}: not known by digest; set digest_user in its [[trunk]] entry")
        return self._users[name]
