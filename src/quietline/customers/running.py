"""An import from end to end: batch after batch to the vault, the next one read meanwhile; rejects and position kept."""

from __future__ import annotations

import asyncio
import csv
import io
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from quietline.customers.batches import Batch
from quietline.customers.position import Position
from quietline.errors import ConfigError

TWIN = "stored, but another customer has the same phone, e-mail, loyalty number or order"
HEAD = b"row,reason\r\n"
Store = Callable[[list[dict[str, Any]]], Awaitable[dict[str, Any]]]  # the vault's `customers_import`


class Keeper(Protocol):
    """Where the position is kept."""

    def save(self, position: Position) -> None:
        """Durable on return."""


class RejectFile:
    """Rows that were not stored, by number and reason and without their values; mode 0600. Methods block."""

    def __init__(self, path: Path, keep: int) -> None:
        """Goes on behind the first `keep` bytes, 0 for a new file. Raises ConfigError where it cannot be written."""
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(f"{path}: the reject file cannot be written ({error.strerror}); see --rejects") from None
        os.fchmod(handle, 0o600)
        self._file = os.fdopen(handle, "r+b")
        self._file.truncate(keep)
        self._file.seek(keep)
        if not keep:
            self._file.write(HEAD)

    def add(self, rows: list[tuple[int, str]]) -> int:
        """Durable on return; how long the file is now, in bytes."""
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class ImportRun:
    """`told`: called with the position behind every batch, for the progress bar."""

    store: Store
    rejects: RejectFile
    keeper: Keeper | None  # None for a dry run: nothing was stored that one could go on behind
    told: Callable[[Position], None] = lambda position: None

    async def run(self, batches: Iterator[Batch], position: Position) -> Position:
        """Everything from the position on. Raises what `store` raises; what was stored until then is kept."""
        batch = await asyncio.to_thread(next, batches, None)
        while batch is not None:
            answer, following = await self._store_and_read(batch, batches)
            # Crash here: the batch is stored, and not noted: it is sent again and found unchanged.
            position = await asyncio.to_thread(self._noted, position, batch, answer)
            self.told(position)
            batch = following
        return position

    async def _store_and_read(self, batch: Batch, batches: Iterator[Batch]) -> tuple[dict[str, Any], Batch | None]:
        try:
            async with asyncio.TaskGroup() as group:
                storing = group.create_task(self._stored(batch))
                reading = group.create_task(asyncio.to_thread(next, batches, None))
        except ExceptionGroup as broken:
            raise broken.exceptions[0] from None
        return storing.result(), reading.result()

    async def _stored(self, batch: Batch) -> dict[str, Any]:
        return await self.store(batch.customers) if batch.customers else {}

    def _noted(self, position: Position, batch: Batch, answer: dict[str, Any]) -> Position:
        rejected = [(batch.lines[place][0], reason.lstrip(":, ")) for place, reason in answer.get("rejected", [])]
        skipped = {place for place, _ in answer.get("rejected", [])}
        twins = [place for place in answer.get("duplicates", []) if place not in skipped]
        told = [*batch.rejected, *rejected, *((batch.lines[place][0], TWIN) for place in twins)]
        length = self.rejects.add(sorted(told))
        counts = {name: answer.get(name, 0) for name in ("new", "changed", "unchanged", "with_phone")}
        counts |= {
            "rows": batch.rows,
            "duplicates": len(answer.get("duplicates", [])),
            "rejected": len(batch.rejected) + len(rejected),
        }
        moved = position.moved(batch.after, length, counts)
        if self.keeper:
            self.keeper.save(moved)
        return moved
