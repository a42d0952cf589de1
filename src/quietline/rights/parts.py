"""What the rights desk is given by the vault, and what it asks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from quietline.access.cedar import Rules
from quietline.access.grants import Grants
from quietline.access.identity import Identity
from quietline.ledger.checkpoint import NoteSigner
from quietline.rights.erasure import Limits
from quietline.rights.ledger_reader import LedgerReader
from quietline.rights.store import RightsStore
from quietline.vault.blind_index import BlindIndex
from quietline.vault.callbacks import Callbacks
from quietline.vault.helpers import Helpers
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.last_agent import LastAgents
from quietline.vault.records import Records


class BodyEraser(Protocol):
    """The ledger, as an erasure needs it."""

    async def erase(self, subject: str) -> int:
        """Delete the bodies sealed under this subject; how many. Raises LedgerUnavailable: ask again."""


class Tombstones(Protocol):
    """Kept apart from every backup, so that a restore replays erasures before it serves."""

    def add(self, customer: str, controller: str, classes: tuple[str, ...]) -> None:
        """Durable on return; said twice, it stands once. Blocks."""


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """The open vault's parts. `legal_country`: ISO 3166, by whose rules national phone numbers are read."""

    journal: Journal
    ledger: BodyEraser
    reader: LedgerReader
    signer: NoteSigner
    keyring: Keyring
    index: BlindIndex
    records: Records
    grants: Grants
    callbacks: Callbacks
    last_agents: LastAgents
    helpers: Helpers
    identity: Identity
    policies: Rules
    store: RightsStore
    limits: Limits
    tombstones: Tombstones | None
    legal_country: str
    now: Callable[[], float] = field(repr=False)
