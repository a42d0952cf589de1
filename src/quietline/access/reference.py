"""`docs/reference/policy.md`, made from the rules.

`python -m quietline.access.reference > docs/reference/policy.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from quietline.access.cases import load_cases
from quietline.access.cedar import Rules
from quietline.access.decide import Action, Role
from quietline.access.in_force import load_policies
from quietline.access.matrix import abouts, ask, best_case
from quietline.reasons import ADVICE, NEEDS, Why
from quietline.vault.schema import FIELDS, FieldSpec, Reason

HEAD = """\
# Policy: who may see what

Made from `src/quietline/access/policies/` by `python -m quietline.access.reference`; a test keeps it true. Change the
rules, not this page.

Every look is decided inside the vault by Cedar rules, for a purpose, by role, store, live call, assurance, training and
time. What no rule permits is denied; a rule that errs denies. The rules are text that needs no Python to be read:
`looks.cedar` says what each reason needs, `guards.cedar` takes away from it whatever the reason, `cases.yaml` says
case by case what must come out.

Rules of your own: copy the folder, change it, and name it in `vault.policies`. Then:

- `quietline policy check FOLDER` finds what does not load, errs, opens nothing or explains nothing.
- `quietline policy test FOLDER` runs the folder's `cases.yaml`.
- `quietline policy diff OLD NEW` lists what becomes allowed or denied, over the whole matrix of questions.
- `quietline policy explain agent reveal contact.name --reason order_status --assurance 1` answers one question.
- `quietline policy review FOLDER` prints the hash of what you have read; `quietline policy reload --reviewed HASH`
  takes the folder in while calls go on, if it is still the same. An invalid set is refused, and the old one stays.
- `quietline policy minimum` scores what was opened against what the reason needed.
"""

CASES = """\
A line of `cases.yaml` is: who, action, field, reason, assurance, when, outcome; `-` where a column does not apply.

- **who**: a role, or one of `lapsed`, `franchisee`, `hub`, `nowhere`. The customer is the brand's.
- **field**: a name, `order.*` for all whose names begin so, `@service` for all of a data class, `*` for all.
- **reason**, **assurance**: one, or `*` for every one.
- **when**: `live`, `wrap_up` or `over`; for work and break-glass `in-time` or `too-late`.
- **outcome**: `allowed`, `denied`, or the word of the refusal.
"""

CLOCK = """\
Rules may ask for the time: `context.minuteOfDay` (0 to 1439) and `context.weekday` (1, Monday, to 7), by the clock of
`vault.policy_zone`. No shipped rule does. One that closes break-glass at night:

```
@id("role-may-not/at-night")
forbid (principal, action == Action::"break_glass", resource)
when { context.minuteOfDay < 480 || context.minuteOfDay >= 1320 };
```

The part of a `forbid`'s id before `/` is the word that the page explains, one of those below.
"""


def page() -> str:
    """The whole page."""
    fields = list(FIELDS.values())
    rules = load_policies()
    parts = (HEAD, "## What each reason needs\n", needs(rules, fields), because(), "## What each role may do\n")
    more = (roles(rules, fields), "## The cases\n", CASES, cases(fields), "## The time of day\n", CLOCK)
    return "\n".join([*parts, *more, "## Words of refusal\n", words()])


def needs(rules: Rules, fields: Sequence[FieldSpec]) -> str:
    """One row a field, one column a reason, as the engine answers them. `card`: shown unasked."""
    head = ("field", "from assurance", "card", *(reason.value for reason in Reason))
    return _table(head, (_row(rules, spec, fields) for spec in fields))


def _row(rules: Rules, spec: FieldSpec, fields: Sequence[FieldSpec]) -> list[str]:
    asked = [best_case("agent", Action.CARD, spec.name, "")]
    for reason in Reason:
        asked += [best_case("agent", action, spec.name, reason.value) for action in (Action.REVEAL, Action.CHANGE)]
    card, *looks = (outcome.allowed for outcome in ask(rules, asked, fields))
    pairs = zip(looks[::2], looks[1::2], strict=True)
    cells = ["see, change" if change else "see" if reveal else "" for reveal, change in pairs]
    return [f"`{spec.name}`", str(spec.assurance), "yes" if card else "", *cells]


def because() -> str:
    """Why each reason needs what it needs."""
    rows = ((f"`{reason}`", str(len(need.fields)), need.because) for reason, need in NEEDS.items())
    return _table(("reason", "fields it needs", "because"), rows)


def roles(rules: Rules, fields: Sequence[FieldSpec]) -> str:
    """One row a role, one column an action; a field action counts when some field may be had for some reason."""
    return _table(("role", *(action.value for action in Action)), (_role(rules, role, fields) for role in Role))


def _role(rules: Rules, role: Role, fields: Sequence[FieldSpec]) -> list[str]:
    return [f"`{role.value}`", *("yes" if _may(rules, role, action, fields) else "" for action in Action)]


def _may(rules: Rules, role: Role, action: Action, fields: Sequence[FieldSpec]) -> bool:
    asked = [best_case(role.value, action, *about) for about in abouts(action, fields)]
    return any(outcome.allowed for outcome in ask(rules, asked, fields))


def cases(fields: Sequence[FieldSpec]) -> str:
    """The table of cases, group by group."""
    rows = load_cases(fields)
    parts = []
    for about in dict.fromkeys(row.about for row in rows):
        lines = (
            [f"`{cell}`" if cell != "-" else "" for cell in row.text.split()] for row in rows if row.about == about
        )
        head = ("who", "action", "field", "reason", "assurance", "when", "outcome")
        parts.append(f"**{about}**\n\n{_table(head, lines)}")
    return "\n".join(parts)


def words() -> str:
    """What the page says of each refusal that the rules can give."""
    said = _rule_words()
    given = (why for why in Why if why.value in said)
    return _table(("word", "what the page says"), ((f"`{why.value}`", ADVICE[why]) for why in given))


def _rule_words() -> set[str]:
    fixed = {Why.POLICY.value, Why.POLICY_ERROR.value, Why.REASON_DOES_NOT_NEED_IT.value}
    return fixed | {name.partition("/")[0] for name in load_policies().ids}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *[list(row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
