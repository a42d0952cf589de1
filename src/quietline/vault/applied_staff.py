"""The staff as a list says: who is new, who changes, who leaves. `quietline apply` asks; see `ports.AdminVault`.

Compared by login, then in this order: (1) keys of who is new, (2) an entry for each person, durable, (3) all rows in
one transaction, (4) the sessions and phones of who left. Stopped in between, asking again finishes it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quietline.access.decide import Role
from quietline.access.identity import Identity, Member, NewStaff, new_agent_token, normal_login
from quietline.access.ports import StaffRow
from quietline.access.words import LIFE_SECONDS, new_word, stored_word
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.skills import parse_skills, read_skills, write_skills
from quietline.vault.journal import Journal
from quietline.vault.ports import StaffPlan

MAX_PEOPLE = 10_000
TICKET = Ticket("admin", "apply", SIGNALLING)
LISTED = frozenset({Role.AGENT, Role.SUPERVISOR})  # whom a chain file may name; others are never retired by one
AT_ONCE = 500  # entries on their way to the ledger
_KEYS = ("login", "name", "role", "skills", "store")


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the list. `times`: when the contract begins and ends, where the list says so; UTC seconds."""

    login: Sealed[str]
    name: Sealed[str]
    role: Role
    store: str
    skills: dict[str, int]
    times: tuple[float, float] | None = None


@dataclass(slots=True)
class Comparison:
    """What the list changes. `changed`: the person, their row, and which of its values differ."""

    added: list[Person] = field(default_factory=list, repr=False)
    changed: list[tuple[Person, StaffRow, list[str]]] = field(default_factory=list, repr=False)
    retired: list[StaffRow] = field(default_factory=list, repr=False)
    unchanged: int = 0

    def plan(self, words: dict[str, str] | None = None) -> StaffPlan:
        """As it is told."""
        changed = {row.agent: differs for _, row, differs in self.changed}
        return StaffPlan(len(self.added), changed, [row.agent for row in self.retired], self.unchanged, words or {})


def read_people(raw: Any) -> list[Person]:
    """The list, checked. Raises ConfigError with the place, "agents[17]", and what is wrong; never with a login."""
    if not isinstance(raw, list) or len(raw) > MAX_PEOPLE:
        raise ConfigError(f"agents: a list of at most {MAX_PEOPLE} people")
    people: list[Person] = []
    places: dict[str, int] = {}
    for place, each in enumerate(raw):
        try:
            person = _person(each)
            login = normal_login(person.login.open(TICKET))
            if login in places:
                raise ConfigError(f"the same login as agents[{places[login]}]; a login belongs to one person")
        except ConfigError as error:
            raise ConfigError(f"agents[{place}]: {error}") from None
        places[login] = place
        people.append(person)
    return people


def _person(raw: Any) -> Person:
    if not isinstance(raw, Mapping) or set(raw) != set(_KEYS):
        raise ConfigError(f"give {', '.join(_KEYS)}, and nothing else")
    texts = [raw[key] for key in _KEYS if key != "skills"]
    if not all(isinstance(text, str) and 0 < len(text.strip()) <= 254 for text in texts):
        raise ConfigError("login, name, role and store: texts of 1 to 254 characters")
    if not isinstance(raw["skills"], list) or not all(isinstance(skill, str) for skill in raw["skills"]):
        raise ConfigError("skills: a list of texts such as orders:4")
    if raw["role"] not in set(LISTED):
        raise ConfigError("role: agent or supervisor; other roles are given by `quietline staff add`")
    normal_login(raw["login"])
    return Person(
        Sealed(raw["login"]), Sealed(raw["name"]), Role(raw["role"]), raw["store"], parse_skills(raw["skills"])
    )


class AppliedStaff:
    """Lives on the event loop; what blocks goes to threads.

    make_keys: makes what agents' names and entries are sealed under, all at once; blocks. end: ends sessions and phone
    of an agent who left.
    """

    def __init__(
        self,
        journal: Journal,
        identity: Identity,
        make_keys: Callable[[Iterable[str]], None],
        end: Callable[[str], Awaitable[None]],
    ) -> None:
        self._journal, self._identity, self._make_keys, self._end = journal, identity, make_keys, end
        self._applying = asyncio.Lock()

    async def apply(self, raw: Any, digest: str, *, dry_run: bool) -> StaffPlan:
        """Make the staff be these people, or only say what that would change. Raises as `ports.staff_apply` says."""
        people = read_people(raw)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ConfigError("digest: SHA-256 of the file, 64 hexadecimal digits")
        async with self._applying:
            found = await asyncio.to_thread(self._compare, people)
            if dry_run or not (found.added or found.changed or found.retired):
                return found.plan()
            return await self._make_so(found, digest)

    def _compare(self, people: list[Person]) -> Comparison:
        """Blocks. Raises TamperError for a row that is not ours: it is set right first."""
        found, listed, now = Comparison(), set(), self._journal.now()
        for person in people:
            row = self._identity.by_login(self._identity.login_token(person.login, TICKET))
            if row is None:
                found.added.append(person)
                continue
            listed.add(row.agent)
            differs = self._differs(person, row, now)
            if differs:
                found.changed.append((person, row, differs))
            else:
                found.unchanged += 1
        for member in self._identity.roll().members:
            if member.agent not in listed and member.role in LISTED and not _left(member, now):
                found.retired.append(self._identity.row(member.agent))
        return found

    def _differs(self, person: Person, row: StaffRow, now: float) -> list[str]:
        pairs = {
            "role": (person.role.value, row.role),
            "store": (person.store, row.store),
            "skills": (person.skills, read_skills(row.skills)),
            "name": (person.name, self._identity.name_of(row)),
            "service": (person.times or False, (row.starts, row.ends) if person.times else _over(row, now)),
        }
        return [name for name, (wanted, held) in pairs.items() if wanted != held]

    async def add(self, people: list[Person], digest: str, *, dry_run: bool) -> StaffPlan:
        """Make these people be on the staff, and leave everybody else alone. Raises as `apply` does."""
        async with self._applying:
            found = await asyncio.to_thread(self._compare, people)
            found.retired.clear()
            if dry_run or not (found.added or found.changed):
                return found.plan()
            plan = await self._make_so(found, digest)
            for person, row, _ in found.changed:
                if person.times and 0 < person.times[1] <= self._journal.now():
                    await self._end(row.agent)
            return plan

    async def _make_so(self, found: Comparison, digest: str) -> StaffPlan:
        tokens = [new_agent_token() for _ in found.added]
        # (1) Crash here: keys that nobody uses.
        await asyncio.to_thread(self._make_keys, tokens)
        # (2) Crash here: entries of changes that did not happen yet. Never the other way round.
        leaves = await self._write_down(found, tokens, digest)
        words = [new_word() for _ in found.added]
        # (3) All of it, or none.
        await asyncio.to_thread(self._store, found, tokens, words, leaves)
        for row in found.retired:
            await self._end(row.agent)  # (4)
        logins = (person.login.open(TICKET) for person in found.added)
        return found.plan(dict(zip(logins, words, strict=True)))

    async def _write_down(self, found: Comparison, tokens: list[str], digest: str) -> dict[str, str]:
        """Agent → leaf of the entry."""
        entries: list[tuple[str, dict[str, str]]] = [
            *(
                (token, {"change": "added", "role": person.role.value, "store": person.store})
                for token, person in zip(tokens, found.added, strict=True)
            ),
            *((row.agent, {"change": "changed", "what": " ".join(differs)}) for _, row, differs in found.changed),
            *((row.agent, {"change": "ended"}) for row in found.retired),
        ]
        leaves: dict[str, str] = {}
        for first in range(0, len(entries), AT_ONCE):
            part = entries[first : first + AT_ONCE]
            receipts = await asyncio.gather(
                *(
                    self._journal.receipt(Kind.STAFF_CHANGED, agent, agent=agent, digest=digest, **fields)
                    for agent, fields in part
                )
            )
            leaves.update({agent: receipt.leaf for (agent, _), receipt in zip(part, receipts, strict=True)})
        return leaves

    def _store(self, found: Comparison, tokens: list[str], words: list[str], leaves: dict[str, str]) -> None:
        now = self._journal.now()
        rows = []
        for token, person, word in zip(tokens, found.added, words, strict=True):
            password = stored_word(word, now + LIFE_SECONDS)
            times = person.times or (0.0, 0.0)
            new = NewStaff(person.login, person.name, password, person.role, person.store, person.skills, *times)
            rows.append(self._identity.new_row(new, leaves[token], TICKET, token))
        for person, row, differs in found.changed:
            rows.append(self._changed(person, row, differs, leaves[row.agent]))
        for row in found.retired:
            ended = replace(row, starts=min(row.starts, now), ends=now)
            rows.append(replace(ended, leaf=leaves[row.agent], version=row.version + 1))
        self._identity.put_all(rows)

    def _changed(self, person: Person, row: StaffRow, differs: list[str], leaf: str) -> StaffRow:
        name = self._identity.seal_name(row.agent, person.name) if "name" in differs else row.name
        starts, ends = person.times or (row.starts, 0.0 if "service" in differs else row.ends)
        return replace(
            row,
            role=person.role.value,
            store=person.store,
            skills=tuple(write_skills(person.skills)),
            name=name,
            starts=starts,
            ends=ends,
            leaf=leaf,
            version=row.version + 1,
        )


def _over(row: StaffRow, now: float) -> bool:
    return row.ends != 0 and row.ends <= now


def _left(member: Member, now: float) -> bool:
    return member.ends != 0 and member.ends <= now
