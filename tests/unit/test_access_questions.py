"""Questions, the messages to a customer's phone, and helpers: the pure parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.helpers import LONGEST_DAYS, MOST, Helper, check_terms, from_row, require_scope
from quietline.access.messages import CODES, WARNINGS, code_text, warning_text
from quietline.access.questions import A_DAY, Answers, askable, normal, same
from quietline.config import CustomField
from quietline.errors import ConfigError, Denied
from quietline.sealed import Sealed, Ticket
from quietline.telephony.prompt_words import FRENCH, GERMAN, SPANISH
from quietline.vault.custom import catalogue
from quietline.vault.schema import FIELDS, DataClass, Reason

TICKET = Ticket("test", "test", 0)
DAY = 86_400.0

# -- which questions


def test_nothing_of_an_order_and_nothing_that_a_call_or_a_parcel_shows_is_asked() -> None:
    asked = {spec.name for spec in askable(FIELDS, FIELDS)}
    assert asked == {"contact.email", "contact.loyalty"}


def test_a_houses_own_contact_field_may_be_asked_and_no_other_of_its_own() -> None:
    own = [
        CustomField("custom.birthday", "Date of birth"),
        CustomField("custom.shoe_size", "Shoe size", "invoice"),
        CustomField("custom.gate", "Gate code", "delivery"),
    ]
    fields = catalogue(own)
    assert [spec.name for spec in askable(fields, fields)][2:] == ["custom.birthday"]
    assert all(spec.data_class is DataClass.CONTACT for spec in askable(fields, fields))


def test_only_what_is_on_record_is_asked() -> None:
    assert [spec.name for spec in askable(FIELDS, {"contact.loyalty", "order.reference"})] == ["contact.loyalty"]
    assert askable(FIELDS, ()) == []


# -- comparing


@pytest.mark.parametrize(
    ("said", "record", "alike"),
    [
        ("Ana@Example.com", "ana@example.com", True),
        (" loy 77-7 ", "LOY-777", True),
        ("12/03/1980", "12 03 1980", True),
        ("Zoe", "Zoë", True),
        ("STRASSE", "straße", True),
        ("ana@example.org", "ana@example.com", False),
        ("", "", False),
        (" - ", "...", False),
        ("x", "", False),
    ],
)
def test_answers_are_compared_by_letters_and_digits(said: str, record: str, alike: bool) -> None:
    assert same(Sealed(said), Sealed(record), TICKET) is alike


@given(st.text(max_size=60), st.text(max_size=60))
def test_same_is_equality_of_what_counts(one: str, other: str) -> None:
    assert same(Sealed(one), Sealed(other), TICKET) is (normal(one) == normal(other) != "")


@given(st.text(max_size=60))
def test_normal_changes_nothing_the_second_time(text: str) -> None:
    assert normal(normal(text)) == normal(text)


# -- how many


def test_three_a_day_for_each_customer() -> None:
    answers = Answers()
    for left in (3, 2, 1):
        assert answers.left("cu_1", 0.0) == left
        answers.spend("cu_1", 0.0)
    with pytest.raises(Denied) as refusal:
        answers.spend("cu_1", DAY - 1)
    assert refusal.value.reason == "questions-used-up"
    assert answers.left("cu_2", 0.0) == 3
    assert answers.left("cu_1", DAY) == 3


@given(st.lists(st.floats(0, 10 * DAY), max_size=60))
def test_never_more_than_three_in_any_day(times: list[float]) -> None:
    answers, taken = Answers(), []
    for now in sorted(times):
        try:
            answers.spend("cu_1", now)
        except Denied:
            continue
        taken.append(now)
    assert all(len([each for each in taken if start <= each < start + DAY]) <= A_DAY for start in taken)


def test_what_is_remembered_is_bounded() -> None:
    answers = Answers(remembered=3)
    for each in range(9):
        answers.spend(f"cu_{each}", 0.0)
    assert len(answers._days) == 3
    assert answers.left("cu_8", 0.0) == 2


# -- messages


@pytest.mark.parametrize(
    ("language", "never"),
    [
        ("en", "Never read this aloud to anyone"),
        ("fr", "Ne le lisez jamais à voix haute, à personne"),
        ("de", "Lesen Sie ihn niemandem vor"),
        ("es", "No lo lea nunca en voz alta a nadie"),
    ],
)
def test_every_code_says_never_to_read_it_aloud_and_names_the_store(language: str, never: str) -> None:
    text = code_text(language, "High Street", "123456")
    assert never in text
    assert "High Street" in text
    assert text.startswith("123456 ")


def test_we_write_in_the_languages_we_speak() -> None:
    assert {"en", "fr", "de", "es"} == set(CODES) == set(WARNINGS)
    assert all((FRENCH, GERMAN, SPANISH))


@pytest.mark.parametrize(("word", "as_"), [("FR", "fr"), ("de-CH", "de"), ("", "en"), ("cy", "en"), (" es ", "es")])
def test_a_language_we_lack_is_english(word: str, as_: str) -> None:
    assert code_text(word, "A", "1") == code_text(as_, "A", "1")
    assert warning_text(word, "A") == warning_text(as_, "A")


@pytest.mark.parametrize("language", sorted(WARNINGS))
def test_a_warning_asks_for_nothing_and_leads_nowhere(language: str) -> None:
    text = warning_text(language, "")
    assert text.startswith("Quietline")
    assert "http" not in text
    assert not any(char.isdigit() for char in text)


# -- helpers

HELPER = Helper("he_1", "cu_1", "+442079460082", "ab" * 32, ("order_status", "complaint"), 1_000.5, 7.25)


def test_a_helper_is_the_same_after_being_kept() -> None:
    assert from_row("he_1", HELPER.as_row()) == HELPER
    assert "0082" not in repr(HELPER)


@pytest.mark.parametrize(("now", "current"), [(0.0, True), (1_000.4, True), (1_000.5, False)])
def test_a_helpers_time_ends(now: float, current: bool) -> None:
    assert HELPER.current(now) is current


@pytest.mark.parametrize(
    ("reasons", "until", "have", "word"),
    [
        ((), 10.0, 0, "reasons"),
        (("order_status", "gossip"), 10.0, 0, "reasons"),
        (("order_status",), 1.0, 0, "until"),
        (("order_status",), 2.0 + LONGEST_DAYS * DAY, 0, "until"),
        (("order_status",), 10.0, MOST, "helpers"),
    ],
)
def test_what_a_customer_may_not_agree_to(reasons: tuple[str, ...], until: float, have: int, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check_terms(reasons, until, 1.0, have)


def test_what_a_customer_may_agree_to() -> None:
    check_terms(tuple(Reason), 1.0 + LONGEST_DAYS * DAY, 1.0, MOST - 1)


@given(st.lists(st.sampled_from(list(Reason)), max_size=5), st.sampled_from(list(Reason)))
def test_a_scope_lets_through_what_it_names(scope: list[Reason], reason: Reason) -> None:
    words = " ".join(scope)
    if not scope or reason in scope:
        return require_scope(words, reason)
    with pytest.raises(Denied, match="not-for-helper"):
        require_scope(words, reason)
    return None
