"""One-time codes, one rule at a time."""

from __future__ import annotations

import pytest

from quietline.access.codes import CodeLimits, Codes, random_code
from quietline.errors import Denied
from quietline.sealed import Sealed, Ticket

NOW = 5_000.0
TICKET = Ticket("controller", "step-up", 7)


def codes(*made: str, limits: CodeLimits | None = None) -> Codes:
    supply = iter(made)
    return Codes(limits, make_code=lambda: next(supply))


def answer(book: Codes, digits: str, leg: str = "leg_1", at: float = NOW) -> str:
    try:
        book.check(leg, Sealed(digits), at, TICKET)
    except Denied as denial:
        return denial.reason
    return "passed"


def test_the_right_digits_pass_once() -> None:
    book = codes("123456")
    assert book.issue("leg_1", NOW).open(TICKET) == "123456"
    assert [answer(book, "123456"), answer(book, "123456")] == ["passed", "code-expired"]


def test_three_tries_then_the_code_is_dead() -> None:
    book = codes("123456")
    book.issue("leg_1", NOW)
    assert [answer(book, "000000") for _ in range(3)] == ["code-wrong", "code-wrong", "code-used-up"]
    assert answer(book, "123456") == "code-expired"


def test_the_third_try_may_still_be_the_right_one() -> None:
    book = codes("123456")
    book.issue("leg_1", NOW)
    assert [answer(book, each) for each in ("000000", "", "123456")] == ["code-wrong", "code-wrong", "passed"]


@pytest.mark.parametrize(("after", "outcome"), [(0.0, "passed"), (119.9, "passed"), (120.0, "code-expired")])
def test_two_minutes(after: float, outcome: str) -> None:
    book = codes("123456")
    book.issue("leg_1", NOW)
    assert answer(book, "123456", at=NOW + after) == outcome


def test_a_code_is_good_on_its_own_leg_only() -> None:
    book = codes("123456", "123456")
    book.issue("leg_1", NOW)
    assert answer(book, "123456", leg="leg_2") == "code-expired"
    book.issue("leg_2", NOW)
    assert answer(book, "123456", leg="leg_2") == "passed"
    assert answer(book, "123456", leg="leg_1") == "passed"


def test_the_same_digits_are_kept_differently_for_each_leg() -> None:
    book = codes("123456", "123456")
    book.issue("leg_1", NOW)
    book.issue("leg_2", NOW)
    first, second = (pending.mac for pending in book._pending.values())
    assert first != second
    assert b"123456" not in first


def test_a_new_code_replaces_the_old_one_and_its_tries() -> None:
    book = codes("111111", "222222")
    book.issue("leg_1", NOW)
    answer(book, "000000")
    answer(book, "000000")
    book.issue("leg_1", NOW + 60)
    assert answer(book, "111111", at=NOW + 60) == "code-wrong"
    assert answer(book, "222222", at=NOW + 179) == "passed"


def test_three_sends_for_each_leg_whatever_became_of_them() -> None:
    book = codes(*["123456"] * 9)
    for _ in range(3):
        book.issue("leg_1", NOW)
        answer(book, "123456")
    with pytest.raises(Denied, match="code-sends-used-up"):
        book.issue("leg_1", NOW + 1_000)
    assert book.issue("leg_2", NOW)


def test_a_refused_send_leaves_the_code_under_way_alone() -> None:
    book = codes("123456", limits=CodeLimits(sends=1))
    book.issue("leg_1", NOW)
    with pytest.raises(Denied):
        book.issue("leg_1", NOW)
    assert answer(book, "123456") == "passed"


def test_calling_again_and_again_buys_no_more_codes_a_day() -> None:
    book = codes(*["123456"] * 9, limits=CodeLimits(sends=2, sends_a_day=3, remembered=2))
    for number in range(3):
        book.issue(f"leg_{number}", NOW + number, "ix_nora")
        book.forget(f"leg_{number}")
    with pytest.raises(Denied, match="code-sends-used-up"):
        book.issue("leg_9", NOW + 3, "ix_nora")
    assert book.issue("leg_9", NOW + 3, "ix_ben")
    assert book.issue("leg_9", NOW + 3)
    assert book.issue("leg_8", NOW + 86_400, "ix_nora")
    with pytest.raises(Denied, match="code-sends-used-up"):
        book.issue("leg_7", NOW + 86_400, "ix_nora")
    book.issue("leg_6", NOW + 86_400, "ix_third")
    assert list(book._days) == ["ix_nora", "ix_third"]


def test_a_forgotten_leg_has_no_code() -> None:
    book = codes("123456", "654321")
    book.issue("leg_1", NOW)
    book.forget("leg_1")
    book.forget("leg_1")
    assert answer(book, "123456") == "code-expired"
    assert (book._pending, book._sends) == ({}, {})


def test_another_process_has_another_key() -> None:
    assert codes("1")._mac("leg_1", "123456") != codes("1")._mac("leg_1", "123456")
    assert Codes(key=b"k" * 32)._mac("l", "1") == Codes(key=b"k" * 32)._mac("l", "1")


def test_codes_and_digits_do_not_show_themselves() -> None:
    book = codes("123456")
    assert "123456" not in repr(book.issue("leg_1", NOW))
    with pytest.raises(Denied) as denial:
        book.check("leg_1", Sealed("987654"), NOW, TICKET)
    assert "987654" not in str(denial.value)


def test_real_codes_have_six_digits_and_are_spread() -> None:
    made = {random_code() for _ in range(400)}
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in made)
    assert len(made) > 390
    assert len({code[0] for code in made}) == 10
