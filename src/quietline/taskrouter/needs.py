"""A condition of TaskRouter's as a need of ours: a skill, its level, a language. What is neither has no counterpart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from quietline.taskrouter.expression import Compare, Name, Tree

LANGUAGE = frozenset({"language", "languages", "lang", "selected_language", "spoken_language"})
SKILLS = frozenset({"skill", "skills", "routing.skills"})


def need(condition: Tree) -> str | None:
    """One condition as a need, as the chain file writes it ("lang:fr", "returns:4"), or None."""
    if not isinstance(condition, Compare):
        return None
    name, op, value = _sides(condition)
    if name is None:
        return None
    if isinstance(value, str) and op in ("==", "HAS") and name.last in LANGUAGE:
        return f"lang:{slug(value)[:2]}" if re.match(r"[A-Za-z]{2}([-_]|$)", value) else None
    if isinstance(value, str) and op in ("==", "HAS") and name.last in SKILLS:
        return slug(value)
    if value is True and op == "==":
        return slug(name.last)
    if isinstance(value, float) and not isinstance(value, bool) and op in (">=", ">"):
        least = int(value) + (op == ">")
        return f"{slug(name.last)}:{least}" if value == int(value) and 1 <= least <= 5 else None
    return None


def _sides(condition: Compare) -> tuple[Name | None, str, Any]:
    """Attribute, operator, value, whichever side they stand on; `"x" IN skills` is `skills HAS "x"`."""
    left, op, right = condition.left, condition.op, condition.right
    if isinstance(left, Name) and not isinstance(right, Name | tuple):
        return left, op, right
    if isinstance(right, Name) and not isinstance(left, Name | tuple):
        turned = {"IN": "HAS", "==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
        return right, turned.get(op, "?"), left
    return None, op, None


def same_on_both_sides(condition: Tree) -> bool:
    """Whether it compares an attribute with an attribute: a worker's with the task's."""
    return isinstance(condition, Compare) and isinstance(condition.left, Name) and isinstance(condition.right, Name)


def merged(needs: Iterable[str]) -> list[str]:
    """Each skill once, at the highest level asked."""
    best: dict[str, int] = {}
    for need in needs:
        skill, colon, level = need.rpartition(":")
        if not (colon and level.isdigit()):
            skill, level = need, "0"
        best[skill] = max(best.get(skill, 0), int(level))
    return [f"{skill}:{level}" if level else skill for skill, level in best.items()]


def slug(text: str) -> str:
    """A word of a-z, 0-9 and -, from any text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48] or "unnamed"
