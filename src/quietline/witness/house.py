"""A witness's folder: its key, its memory, the logs it knows.

key         the seed of its Ed25519 key, base64; 0600
memory.db   the newest checkpoint of each log
logs        a log's verifier key on each line; `#` begins a remark
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError
from quietline.ledger.checkpoint import NoteVerifier
from quietline.witness.core import Witness
from quietline.witness.cosignature import Cosigner
from quietline.witness.memory import SqliteMemory

KEY, MEMORY, LOGS = "key", "memory.db", "logs"


def create(folder: Path, name: str) -> Cosigner:
    """A new witness. Raises ConfigError where there is one already, or for a bad name."""
    seed = os.urandom(32)
    cosigner = Cosigner(name, Ed25519PrivateKey.from_private_bytes(seed))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        file = os.open(folder / KEY, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise ConfigError(f"{folder}: there is a witness here already") from None
    with os.fdopen(file, "w") as out:
        out.write(f"{name} {base64.b64encode(seed).decode()}\n")
    SqliteMemory(folder / MEMORY, make=True).close()
    (folder / LOGS).touch(0o644)
    return cosigner


def load_key(folder: Path) -> Cosigner:
    """Raises ConfigError where there is no witness here, or its key file was changed."""
    try:
        name, seed = (folder / KEY).read_text("utf-8").split()
        return Cosigner(name, Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True)))
    except OSError as error:
        raise ConfigError(f"{folder / KEY}: cannot be read ({error.strerror}); `quietline witness init`") from None
    except ValueError:
        raise ConfigError(f"{folder / KEY}: not a name and a key") from None


def trust(folder: Path, vkey: str) -> str:
    """Know one more log; its origin. Harmless for one that is known. Raises ConfigError, also for a second key."""
    verifier, known = NoteVerifier(vkey), load_logs(folder)
    held = known.get(verifier.name)
    if held and held.vkey != verifier.vkey:
        raise ConfigError(f"{verifier.name}: is known with another key; edit {folder / LOGS} if that was changed")
    if not held:
        with (folder / LOGS).open("a", encoding="utf-8") as out:
            out.write(f"{verifier.vkey}\n")
    return verifier.name


def load_logs(folder: Path) -> dict[str, NoteVerifier]:
    """The known logs by origin. Raises ConfigError naming the line."""
    found = {}
    try:
        lines = (folder / LOGS).read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{folder / LOGS}: cannot be read ({error.strerror})") from None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            found.update(_log(f"{folder / LOGS}, line {number}", text))
    return found


def _log(where: str, text: str) -> dict[str, NoteVerifier]:
    try:
        verifier = NoteVerifier(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return {verifier.name: verifier}


def open_witness(folder: Path, clock: Callable[[], float]) -> tuple[Witness, SqliteMemory]:
    """The witness, ready to answer. Raises ConfigError."""
    memory = SqliteMemory(folder / MEMORY)
    return Witness(load_key(folder), load_logs(folder), memory, clock), memory
