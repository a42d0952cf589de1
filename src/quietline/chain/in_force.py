"""The stores as the vault knows them: those of the applied chain file, or else the TOML file's.

`quietline apply` writes the chain as JSON (which is YAML too) where root alone writes, so the vault needs neither YAML
nor the file's models to read ids, numbers and controllers of it. A change is seen at the next use; a file that cannot
be read leaves the stores as they were, and that is logged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from quietline.config import Config, Store

log = structlog.get_logger()


def chain_folder(state: Path) -> Path:
    """Where the applied chain lives: root writes, everybody reads."""
    return state / "chain"


def active_path(state: Path) -> Path:
    """The chain that is in force. Absent: nothing was applied yet."""
    return chain_folder(state) / "active.yaml"


def in_force(config: Config) -> Config:
    """The configuration with the stores of now in place of its own: for what is made at the start, such as the edge's
    list of our own numbers."""
    return replace(config, stores=tuple(StoresInForce(config)))


class StoresInForce:
    """An iterable of the stores of now."""

    def __init__(self, config: Config) -> None:
        self._path = active_path(config.paths.state)
        self._seen: tuple[int, int] | None = None
        self._stores = config.stores
        self._by_number = _by_number(config.stores)

    def __iter__(self) -> Iterator[Store]:
        self._look()
        return iter(self._stores)

    def by_number(self, dialled: str) -> Store | None:
        """The store that a dialled number leads to, E.164; None for a number that is in no list."""
        self._look()
        return self._by_number.get(dialled)

    def _look(self) -> None:
        """Read the file when it is another one than before: it is replaced, never written to."""
        try:
            found = self._path.stat()
        except OSError:
            return
        mark = (found.st_ino, found.st_mtime_ns)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._stores = _stores(json.loads(self._path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            log.error("the applied chain cannot be read; the stores stay as they were")
            return
        self._by_number = _by_number(self._stores)


def _stores(chain: dict[str, Any]) -> tuple[Store, ...]:
    return tuple(
        Store(name, each["name"], tuple(each.get("numbers", ())), each.get("controller", "brand"))
        for name, each in chain["stores"].items()
    )


def _by_number(stores: tuple[Store, ...]) -> dict[str, Store]:
    return {number: store for store in stores for number in store.numbers}
