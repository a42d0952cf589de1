"""A right chain file with anything put anywhere: it is read, or refused with the line; never another error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.chain.reading import active_text, read
from quietline.errors import ConfigError
from quietline.files import marked_yaml

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 24)
EXAMPLE: dict[str, Any] = marked_yaml.load(ROOT / "examples" / "chain.yaml").value


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every value is."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*above, key)
        yield from places(below, (*above, key))


PLACES = list(places(EXAMPLE))
WORDS = [
    "", " ", "hub", "shop", "orders", "lang:fr:5", "orders:9", "00:00-24:00", "22:00-06:00", "2027-03-28",
    "2027-03-28 01:30",
    "closed", "+442079460103", "Europe/London", "America/Santiago", "../x", "é", "\U0001f600", "a" * 5_000, "no", "1e3",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(-1e6, 1e6) | st.sampled_from(WORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS[2:12], "do", "to", "open"]), below, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING | st.just(...)), min_size=1, max_size=3))
def test_anything_anywhere(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
    values = copy.deepcopy(EXAMPLE)
    for place, value in changes:
        put(values, place, value)
    text = marked_yaml.dump(values)
    try:
        found = read(marked_yaml.parse(text, "chain.yaml"), ROOT / "examples", TODAY)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.startswith(("chain.yaml:", "and ")) for line in lines), lines
        return
    again = read(marked_yaml.parse(active_text(found.model), "active.yaml"), ROOT / "examples", TODAY)
    assert again.digest == found.digest
    assert again.chain.queues == found.chain.queues
    assert again.chain.stores == found.chain.stores


def put(values: Any, place: tuple[str | int, ...], value: Any) -> None:
    """Replace what is there, or take it away (...); nothing happens where an earlier change took the way."""
    *way, last = place
    for key in way:
        values = values[key] if isinstance(values, dict | list) and _has(values, key) else None
    if isinstance(values, dict | list) and _has(values, last):
        if value is ...:
            del values[last]
        else:
            values[last] = value


def _has(values: dict[str, Any] | list[Any], key: str | int) -> bool:
    return key in values if isinstance(values, dict) else isinstance(key, int) and key < len(values)
