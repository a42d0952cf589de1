"""People from a file: each row is checked by itself, good ones are added or changed, bad ones come back with a reason.

Nobody is retired by a file; a role, a store or an end date is changed as the file says. Reasons never say a login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from quietline.access.decide import Role
from quietline.access.identity import check_times, normal_login
from quietline.errors import ConfigError
from quietline.sealed import Sealed
from quietline.skills import parse_skills
from quietline.vault.applied_staff import TICKET, AppliedStaff, Person
from quietline.vault.ports import StaffPlan

MOST: Final = 1_000  # rows in one question
COLUMNS: Final = ("login", "name", "role", "store", "skills", "starts", "ends")
NEEDED: Final = ("login", "name", "role", "store")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows. `bad`: line of the file -> why it was passed over."""

    plan: StaffPlan
    bad: dict[int, str]


class StaffImport:
    """`stores`: ids of the stores in force, read anew each time."""

    def __init__(self, applied: AppliedStaff, stores: Callable[[], set[str]]) -> None:
        self._applied, self._stores = applied, stores

    async def run(self, raw: Any, digest: str, *, dry_run: bool) -> Imported:
        """`raw`: rows as texts by column, each with its "line". Raises ConfigError for what is no list of rows."""
        people, bad = read_rows(raw, self._stores())
        return Imported(await self._applied.add(people, digest, dry_run=dry_run), bad)


def read_rows(raw: Any, stores: set[str]) -> tuple[list[Person], dict[int, str]]:
    """The good rows, and why the others are bad."""
    if not isinstance(raw, list) or len(raw) > MOST or not all(map(_is_row, raw)):
        raise ConfigError(f"staff import: rows: at most {MOST}, each with a line and texts by column")
    people: list[Person] = []
    bad: dict[int, str] = {}
    seen: dict[str, int] = {}
    for row in raw:
        try:
            person = _person(row, stores)
            login = normal_login(person.login.open(TICKET))
            if login in seen:
                raise ConfigError(f"the same login as in line {seen[login]}")
        except ConfigError as error:
            bad[row["line"]] = str(error)
            continue
        seen[login] = row["line"]
        people.append(person)
    return people, bad


def _is_row(row: Any) -> bool:
    if not isinstance(row, Mapping) or not isinstance(row.get("line"), int):
        return False
    return all(isinstance(value, str) for name, value in row.items() if name != "line")


def _person(row: Mapping[str, Any], stores: set[str]) -> Person:
    texts = {name: str(row.get(name, "")).strip() for name in COLUMNS}
    for name in NEEDED:
        if not 0 < len(texts[name]) <= 254:
            raise ConfigError(f"{name}: 1 to 254 characters are needed")
    if texts["role"] not in set(Role):
        raise ConfigError(f"role: one of {', '.join(Role)}")
    if texts["store"] not in stores:
        raise ConfigError(f"store: one of {', '.join(sorted(stores)) or 'none configured'}")
    role, times = Role(texts["role"]), (_day("starts", texts["starts"]), _day("ends", texts["ends"], last=True))
    check_times(role, *times)
    if times[1] and times[1] <= times[0]:
        raise ConfigError("ends: before it starts")
    skills = parse_skills(tuple(texts["skills"].split()))
    return Person(Sealed(texts["login"]), Sealed(texts["name"]), role, texts["store"], skills, times)


def _day(name: str, text: str, last: bool = False) -> float:
    """A date's beginning, UTC; `last`: the end of that day. Nothing is 0: from ever, for ever."""
    if not text:
        return 0.0
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigError(f"{name}: a date such as 2027-01-31") from None
    return (day + timedelta(days=1 if last else 0)).timestamp()
