"""What the controller may write into the ledger: words, tokens and counts of its own kinds, and no number."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import Denied
from quietline.ledger.vocabulary import Kind
from quietline.vault.calls import CONTROLLER_KINDS, MAX_COUNT, MAX_EVENT_FIELDS, _check_event
from quietline.vault.ports import CallEvent

spacing = st.sampled_from(["", " ", "-", ".", "  ", " - "])


def refused(event: CallEvent) -> bool:
    try:
        _check_event(event)
    except Denied as refusal:
        return refusal.reason == "event-refused"
    return False


@given(st.integers(10**6, 10**14), spacing, st.sampled_from(["", "0", "00"]), st.sampled_from(["reason", "call", "x"]))
def test_no_phone_number_in_any_dress(number: int, gap: str, prefix: str, name: str) -> None:
    written = gap.join(prefix + str(number))
    for event in (
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {name: written}),
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {name: f"caller {written}"}),
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {name: f"+{written}"}),
        CallEvent(Kind.CALL_ENDED.value, written, {}),
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {written: 1}),
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {name: number}),
        CallEvent(Kind.CALL_ENDED.value, "leg_1", {name: float(number)}),
    ):
        assert refused(event), event


@given(st.binary(min_size=8, max_size=16), st.floats(0, MAX_COUNT - 1), st.integers(0, 999_999), st.booleans())
def test_tokens_counts_and_words_pass(raw: bytes, wait: float, count: int, flag: bool) -> None:
    leg, call, agent = f"leg_{raw.hex()}", f"ca_{raw.hex()}", f"ag_{raw.hex()}"
    fields = {"call": call, "agent": agent, "wait": wait, "n": count, "muted": flag, "outcome": "no_answer"}
    assert not refused(CallEvent(Kind.CALL_ENDED.value, leg, dict(fields)))


def test_an_alias_passes() -> None:
    assert not refused(
        CallEvent(Kind.CALL_OFFERED.value, "leg_1", {"alias": f"Caller {secrets.randbelow(10_000):04d}"})
    )


@pytest.mark.parametrize("kind", Kind)
def test_only_the_controllers_kinds(kind: Kind) -> None:
    assert refused(CallEvent(kind.value, "leg_1", {})) == (kind not in CONTROLLER_KINDS)


@given(st.text(max_size=30))
def test_no_other_kind_exists(kind: str) -> None:
    if kind not in {each.value for each in CONTROLLER_KINDS}:
        assert refused(CallEvent(kind, "leg_1", {}))


@given(st.text(min_size=1, max_size=100))
def test_text_is_short_and_plain(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.:/ -]{0,80}", text):
        assert refused(CallEvent(Kind.FAULT.value, "", {"part": text}))


@pytest.mark.parametrize("value", [None, [], {}, float("nan"), float("inf"), -float("inf"), MAX_COUNT, b"x"])
def test_other_values_are_refused(value: object) -> None:
    assert refused(CallEvent(Kind.FAULT.value, "", {"part": value}))  # type: ignore[dict-item]


def test_many_fields_are_refused() -> None:
    assert refused(CallEvent(Kind.FAULT.value, "", {f"f{n}": n for n in range(MAX_EVENT_FIELDS + 1)}))
