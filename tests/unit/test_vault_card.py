"""The card as data, and payment card numbers in notes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.decide import Basis
from quietline.reasons import Why, denied
from quietline.vault.card import Card, best_refusal, holds_card_number, luhn, masked, refused, shown
from quietline.vault.schema import FIELDS

PHONE = FIELDS["contact.phone"]


def test_only_shown_fields_carry_a_value() -> None:
    views = (
        shown(FIELDS["order.status"], "on its way"),
        masked(PHONE, ("delivery_change",)),
        refused(FIELDS["contact.name"], denied(Why.ASSURANCE_TOO_LOW)),
    )
    frame = Card(1, True, views).as_frame()
    assert [each.get("value") for each in frame["fields"]] == ["on its way", None, None]
    assert [each["state"] for each in frame["fields"]] == ["shown", "masked", "refused"]
    assert frame["fields"][1]["reasons"] == ("delivery_change",)
    assert frame["fields"][2]["reason"] == "assurance-too-low"
    assert frame["fields"][2]["advice"]


def test_a_mask_is_the_same_for_every_field() -> None:
    assert {masked(spec, ()).mask for spec in FIELDS.values()} == {"•••"}


def test_a_shown_value_does_not_print() -> None:
    assert "secret" not in repr(shown(PHONE, "secret"))


def test_any_reason_that_opens_means_masked_not_refused() -> None:
    assert best_refusal([denied(Why.REASON_DOES_NOT_NEED_IT), Basis(("p",))]) is None


def test_the_refusal_told_is_the_one_that_matters() -> None:
    refusals = [denied(Why.REASON_DOES_NOT_NEED_IT), denied(Why.TRAINING_LAPSED)]
    told = best_refusal(refusals)
    assert told is not None
    assert told.reason == "training-lapsed"
    only = best_refusal(refusals[:1])
    assert only is not None
    assert only.reason == "reason-does-not-need-it"


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "5500000000000004", "340000000000009", "30000000000004", "6011000000000004", "4222222222222"],
)
def test_known_test_cards_are_found_in_any_dress(number: str) -> None:
    spaced = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    for text in (number, spaced, spaced.replace(" ", "-"), f"pays with {spaced}, exp 12/30", f"x{number}y"):
        assert holds_card_number(text), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order QL-10442",
        "ring +44 20 7946 0001",
        "4111111111111112",
        "12/30 123",
        "1234 5678",
        "at 10:30 on 24.11.2026",
    ],
)
def test_other_digits_may_be_written(text: str) -> None:
    assert not holds_card_number(text)


@given(st.text("0123456789", min_size=12, max_size=18), st.text("ab ,.", max_size=10))
def test_every_luhn_number_is_found(body: str, around: str) -> None:
    check = next(digit for digit in "0123456789" if luhn(body + digit))
    assert holds_card_number(around + body + check + around)


@given(st.text("0123456789", min_size=2, max_size=19), st.data())
def test_luhn_notices_any_changed_digit(digits: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(digits) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != digits[at]]))
    assert not (luhn(digits) and luhn(digits[:at] + other + digits[at + 1 :]))
