"""How far the orders are in step, on the disk. It holds a time and digests: no order's number, nothing personal."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from quietline.connector.woo import ShopOrder

OVERLAP = 2.0  # seconds asked for again: the shop's times are whole seconds, and one second may hold several orders


@dataclass(frozen=True, slots=True)
class Cursor:
    """`modified`: UTC seconds of the latest order seen. `seen`: digests of those in the overlap before it."""

    modified: float = 0.0
    seen: frozenset[str] = frozenset()

    @property
    def after(self) -> float:
        """From when to ask."""
        return max(0.0, self.modified - OVERLAP)

    def is_new(self, order: ShopOrder) -> bool:
        """Whether this order, as it was modified last, was not seen before."""
        return name_of(order) not in self.seen

    def moved(self, orders: list[ShopOrder]) -> Cursor:
        """Behind these orders."""
        latest = max([self.modified, *(order.modified for order in orders)])
        near = {name_of(order) for order in orders if order.modified > latest - OVERLAP - 1}
        kept = self.seen if latest - self.modified < OVERLAP + 1 else frozenset()
        return replace(self, modified=latest, seen=kept | near)


def name_of(order: ShopOrder) -> str:
    """A digest of the order and when it was modified."""
    return hashlib.sha256(f"{order.id}/{order.modified}".encode()).hexdigest()[:24]


class CursorFile:
    """One file, mode 0600. Methods block."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "shop.json"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self) -> Cursor:
        """Where it stood; the beginning of time where nothing usable is kept: every order is then asked for again."""
        try:
            kept = json.loads(self._path.read_text())
            return Cursor(float(kept["modified"]), frozenset(str(each) for each in kept["seen"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Cursor()

    def save(self, cursor: Cursor) -> None:
        """Durable on return; a crash leaves the old one or the new one."""
        fresh = self._path.with_suffix(".new")
        with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"modified": cursor.modified, "seen": sorted(cursor.seen)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
