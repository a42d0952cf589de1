"""The rights desk of an open vault, put together once per unsealing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.access.grants import Grants
from quietline.config import Config
from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.log import ORIGIN
from quietline.rights.books import RightsBooks
from quietline.rights.desk import RightsDesk
from quietline.rights.eraser import Eraser
from quietline.rights.erasure import Limits
from quietline.rights.keeping import Keeping
from quietline.rights.ledger_reader import LedgerReader
from quietline.rights.parts import BodyEraser, Parts, Tombstones
from quietline.rights.store import RightsStore
from quietline.vault.blind_index import BlindIndex
from quietline.vault.bodies import Bodies
from quietline.vault.calls import Calls
from quietline.vault.database import Database
from quietline.vault.desk import Desk
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.policies import VaultPolicies
from quietline.vault.records import Records


@dataclass(frozen=True, slots=True)
class Rights:
    """What answers, and what runs by itself."""

    desk: RightsDesk
    keeping: Keeping
    every: float  # seconds between two runs of retention

    def background(self) -> Any:
        """To be run as a task of the open vault."""
        return self.keeping.keep_running(self.every)


class Opened(Protocol):
    """The answering half of the vault, as far as it is needed here."""

    calls: Calls
    desk: Desk
    journal: Journal
    grants: Grants
    records: Records
    policies: VaultPolicies


def open_rights(
    config: Config,
    opened: Opened,
    stored: tuple[Database, Keyring, BlindIndex],
    ledger: BodyEraser,
    tombstones: Tombstones | None,
    country: str,
) -> Rights:
    """Load the books and bar restricted customers from every look. Blocks. Raises TamperError."""
    database, keyring, index = stored
    folder = config.paths.state / "vault"
    signing = Ed25519PrivateKey.from_private_bytes(keyring.secret("ledger/signing"))
    vault = config.vault
    store = RightsStore(database, keyring)
    parts = Parts(
        journal=opened.journal,
        ledger=ledger,
        reader=LedgerReader(folder / "ledger.db", Bodies(keyring)),
        signer=NoteSigner(ORIGIN, signing),
        keyring=keyring,
        index=index,
        records=opened.records,
        grants=opened.grants,
        callbacks=opened.calls.callbacks,
        last_agents=opened.calls.last_agents,
        helpers=opened.calls.assuring.helpers,
        identity=opened.desk.identity,
        policies=opened.policies.in_force,
        store=store,
        limits=Limits(vault.erasure_cooling_seconds, vault.erasures_per_day, vault.erasures_alone),
        tombstones=tombstones,
        legal_country=country,
        now=opened.journal.now,
    )
    books = RightsBooks(store)
    eraser = Eraser(parts, books)
    opened.desk.looks.bar = books.bar
    return Rights(RightsDesk(parts, books, eraser), Keeping(parts, books, eraser), vault.retention_seconds)
