"""Lock-out by login and source: guessing is slow from one place and from many, and nobody else is hit."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from quietline.access.lockout import Backoff, BackoffLimits, Lockout

HOME, OFFICE = "192.0.2.1", "198.51.100.7"
PAIRS = BackoffLimits(free=3, first=2.0, most=60.0)


def lockout(logins: int = 10, sources: int = 20) -> Lockout:
    return Lockout(PAIRS, BackoffLimits(free=logins), BackoffLimits(free=sources, most=60.0))


def fails(guard: Lockout, login: str, source: str, times: int) -> None:
    for _ in range(times):
        guard.failed(login, source, 0.0)


def test_each_failure_beyond_the_free_ones_doubles_the_wait() -> None:
    guard, waits = lockout(), []
    for _ in range(8):
        fails(guard, "eva", HOME, 1)
        waits.append(guard.wait("eva", HOME, 0.0))
    assert waits == [0.0, 0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert guard.wait("eva", OFFICE, 0.0) == 0.0
    assert guard.wait("max", HOME, 0.0) == 0.0


def test_guesses_from_many_places_are_slowed_for_the_login() -> None:
    guard = lockout()
    for number in range(10):
        fails(guard, "eva", f"203.0.113.{number}", 1)
    assert guard.wait("eva", OFFICE, 0.0) == 2.0
    assert guard.wait("max", OFFICE, 0.0) == 0.0


def test_one_place_that_tries_many_logins_is_slowed() -> None:
    guard = lockout()
    for number in range(20):
        fails(guard, f"login-{number}", HOME, 1)
    assert guard.wait("eva", HOME, 0.0) == 2.0
    assert guard.wait("eva", OFFICE, 0.0) == 0.0


def test_nobody_locks_a_person_out_of_their_own_place() -> None:
    guard = lockout()
    guard.failed("eva", HOME, 0.0)
    guard.passed("eva", HOME)
    for number in range(40):
        fails(guard, "eva", f"203.0.113.{number}", 1)
        fails(guard, f"login-{number}", HOME, 1)
    assert guard.wait("eva", HOME, 0.0) == 0.0
    assert guard.wait("eva", OFFICE, 0.0) > 0
    assert guard.wait("max", HOME, 0.0) > 0


def test_a_known_place_is_no_free_pass() -> None:
    guard = lockout()
    guard.passed("eva", HOME)
    fails(guard, "eva", HOME, 3)
    assert guard.wait("eva", HOME, 0.0) == 2.0


def test_signing_in_does_not_forgive_guesses_from_elsewhere() -> None:
    guard = lockout()
    fails(guard, "eva", OFFICE, 9)
    guard.failed("eva", HOME, 0.0)
    guard.passed("eva", HOME)
    guard.failed("eva", "203.0.113.9", 0.0)
    assert guard.wait("eva", "203.0.113.10", 0.0) == 2.0


def test_a_code_that_is_still_to_come_neither_counts_nor_forgives() -> None:
    guard = lockout()
    fails(guard, "eva", HOME, 2)
    for _ in range(5):
        guard.failed("eva", HOME, 0.0)
        guard.unfinished("eva", HOME)
    assert guard.wait("eva", HOME, 0.0) == 0.0
    guard.failed("eva", HOME, 0.0)
    assert guard.wait("eva", HOME, 0.0) == 2.0


def test_an_administrator_unlocks_one_login() -> None:
    guard = lockout()
    fails(guard, "eva", HOME, 10)
    fails(guard, "max", HOME, 5)
    assert guard.locked("eva", 0.0) > 0
    assert guard.unlock("eva") is True
    assert (guard.locked("eva", 0.0), guard.wait("eva", HOME, 0.0)) == (0.0, 0.0)
    assert guard.wait("max", HOME, 0.0) == 8.0
    assert guard.unlock("eva") is False


def test_all_is_forgiven_after_an_hour() -> None:
    guard = lockout()
    fails(guard, "eva", HOME, 5)
    guard.failed("eva", HOME, 3_601.0)
    assert guard.wait("eva", HOME, 3_601.0) == 0.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12"), st.booleans()), max_size=60))
def test_a_take_back_undoes_one_failure(steps: list[tuple[str, str, bool]]) -> None:
    """Against a plain count."""
    backoff, counts = Backoff(BackoffLimits(free=0, first=1.0, most=1e9)), dict[tuple[str, str], int]()
    for login, source, fails_now in steps:
        key = (login, source)
        if fails_now:
            backoff.failed(*key, now=0.0)
            counts[key] = counts.get(key, 0) + 1
        else:
            backoff.take_back(*key)
            counts[key] = max(0, counts.get(key, 0) - 1)
    for key, count in counts.items():
        assert backoff.wait(*key, now=0.0) == (2.0**count if count else 0.0)
