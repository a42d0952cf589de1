"""What the ledger leans on, with faults at hand: a sealer in memory and a disk that can stand still or fail."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import QuietlineError, TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.tiles import Tree, pack_entries, tiles_of, tiles_of_level

HELD_SECONDS = 30.0  # a held commit goes on by itself after this long, so that no test hangs


class MemorySealer:
    """A `BodySealer` with a key per subject. `fault` is raised by every seal while it is set."""

    def __init__(self) -> None:
        self._keys: dict[str, AESGCM] = {}
        self.fault: Exception | None = None

    def seal_body(self, subject: str, body: bytes) -> bytes:
        if self.fault:
            raise self.fault
        key = self._keys.setdefault(subject, AESGCM(AESGCM.generate_key(256)))
        nonce = os.urandom(12)
        return nonce + key.encrypt(nonce, body, subject.encode())

    def open_body(self, subject: str, sealed: bytes) -> bytes:
        if subject not in self._keys:
            raise TamperError("sealer: this subject's key is gone")
        return self._keys[subject].decrypt(sealed[:12], sealed[12:], subject.encode())

    def forget(self, subject: str) -> None:
        """Erase the subject's key."""
        del self._keys[subject]


class TroubledDisk:
    """A `Durability` that commits for real, unless told otherwise.

    `fault` is raised in place of each commit while it is set; `fault_after` once, after a commit that did happen.
    """

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.fault_after: Exception | None = None
        self.commits = 0
        self.reached = threading.Event()  # set when a commit has come to a held disk
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        """Commits wait until `release`."""
        self.reached.clear()
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def commit(self, connection: sqlite3.Connection) -> None:
        if not self._go.is_set():
            self.reached.set()
            self._go.wait(HELD_SECONDS)
        if self.fault:
            raise self.fault
        connection.execute("COMMIT")
        self.commits += 1
        if self.fault_after:
            error, self.fault_after = self.fault_after, None
            raise error


def disk_full() -> OSError:
    """What a full disk says."""
    return OSError(28, "No space left on device")


class KeyErased(QuietlineError):
    """What a sealer says of a subject that was erased."""


def rebuild(directory: Path, signer: NoteSigner, entries: list[bytes]) -> None:
    """What whoever holds `signer`'s key can do: a whole, well-formed log of other entries."""
    shutil.rmtree(directory / "tile")
    tree, stored = Tree(), {}
    for entry in entries:
        tree.append(leaf_hash(entry))
    for level, index, raw in tree.take_tiles():
        stored[level, index] = raw
    for tile in tiles_of(tree.size):
        path = directory / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored.get((tile.level, tile.index)) or bytes(tree.partial[tile.level]))
    for tile in tiles_of_level(0, tree.size):
        path = directory / tile.entries_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack_entries(entries[tile.first : tile.first + tile.width]))
    (directory / "checkpoint").write_bytes(signer.sign(Checkpoint(signer.name, tree.size, tree.root).text()))
