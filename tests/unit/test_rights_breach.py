"""Whom did an account see, and what has to be told to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.rights.breach import Answer, classes_of, duties, whom_did_it_see
from quietline.rights.ledger_reader import Placed
from quietline.vault.schema import FIELDS, DataClass

MALLORY, T0 = "ag_mallory", 1_795_000_000.0
HOUR = 3_600.0


def look(customer: str = "cu_1", at: float = T0, kind: Kind = Kind.LOOK_ALLOWED, **fields: Any) -> Placed:
    known = {"agent": MALLORY, "field": "contact.phone", "reason": "delivery_change", **fields}
    return Placed(0, Entry(kind, at, customer, known))


def asked(*entries: Placed, since: float = T0 - HOUR, until: float = T0 + HOUR) -> dict[str, Any]:
    return whom_did_it_see(entries, MALLORY, since, until).view()


def test_customers_are_told_by_token_with_classes_counts_and_times() -> None:
    answer = asked(
        look(),
        look(at=T0 + 60, field="delivery.address"),
        look("cu_2", at=T0 + 5, field="order.reference order.status", reason="card"),
    )
    assert answer["count"] == 2
    first, second = answer["customers"]
    assert (first["customer"], second["customer"]) == ("cu_1", "cu_2")
    assert first["classes"] == {"contact": 1, "delivery": 1}
    assert (first["first"], first["last"]) == ("2026-11-18T11:06:40Z", "2026-11-18T11:07:40Z")
    assert second["classes"] == {"invoice": 2}
    assert answer["classes"] == {"contact": 1, "delivery": 1, "invoice": 2}
    assert first["reasons"] == {"delivery_change": 2}


@pytest.mark.parametrize(
    "other",
    [
        look(agent="ag_honest"),
        look(at=T0 - HOUR - 1),
        look(at=T0 + HOUR),  # up to and without
        look(kind=Kind.NOTE_WRITTEN),
        Placed(0, Entry(Kind.LOOK_ALLOWED, T0, "cu_1", None)),
    ],
)
def test_what_is_not_its_look_in_this_time_is_left_out(other: Placed) -> None:
    assert asked(other)["count"] == 0


def test_the_first_moment_counts_and_the_last_does_not() -> None:
    assert asked(look(at=T0 - HOUR))["count"] == 1


def test_refusals_are_counted_by_why() -> None:
    answer = asked(*[look("", kind=Kind.LOOK_REFUSED, why="other-store")] * 3)
    assert (answer["refused"], answer["count"], answer["entries"]) == ({"other-store": 3}, 0, 3)


def test_a_file_of_everything_is_every_class() -> None:
    (seen,) = asked(look(field="all"))["customers"]
    assert set(seen["classes"]) == {each.value for each in DataClass}


def test_a_field_of_no_schema_is_counted_too() -> None:
    assert classes_of("contact.phone nobody.knows") == ["contact", "other"]
    assert classes_of("") == []


@given(st.lists(st.tuples(st.sampled_from(["cu_1", "cu_2"]), st.sampled_from(sorted(FIELDS))), max_size=20))
def test_every_look_is_counted_once_in_any_order(looks: list[tuple[str, str]]) -> None:
    entries = [look(customer, field=name) for customer, name in looks]
    answer = asked(*entries)
    assert sum(each["looks"] for each in answer["customers"]) == len(looks)
    assert asked(*reversed(entries)) == answer


def test_a_hundred_thousand_entries_are_read_in_one_pass() -> None:
    def many() -> Iterator[Placed]:
        for place in range(100_000):
            yield look(f"cu_{place % 700}", at=T0 + place % 60, agent=MALLORY if place % 10 == 0 else "ag_other")

    answer = whom_did_it_see(many(), MALLORY, T0, T0 + HOUR).view()
    assert (answer["entries"], answer["count"]) == (10_000, 70)


# -- what to do


def answer_of(*entries: Placed) -> Answer:
    return whom_did_it_see(entries, MALLORY, T0 - HOUR, T0 + HOUR)


def test_the_clock_runs_from_when_one_learned_of_it() -> None:
    told = duties(answer_of(look()), aware=T0, now=T0 + 12 * HOUR)
    assert told["aware"] == "2026-11-18T11:06:40Z"
    assert told["authority_by"] == "2026-11-21T11:06:40Z"
    assert told["hours_left"] == 60.0
    assert duties(answer_of(look()), aware=T0, now=T0 + 80 * HOUR)["hours_left"] == -8.0


def test_the_authority_is_told_what_article_33_lists() -> None:
    text = "\n".join(duties(answer_of(look(), look("cu_2")), T0, T0)["authority"])
    assert "about 2 customers and 2 looks" in text
    for paragraph in ("33(3)(a)", "33(3)(b)", "33(3)(c)", "33(3)(d)", "33(1)"):
        assert paragraph in text


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((), "nobody to tell"),
        ((look(field="order.status"),), "weigh the risk"),
        ((look(field="contact.name"),), "without undue delay"),
        ((look(field="order.status"), look("cu_2", field="delivery.address")), "without undue delay"),
    ],
)
def test_whom_to_tell_follows_from_what_was_opened(entries: tuple[Placed, ...], said: str) -> None:
    told = duties(answer_of(*entries), T0, T0)
    assert said in told["customers"]
    assert "33(5)" in told["record"]
