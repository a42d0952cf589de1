"""The table of cases a privacy officer reads, and what the rules make of it.

A file of cases is YAML: groups, each with words that say what it is about, and a table of lines
`who · action · field · reason · assurance · when → outcome`, columns set off by blanks, `-` for what does not apply:

    - about: Where is my order? never needs the number or the address.
      cases: |
        agent  reveal  contact.phone  order_status  3  live  reason-does-not-need-it

who: a name of `matrix.PEOPLE`. field: a field's name; `order.*` for all whose names begin so, `@service` for all of a
data class, `*` for all.
reason: a code, or `*`. assurance: 0 to 3, or `*` for all four. when: live, wrap_up, over; in-time, too-late for work
and break-glass. outcome: allowed, denied (for whatever reason), or a word of `reasons.Why`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from quietline.access.cedar import POLICIES, Rules
from quietline.access.decide import FIELD_ACTIONS, REASONED, TIMED, Action, Phase
from quietline.access.matrix import PEOPLE, Case, Outcome, ask
from quietline.errors import ConfigError
from quietline.reasons import Why
from quietline.vault.schema import FieldSpec, Reason

FILE: Final = "cases.yaml"
OUTCOMES: Final = frozenset({"allowed", "denied", *(why.value for why in Why)})
COLUMNS: Final = 7
MAX_BYTES: Final = 1_000_000
_WHEN: Final = {"in-time": "open", "too-late": "over"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, as written, with the questions it stands for. `about`: its group's words."""

    about: str
    text: str
    expected: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A case whose outcome is not the expected one."""

    row: Row
    case: Case
    outcome: Outcome


def load_cases(fields: Sequence[FieldSpec], path: Path = POLICIES / FILE) -> list[Row]:
    """Read a file of cases. Blocking. Raises ConfigError naming file, line as written and what is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: longer than {MAX_BYTES} bytes; split it")
    try:
        groups = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise ConfigError(f"{path}: is not YAML") from None
    return [row for group in _groups(groups, path) for row in _rows(group, fields, path)]


def run(rules: Rules, rows: Sequence[Row], fields: Sequence[FieldSpec]) -> list[Wrong]:
    """The cases that come out otherwise; none when all is as the table says."""
    flat = sorted(((row, case) for row in rows for case in row.cases), key=lambda pair: pair[1].who)
    outcomes = ask(rules, [case for _, case in flat], fields)
    pairs = zip(flat, outcomes, strict=True)
    return [Wrong(row, case, outcome) for (row, case), outcome in pairs if not _fits(outcome, row.expected)]


def digest(path: Path = POLICIES / FILE) -> str:
    """SHA-256 of the file, hex: what a review has read beside the policies."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fits(outcome: Outcome, expected: str) -> bool:
    if expected == "denied":
        return not outcome.allowed and outcome.why != Why.POLICY_ERROR
    return outcome.why == expected


def _groups(groups: Any, path: Path) -> list[dict[str, str]]:
    wanted = {"about", "cases"}
    if not isinstance(groups, list) or not groups:
        raise ConfigError(f"{path}: give a list of groups, each with `about` and `cases`")
    for group in groups:
        if not isinstance(group, dict) or set(group) != wanted or not all(isinstance(v, str) for v in group.values()):
            raise ConfigError(f"{path}: a group has `about` and `cases`, both texts, and nothing else")
    return groups


def _rows(group: dict[str, str], fields: Sequence[FieldSpec], path: Path) -> Iterator[Row]:
    for line in group["cases"].splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield _row(group["about"].strip(), text, fields, path)


def _row(about: str, text: str, fields: Sequence[FieldSpec], path: Path) -> Row:
    cells = text.split()
    try:
        if len(cells) != COLUMNS:
            raise ValueError("seven columns: who, action, field, reason, assurance, when, outcome")
        who, action, field, reason, assurance, when, expected = cells
        if who not in PEOPLE:
            raise ValueError(f"who: one of {', '.join(PEOPLE)}")
        if expected not in OUTCOMES:
            raise ValueError("outcome: allowed, denied, or a word such as assurance-too-low")
        asked = _word(Action, action, "action")
        cases = tuple(
            Case(who, asked, each, why, level, **_moment(asked, when))
            for each in _fields(asked, field, fields)
            for why in _reasons(asked, reason)
            for level in _levels(asked, assurance)
        )
    except ValueError as error:
        raise ConfigError(f"{path}: {text!r}: {error}") from None
    return Row(about, " ".join(cells), expected, cases)


def _word(kind: Any, word: str, column: str) -> Any:
    try:
        return kind(word)
    except ValueError:
        raise ValueError(f"{column}: one of {', '.join(kind)}") from None


def _fields(action: Action, cell: str, fields: Sequence[FieldSpec]) -> list[str]:
    if action not in FIELD_ACTIONS:
        return _nothing(cell, "field")
    found = [each.name for each in fields if cell in ("*", each.name, f"@{each.data_class}", f"{_family(each.name)}.*")]
    if not found:
        raise ValueError("field: a field's name, several such as order.*, a data class such as @service, or *")
    return found


def _family(name: str) -> str:
    return name.partition(".")[0]


def _reasons(action: Action, cell: str) -> list[str]:
    if action not in REASONED:
        return _nothing(cell, "reason")
    return [each.value for each in Reason] if cell == "*" else [_word(Reason, cell, "reason").value]


def _levels(action: Action, cell: str) -> list[int]:
    if action not in FIELD_ACTIONS or action is Action.BREAK_GLASS:
        _nothing(cell, "assurance")
        return [3]
    if cell != "*" and cell not in ("0", "1", "2", "3"):
        raise ValueError("assurance: 0 to 3, or *")
    return list(range(4)) if cell == "*" else [int(cell)]


def _moment(action: Action, cell: str) -> dict[str, Any]:
    if action in TIMED:
        if cell not in _WHEN:
            raise ValueError("when: in-time or too-late")
        return {"until": _WHEN[cell]}
    if action is Action.EXPORT:
        _nothing(cell, "when")
        return {}
    return {"phase": _word(Phase, cell, "when")}


def _nothing(cell: str, column: str) -> list[str]:
    if cell != "-":
        raise ValueError(f"{column}: does not apply here; write -")
    return [""]
