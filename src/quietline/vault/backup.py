"""`quietline backup`: every database of the vault while it serves, encrypted to you, read back before it counts.

Each database is one consistent moment (SQLite's online backup). Keys come last, so that every record has its key;
a record whose key was erased in between is noise, as it should be. Blocks; run as root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyrage

from quietline.config import Config
from quietline.errors import ConfigError, TamperError, Unavailable
from quietline.vault.backup_set import (
    DATA,
    KEYS,
    SUFFIX,
    BackupSet,
    Stored,
    begin,
    digest,
    expired,
    finish,
    remove,
    sets_in,
    stamp_of,
)
from quietline.vault.kms_open import NAME as KMS
from quietline.vault.tombstones import NAME as ERASURES
from quietline.vault.window import DAY

KEYS_DB = "keys.db"
LIVE_ONLY = frozenset({"grants.db"})  # of live calls: nothing a restored vault could use
_CHUNK = 1 << 20
_WAIT = 30.0  # seconds for a database that is busy


@dataclass(frozen=True, slots=True)
class Made:
    """What a run did. `removed`: expired sets, as DIR/kind/stamp."""

    stamp: str
    files: dict[str, int]  # name -> bytes before encryption
    removed: tuple[str, ...]


def make_backup(config: Config, folder: Path, recipients: Sequence[str], now: float) -> Made:
    """A new backup below `folder`, then expired ones removed. `recipients`: age public keys (age1…).

    Raises ConfigError for no recipient or a wrong one and where there is no vault, Unavailable where a database cannot
    be read, TamperError where what was written does not read back.
    """
    state, stamp = config.paths.state / "vault", stamp_of(now)
    if not (state / KEYS_DB).exists() or not (state / KMS).exists():
        raise ConfigError(f"backup: there is no vault below {config.paths.state}; `quietline vault init` makes it")
    sealer = _Sealer(recipients)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _scratch(config.paths.state) as scratch:
        data = _store(sealer, begin(folder, DATA, stamp), _data_files(state), scratch)
        keys = _store(sealer, begin(folder, KEYS, stamp), [state / KEYS_DB, state / KMS], scratch)
    # Crash here: neither counts. After the first line: keys without data, which expire like any.
    finish(folder / KEYS / (stamp + ".partial"), keys)
    finish(folder / DATA / (stamp + ".partial"), data)
    sizes = {name: each.size for name, each in {**data, **keys}.items()}
    return Made(stamp, sizes, tuple(clear_expired(config, folder, now)))


def clear_expired(config: Config, folder: Path, now: float) -> Iterator[str]:
    """Remove what has expired by the configuration; says which."""
    limits = {KEYS: config.vault.backup_keys_days * DAY, DATA: config.vault.backup_days * DAY}
    for kind, keep in limits.items():
        for old in expired(sets_in(folder, kind), keep, now):
            remove(old.path)
            yield f"{kind}/{old.stamp}"


def oldest_keys(folder: Path) -> BackupSet | None:
    """The oldest copy of the keys that stands there."""
    return next(iter(sets_in(folder, KEYS)), None)


def _data_files(state: Path) -> list[Path]:
    """Databases first, the log of erasures last: it is never older than they are."""
    databases = sorted(path for path in state.glob("*.db") if path.name not in LIVE_ONLY | {KEYS_DB})
    return [*databases, *(path for path in [state / ERASURES] if path.exists())]


def _store(sealer: _Sealer, target: Path, files: Sequence[Path], scratch: Path) -> dict[str, Stored]:
    return {path.name: sealer.seal(_snapshot(path, scratch), target / (path.name + SUFFIX)) for path in files}


def _snapshot(path: Path, scratch: Path) -> Path:
    """A copy of one moment."""
    copy = scratch / path.name
    if path.suffix != ".db":
        shutil.copyfile(path, copy)
        return copy
    try:
        reading = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_WAIT)
        with closing(reading) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)  # all pages in one read transaction
            target.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.Error as error:
        raise Unavailable(
            f"backup: {path.name}: cannot be read ({getattr(error, 'sqlite_errorname', 'SQLite')}); try again"
        ) from None
    check(copy, path.name)
    return copy


def check(path: Path, name: str) -> None:
    """Raises TamperError for a database that is damaged."""
    try:
        with closing(sqlite3.connect(path)) as database:
            said = database.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError:
        said = "not a database"
    if said != "ok":
        raise TamperError(f"backup: {name}: is damaged; SQLite's integrity check fails")


class _Sealer:
    """Encrypts to the recipients, and for this run alone to itself: what was written is read back whole."""

    def __init__(self, recipients: Sequence[str]) -> None:
        if not recipients:
            raise ConfigError("backup: --recipient: give the age public key (age1…) of whoever may restore it")
        self._ours = pyrage.x25519.Identity.generate()
        self._to = [_recipient(each) for each in recipients] + [self._ours.to_public()]

    def seal(self, plain: Path, target: Path) -> Stored:
        """`plain` is overwritten and deleted."""
        stored_plain, size = digest(plain), plain.stat().st_size
        pyrage.encrypt_file(str(plain), str(target), self._to)
        target.chmod(0o600)
        descriptor = os.open(target, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if decrypted_digest(target, [self._ours]) != stored_plain:
            raise TamperError(f"backup: {target.name}: what was written does not read back; is the disk sound?")
        wipe(plain)
        return Stored(stored_plain, size, digest(target))


class _Digest:
    """A stream that keeps nothing of what is written to it but its SHA-256."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, chunk: bytes) -> int:
        self.sha256.update(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Nothing is held back."""


def decrypted_digest(sealed: Path, identities: Sequence[object]) -> str:
    """SHA-256 of what is in it, hex."""
    into = _Digest()
    with sealed.open("rb") as stream:
        pyrage.decrypt_io(stream, into, list(identities))
    return into.sha256.hexdigest()


def _recipient(text: str) -> object:
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise ConfigError("backup: --recipient: not an age public key; it begins with age1") from None


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """A folder for copies not yet encrypted, beside their originals, for root alone; overwritten when left."""
    folder = state / "backup.tmp"
    if folder.exists():
        _clear(folder)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _clear(folder)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        wipe(path)
    folder.rmdir()


def wipe(path: Path) -> None:
    """Overwrite once, then delete: a copy of wrapped keys must not outlive its backup on the disk."""
    size = path.stat().st_size
    with suppress(FileNotFoundError), path.open("r+b", buffering=0) as stream:
        for start in range(0, size, _CHUNK):
            stream.write(bytes(min(_CHUNK, size - start)))
        os.fsync(stream.fileno())
    path.unlink()
