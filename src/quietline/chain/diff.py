"""What one chain file changes of another, by kind and id. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quietline.chain.file import ChainFile

KINDS = ("stores", "queues", "hours", "flows", "prompts")
ADDED, CHANGED, REMOVED = "added", "changed", "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One store, queue, schedule, flow or prompt. `keys`: which of its keys differ, where it was changed."""

    kind: str
    id: str
    change: str  # "added" | "changed" | "removed"
    keys: tuple[str, ...] = ()


def diff(before: ChainFile | None, after: ChainFile) -> list[Change]:
    """Everything that differs but people, by kind, in the new file's order; what is gone comes last."""
    old = before.model_dump(mode="json", by_alias=True, exclude={"agents"}) if before else {}
    new = after.model_dump(mode="json", by_alias=True, exclude={"agents"})
    changes = [change for kind in KINDS for change in _kind(kind, old.get(kind, {}), new[kind])]
    was, now = old.get("default_store"), new["default_store"]
    if was != now:
        word = ADDED if was is None else REMOVED if now is None else CHANGED
        changes.append(Change("default_store", str(now or was), word))
    return changes


def counts(changes: Iterable[Change]) -> dict[str, int]:
    """How many of each: {"stores_added": 2, ...}, for the ledger."""
    return dict(Counter(f"{each.kind}_{each.change}" for each in changes))


def _kind(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name, value in new.items():
        if name not in old:
            yield Change(kind, name, ADDED)
        elif old[name] != value:
            yield Change(kind, name, CHANGED, _keys(old[name], value))
    yield from (Change(kind, name, REMOVED) for name in old if name not in new)


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys that differ; of a flow's steps, which steps: "steps.menu"."""
    names = [name for name in (*new, *(name for name in old if name not in new)) if old.get(name) != new.get(name)]
    return tuple(part for name in names for part in _parts(name, old.get(name), new.get(name)))


def _parts(name: str, old: Any, new: Any) -> list[str]:
    if name != "steps" or not isinstance(old, dict) or not isinstance(new, dict):
        return [name]
    return [f"{name}.{step}" for step in {**old, **new} if old.get(step) != new.get(step)]
