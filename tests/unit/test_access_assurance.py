"""What a number, a trunk, a code, a question and a carrier's word are worth."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.assurance import KNOWLEDGE, Evidence, Factor, evidence_of, is_new, may_match, score
from quietline.legs import LegTicket
from quietline.sealed import Sealed


def leg(trunk: str = "carrier-a", caller: str = "+442079460001", private: bool = False) -> LegTicket:
    return LegTicket(
        "leg_1", "caller", 0, trunk, "tls-srtp", Sealed(caller), private, "", "", "ci", "ft", "", Sealed("")
    )


ALL = tuple(Factor)
NUMBER = Evidence(named_trunk=True, withheld=False, matched=True)
CLAIM = Evidence(named_trunk=True, withheld=False, matched=False, claimed=True)
HIDDEN = Evidence(named_trunk=True, withheld=True, matched=False, claimed=True)


@pytest.mark.parametrize(
    ("trunk", "withheld", "matched", "shown", "level"),
    [
        (True, False, True, (), 1),
        (True, False, False, (), 0),
        (True, True, True, (), 0),
        (False, False, True, (), 0),
        (True, False, True, (Factor.CODE_TO_PHONE,), 2),
        (True, False, True, (Factor.CODE_TO_PHONE, Factor.CODE_TO_PHONE), 2),
        (True, False, True, (Factor.CODE_TO_PHONE, Factor.CALLBACK_TO_PHONE), 2),
        (True, False, True, (Factor.CODE_TO_PHONE, Factor.CODE_TO_EMAIL), 3),
        (True, False, True, (Factor.CODE_TO_PHONE, Factor.APP), 3),
        (True, False, True, (Factor.APP,), 2),
        (True, False, True, (Factor.QUESTION,), 1),
        (True, False, True, (Factor.QUESTION, Factor.CODE_TO_PHONE), 2),
        (True, False, True, (Factor.QUESTION, Factor.CODE_TO_PHONE, Factor.CALLBACK_TO_PHONE), 2),
        (True, False, True, ALL, 3),
        (False, False, True, ALL, 0),
        (True, True, True, ALL, 0),
        (True, False, False, ALL, 0),
    ],
)
def test_score(trunk: bool, withheld: bool, matched: bool, shown: tuple[Factor, ...], level: int) -> None:
    assert score(Evidence(named_trunk=trunk, withheld=withheld, matched=matched), shown) == level


@pytest.mark.parametrize("evidence", [CLAIM, HIDDEN], ids=["another number", "withheld"])
@pytest.mark.parametrize(
    ("shown", "level"),
    [
        ((), 0),
        ((Factor.QUESTION,), 1),
        ((Factor.CODE_TO_PHONE,), 2),
        ((Factor.QUESTION, Factor.CODE_TO_PHONE), 2),
        ((Factor.CODE_TO_PHONE, Factor.APP), 3),
    ],
)
def test_who_tells_who_they_are_has_shown_nothing_yet(
    evidence: Evidence, shown: tuple[Factor, ...], level: int
) -> None:
    assert score(evidence, shown) == level


@pytest.mark.parametrize("word", ["A", "B", "C", "absent", "bad-signature", "replayed"])
@pytest.mark.parametrize("shown", [(), (Factor.CODE_TO_PHONE,), ALL])
def test_a_carriers_word_is_needed_for_no_level_and_gives_none(word: str, shown: tuple[Factor, ...]) -> None:
    for matched in (True, False):
        evidence = Evidence(True, False, matched)
        assert score(Evidence(True, False, matched, attestation=word), shown) == score(evidence, shown)


@pytest.mark.parametrize(
    ("ticket", "may"),
    [(leg(), True), (leg(trunk=""), False), (leg(caller=""), False), (leg(private=True), False)],
)
def test_only_a_shown_number_from_a_named_trunk_is_looked_up(ticket: LegTicket, may: bool) -> None:
    assert may_match(ticket) is may
    assert score(evidence_of(ticket, matched=True)) == int(may)
    assert score(evidence_of(ticket, matched=True), [Factor.CODE_TO_PHONE]) == 2 * int(may)
    assert score(evidence_of(ticket, matched=False)) == 0


EVIDENCE = st.builds(
    Evidence, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "A", "C", "stale"])
)
SHOWN = st.sets(st.sampled_from(ALL))


@given(EVIDENCE, SHOWN, SHOWN)
def test_more_shown_never_lowers(evidence: Evidence, shown: set[Factor], more: set[Factor]) -> None:
    assert score(evidence, shown) <= score(evidence, shown | more) <= 3


@given(EVIDENCE, SHOWN, st.sampled_from(["named_trunk", "matched", "claimed"]))
def test_better_evidence_never_lowers(evidence: Evidence, shown: set[Factor], better: str) -> None:
    from dataclasses import replace

    assert score(evidence, shown) <= score(replace(evidence, **{better: True}), shown)
    assert score(replace(evidence, withheld=True), shown) <= score(evidence, shown)


@given(EVIDENCE, SHOWN)
def test_what_rests_on_one_thing_never_makes_three(evidence: Evidence, shown: set[Factor]) -> None:
    groups = {each.rests_on for each in shown} - {KNOWLEDGE}
    level = score(evidence, shown)
    assert level < 3 or len(groups) >= 2
    assert level < 2 or groups
    assert level == 0 or evidence.named_trunk


def test_a_number_a_code_and_a_question_are_not_two_factors() -> None:
    phone = [each for each in Factor if each.rests_on in ("phone", KNOWLEDGE)]
    for size in range(len(phone) + 1):
        for shown in combinations(phone, size):
            assert score(NUMBER, shown) <= 2
            assert score(CLAIM, shown) <= 2


@pytest.mark.parametrize(
    ("changed", "today", "new"),
    [
        (0, 20_000, False),
        (20_000, 20_000, True),
        (19_993, 20_000, True),
        (19_992, 20_000, False),
        (20_001, 20_000, True),
    ],
)
def test_a_contact_is_new_for_seven_days(changed: int, today: int, new: bool) -> None:
    assert is_new(changed, today) is new
