"""The data reference says what the schema says."""

from __future__ import annotations

from pathlib import Path

import pytest

from quietline.vault import reference
from quietline.vault.schema import CLASSES, FIELDS, HOUSE_CLASSES, MINIMUM, DataClass

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "data.md"


def test_the_page_is_current() -> None:
    made = reference.page()
    assert PAGE.read_text() == made, "run: python -m quietline.vault.reference > docs/reference/data.md"


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_on_it(name: str) -> None:
    (line,) = [line for line in reference.fields().splitlines() if f"`{name}`" in line]
    spec = FIELDS[name]
    assert f"| {spec.data_class.value} | {spec.assurance} |" in line
    assert ("| yes |" in line) == (name in MINIMUM)
    assert ("| keyed |" in line) == spec.indexed


def test_every_class_has_a_basis_and_a_time() -> None:
    assert set(CLASSES) == set(DataClass)
    assert all(spec.basis and spec.kept for spec in CLASSES.values())


def test_the_minimum_needs_no_more_than_a_number_match() -> None:
    assert {FIELDS[name].assurance for name in MINIMUM} == {1}
    assert {FIELDS[name].data_class for name in MINIMUM} == {DataClass.INVOICE}


def test_contact_and_delivery_open_from_two_on() -> None:
    for spec in FIELDS.values():
        if spec.data_class in (DataClass.CONTACT, DataClass.DELIVERY):
            assert spec.assurance >= 2


def test_every_class_has_a_time_that_can_be_computed_and_where_it_comes_from() -> None:
    for spec in (*CLASSES.values(), *HOUSE_CLASSES.values()):
        assert spec.days > 0
        assert spec.source
    assert CLASSES[DataClass.SERVICE].days == HOUSE_CLASSES["staff-training"].days == 731  # 24 months, a leap day in it
    assert CLASSES[DataClass.RECORDING].days == 90
    assert not set(HOUSE_CLASSES) & set(DataClass)


def test_every_class_holds_a_field() -> None:
    assert {spec.data_class for spec in FIELDS.values()} == set(DataClass)
