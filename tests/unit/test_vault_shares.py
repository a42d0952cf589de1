"""Two of three shares give the secret back; one says nothing; slips of the pen are found."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.vault.shares import combine, inverse, multiply, read_shares, secret_set, split, write_shares

SECRET = bytes(range(32))
BYTES = st.integers(0, 255)


@pytest.mark.parametrize(
    ("left", "right", "product"),
    [(0x57, 0x83, 0xC1), (0x57, 0x13, 0xFE), (0x57, 0x02, 0xAE), (0x57, 0x10, 0x07), (0x53, 0xCA, 0x01)],
)
def test_products_as_published(left: int, right: int, product: int) -> None:
    """FIPS 197 §4.2, §4.2.1; {53}·{ca} = 1 is the example of the AES S-box's inverse."""
    assert multiply(left, right) == multiply(right, left) == product


@given(BYTES, BYTES, BYTES)
def test_it_is_a_field(a: int, b: int, c: int) -> None:
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)


def test_everything_but_nothing_has_an_inverse() -> None:
    assert all(multiply(value, inverse(value)) == 1 for value in range(1, 256))
    with pytest.raises(ZeroDivisionError):
        inverse(0)


@given(st.binary(min_size=1, max_size=40), st.integers(1, 4), st.integers(0, 3))
def test_any_as_many_as_needed_give_it_back(secret: bytes, needed: int, more: int) -> None:
    shares = split(secret, needed, needed + more)
    assert all(combine(some) == secret for some in combinations(shares, needed))


def test_one_share_fits_every_secret() -> None:
    """Perfect secrecy, counted out for one byte: with any share given, each secret has exactly one fitting line."""
    share, place = 0x5A, 1
    slopes = {secret: multiply(share ^ secret, inverse(place)) for secret in range(256)}
    assert len(set(slopes.values())) == 256


def test_shares_of_one_secret_differ_each_time() -> None:
    assert split(SECRET) != split(SECRET)


@pytest.mark.parametrize(("needed", "made"), [(0, 3), (4, 3), (2, 256)])
def test_impossible_numbers_are_refused(needed: int, made: int) -> None:
    with pytest.raises(ValueError, match="needed"):
        split(SECRET, needed, made)


@pytest.mark.parametrize("shares", [[(1, b"a"), (1, b"a")], [(1, b"a"), (2, b"ab")], [(0, b"a"), (1, b"b")]])
def test_what_cannot_belong_together_is_refused(shares: list[tuple[int, bytes]]) -> None:
    with pytest.raises(ValueError, match="different shares"):
        combine(shares)


def test_any_two_lines_in_any_order_are_enough() -> None:
    for two in permutations(write_shares(SECRET), 2):
        assert read_shares(two) == SECRET


def test_spaces_and_capitals_do_not_matter() -> None:
    one, two, _ = write_shares(SECRET)
    assert read_shares([f"  {one[:20]} {one[20:]}\n", two.upper()]) == SECRET


@given(st.integers(0, 200), st.sampled_from("0123456789abcdef"))
def test_every_slip_of_the_pen_is_found(at: int, put: str) -> None:
    one, two, _ = write_shares(SECRET)
    at %= len(one)
    slipped = one[:at] + put + one[at + 1 :]
    if slipped == one:
        return
    with pytest.raises(ConfigError, match="share 1"):
        read_shares([slipped, two])


@pytest.mark.parametrize("junk", ["", "ql1", "ql1-a-b-c-d", "ql1----", "hello"])
def test_junk_is_refused_by_its_number(junk: str) -> None:
    with pytest.raises(ConfigError, match="share 2"):
        read_shares([write_shares(SECRET)[0], junk])


def test_one_alone_twice_the_same_or_of_two_sets_are_told_apart() -> None:
    one, two, _ = write_shares(SECRET)
    other = write_shares(SECRET[::-1])[1]
    for given_shares, said in (([one], "give 2"), ([one, one], "twice"), ([one, other], "different sets")):
        with pytest.raises(ConfigError, match=said):
            read_shares(given_shares)
    assert read_shares([one, two]) == SECRET


def test_shares_of_two_splits_of_one_secret_do_not_mix() -> None:
    """The set is the secret's, so the mix is found by its result."""
    one, other = write_shares(SECRET)[0], write_shares(SECRET)[1]
    with pytest.raises(ConfigError, match="no secret of ours"):
        read_shares([one, other])


def test_a_set_is_named_without_telling_the_secret() -> None:
    assert len(secret_set(SECRET)) == 8
    assert all(SECRET.hex() not in line for line in write_shares(SECRET))
