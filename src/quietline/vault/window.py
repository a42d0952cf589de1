"""The erasure window: how long after an erasure some copy of the erased keys may still be about. Computed, published.

Live files hold nothing from the moment of the receipt: rows are overwritten (`secure_delete`), the write-ahead log is
truncated before the receipt is signed. What is left are backups of the keys database.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from quietline.config import Config, Vault

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Window:
    """All in seconds.

    cooling: from the request to the erasure; live: from the erasure until live files hold nothing; backups: until the
    last copy of the keys has expired; prune: until a run of `quietline backup` has deleted it; window: after the
    erasure, in all.
    """

    cooling: float
    live: float
    backups: float
    prune: float

    @property
    def window(self) -> float:
        return self.live + self.backups + self.prune

    def closes(self, erased: float) -> float:
        """When nothing is left of what was erased then (UTC seconds, both)."""
        return erased + self.window

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "window": self.window}


def window_of(vault: Vault) -> Window:
    """What the configuration promises, as long as `quietline backup` is run as often as it says."""
    return Window(
        vault.erasure_cooling_seconds, 0.0, vault.backup_keys_days * DAY, vault.backup_every_days * DAY
    )  # fmt: skip


def rows_of(window: Window) -> list[dict[str, Any]]:
    """For people: what, how long in days, why."""
    said = (
        ("may be taken back", window.cooling, "vault.erasure_cooling_seconds: nothing is erased before that"),
        ("in live files", window.live, "rows are overwritten and logs truncated before the receipt"),
        ("in backups of the keys", window.backups, "vault.backup_keys_days"),
        ("until the next backup's clearing", window.prune, "vault.backup_every_days"),
        ("erasure window", window.window, "from the receipt until no copy of a key is left"),
    )
    return [{"what": what, "days": round(seconds / DAY, 2), "why": why} for what, seconds, why in said]


def page(config: Config | None = None) -> str:
    """`docs/reference/erasure-window.md`, for the configuration as it comes."""
    rows = rows_of(window_of((config or Config()).vault))
    table = ["| what | days | why |", "| --- | --- | --- |"]
    table += [f"| {row['what']} | {row['days']:g} | {row['why']} |" for row in rows]
    return "\n".join([HEAD, *table, ""])


HEAD = """\
# Erasure window

Made from `src/quietline/vault/window.py` by `python -m quietline.vault.window`; a test keeps it true. These are the
days of the configuration as it comes; `quietline vault window` prints those of yours, and `--backups DIR` adds the
oldest copy of the keys that stands there now.

Erasure destroys a customer's keys. A backup of everything but the keys is noise without them, so it may be kept long
(`vault.backup_days`); backups of the keys are kept apart and go early. A restore from inside the window brings no one
back: erasures stand in `erasures.log`, which no restore rolls back, and are done again before the vault serves. Copies
that you make by other means (snapshots of a disk) are outside of this: give them the same days.
"""

if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
