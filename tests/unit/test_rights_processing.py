"""The record of processing and the impact assessment say what the schema says, and the page is made from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quietline.rights import processing
from quietline.rights.erasure import KEPT
from quietline.rights.requests import NEEDED
from quietline.vault.schema import CLASSES, FIELDS, HOUSE_CLASSES, DataClass

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "processing.md"


def test_the_page_is_what_the_schema_makes() -> None:
    made = processing.page()
    assert PAGE.read_text() == made, "run: python -m quietline.rights.processing > docs/reference/processing.md"


@pytest.mark.parametrize("data_class", DataClass)
def test_every_class_is_an_activity_with_basis_time_and_source(data_class: DataClass) -> None:
    (found,) = [each for each in processing.record()["activities"] if each["class"] == data_class.value]
    spec = CLASSES[data_class]
    assert (found["basis"], found["kept"], found["days"], found["source"]) == (
        spec.basis,
        spec.kept,
        spec.days,
        spec.source,
    )
    assert found["purpose"]
    assert found["data"] == [each.name for each in FIELDS.values() if each.data_class is data_class]
    assert found["erased_on_request"] == (data_class not in KEPT)


def test_what_is_no_customers_stands_there_too() -> None:
    classes = [each["class"] for each in processing.record()["activities"]]
    assert classes == [*(each.value for each in DataClass), *HOUSE_CLASSES]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_stands_on_the_page(name: str) -> None:
    assert f"`{name}`" in processing.record_markdown()


@pytest.mark.parametrize("article", ["30", "32", "35(7)(a)", "35(7)(c)", "35(9)", "35(2)", "35(11)"])
def test_the_page_names_the_articles(article: str) -> None:
    assert f"({article}" in processing.page() or f"GDPR {article}" in processing.page()


def test_what_no_schema_knows_is_left_to_fill_in_and_says_so() -> None:
    record, made = processing.record(), processing.assessment()
    for empty in (record["controller"], record["data_protection_officer"], made["views_of_customers_or_staff"]):
        assert empty == processing.FILL
    assert all(each["likelihood"] == processing.FILL for each in made["risks"])
    assert all(each["measures"] for each in made["risks"])


def test_both_are_plain_json() -> None:
    for made in (processing.record(), processing.assessment()):
        assert json.loads(json.dumps(made)) == made


def test_the_assessment_knows_the_levels_that_are_needed() -> None:
    found = processing.assessment()["proportionality"]
    assert found["identification_needed"] == {right.value: level for right, level in NEEDED.items()}
    assert found["fields"] == len(FIELDS)
    assert "contact.phone" in found["searched_by"]


def test_tables_keep_their_shape() -> None:
    for line in processing.page().splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
            assert "\n" not in line
