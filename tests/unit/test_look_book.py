"""The books of who looked: newest first, bounded, and true about how far back they reach."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
from hypothesis import given

from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import Placed
from quietline.vault import look_book
from quietline.vault.look_book import MOST_ROWS, collect


def log(count: int, kind: Kind = Kind.LOOK_ALLOWED) -> Iterator[Placed]:
    """Entries a second apart, newest first."""
    for index in reversed(range(count)):
        yield Placed(index, Entry(kind, float(index), "cu_1", {"agent": f"ag_{index % 2}", "field": "contact.name"}))


def named(entry: Entry) -> dict[str, object]:
    return {"field": (entry.fields or {})["field"]}


def test_rows_are_newest_first_and_say_where_they_stand() -> None:
    answer = collect(log(5), 2.0, named)
    assert [row["entry"] for row in answer["rows"]] == [4, 3, 2]
    assert answer["rows"][0]["at"] == 4.0
    assert answer["from"] == 2.0


def test_it_stops_reading_at_the_time_that_was_asked_for() -> None:
    entries = log(1_000)
    collect(entries, 990.0, named)
    assert next(entries).index == 988


def test_more_rows_than_fit_are_said() -> None:
    answer = collect(log(MOST_ROWS + 10), 0.0, named)
    assert len(answer["rows"]) == MOST_ROWS
    assert answer["from"] == 10.0


def test_no_more_is_read_than_one_question_may(monkeypatch) -> None:
    monkeypatch.setattr(look_book, "MOST_ENTRIES", 100)
    answer = collect(log(1_000), 0.0, lambda entry: None)
    assert answer == {"from": 900.0, "rows": []}


def test_ones_own_looks_are_ones_own() -> None:
    answer = collect(log(10), 0.0, lambda entry: look_book._mine(entry, "ag_1"))
    assert [row["entry"] for row in answer["rows"]] == [9, 7, 5, 3, 1]
    assert {row["what"] for row in answer["rows"]} == {"shown"}


def test_what_is_no_look_is_in_no_book() -> None:
    for row_of in (
        lambda entry: look_book._mine(entry, "ag_1"),
        lambda entry: look_book._of(entry, "brand", {}),
        look_book._alert,
    ):
        assert collect(log(10, Kind.NOTE_WRITTEN), 0.0, row_of)["rows"] == []


def look(store: str, controller: str, kind: Kind = Kind.LOOK_ALLOWED) -> Entry:
    return Entry(kind, 1.0, "cu_1", {"agent": "ag_1", "store": store, "controller": controller, "role": "agent"})


STORES = {"high-street": "brand", "hub": "brand", "station": "franchise-a"}


def test_a_look_from_outside_the_company_is_marked() -> None:
    own = look_book._of(look("station", "franchise-a"), "franchise-a", STORES)
    hub = look_book._of(look("hub", "franchise-a"), "franchise-a", STORES)
    gone = look_book._of(look("closed-store", "franchise-a"), "franchise-a", STORES)
    assert own is not None
    assert hub is not None
    assert gone is not None
    assert (own["outside"], hub["outside"], gone["outside"]) == (False, True, True)
    assert look_book._of(look("station", "franchise-a"), "brand", STORES) is None
    assert look_book._of(look("hub", "franchise-a", Kind.LOOK_REFUSED), "franchise-a", STORES) is None


def test_no_book_names_the_customer() -> None:
    entry = look("station", "franchise-a")
    assert "cu_1" not in str([look_book._mine(entry, "ag_1"), look_book._of(entry, "franchise-a", STORES)])


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 70))
def test_from_is_true(hits: list[bool], since: int) -> None:
    """Every entry that has a row and is not older than `from` is among the rows."""
    entries = [
        Placed(n, Entry(Kind.LOOK_ALLOWED if hit else Kind.FAULT, float(n), "", {"field": ""}))
        for n, hit in enumerate(hits)
    ]
    answer = collect(reversed(entries), float(since), lambda e: named(e) if e.kind is Kind.LOOK_ALLOWED else None)
    wanted = [n for n, hit in enumerate(hits) if hit and n >= answer["from"]]
    assert [row["entry"] for row in answer["rows"]] == wanted[::-1]
