"""The mapping file: right ones are read, wrong ones refused with the line, the key and what to write instead."""

from __future__ import annotations

import json

import pytest

from quietline.config import CustomField
from quietline.customers.mapping import ColumnMap, read_mapping, schema
from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse
from quietline.vault.custom import catalogue
from quietline.vault.schema import FIELDS

RIGHT = """\
key: id
fields:
  contact.name: {columns: [first, last]}
  contact.phone: phone
order:
  order.reference: order
  order.placed: placed
"""


def mapping(text: str = RIGHT, known: object = None) -> ColumnMap:
    return read_mapping(parse(text, "map.yaml"), known or FIELDS)  # type: ignore[arg-type]


def test_a_right_one_is_read() -> None:
    read = mapping()
    assert (read.key, read.controller, read.encoding, read.delimiter) == ("id", "brand", "utf-8", ",")
    assert [(each.name, each.columns) for each in read.fields] == [
        ("contact.name", ("first", "last")),
        ("contact.phone", ("phone",)),
    ]
    assert [name for _, name in read.columns()] == ["id", "first", "last", "phone", "order", "placed"]


def test_columns_are_joined_without_the_empty_ones() -> None:
    name = mapping().fields[0]
    assert name.value({"first": " Ana ", "last": "Example"}.__getitem__) == "Ana Example"
    assert name.value({"first": "", "last": "Example"}.__getitem__) == "Example"


def test_own_fields_may_be_filled() -> None:
    known = catalogue([CustomField("custom.shoe_size", "Shoe size")])
    text = "key: id\nfields: {custom.shoe_size: size}\n"
    assert mapping(text, known).fields[0].name == "custom.shoe_size"
    with pytest.raises(ConfigError, match=r"map\.yaml:2: .*custom\.shoe_size: unknown field"):
        mapping(text)


@pytest.mark.parametrize(
    ("wrong", "line", "says"),
    [
        (("key: id", "kee: id"), 1, "did you mean `key`"),
        (("key: id\n", ""), 1, "`key` is missing"),
        (("contact.phone: phone", "contact.fone: phone"), 4, "did you mean `contact.phone`"),
        (("contact.phone: phone", "order.total: phone"), 4, "unknown field"),
        (("contact.phone: phone", "contact.phone: 7"), 4, "contact.phone"),
        (("contact.phone: phone", "contact.phone: {columns: []}"), 4, "at least 1"),
        (("contact.phone: phone", "contact.name: phone"), 4, "stands on line 3 too"),
        (("  order.reference: order\n", ""), 5, "`order.reference` is missing"),
        (("key: id", "encoding: utf-7\nkey: id"), 1, "`utf-7` is not known"),
        (("key: id", "delimiter: x\nkey: id"), 1, "`x` is not known"),
        (("key: id", "key: [id]"), 1, "want a text, found a list"),
    ],
)
def test_a_wrong_one_names_line_and_fix(wrong: tuple[str, str], line: int, says: str) -> None:
    with pytest.raises(ConfigError, match=f"map.yaml:{line}:") as error:
        mapping(RIGHT.replace(*wrong))
    assert says in str(error.value)


def test_a_list_of_orders_needs_their_fields() -> None:
    with pytest.raises(ConfigError, match=r"orders: needs `order`"):
        mapping("key: id\norders: lines\nfields: {contact.phone: phone}\n")


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        mapping(RIGHT.replace("contact.phone", "contact.fone").replace("order.placed", "order.day"))
    assert str(error.value).count("\n") == 1


def test_a_column_that_the_file_lacks_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as error:
        mapping().check_columns(["id", "first", "last", "phones", "order", "placed"])
    assert (
        str(error.value) == "map.yaml:4: fields.contact.phone: the file has no column `phone`; did you mean `phones`?"
    )


def test_orders_inside_a_customer_are_no_columns() -> None:
    read = mapping(RIGHT + "orders: lines\n")
    assert "order" not in [name for _, name in read.columns()]


def test_the_schema_is_one() -> None:
    made = schema()
    assert made["$schema"].endswith("2020-12/schema")
    assert set(made["required"]) == {"key", "fields"}
    assert json.loads(json.dumps(made)) == made
