"""The policies that are in force: read from a folder, taken in whole or not at all.

A set that does not load, or that leaves a question unanswerable that access asks, is refused and the old one stays. The
switch is one assignment: a decision is by one set or by the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quietline.access.cedar import POLICIES, Policies, Question, Verdict
from quietline.access.decide import (
    FIELD_ACTIONS,
    REASONED,
    Action,
    Circumstances,
    Phase,
    Principal,
    Role,
    entities_of,
    question_of,
)
from quietline.errors import ConfigError
from quietline.vault.schema import FIELDS, MINIMUM, FieldSpec, Reason

SOME_DAY: Final = 1_795_775_400.0  # any time of a working day will do


class PoliciesInForce:
    """`cedar.Rules`, whichever set that is now. Used from one event loop."""

    def __init__(self, first: Policies) -> None:
        self._now = first

    @property
    def digest(self) -> str:
        """Of the set in force."""
        return self._now.digest

    @property
    def ids(self) -> frozenset[str]:
        """The rules' ids."""
        return self._now.ids

    @property
    def zone(self) -> tzinfo:
        """By whose clock."""
        return self._now.zone

    @property
    def by_the_clock(self) -> bool:
        """Whether a rule asks for the time of day."""
        return self._now.by_the_clock

    def ask_all(self, questions: Sequence[Question]) -> list[Verdict]:
        """By the set in force."""
        return self._now.ask_all(questions)

    def take(self, new: Policies) -> str:
        """From here on `new` decides; the digest of the set before."""
        before, self._now = self._now.digest, new
        return before


def load_policies(
    directory: Path = POLICIES,
    fields: Iterable[FieldSpec] = tuple(FIELDS.values()),
    minimum: Collection[str] = MINIMUM,
    zone: tzinfo = UTC,
) -> Policies:
    """A folder's policy set over these fields. Blocking (reads files). Raises ConfigError; then nothing was loaded."""
    specs = tuple(fields)
    policies = Policies.load(entities_of(specs, minimum), directory, zone)
    must_answer(policies, specs)
    return policies


def zone_called(name: str) -> tzinfo:
    """A time zone by its name in the tz database. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"[vault] policy_zone {name!r}: no time zone; give one such as Europe/London") from None


def must_answer(policies: Policies, fields: Sequence[FieldSpec]) -> None:
    """One question of each action and role, about each field. Raises ConfigError where an answer is an error.

    Strict validation lets rules through that err when they are asked (integer overflow), and a schema of the house's
    own may lack an action. Asked here, so that a set which would deny everything is not taken in.
    """
    classes = [str(each.data_class) for each in fields]
    for role in Role:
        who = Principal("ag_check", role, "store", frozenset({"brand"}), dict.fromkeys(classes, SOME_DAY + 60))
        questions = [_sample(policies, who, action, each) for action in Action for each in _about(action, fields)]
        wrong = [each for each, verdict in zip(questions, policies.ask_all(questions), strict=True) if verdict.error]
        if wrong:
            what = f"{wrong[0].action} by {role.value} of {wrong[0].resource[1]}"
            raise ConfigError(f"policies: a rule cannot be evaluated for {what}; nothing was loaded")


def _about(action: Action, fields: Sequence[FieldSpec]) -> Sequence[FieldSpec | None]:
    return fields if action in FIELD_ACTIONS else [None]


def _sample(policies: Policies, who: Principal, action: Action, what: FieldSpec | None) -> Question:
    call = Circumstances(Phase.LIVE, "brand", 3, SOME_DAY, SOME_DAY + 60)
    reason = next(iter(Reason)) if action in REASONED else None
    return question_of(policies.zone, who, action, call, what, reason)
