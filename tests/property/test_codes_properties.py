"""Codes under any order of sends, tries and time: at most one pass for each send, and never a guess too many."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from quietline.access.codes import CodeLimits, Codes
from quietline.errors import Denied
from quietline.sealed import Sealed, Ticket

TICKET = Ticket("controller", "step-up", 7)
LEGS = st.sampled_from(["leg_1", "leg_2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), LEGS, st.just("")),
        st.tuples(st.just("try"), LEGS, st.sampled_from(["000001", "000002", "000003", "", "0000011", "٠٠٠٠٠١"])),
        st.tuples(st.just("wait"), LEGS, st.sampled_from(["1", "119", "121"])),
    ),
    max_size=60,
)


@given(steps=STEPS, sends=st.integers(1, 4), tries=st.integers(1, 4))
def test_the_book_agrees_with_a_plain_account(steps: list[tuple[str, str, str]], sends: int, tries: int) -> None:
    made = iter(f"{number % 3 + 1:06d}" for number in range(10_000))
    book = Codes(CodeLimits(seconds=120.0, tries=tries, sends=sends), make_code=lambda: next(made))
    now, sent, guesses = 0.0, Counter[str](), Counter[str]()
    under_way: dict[str, tuple[str, float, int]] = {}
    refused: list[tuple[str, int]] = []
    for kind, leg, value in steps:
        if kind == "wait":
            now += float(value)
        elif kind == "send":
            try:
                under_way[leg] = (book.issue(leg, now).open(TICKET), now + 120.0, tries)
                sent[leg] += 1
            except Denied as denial:
                refused.append((denial.reason, sent[leg]))
        else:
            guesses[leg] += compare(book, under_way, leg, value, now)
    assert set(refused) <= {("code-sends-used-up", sends)}
    assert all(guesses[leg] <= sent[leg] * tries <= sends * tries for leg in guesses)


def compare(book: Codes, under_way: dict[str, tuple[str, float, int]], leg: str, digits: str, now: float) -> int:
    """Try the digits and hold the answer against the account; 1 if a code was there to be guessed."""
    code, expires, left = under_way.get(leg, ("", 0.0, 0))
    if not code or now >= expires:
        expected = "code-expired"
    elif digits == code:
        expected = "passed"
    else:
        expected = "code-wrong" if left > 1 else "code-used-up"
    try:
        book.check(leg, Sealed(digits), now, TICKET)
        outcome = "passed"
    except Denied as denial:
        outcome = denial.reason
    assert outcome == expected
    if outcome == "code-wrong":
        under_way[leg] = (code, expires, left - 1)
    else:
        under_way.pop(leg, None)
    return int(outcome != "code-expired")
