"""How sure are we of the caller? Pure. Levels are product.md's promise 6; NIST SP 800-63B names the factors' kinds.

    0  nothing known: withheld, not from a named trunk, or no match
    1  the number matches a customer, as claimed by a trunk that an administrator has named
    2  step-up passed: something beyond the claimed number was shown
    3  two independent factors

A code sent to the number on record shows possession of that number, and a matching caller ID is a claim about the same
number: one factor, so level 2. Level 3 takes two factors that do not fall together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from quietline.legs import LegTicket


class Factor(StrEnum):
    """What a caller has shown. Each value before ":" is what it rests on; two that rest on one thing count once."""

    CODE_TO_PHONE = "phone:code"
    CODE_TO_EMAIL = "email:code"
    CALLBACK_TO_PHONE = "phone:callback"
    SECRET_WORD = "secret:word"  # noqa: S105 - a kind of factor, not a secret

    @property
    def rests_on(self) -> str:
        return self.value.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a leg. `named_trunk`: by the edge's signed word. `matched`: the vault's index knew it."""

    named_trunk: bool
    withheld: bool
    matched: bool


def evidence_of(leg: LegTicket, matched: bool) -> Evidence:
    """From a ticket that `legs.verify_leg` has passed."""
    return Evidence(named_trunk=bool(leg.trunk), withheld=leg.private or not leg.caller, matched=matched)


def may_match(leg: LegTicket) -> bool:
    """Whether the number may be looked up: a withheld one is not, nor one from a source that is no named trunk."""
    return bool(leg.trunk) and not leg.private and bool(leg.caller)


def score(evidence: Evidence, shown: Collection[Factor] = ()) -> int:
    """The level, 0–3.

    Without a named trunk, a number and a match there is no customer for a factor to belong to: 0 whatever was keyed in.
    """
    if evidence.withheld or not evidence.named_trunk or not evidence.matched:
        return 0
    independent = {factor.rests_on for factor in shown}
    return min(1 + len(independent), 3)
