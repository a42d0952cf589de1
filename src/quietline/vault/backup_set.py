"""How a backup lies on disk, and which of them have expired. Paths and times only; nothing is encrypted here.

    DIR/data/<stamp>/   records, ledger, staff, … each as NAME.age, and manifest.json
    DIR/keys/<stamp>/   keys.db.age and kms.json.age, and manifest.json: apart, and kept for a shorter time

<stamp> is when it was made, 20261124T185612Z. A set without its manifest was never finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from quietline.errors import ConfigError

FORMAT = 1
DATA, KEYS = "data", "keys"
MANIFEST = "manifest.json"
PARTIAL = ".partial"
SUFFIX = ".age"
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a set: SHA-256 and size of what was encrypted, and SHA-256 of the encrypted file."""

    sha256: str
    size: int
    sealed_sha256: str


@dataclass(frozen=True, slots=True)
class BackupSet:
    """One finished set. `made`: UTC seconds."""

    path: Path
    made: float
    files: Mapping[str, Stored]

    @property
    def stamp(self) -> str:
        return self.path.name

    def sealed(self, name: str) -> Path:
        return self.path / (name + SUFFIX)


def stamp_of(now: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(now, UTC).strftime(_STAMP)


def made_at(stamp: str) -> float | None:
    """UTC seconds; None for what is no stamp."""
    with suppress(ValueError):
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    return None


def sets_in(folder: Path, kind: str) -> list[BackupSet]:
    """Finished sets below `folder`/`kind`, oldest first. Raises ConfigError for a manifest that is none of ours."""
    places = sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else []
    return [_read(path, made) for path in places if (made := made_at(path.name)) is not None and _finished(path)]


def expired(sets: Iterable[BackupSet], keep_seconds: float, now: float) -> list[BackupSet]:
    """Those whose time is over."""
    return [each for each in sets if each.made + keep_seconds <= now]


def remove(path: Path) -> None:
    """The manifest first: half a set counts as none."""
    (path / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(path)


def begin(folder: Path, kind: str, stamp: str) -> Path:
    """An empty folder for a new set, for its owner alone; what earlier runs left half done is gone."""
    (folder / kind).mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in (folder / kind).glob("*" + PARTIAL):
        shutil.rmtree(left)
    if (folder / kind / stamp).exists():
        raise ConfigError(f"{folder / kind / stamp}: is there already; wait a second")
    made = folder / kind / (stamp + PARTIAL)
    made.mkdir(mode=0o700)
    return made


def finish(partial: Path, files: Mapping[str, Stored]) -> Path:
    """Durable and whole under its own name, or not there at all."""
    manifest = {"format": FORMAT, "files": {name: asdict(each) for name, each in files.items()}}
    with (partial / MANIFEST).open("w") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    done = partial.with_name(partial.name.removesuffix(PARTIAL))
    partial.rename(done)
    folder = os.open(done.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return done


def digest(path: Path) -> str:
    """SHA-256, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _finished(path: Path) -> bool:
    return (path / MANIFEST).is_file()


def _read(path: Path, made: float) -> BackupSet:
    try:
        given = json.loads((path / MANIFEST).read_text())
        if given["format"] != FORMAT:
            raise ValueError("format")
        return BackupSet(path, made, {str(name): Stored(**each) for name, each in given["files"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path / MANIFEST}: not a backup's manifest of format {FORMAT}") from None
