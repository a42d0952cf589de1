"""From rows to customers: cells are cleaned or told, rows of one key are one customer, batches end where keys end."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.customers.batches import Batch, batches, clean
from quietline.customers.mapping import read_mapping
from quietline.customers.rows import CsvRows, JsonRows
from quietline.files.marked_yaml import parse
from quietline.vault.importing import read_each
from quietline.vault.schema import FIELDS

FLAT = "key: id\nfields: {contact.name: name, contact.phone: phone}\norder: {order.reference: order}\n"
NESTED = (
    "key: id\norders: lines\nfields: {contact.name: name, contact.phone: billing.phone}\norder: {order.reference: no}\n"
)


def of_csv(text: str, mapping: str = FLAT, size: int = 500, **options: Any) -> list[Batch]:
    rows = CsvRows(io.BytesIO(text.encode()), "c.csv")
    return list(batches(rows, read_mapping(parse(mapping, "m.yaml"), FIELDS), size=size, **options))


def of_json(*objects: object) -> list[Batch]:
    rows = JsonRows(io.BytesIO(b"\n".join(json.dumps(each).encode() for each in objects)), "c.jsonl")
    return list(batches(rows, read_mapping(parse(NESTED, "m.yaml"), FIELDS)))


def test_a_row_becomes_a_customer_with_its_order() -> None:
    (batch,) = of_csv("id,name,phone,order\n1,Ana Example,020 7946 0001,QL-1\n")
    assert batch.customers == [
        {
            "key": "1",
            "controller": "brand",
            "fields": {"contact.name": "Ana Example", "contact.phone": "020 7946 0001"},
            "orders": [{"order.reference": "QL-1"}],
        }
    ]
    assert (batch.lines, batch.rows) == ([[2]], 1)


def test_rows_of_one_key_are_one_customer_with_several_orders() -> None:
    text = "id,name,phone,order\n1,Ana Old,,QL-1\n2,Bob,,QL-2\n1,Ana New,020 7946 0001,QL-3\n"
    (batch,) = of_csv(text)
    assert [each["key"] for each in batch.customers] == ["1", "2"]
    assert batch.customers[0]["fields"] == {"contact.name": "Ana New", "contact.phone": "020 7946 0001"}
    assert [each["order.reference"] for each in batch.customers[0]["orders"]] == ["QL-1", "QL-3"]
    assert batch.lines == [[2, 4], [3]]


def test_a_customer_is_not_cut_at_a_batchs_end() -> None:
    text = "id,name,phone,order\n" + "".join(f"{n // 3},Ana,,QL-{n}\n" for n in range(12))
    made = of_csv(text, size=2)
    assert [[(each["key"], len(each["orders"])) for each in batch.customers] for batch in made] == [
        [("0", 3), ("1", 3)],
        [("2", 3), ("3", 3)],
    ]


def test_a_batch_does_not_outgrow_a_frame_to_the_vault() -> None:
    mapping = "key: id\nfields: {contact.name: name}\norder: {order.reference: id, order.items: i, order.status: i, "
    mapping += "order.total: i}\n"
    text = "id,name,i\n" + "".join(f"{n},Ana,{'x' * 1_900}\n" for n in range(1_200))
    made = of_csv(text, mapping)
    assert sum(batch.rows for batch in made) == 1_200
    assert max(len(json.dumps(batch.customers)) for batch in made) < 4 * 1024 * 1024


def test_a_controller_may_stand_in_the_row() -> None:
    (batch,) = of_csv("id,name,phone,order,who\n1,A,,Q1,franchise-a\n2,B,,Q2,\n", FLAT + "controller_column: who\n")
    assert [each["controller"] for each in batch.customers] == ["franchise-a", "brand"]


def test_orders_inside_a_json_customer() -> None:
    (batch,) = of_json({"id": 7, "name": "Ana", "billing": {"phone": "x"}, "lines": [{"no": "QL-1"}, {"no": 2}]})
    (customer,) = batch.customers
    assert customer["key"] == "7"
    assert [each["order.reference"] for each in customer["orders"]] == ["QL-1", "2"]


def test_rows_that_are_none_are_told_by_field_and_never_by_value() -> None:
    (batch,) = of_csv('id,name,phone,order\n,Ana,,Q1\n2,=SUM(A1),,Q2\n3,"A\x07",,Q3\n4,Ana\n5,Eve,,Q5\n')
    assert batch.rejected == [
        (2, "the key (`id`) is empty"),
        (3, "contact.name: begins like a spreadsheet's formula; take the first character away"),
        (4, "contact.name: holds a control character; take it out"),
        (5, "has 2 columns where the header has 4"),
    ]
    assert [each["key"] for each in batch.customers] == ["5"]


@pytest.mark.parametrize("lines", [{}, "x", [1], [[]]])
def test_orders_that_are_none_are_told(lines: object) -> None:
    (batch,) = of_json({"id": "1", "name": "Ana", "lines": lines})
    assert batch.rejected == [(1, "`lines` is no list of orders")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ana ", "Ana"),
        ('="0207"', "0207"),
        ('="  "', ""),
        ("+44 20 7946 0001", "+44 20 7946 0001"),
        ("+44 (0)20 7946 0001", "+44 (0)20 7946 0001"),
        ("-5.00", "-5.00"),
        ("- rang twice", "- rang twice"),
        ("line\nline", "line\nline"),
    ],
)
def test_what_is_kept(given: str, kept: str) -> None:
    assert clean("x", given) == kept


@pytest.mark.parametrize(
    "given", ["=1+1", "@SUM(1)", "\tx", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "+SUM(1)", '=HYPERLINK("x")']
)
def test_formulas_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        clean("contact.name", given)


@given(st.text(max_size=30))
def test_a_value_is_cleaned_or_refused_by_field(text: str) -> None:
    try:
        once = clean("contact.name", text)
    except ValueError as refusal:
        once = str(refusal)
        told = (
            "begins like a spreadsheet's formula; take the first character away",
            "holds a control character; take it out",
        )
        assert once in {f"contact.name: {each}" for each in told}
    assert once == once.strip(" \n")


CUSTOMERS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99)), max_size=30)


@given(CUSTOMERS, st.integers(1, 5))
def test_no_row_is_lost_whatever_the_batches_size(rows: list[tuple[int, int]], size: int) -> None:
    text = "id,name,phone,order\n" + "".join(f"{key},Ana,,QL-{order}\n" for key, order in rows)
    made = of_csv(text, size=size)
    assert sum(batch.rows for batch in made) == len(rows)
    told = [line for batch in made for lines in batch.lines for line in lines]
    assert sorted(told) == list(range(2, len(rows) + 2))
    for batch in made:
        assert not read_each(batch.customers, {"brand"}).rejected  # the vault takes what is made here


@given(CUSTOMERS, st.integers(1, 3), st.data())
def test_going_on_behind_any_batch_makes_the_rest(rows: list[tuple[int, int]], size: int, data: st.DataObject) -> None:
    text = "id,name,phone,order\n" + "".join(f"{key},Ana,,QL-{order}\n" for key, order in rows)
    made = of_csv(text, size=size)
    if made:
        place = data.draw(st.integers(0, len(made) - 1))
        assert of_csv(text, size=size, start=made[place].after) == made[place + 1 :]
