"""A chain file as large as the largest we promise: 40 stores, 60 queues, 2,000 agents; the same for the same seed.

Nobody in it exists. Numbers come from the ranges kept for drama (Ofcom: 01632 960000 to 960999).
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from quietline.testing.sample_words import FIRST_NAMES, LAST_NAMES

LANGUAGES = ("en", "fr", "cy", "pl", "ar")
STRATEGIES = ("longest-idle", "least-occupied", "best-skill")
MENU_KEYS = "123456789"


def large_chain(stores: int = 40, queues: int = 60, agents: int = 2_000, seed: int = 2026) -> dict[str, Any]:
    """The file's values. At most 1,000 stores, for so many numbers are reserved."""
    random = Random(seed)  # noqa: S311 - a fiction, not a secret
    shops = [f"store-{number:03d}" for number in range(1, stores)]
    lines = [f"line-{number:02d}" for number in range(queues)]
    return {
        "default_store": "hub",
        "stores": {"hub": _hub(), **{name: _shop(place, name, random) for place, name in enumerate(shops, 1)}},
        "hours": {"shop": _hours("09:00-17:30"), "hub": _hours("08:00-22:00")},
        "queues": {name: _queue(name, random) for name in lines},
        "flows": _flows(lines),
        "agents": [_agent(number, ["hub", *shops], lines, random) for number in range(agents)],
    }


def write_yaml(values: dict[str, Any], indent: str = "") -> str:
    """Block style, texts in quotes where they are values: a file as people write it, one agent a line."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{write_yaml(value, indent + '  ')}")
        elif isinstance(value, list):
            lines.append(f"{indent}{key}:\n" + "".join(f"{indent}  - {json.dumps(each)}\n" for each in value))
        else:
            lines.append(f"{indent}{key}: {json.dumps(value)}\n")
    return "".join(lines)


def _hub() -> dict[str, Any]:
    return {"name": "Service hub", "numbers": ["+441632960000"], "hours": "hub", "flow": "flow-0"}


def _shop(place: int, name: str, random: Random) -> dict[str, Any]:
    return {
        "name": f"Shop {place}",
        "numbers": [f"+441632960{place:03d}"],
        "hours": "shop",
        "flow": f"flow-{place}",
        "agents": "own",
        "overflow": [{"to": "hub", "waiting": random.randint(2, 9), "after": float(random.randint(30, 120))}],
    }


def _hours(weekday: str) -> dict[str, Any]:
    return {
        "zone": "Europe/London",
        "week": {"mon-fri": weekday, "sat": "09:00-17:00", "sun": "closed"},
        "holidays": {"2026-12-25": "Christmas Day"},
    }


def _queue(name: str, random: Random) -> dict[str, Any]:
    return {
        "name": f"Queue {name}",
        "needs": [f"{name}:{random.randint(2, 3)}"],
        "relax": [{"after": 30.0, "needs": [name]}],
        "strategy": random.choice(STRATEGIES),
        "head_start": float(random.choice((0, 0, 0, 30, 60))),
    }


def _flows(lines: list[str]) -> dict[str, Any]:
    """One flow for each nine queues or fewer; stores beyond them share the first ones."""
    groups = [lines[start : start + len(MENU_KEYS)] for start in range(0, len(lines), len(MENU_KEYS))]
    return {f"flow-{number}": _flow(groups[number % len(groups)]) for number in range(max(len(groups), 40))}


def _flow(lines: list[str]) -> dict[str, Any]:
    choices = {key: {"go": line, "label": {"en": f"line {key}"}} for key, line in zip(MENU_KEYS, lines, strict=False)}
    menu = {"do": "menu", "choices": choices, "otherwise": lines[0]}
    return {"steps": {"topic": menu, **{line: {"do": "queue", "queue": line} for line in lines}}}


def _agent(number: int, stores: list[str], lines: list[str], random: Random) -> dict[str, Any]:
    skills = [f"{line}:{random.randint(1, 5)}" for line in random.sample(lines, min(len(lines), random.randint(3, 8)))]
    return {
        "login": f"agent{number:04d}",
        "name": f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
        "store": stores[number % len(stores)],
        "skills": [*skills, f"lang:{random.choice(LANGUAGES)}"],
    }
