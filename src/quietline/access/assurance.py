"""How sure are we of the caller? Pure. Levels are product.md's promise 6; NIST SP 800-63B names the factors' kinds.

    0  nothing known: withheld, not from a named trunk, no match, or only the caller's own word
    1  the number matches a customer, as claimed by a trunk that an administrator has named; or a question was answered
    2  step-up passed: something beyond the claimed number was shown
    3  two independent factors

A code sent to the number on record shows possession of that number, and a matching caller ID is a claim about the same
number: one factor, so level 2. Level 3 takes two factors that do not fall together. What a carrier attests of a number
(stir/) is evidence about that same number: it is shown as a grade and is needed for no level, nor enough for any.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from quietline.legs import LegTicket

NEW_CONTACT_DAYS = 7  # whoever has just taken an account over changes its contacts first


class Factor(StrEnum):
    """What a caller has shown. Each value before ":" is what it rests on; two that rest on one thing count once."""

    CODE_TO_PHONE = "phone:code"
    CALLBACK_TO_PHONE = "phone:callback"
    CODE_TO_EMAIL = "email:code"
    APP = "app:passkey"  # the shop's own app, once one is connected
    QUESTION = "knows:question"

    @property
    def rests_on(self) -> str:
        return self.value.partition(":")[0]


KNOWLEDGE = Factor.QUESTION.rests_on  # no authenticator (NIST SP 800-63B-4 §3.1.1): level 1 at most


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a leg. `named_trunk`: by the edge's signed word. `matched`: the number led to this customer, and
    is not new on record. `claimed`: the caller told who they are by an order or a loyalty number.

    `attestation`: the carrier's, `stir.verdict.Verdict` or "". Kept beside the rest; no level depends on it.
    """

    named_trunk: bool
    withheld: bool
    matched: bool
    claimed: bool = False
    attestation: str = ""


def evidence_of(leg: LegTicket, matched: bool) -> Evidence:
    """From a ticket that `legs.verify_leg` has passed."""
    return Evidence(named_trunk=bool(leg.trunk), withheld=leg.private or not leg.caller, matched=matched)


def may_match(leg: LegTicket) -> bool:
    """Whether the number may be looked up: a withheld one is not, nor one from a source that is no named trunk."""
    return bool(leg.trunk) and not leg.private and bool(leg.caller)


def score(evidence: Evidence, shown: Collection[Factor] = ()) -> int:
    """The level, 0–3.

    Without a named trunk there is nobody who answers for the call; without a match or a claim there is no customer for
    a factor to belong to: 0 whatever was keyed in.
    """
    matched = evidence.matched and not evidence.withheld
    if not evidence.named_trunk or not (matched or evidence.claimed):
        return 0
    independent = {factor.rests_on for factor in shown} - {KNOWLEDGE}
    if independent:
        return min(1 + len(independent), 3)
    return int(matched or Factor.QUESTION in shown)


def is_new(changed: int, today: int) -> bool:
    """Whether a contact was changed in the last 7 days. UTC days since 1970; `changed` 0: as it first was.

    Days are all that is stored (records_0003.sql), so the day itself counts, and a day that is still to come.
    """
    return bool(changed) and today - changed <= NEW_CONTACT_DAYS
