"""Who was erased, kept apart from every backup: a database restored from before an erasure loses the customer again.

`erasures.log` below `state/vault` is append-only: one JSON line an erasure, tokens and a time, no value. A backup takes
a copy along for the day on which the whole machine is lost; a restore never puts that copy in the place of the file,
it adds what is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from quietline.errors import TamperError

NAME = "erasures.log"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One erasure. `classes`: the retention classes that went; `at`: UTC seconds."""

    customer: str
    controller: str
    classes: tuple[str, ...]
    at: float


class Tombstones:
    """The file at `path`. `now`: UTC seconds. Methods block and are safe from several threads.

    `seen` is told how many erasures there are, for databases that lived when one was written (replay.py).
    """

    def __init__(self, path: Path, now: Callable[[], float], seen: Callable[[int], None] = lambda lines: None) -> None:
        self._path, self._now, self._seen = path, now, seen
        self._guard = Lock()
        self.replayed = 0  # customers whom an older database had brought back at the start

    def add(self, customer: str, controller: str, classes: tuple[str, ...]) -> None:
        """Durable on return; said twice, it stands once."""
        self.extend([Tombstone(customer, controller, tuple(sorted(classes)), self._now())])

    def extend(self, tombstones: Iterable[Tombstone]) -> int:
        """Take these in, as far as they are new; how many were. Durable on return."""
        with self._guard:
            held = {_key(each) for each in read_tombstones(self._path)}
            fresh = [each for each in tombstones if _key(each) not in held]
            if fresh:
                self._append(fresh)
                # Crash here: the next start erases once more, which is harmless.
                self._seen(len(held) + len(fresh))
            return len(fresh)

    def every(self) -> list[Tombstone]:
        """All, oldest first. Raises TamperError for a line that is none of ours."""
        return read_tombstones(self._path)

    def _append(self, fresh: list[Tombstone]) -> None:
        lines = "".join(json.dumps(asdict(each)) + "\n" for each in fresh)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            # Crash here: nothing is written. After a torn write the next one begins a line of its own.
            stream.write(_break(stream.seek(0, os.SEEK_END), descriptor) + lines.encode())
            os.fsync(descriptor)


def read_tombstones(path: Path) -> list[Tombstone]:
    """What the file holds; nothing where there is none.

    A last line without its end was torn by a crash before anything was erased. Raises TamperError for any other that
    cannot be read.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):
        read = _read(line)
        if read is None and not _is_torn(line):
            raise TamperError(f"{path.name}: line {number} is damaged; take it from a backup's copy")
        if read:
            found.append(read)
    return found


def _read(line: str) -> Tombstone | None:
    try:
        given = json.loads(line)
        customer, controller, classes = given["customer"], given["controller"], given["classes"]
        return Tombstone(str(customer), str(controller), tuple(map(str, classes)), float(given["at"]))
    except (ValueError, KeyError, TypeError):
        return None


def _is_torn(line: str) -> bool:
    """The beginning of a line of ours that a crash cut off."""
    return not line or (line.startswith('{"customer"'[: len(line)]) and not line.endswith("}"))


def _break(size: int, descriptor: int) -> bytes:
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def _key(each: Tombstone) -> tuple[str, str, tuple[str, ...]]:
    return each.customer, each.controller, each.classes
