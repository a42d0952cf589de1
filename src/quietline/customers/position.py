"""How far an import is, on the disk: after kill -9 the same command goes on behind the last batch that was stored.

Nothing personal is in it. A batch that was stored but not yet noted is sent again and found unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

CHUNK = 1024 * 1024
COUNTS = ("rows", "new", "changed", "unchanged", "duplicates", "rejected", "with_phone")


@dataclass(frozen=True, slots=True)
class Position:
    """`task`: file, mapping and options as one digest. `after`: offset and line. `rejects`: the reject file's bytes."""

    task: str
    after: tuple[int, int] | None = None
    rejects: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def moved(self, after: tuple[int, int], rejects: int, more: dict[str, int]) -> Position:
        """Behind one more batch."""
        counts = {name: self.counts[name] + more.get(name, 0) for name in COUNTS}
        return replace(self, after=after, rejects=rejects, counts=counts)


class PositionFile:
    """One file an import, mode 0600, in a folder of root's. Methods block."""

    def __init__(self, folder: Path, task: str) -> None:
        self._path = folder / f"{task[:32]}.json"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._task = task

    def load(self) -> Position:
        """Where it stands; the beginning where nothing was kept, or what was kept is no longer readable."""
        try:
            kept = json.loads(self._path.read_text())
            position = Position(kept["task"], tuple(kept["after"]), kept["rejects"], dict(kept["counts"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Position(self._task)
        whole = position.task == self._task and set(position.counts) == set(COUNTS)
        return position if whole else Position(self._task)

    def save(self, position: Position) -> None:
        """Durable on return; a crash leaves the old one or the new one."""
        fresh = self._path.with_suffix(".new")
        with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(position), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def done(self) -> None:
        """The import is over."""
        self._path.unlink(missing_ok=True)


def task_of(file: Path, mapping: bytes, *options: str) -> str:
    """A digest that changes with any byte of the file or mapping, and with the options. Blocks."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    parts: tuple[Any, ...] = (mapping.hex(), *options)
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()
