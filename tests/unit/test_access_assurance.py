"""What a number, a trunk and a code are worth."""

from __future__ import annotations

import pytest

from quietline.access.assurance import Evidence, Factor, evidence_of, may_match, score
from quietline.legs import LegTicket
from quietline.sealed import Sealed


def leg(trunk: str = "carrier-a", caller: str = "+442079460001", private: bool = False) -> LegTicket:
    return LegTicket(
        "leg_1", "caller", 0, trunk, "tls-srtp", Sealed(caller), private, "", "", "ci", "ft", "", Sealed("")
    )


ALL = tuple(Factor)


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
        (True, False, True, (Factor.CODE_TO_PHONE, Factor.SECRET_WORD), 3),
        (True, False, True, ALL, 3),
        (False, False, True, ALL, 0),
        (True, True, True, ALL, 0),
        (True, False, False, ALL, 0),
    ],
)
def test_score(trunk: bool, withheld: bool, matched: bool, shown: tuple[Factor, ...], level: int) -> None:
    assert score(Evidence(named_trunk=trunk, withheld=withheld, matched=matched), shown) == level


@pytest.mark.parametrize(
    ("ticket", "may"),
    [(leg(), True), (leg(trunk=""), False), (leg(caller=""), False), (leg(private=True), False)],
)
def test_only_a_shown_number_from_a_named_trunk_is_looked_up(ticket: LegTicket, may: bool) -> None:
    assert may_match(ticket) is may
    assert score(evidence_of(ticket, matched=True)) == int(may)
    assert score(evidence_of(ticket, matched=True), [Factor.CODE_TO_PHONE]) == 2 * int(may)
    assert score(evidence_of(ticket, matched=False)) == 0
