"""Revealed ÷ needed, counted by hand: three calls of two agents, and what does not count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.lint import needed
from quietline.access.minimum import NO_QUEUE, NO_REASON, By, Minimum, Score, as_rows
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.vault.schema import FIELDS, Reason

NEEDS = {reason.value: needed(reason, list(FIELDS.values())) for reason in Reason}


def queued(leg: str, queue: str) -> Entry:
    return Entry(Kind.CALL_QUEUED, 1.0, "", {"leg": leg, "queue": queue})


def look(agent: str, grant: str, leg: str, field: str, reason: str = "", at: float = 10.0) -> Entry:
    """A reveal for a reason, or the card without one."""
    fields: dict[str, Any] = {"agent": agent, "grant": grant, "leg": leg, "field": field}
    action = {"action": "reveal", "reason": reason} if reason else {"action": "card"}
    return Entry(Kind.LOOK_ALLOWED, at, "cu_1", {**fields, **action})


CARD = "order.reference order.status order.items"

# By hand. gr_1: Where is my order? Card 3 and the name: 4 of 4, nothing beyond.
# gr_2: advice needs 2; the card shows 3, the name for another reason makes 4 of 2, of them 2 beyond.
# gr_3: another delivery needs 7; the card, phone and address: 5 of 7.
STORY = [
    queued("leg_1", "orders"),
    look("ag_a", "gr_1", "leg_1", CARD),
    look("ag_a", "gr_1", "leg_1", "contact.name", "order_status"),
    look("ag_a", "gr_1", "leg_1", "contact.name", "order_status"),  # opened twice: one field
    queued("leg_2", "advice"),
    look("ag_a", "gr_2", "leg_2", CARD),
    look("ag_a", "gr_2", "leg_2", "order.items", "product_advice"),
    look("ag_a", "gr_2", "leg_2", "contact.name", "order_status"),
    queued("leg_3", "orders"),
    queued("leg_3", "delivery"),  # it overflowed: the queue it was taken from counts
    look("ag_b", "gr_3", "leg_3", CARD),
    look("ag_b", "gr_3", "leg_3", "contact.phone", "delivery_change"),
    look("ag_b", "gr_3", "leg_3", "delivery.address", "delivery_change"),
]


def scored(entries: list[Entry], **times: float) -> Minimum:
    minimum = Minimum(NEEDS, **times)
    minimum.take(entries)
    return minimum


def test_by_reason_as_counted_by_hand() -> None:
    assert scored(STORY).scores(By.REASON) == {
        "delivery_change": Score(calls=1, revealed=5, needed=7),
        "order_status": Score(calls=1, revealed=4, needed=4),
        "product_advice": Score(calls=1, revealed=4, needed=2, beyond=2),
    }


def test_by_agent_as_counted_by_hand() -> None:
    scores = scored(STORY).scores(By.AGENT)
    assert scores == {"ag_a": Score(calls=2, revealed=8, needed=6, beyond=2), "ag_b": Score(1, 5, 7)}
    assert scores["ag_a"].ratio() == pytest.approx(8 / 6)


def test_by_queue_as_counted_by_hand() -> None:
    assert scored(STORY).scores(By.QUEUE) == {
        "advice": Score(1, 4, 2, beyond=2),
        "delivery": Score(1, 5, 7),
        "orders": Score(1, 4, 4),
    }


def test_all_in_one() -> None:
    assert scored(STORY).total() == Score(calls=3, revealed=13, needed=13, beyond=2)


def test_rows_for_a_table() -> None:
    rows = as_rows({"x": Score(3, 13, 12, 2), "y": Score(1, 3, 0)}, By.AGENT)
    assert rows[0] == {
        "agent": "x",
        "calls": 3,
        "revealed": 13,
        "needed": 12,
        "score": 1.08,
        "beyond": 2,
        "by mistake": 0,
    }
    assert rows[1]["score"] is None


def mistaken(agent: str, grant: str, leg: str, field: str) -> Entry:
    return Entry(
        Kind.LOOK_MISTAKEN, 11.0, "cu_1", {"agent": agent, "grant": grant, "leg": leg, "field": field, "look": 3}
    )


def test_what_was_opened_by_mistake_is_counted_apart() -> None:
    opened = [look("ag_a", "gr_1", "leg_1", name, "order_status") for name in ("contact.name", "order.items")]
    closed = mistaken("ag_a", "gr_1", "leg_1", "contact.name")
    assert scored([*opened, closed]).total() == Score(calls=1, revealed=1, needed=4, mistaken=1)


def test_what_is_opened_again_on_purpose_counts_and_the_mistake_stays_one() -> None:
    opened = look("ag_a", "gr_1", "leg_1", "contact.name", "order_status")
    story = [opened, mistaken("ag_a", "gr_1", "leg_1", "contact.name"), opened]
    assert scored(story).total() == Score(calls=1, revealed=1, needed=4, mistaken=1)


def test_a_mistake_about_what_was_not_opened_is_none() -> None:
    opened = look("ag_a", "gr_1", "leg_1", "contact.name", "order_status")
    assert scored([opened, mistaken("ag_a", "gr_1", "leg_1", "order.items")]).total() == Score(1, 1, 4)


def test_a_part_without_a_reason_is_counted_apart() -> None:
    only_card = [queued("leg_9", "orders"), look("ag_a", "gr_9", "leg_9", CARD)]
    minimum = scored(only_card)
    for by in By:
        assert minimum.scores(by) == {NO_REASON: Score(calls=1, revealed=3, needed=0, beyond=3)}
    assert minimum.total() == Score()
    assert Score().ratio() is None


def test_a_call_that_waited_in_no_queue_has_none() -> None:
    assert list(scored([look("ag_a", "gr_1", "leg_1", "contact.name", "order_status")]).scores(By.QUEUE)) == [NO_QUEUE]


def test_a_transferred_call_is_two_parts() -> None:
    first = look("ag_a", "gr_1", "leg_1", "contact.name", "order_status")
    second = look("ag_b", "gr_2", "leg_1", "contact.name", "complaint")
    assert {name: score.calls for name, score in scored([first, second]).scores(By.AGENT).items()} == {
        "ag_a": 1,
        "ag_b": 1,
    }


def test_only_looks_of_the_time_count_and_the_end_is_not_in_it() -> None:
    early, late = (look("ag_a", f"gr_{at}", "leg_1", "contact.name", "order_status", at) for at in (10.0, 20.0))
    assert scored([early, late], since=10.0, until=20.0).total().calls == 1
    assert scored([early, late], since=20.0, until=21.0).total().calls == 1
    assert scored([early, late], since=11.0, until=20.0).total().calls == 0


def test_wrap_up_and_refusals_are_no_reveals() -> None:
    fields = {"agent": "ag_a", "grant": "gr_1", "leg": "leg_1", "field": "order.reference"}
    wrap_up = Entry(Kind.LOOK_ALLOWED, 10.0, "cu_1", {**fields, "action": "wrap_up"})
    refused = Entry(Kind.LOOK_REFUSED, 10.0, "", {**fields, "action": "reveal", "reason": "order_status"})
    asked = look("ag_a", "gr_1", "leg_1", "contact.name", "order_status")
    assert scored([wrap_up, refused, asked]).scores(By.AGENT) == {"ag_a": Score(1, 1, 4)}


def test_looks_without_a_call_make_no_part_of_one() -> None:
    file = {"agent": "ag_o", "action": "access", "field": "all", "reason": "subject_access"}
    later = {"agent": "ag_a", "action": "work", "field": "contact.email", "reason": "complaint", "work": "wg_1"}
    entries = [Entry(Kind.LOOK_ALLOWED, 10.0, "cu_1", fields) for fields in (file, later)]
    assert scored(entries).scores(By.AGENT) == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(FIELDS)), st.sampled_from(list(Reason)))))
def test_however_it_is_grouped_the_sums_are_the_same(opened: list[tuple[str, str, Reason]]) -> None:
    entries = [look(f"ag_{who}", f"gr_{who}", f"leg_{who}", field, reason.value) for who, field, reason in opened]
    minimum = scored(entries)
    for by in By:
        scores = minimum.scores(by).values()
        for name in Score.__slots__:
            assert sum(getattr(score, name) for score in scores) == getattr(minimum.total(), name)
        assert all(0 <= score.beyond <= score.revealed for score in scores)


@given(st.sampled_from(list(Reason)))
def test_all_that_a_reason_needs_scores_one(reason: Reason) -> None:
    entries = [look("ag_a", "gr_1", "leg_1", name, reason.value) for name in NEEDS[reason.value]]
    assert scored(entries).total().ratio() == 1
