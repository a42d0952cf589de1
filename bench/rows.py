"""Rows of one file that several benches fill: each replaces its own and leaves the others'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("out")
Row = dict[str, Any]


def keep(bench: str, rows: Sequence[Row], own: str) -> None:
    """Put these rows into bench/out/BENCH.json in place of those whose name begins with one of `own` (by spaces)."""
    path = OUT / f"{bench}.json"
    old = json.loads(path.read_text("utf-8")) if path.exists() else []
    others = [row for row in old if not row["name"].startswith(tuple(own.split()))]
    OUT.mkdir(exist_ok=True)
    path.write_text(json.dumps([*others, *rows], indent=1) + "\n", "utf-8")
