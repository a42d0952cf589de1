"""Whose time is over."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.rights.retention import Due, Plan, Stored, plan
from quietline.vault.schema import CLASSES, FIELDS, DataClass, Since

TODAY = 20_000
NAMES = {
    DataClass.CONTACT: "contact.phone",
    DataClass.DELIVERY: "delivery.address",
    DataClass.INVOICE: "order.total",
    DataClass.SERVICE: "service.note",
    DataClass.RECORDING: "recording.key",
    DataClass.CONSENT: "consent.choice",
}


def value(data_class: DataClass, days_ago: int, record: str = "re_1", customer: str = "cu_1") -> Stored:
    day = 0 if days_ago < 0 else TODAY - days_ago
    return Stored(customer, record, day, NAMES[data_class], data_class.value)


def due_of(*stored: Stored, held: frozenset[str] = frozenset()) -> Plan:
    return plan(stored, TODAY, held)


@pytest.mark.parametrize("data_class", DataClass)
def test_a_value_goes_the_day_after_its_time(data_class: DataClass) -> None:
    days = CLASSES[data_class].days
    assert due_of(value(data_class, days)).due == []
    over = due_of(value(data_class, days + 1))
    assert over.due == [Due("cu_1", (data_class.value,), ())]
    assert over.values == Counter({data_class.value: 1})


def test_a_new_order_keeps_the_contact_but_not_the_old_note() -> None:
    years = 5 * 366
    made = due_of(
        value(DataClass.CONTACT, years),
        value(DataClass.SERVICE, years, "re_2"),
        value(DataClass.INVOICE, 3, "re_3"),
    )
    assert made.due == [Due("cu_1", ("service",), ())]


def test_an_old_order_goes_alone_while_a_newer_one_stays() -> None:
    old, new = value(DataClass.INVOICE, 3_000, "re_1"), value(DataClass.INVOICE, 10, "re_2")
    made = due_of(old, new)
    assert made.due == [Due("cu_1", (), (old,))]
    assert made.values == Counter({"invoice": 1})


def test_customers_do_not_keep_each_others_data() -> None:
    mine, theirs = value(DataClass.CONTACT, 2_000), value(DataClass.CONTACT, 1, "re_9", "cu_2")
    assert [each.customer for each in due_of(mine, theirs).due] == ["cu_1"]


def test_a_legal_hold_wins_and_is_counted() -> None:
    made = due_of(value(DataClass.SERVICE, 5_000), held=frozenset({"cu_1"}))
    assert (made.due, made.held) == ([], 1)
    assert due_of(value(DataClass.SERVICE, 5), held=frozenset({"cu_1"})).held == 0


def test_what_has_no_day_is_never_due_and_is_counted() -> None:
    made = due_of(value(DataClass.SERVICE, -1), value(DataClass.RECORDING, -1, "re_2"))
    assert (made.due, made.undated) == ([], 2)


def test_a_run_over_nothing_is_a_report_of_nothing() -> None:
    assert due_of().report() == {"customers": 0, "values": {}, "held": 0, "undated": 0}


def test_the_report_has_counts_only() -> None:
    report = due_of(value(DataClass.SERVICE, 5_000), value(DataClass.RECORDING, 5_000, "re_2")).report()
    assert report == {"customers": 1, "values": {"recording": 1, "service": 1}, "held": 0, "undated": 0}
    assert "cu_1" not in repr(due_of(value(DataClass.SERVICE, 5_000)).due)


VALUES = st.lists(
    st.builds(
        value,
        st.sampled_from(list(DataClass)),
        st.integers(-1, 4_000),
        st.sampled_from(["re_1", "re_2", "re_3"]),
        st.sampled_from(["cu_1", "cu_2"]),
    ),
    max_size=12,
).map(lambda each: sorted(each, key=lambda one: one.customer))


@given(VALUES)
def test_whole_classes_and_single_values_never_overlap_and_miss_nothing(stored: list[Stored]) -> None:
    made = due_of(*stored)
    for due in made.due:
        mine = [each for each in stored if each.customer == due.customer]
        for data_class in due.classes:
            assert all(_over(each, mine) for each in mine if each.data_class == data_class)
        assert not {each.data_class for each in due.values} & set(due.classes)
        assert all(_over(each, mine) for each in due.values)
    gone = sum(made.values.values())
    assert gone == sum(_over(each, [one for one in stored if one.customer == each.customer]) for each in stored)


def _over(each: Stored, mine: list[Stored]) -> bool:
    """The rule again, in the simplest way."""
    spec = CLASSES[DataClass(each.data_class)]
    counted = each.day if spec.since is Since.RECORD else max(one.day for one in mine)
    return counted != 0 and TODAY - counted > spec.days


@given(VALUES, st.integers(0, 2_000))
def test_what_is_due_today_is_due_tomorrow_too(stored: list[Stored], later: int) -> None:
    now, then = plan(stored, TODAY, frozenset()), plan(stored, TODAY + later, frozenset())
    assert sum(now.values.values()) <= sum(then.values.values())


@given(VALUES)
def test_a_hold_on_everybody_keeps_everything(stored: list[Stored]) -> None:
    assert due_of(*stored, held=frozenset({"cu_1", "cu_2"})).due == []


def test_every_class_has_a_time_and_a_source() -> None:
    assert set(CLASSES) == set(DataClass)
    assert all(spec.days > 0 and spec.source for spec in CLASSES.values())
    assert {spec.data_class for spec in FIELDS.values()} == set(DataClass)
