"""`docs/reference/figures.md`, made from bench/out/*.json: python bench/page.py > docs/reference/figures.md"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("out")
NAMES = ("calls", "vault", "ledger", "policy", "relay", "sip_core", "routing")
HEAD = """# Figures

From runs of `python -m bench NAME` (as root; `make bench` runs all) on {day}, on a machine with 2 cores that also
ran the load generators and, at times, the test suite: `load` is the machine's load average where the row was
taken. CPU is that of the product's own processes. What the figures mean, and what they do not, is in
[decision 8](../decisions/0008-figures.md). This page is made by `python bench/page.py`.
"""
TARGETS = {
    "call.cpu_ms_all": "≤ 7",
    "call.cpu_ms_controller": "≤ 3",
    "call.privacy_tax": "≤ 1.6",
    "call.max_cps": "≥ 200",
    "call.invite_to_200_p99_ms": "≤ 100",
    "call.overload_failures": "0",
    "call.held_failures": "0",
    "call.held_p99_ms": "≤ 100",
    "reveal.p99_ms": "≤ 10",
    "relay.prompt_start": "≤ 1",
    "match.p99_us.10000x10000": "≤ 100",
    "match.growth_1k_10k": "≤ 2",
    "simulate.calls_per_s": "≥ 8,333",
    "live.free_to_ring_p99_ms": "≤ 10",
    "live.utilisation": "≥ 0.99",
}


def beside(row: dict[str, Any]) -> str:
    """What the row stands beside, and the ratio."""
    peer = row.get("peer_name") or (row.get("peer") if isinstance(row.get("peer"), str) else "")
    ratio = row.get("ratio")
    return f"{peer} × {ratio}".strip(" ×") if ratio is not None else str(peer)


def section(name: str) -> str:
    rows = json.loads((OUT / f"{name}.json").read_text("utf-8"))
    lines = [f"\n## {name}\n", "| row | value | unit | target | beside × ratio | load |", "|---|---:|---|---|---|---|"]
    for row in rows:
        cells = (row["name"], f"{row['value']:,}", row["unit"], TARGETS.get(row["name"], ""), beside(row))
        lines.append("| `" + "` | ".join((cells[0], " | ".join((*cells[1:], str(row.get("load", "")))))) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    newest = max((OUT / f"{name}.json").stat().st_mtime for name in NAMES if (OUT / f"{name}.json").exists())
    print(HEAD.format(day=time.strftime("%d %B %Y", time.gmtime(newest))), end="")
    for name in NAMES:
        if (OUT / f"{name}.json").exists():
            print(section(name), end="")


if __name__ == "__main__":
    main()
