"""Skills with levels: how they are written, read and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.skills import LEVELS, MAX_SKILLS, USUAL, parse_skill, parse_skills, read_skills, write_skills

names = st.from_regex(r"[a-z][a-z_-]{0,9}(:[a-z]{2,8})?", fullmatch=True)
skills = st.dictionaries(names, st.sampled_from(LEVELS), max_size=20)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("orders", ("orders", USUAL)),
        ("orders:1", ("orders", 1)),
        ("orders:5", ("orders", 5)),
        ("lang:fr", ("lang:fr", USUAL)),
        ("lang:fr:4", ("lang:fr", 4)),
        ("lang:zh-Hant:2", ("lang:zh-Hant", 2)),
        ("français", ("français", USUAL)),
        ("level2", ("level2", USUAL)),
        ("2fa:3", ("2fa", 3)),
    ],
)
def test_how_a_skill_is_read(text: str, meant: tuple[str, int]) -> None:
    assert parse_skill(text) == meant


@pytest.mark.parametrize("text", ["orders:0", "orders:6", "orders:44", "orders:04", "lang:fr:9"])
def test_a_level_beyond_the_scale_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"1 \(learning\) to 5"):
        parse_skill(text)


@pytest.mark.parametrize("text", ["", ":4", "-orders", "two words", "a,b", "a/b", "x" * 64, "orders:\n", "a\x00"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="give a name"):
        parse_skill(text)


def test_one_skill_has_one_level() -> None:
    with pytest.raises(ConfigError, match="'orders': given twice"):
        parse_skills(["orders", "returns", "orders:4"])


def test_nobody_has_a_thousand_skills() -> None:
    assert len(parse_skills(f"s{number}" for number in range(MAX_SKILLS))) == MAX_SKILLS
    with pytest.raises(ConfigError, match=f"at most {MAX_SKILLS}"):
        parse_skills(f"s{number}" for number in range(MAX_SKILLS + 1))


@given(skills)
def test_what_is_written_reads_back(given_skills: dict[str, int]) -> None:
    written = write_skills(given_skills)
    assert parse_skills(written) == read_skills(written) == given_skills
    assert written == write_skills(dict(reversed(given_skills.items()))), "the same text, so the same voucher"


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=5))
def test_whatever_was_stored_before_levels_can_be_read(old: list[str]) -> None:
    assert set(read_skills(old).values()) <= set(LEVELS)


def test_a_skill_from_before_levels_means_the_usual() -> None:
    assert read_skills(["orders", "two words", "lang:fr"]) == {"orders": 3, "two words": 3, "lang:fr": 3}
