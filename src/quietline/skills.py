"""Skills and how well somebody has them: 1 is learning, 3 the usual, 5 could teach it.

Written `orders:4`; a plain `orders` means 3. Languages are skills like any other, `lang:fr` or `lang:fr:5` (BCP 47).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from quietline.errors import ConfigError

LEVELS = range(1, 6)
USUAL = 3
MAX_SKILLS = 100  # of one person
_NAME = re.compile(r"[^\W_][\w.:+-]{0,62}")  # letters of any language; it begins with one, or with a digit


def parse_skill(text: str) -> tuple[str, int]:
    """Name and level. Raises ConfigError naming what is wrong."""
    name, colon, last = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]+", last):
        name, last = text, str(USUAL)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"skill {text!r}: give a name of letters, digits, _ . : + -, such as orders or lang:fr:4")
    if len(last) > 1 or int(last) not in LEVELS:
        raise ConfigError(f"skill {text!r}: the level after the colon is 1 (learning) to 5 (teaches it)")
    return name, int(last)


def parse_skills(texts: Iterable[str]) -> dict[str, int]:
    """All of one person's. Raises ConfigError for one that is given twice, and for more than 100."""
    skills: dict[str, int] = {}
    for text in texts:
        name, level = parse_skill(text)
        if name in skills:
            raise ConfigError(f"skill {name!r}: given twice; give it once, with one level")
        skills[name] = level
    if len(skills) > MAX_SKILLS:
        raise ConfigError(f"skills: at most {MAX_SKILLS} for one person")
    return skills


def read_skills(stored: Iterable[str]) -> dict[str, int]:
    """As stored, by us: what was let in before levels came, whatever its letters, means 3."""
    skills = {}
    for text in stored:
        try:
            name, level = parse_skill(text)
        except ConfigError:
            name, level = text, USUAL
        skills[name] = level
    return skills


def write_skills(skills: Mapping[str, int]) -> list[str]:
    """As stored and as people write it, by name; `parse_skills` reads it again."""
    return [f"{name}:{level}" for name, level in sorted(skills.items())]
