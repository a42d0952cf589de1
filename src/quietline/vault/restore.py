"""`quietline restore`: a backup in the place of what is there, checked first, erasures done again before it counts.

The ledger is never rolled back: a present one that is as long stays. Where it is lost, the copy of the backup must be
as long as a mirror's (an exported copy), or it would sign another history than the one that is known outside. Live
calls, sessions and `erasures.log` are not restored. Blocks; run as root, while nothing runs.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from quietline.config import Config
from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteVerifier
from quietline.ledger.export import CHECKPOINT, VKEY
from quietline.ledger.merkle import leaf_hash, tree_hash
from quietline.ledger.store import Head, open_reader, read_head
from quietline.telephony.private_files import owner_ids
from quietline.vault.backup import KEYS_DB, LIVE_ONLY, check, wipe
from quietline.vault.backup_set import DATA, KEYS, BackupSet, digest, sets_in
from quietline.vault.keys import open_keys_database
from quietline.vault.kms_open import NAME as KMS
from quietline.vault.records import open_records_database
from quietline.vault.replay import forget_seen, open_tombstones
from quietline.vault.service import RESTORING
from quietline.vault.tombstones import NAME as ERASURES
from quietline.vault.tombstones import Tombstone, Tombstones, read_tombstones

LEDGER, STAFF = "ledger.db", "staff.db"
FOLDER = RESTORING  # beside `vault`; while it is there the vault does not open
READY = "ready"  # all is decrypted and checked; from here a restore only goes forward


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which backup, by whom. `at`: its stamp, "" for the newest; `identities`: age secret keys; `mirror`: an exported
    ledger, None where there is none and `forked` says that its history may be lost."""

    folder: Path
    identities: tuple[str, ...] = field(repr=False)
    at: str = ""
    mirror: Path | None = None
    forked: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. keys: "backup", "present" (their copy of that day has expired), or "newest" (older data, newer
    keys); ledger: "kept" or "backup"; erased: customers who would have come back."""

    stamp: str
    files: tuple[str, ...]
    keys: str
    ledger: str
    erased: int


def restore_backup(config: Config, wanted: Wanted, now: float) -> Restored:
    """Put it in place. Raises ConfigError where something runs, nothing fits or the ledger would be rolled back;
    TamperError for a damaged backup. Nothing is changed unless everything was checked."""
    refuse_running(config)
    state, waiting = config.paths.state / "vault", config.paths.state / FOLDER
    data = _chosen(sets_in(wanted.folder, DATA), wanted.at)
    keys, which = _keys_for(wanted.folder, data, state)
    _discard(waiting)
    waiting.mkdir(mode=0o700)
    try:
        identities = [_identity(each) for each in wanted.identities]
        for each in (data, keys):
            _unpack(each, identities, waiting)
        ledger = _ledger(state, waiting, wanted)
        _forget_sessions(waiting / STAFF)
    except BaseException:
        _discard(waiting)
        raise
    stones = read_tombstones(waiting / ERASURES) if (waiting / ERASURES).exists() else []
    (waiting / READY).touch()
    files = _swap(config, waiting, state)
    erased = _erase_again(state, stones, now)
    _give(config, state)
    # Crash before this line: the folder is still there, the vault does not open, and the restore is run once more.
    _discard(waiting)
    return Restored(data.stamp, files, which, ledger, erased)


def refuse_running(config: Config) -> None:
    """Raises ConfigError while the product, or the vault alone, answers."""
    for path in (config.paths.supervisor_socket, config.paths.vault_socket):
        with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
            asking.connect(str(path))
            raise ConfigError("restore: it runs; stop it with `quietline down` first")


def interrupted(config: Config) -> bool:
    """Whether a restore was broken off after it began to put files in place."""
    return (config.paths.state / FOLDER).exists()


def _chosen(sets: Sequence[BackupSet], at: str) -> BackupSet:
    fitting = [each for each in sets if not at or each.stamp == at]
    if not fitting:
        known = ", ".join(each.stamp for each in sets[-5:]) or "none"
        raise ConfigError(f"restore: there is no backup {at or 'in this folder'}; there are: {known}")
    return fitting[-1]


def _keys_for(folder: Path, data: BackupSet, state: Path) -> tuple[BackupSet | None, str]:
    """The keys of the same run; where they have expired the present ones, else the newest."""
    sets = sets_in(folder, KEYS)
    same = next((each for each in sets if each.stamp == data.stamp), None)
    if same:
        return same, "backup"
    if (state / KEYS_DB).exists() and (state / KMS).exists():
        return None, "present"
    if sets:
        return sets[-1], "newest"
    raise ConfigError("restore: every copy of the keys has expired and none is here; what is left is noise")


def _unpack(sets: BackupSet | None, identities: Sequence[object], into: Path) -> None:
    for name, stored in sets.files.items() if sets else ():
        sealed, plain = sets.sealed(name) if sets else into, into / Path(name).name
        if not sealed.is_file() or digest(sealed) != stored.sealed_sha256:
            raise TamperError(f"restore: {sealed.name} of {sealed.parent.name}: is missing or was changed")
        try:
            pyrage.decrypt_file(str(sealed), str(plain), list(identities))
        except pyrage.DecryptError:
            raise ConfigError("restore: --identity: it does not open this backup") from None
        plain.chmod(0o600)
        if digest(plain) != stored.sha256:
            raise TamperError(f"restore: {name}: is not what was backed up")
        if plain.suffix == ".db":
            check(plain, name)


def _identity(text: str) -> object:
    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError:
        raise ConfigError("restore: --identity: not an age secret key (AGE-SECRET-KEY-1…)") from None


# -- the ledger


def _ledger(state: Path, waiting: Path, wanted: Wanted) -> str:
    """Which ledger it is to be. Raises ConfigError where it would be rolled back, TamperError for another history."""
    copy = waiting / LEDGER
    if not copy.exists():
        return "kept"
    present, copied = _head(state / LEDGER), _head(copy)
    if present and copied and present.size >= copied.size:
        copy.unlink()
        return "kept"
    if wanted.mirror is None and not wanted.forked:
        raise ConfigError(
            "restore: the ledger is lost, and its copy must not sign before it is known to be whole: give --mirror "
            "DIR, an exported copy; or --forked where there is none and entries since the backup may be lost"
        )
    if wanted.mirror:
        _must_cover(copy, copied, wanted.mirror)
    return "backup"


def _head(path: Path) -> Head | None:
    if not path.exists():
        return None
    try:
        with closing(open_reader(path)) as reader:
            return read_head(reader)
    except (sqlite3.Error, TamperError):
        return None


def _must_cover(copy: Path, head: Head | None, mirror: Path) -> None:
    """The mirror's signed head is of this ledger, and all it says is in the copy."""
    try:
        known = NoteVerifier((mirror / VKEY).read_text().strip()).checkpoint((mirror / CHECKPOINT).read_bytes())
    except OSError as error:
        raise ConfigError(f"restore: --mirror: {mirror}: is no exported ledger ({error.strerror})") from None
    if head is None or head.vkey != (mirror / VKEY).read_text().strip():
        raise TamperError("restore: the mirror is of another ledger than the backup's")
    if known.size > head.size:
        raise ConfigError(
            f"restore: the mirror has {known.size} entries, the backup {head.size}: a newer backup is needed, for "
            "this one would sign another history than the one that is known"
        )
    if _root(copy, known) != known.root:
        raise TamperError("restore: the mirror and the backup tell different histories")


def _root(copy: Path, known: Checkpoint) -> bytes:
    with closing(open_reader(copy)) as reader:
        rows = reader.execute("SELECT record FROM leaf WHERE idx < ? ORDER BY idx", (known.size,))
        return tree_hash([leaf_hash(record) for (record,) in rows])


# -- putting in place


def _forget_sessions(path: Path) -> None:
    """Who was signed out since must not be signed in again."""
    if path.exists():
        with closing(sqlite3.connect(path)) as database:
            for table in ("sessions", "grants"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - two names of ours
            database.commit()


def _swap(config: Config, waiting: Path, state: Path) -> tuple[str, ...]:
    """Each file in the place of the present one. Broken off, the next run does it once more."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = sorted(path.name for path in waiting.iterdir() if path.name not in (READY, ERASURES))
    for name in (*names, *LIVE_ONLY):
        for rest in ("-wal", "-shm"):
            (state / (name + rest)).unlink(missing_ok=True)
    for name in LIVE_ONLY:
        (state / name).unlink(missing_ok=True)
    for name in names:
        shutil.copyfile(waiting / name, state / (name + ".partial"))
        (state / (name + ".partial")).chmod(0o600)
        (state / (name + ".partial")).replace(state / name)
    _sync(state)
    return tuple(names)


def _erase_again(state: Path, stones: list[Tombstone], now: float) -> int:
    """What either log of erasures says, the present one or the backup's `stones`; how many customers it met."""
    log = Tombstones(state / ERASURES, lambda: now)
    same = log.every()[: len(stones)] == stones
    log.extend(stones)
    keys, records = open_keys_database(state), open_records_database(state)
    try:
        if not same:  # another history: what the databases have seen counts lines of the other log
            forget_seen(keys, records)
        return open_tombstones(state, keys, records, lambda: now).replayed
    finally:
        keys.close()
        records.close()


def _discard(folder: Path) -> None:
    """What was decrypted is overwritten before it goes."""
    for path in folder.iterdir() if folder.exists() else ():
        wipe(path)
    if folder.exists():
        folder.rmdir()


def _give(config: Config, state: Path) -> None:
    """Everything belongs to the vault's user again."""
    owner = owner_ids(config.users.vault)
    for path in (state, *state.iterdir()) if owner else ():
        os.chown(path, *(owner or (-1, -1)))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
