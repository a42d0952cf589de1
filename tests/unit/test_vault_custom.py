"""A house's own fields: right ones stand beside the shipped ones; a wrong one is refused with line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.config import CustomField
from quietline.config_file import dump, parse
from quietline.errors import ConfigError
from quietline.vault.custom import CLASSES, GUARDED, MAX_FIELDS, catalogue, check
from quietline.vault.schema import FIELDS, DataClass, FieldSpec, Reason

TEXT = """
[[field]]
name = "custom.shoe_size"
label = "Shoe size"
reasons = ["product_advice"]

[[field]]
name = "custom.club"
label = "Club number"
indexed = true
free_text = false
"""


def test_own_fields_stand_after_the_shipped_ones() -> None:
    known = catalogue(parse(TEXT).fields)
    assert list(known)[: len(FIELDS)] == list(FIELDS)
    assert known["custom.shoe_size"] == FieldSpec(
        "custom.shoe_size", "Shoe size", DataClass.CONTACT, 2, False, True, (Reason.PRODUCT_ADVICE,)
    )
    assert known["custom.club"].indexed


def test_a_configuration_with_own_fields_is_written_as_it_was_read() -> None:
    assert parse(dump(parse(TEXT))) == parse(TEXT)


@pytest.mark.parametrize(
    ("wrong", "line", "key", "fix"),
    [
        (('"custom.club"', '"club"'), 8, "name", "custom.shoe_size"),
        (('"custom.club"', '"custom.shoe_size"'), 8, "name", "twice"),
        (('"custom.club"', '"contact.phone"'), 8, "name", "custom."),
        (('"Club number"', '" "'), 9, "label", "1 to 60"),
        (("indexed = true", 'data_class = "recording"'), 10, "data_class", "contact, delivery, invoice, service"),
        (("indexed = true", "assurance = 1"), 10, "assurance", "2 to 3"),
        (("indexed = true", 'reasons = ["curiosity"]'), 10, "reasons", "order_status"),
        (("indexed = true", "index = true"), 10, "index", "did you mean `indexed`"),
        (("free_text = false", 'free_text = "no"'), 11, "free_text", "true or false"),
        (('label = "Club number"', ""), 7, "label", "missing"),
    ],
)
def test_a_wrong_one_is_refused_with_line_and_key(wrong: tuple[str, str], line: int, key: str, fix: str) -> None:
    with pytest.raises(ConfigError, match=rf"line {line}: .*{key}") as error:
        parse(TEXT.replace(*wrong), "quietline.toml")
    assert fix in str(error.value)


def test_more_than_the_desk_can_show_are_refused() -> None:
    many = tuple(CustomField(f"custom.f{number}", "F") for number in range(MAX_FIELDS + 1))
    check(many[MAX_FIELDS - 1], many[: MAX_FIELDS - 1])
    with pytest.raises(ConfigError, match="more than"):
        check(many[MAX_FIELDS], many[:MAX_FIELDS])


@given(
    st.sampled_from(list(DataClass)),
    st.integers(-1, 5),
    st.lists(st.sampled_from([*Reason, "curiosity"]), max_size=3),
)
def test_no_own_field_opens_earlier_than_its_class(data_class: DataClass, assurance: int, reasons: list[str]) -> None:
    own = CustomField("custom.x", "X", data_class.value, assurance, reasons=tuple(reasons))
    try:
        check(own, ())
    except ConfigError:
        assert data_class not in CLASSES or not (2 if data_class in GUARDED else 1) <= assurance <= 3 or reasons
    else:
        spec = catalogue([own])["custom.x"]
        assert spec.assurance >= (2 if spec.data_class in GUARDED else 1)
        assert "curiosity" not in spec.reasons


def test_the_reference_names_the_section() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    assert "## `[[field]]`" in page.read_text()
