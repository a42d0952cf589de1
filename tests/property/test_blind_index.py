"""Two callers' numbers lead to the same row exactly when they are the same E.164 number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.testing.vault import MemoryKms
from quietline.vault.blind_index import EMAIL, ORDER, PHONE, PLAIN, BlindIndex, _parsed, normalise, normalise_phone
from quietline.vault.keys import Keyring, open_keys_database

lines = st.integers(0, 999).map(lambda n: f"{n:03d}")
spacing = st.sampled_from(["{a}{b}{c}", "{a} {b} {c}", "{a}-{b}-{c}", "({a}) {b} {c}", "{a}.{b}.{c}"])
prefixes = st.sampled_from(
    [("+44", "20"), ("0044", "20"), ("+44 (0)", "20"), ("", "020"), ("tel:+44", "20"), ("+44 ", "20")]
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlindIndex]:
    folder: Path = tmp_path_factory.mktemp("index")
    database = open_keys_database(folder)
    yield BlindIndex(database, Keyring(database, MemoryKms()))
    database.close()


@st.composite
def written(draw: st.DrawFn, line: str) -> str:
    prefix, area = draw(prefixes)
    return prefix + draw(spacing).format(a=area, b="7946", c="0" + line)


@given(st.data(), lines, lines)
def test_the_index_is_equal_exactly_when_e164_is(index: BlindIndex, data: st.DataObject, one: str, other: str) -> None:
    first = normalise_phone(data.draw(written(one)), "GB")
    second = normalise_phone(data.draw(written(other)), "GB")
    assert first == f"+442079460{one}"
    assert second is not None
    same = index.token("brand", PHONE, first) == index.token("brand", PHONE, second)
    assert same == (one == other)


@given(st.text(max_size=80), st.sampled_from(["GB", "US", "DE", "IT"]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_e164_or_nothing(raw: str, country: str) -> None:
    number = normalise_phone(raw, country)
    if number is not None:
        assert number.startswith("+")
        assert number[1:].isdecimal()
        assert 3 <= len(number) - 1 <= 15  # ITU-T E.164 §6
        assert normalise_phone(number, "US") == number


@given(st.from_regex(PLAIN, fullmatch=True), st.sampled_from(["GB", "US", "DE", "IT"]))
def test_plain_numbers_are_what_phonenumbers_makes_of_them(raw: str, country: str) -> None:
    assert _parsed(raw, country) == normalise_phone(raw, country) == raw


@pytest.mark.parametrize("change", [("+44", "+440"), ("0001", "00012"), ("0001", "0001\n"), ("+442", "+11"), ("+", "")])
def test_what_is_not_plain_goes_the_long_way(change: tuple[str, str]) -> None:
    raw = "+442079460001".replace(*change)
    assert not PLAIN.fullmatch(raw)
    assert normalise_phone(raw, "GB") == _parsed(raw, "GB")


@given(st.text(max_size=40))
def test_e_mail_and_order_are_normalised_once(text: str) -> None:
    for field in (EMAIL, ORDER):
        once = normalise(field, text)
        assert once is None or normalise(field, once) == once


@given(lines, st.sampled_from([PHONE, EMAIL, ORDER]), st.sampled_from([PHONE, EMAIL, ORDER]))
def test_fields_and_controllers_have_tokens_that_cannot_be_joined(
    index: BlindIndex, line: str, one: str, other: str
) -> None:
    assert (index.token("brand", one, line) == index.token("brand", other, line)) == (one == other)
    assert index.token("brand", one, line) != index.token("franchise-a", one, line)
