"""A vault with a privacy officer, a second person, an auditor and customers, for the tests of the rights desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import LedgerReader
from quietline.testing.vault_house import ANA, PASSWORD, VaultHouse
from quietline.vault.bodies import Bodies

PHONE, EMAIL = "020 7946 0001", "ana@example.com"
BEN = {
    "key": "C-1002",
    "controller": "brand",
    "fields": {"contact.name": "Ben Sample", "contact.phone": "020 7946 0002", "contact.email": "ben@example.com"},
    "orders": [],
}
CLEO = {
    "key": "F-1",
    "controller": "franchise-a",
    "fields": {"contact.name": "Cleo Model", "contact.phone": "020 7946 0003"},
    "orders": [],
}
PEOPLE = {"dora": "privacy_officer", "dan": "privacy_officer", "adam": "administrator", "una": "auditor"}


@dataclass
class RightsHouse:
    """The vault, and who is signed in: login -> session's token."""

    house: VaultHouse
    sessions: dict[str, str] = field(default_factory=dict, repr=False)
    agents: dict[str, str] = field(default_factory=dict)

    async def asks(self, operation: str, login: str = "dora", **fields: Any) -> dict[str, Any]:
        """One question in somebody's name."""
        return await self.house.admin.call(operation, session=await self.session(login), **fields)

    async def session(self, login: str) -> str:
        """Who is not signed in yet has their account made: passwords take their time."""
        if login not in self.sessions:
            account = {"login": login, "name": f"{login.title()} Example", "password": PASSWORD, "store": "high-street"}
            await self.house.admin.call("staff_add", role=PEOPLE.get(login, "agent"), **account)
            answer = await self.house.admin.call("console_sign_in", login=login, password=PASSWORD)
            self.sessions[login] = str(answer["session"])
        return self.sessions[login]

    async def opens(self, right: str, value: str = PHONE, **more: Any) -> str:
        """A request's token; identified in two independent ways."""
        asked = {"field": "contact.phone", "methods": ["call-back", "shop-account"], **more}
        return str((await self.asks("right_open", right=right, value=value, **asked))["id"])

    async def erases(self, *requests: str, **more: str) -> dict[str, str]:
        """The receipts, by request."""
        return dict((await self.asks("right_erase", requests=list(requests), **more))["receipts"])

    async def customer(self, value: str = "+442079460001", name: str = "contact.phone", at: str = "brand") -> str:
        """The customer's token, as the vault's own index gives it; "" for nobody."""
        parts = self.parts.eraser._parts
        return await asyncio.to_thread(parts.index.find, at, name, value)

    @property
    def parts(self) -> Any:
        """The rights desk inside."""
        opened = self.house.service._open
        assert opened is not None
        return opened.rights.desk

    def entries(self, *kinds: Kind) -> list[Entry]:
        """The ledger's entries that still have a body, of these kinds or all."""
        keyring = self.parts.eraser._parts.keyring
        reader = LedgerReader(self.folder / "ledger.db", Bodies(keyring))
        return [placed.entry for placed in reader.all() if not kinds or placed.entry.kind in kinds]

    async def eva(self) -> tuple[str, str]:
        """An agent with current certificates: token and session."""
        if "eva" not in self.sessions:
            self.agents["eva"] = await self.house.agent()
            self.sessions["eva"] = await self.house.signed_in("eva")
        return self.agents["eva"], self.sessions["eva"]

    @property
    def folder(self) -> Path:
        return self.house.config.paths.state / "vault"

    async def restarts(self) -> None:
        """As after a crash; sessions are kept."""
        await self.house.restart()
        for _ in range(200):
            if self.house.service._open is not None:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def rights_house(folder: Path, **vault: Any) -> AsyncIterator[RightsHouse]:
    """Ana and Ben at the brand, Cleo at a franchisee; erasures do not cool, retention runs by hand."""
    limits: dict[str, Any] = {"erasure_cooling_seconds": 0.0, "retention_seconds": 0.0, "second_factor_roles": ()}
    async with VaultHouse(folder, **{**limits, **vault}) as house:
        await house.admin.import_customers([ANA, BEN, CLEO])
        yield RightsHouse(house)


def files_with(folder: Path, needle: bytes) -> list[str]:
    """Which files below `folder` hold these bytes, write-ahead logs too."""
    return sorted(str(path.name) for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes())
