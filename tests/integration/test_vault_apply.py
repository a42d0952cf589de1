"""`staff_apply`: the staff become a list, all or nothing, in the ledger first; new people sign in with a word, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import ConfigError, Denied, LedgerUnavailable, NotSignedIn
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import PASSWORD, VaultHouse

DIGEST = "ab" * 32
CHOSEN = Sealed("a password of my own")


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def house(tmp_path: Path, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path, ledger) as house:
        yield house


def person(login: str, **changes: Any) -> dict[str, object]:
    plain = {"login": login, "name": f"{login.title()} Example", "role": "agent", "store": "high-street", "skills": []}
    return {**plain, **changes}


async def refusal(asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        await asked
    return refused.value.reason


async def test_a_list_is_compared_applied_and_then_changes_nothing(house: VaultHouse, ledger: MemoryLedger) -> None:
    kept = await house.agent("kai", name="Kai Example", skills=["orders:4"])
    moved = await house.agent("mo", name="Mo Example")
    gone = await house.agent("gwen")
    boss = await house.agent("boss", role="administrator")
    people = [
        person("Kai", skills=["orders:4"]),
        person("mo", store="not-yet-open", role="supervisor", skills=["orders:2", "lang:fr"], name="Mo Sample"),
        person("new", skills=["returns:5"]),
    ]
    before = len(ledger.entries)
    dry = await house.admin.staff_apply(people, DIGEST, dry_run=True)
    assert (dry.added, dry.changed, dry.retired, dry.unchanged) == (
        1,
        {moved: ["role", "store", "skills", "name"]},
        [gone],
        1,
    )
    assert (dry.words, len(ledger.entries)) == ({}, before)
    done = await house.admin.staff_apply(people, DIGEST, dry_run=False)
    assert (done.added, done.changed, done.retired, list(done.words)) == (1, dry.changed, [gone], ["new"])
    members = {each.agent: each for each in await house.calls.staff()}
    assert set(members) >= {kept, moved}
    assert not {gone, boss} & set(members)
    assert (members[moved].skills, members[moved].store) == ({"orders": 2, "lang:fr": 3}, "not-yet-open")
    entries = [each for each in ledger.of(Kind.STAFF_CHANGED) if each.get("digest") == DIGEST]
    assert sorted(str(each["change"]) for each in entries) == ["added", "changed", "ended"]
    again = await house.admin.staff_apply(people, DIGEST, dry_run=False)
    assert (again.added, again.changed, again.retired, again.unchanged, again.words) == (0, {}, [], 3, {})
    assert "Example" not in repr([entry.fields for entry in ledger.entries])


async def test_who_left_is_out_at_once_and_may_come_back(house: VaultHouse) -> None:
    agent = await house.agent("eva")
    token = await house.signed_in("eva")
    await house.desk.phone(token)
    assert (await house.admin.staff_apply([], DIGEST, dry_run=False)).retired == [agent]
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    assert agent not in house.edge.phones
    assert await refusal(house.signed_in("eva")) == "sign-in-refused"
    back = await house.admin.staff_apply([person("eva", name="Eva Example")], DIGEST, dry_run=False)
    assert back.changed == {agent: ["service"]}
    assert (await house.desk.session(await house.signed_in("eva"))).agent == agent


async def test_a_word_signs_in_once_and_becomes_a_password(house: VaultHouse, ledger: MemoryLedger) -> None:
    word = Sealed((await house.admin.staff_apply([person("new")], DIGEST, dry_run=False)).words["new"])
    assert await refusal(house.desk.sign_in("new", word, "")) == "choose-password"
    assert await refusal(house.desk.sign_in("new", word, "", Sealed("short"))) == "choose-password"
    assert await refusal(house.desk.sign_in("new", Sealed("0000-0000"), "", CHOSEN)) == "sign-in-refused"
    assert ledger.of(Kind.SIGNED_IN) == []
    token, session = await house.desk.sign_in("new", word, "", CHOSEN)
    assert (await house.desk.session(token)).name == session.name == "New Example"
    assert await refusal(house.desk.sign_in("new", word, "", Sealed("another password"))) == "sign-in-refused"
    again, _ = await house.desk.sign_in("new", CHOSEN, "")
    assert (await house.desk.session(again)).agent == session.agent
    changes = [each["change"] for each in ledger.of(Kind.STAFF_CHANGED)]
    assert changes == ["added", "password"]


async def test_a_password_is_not_changed_by_the_way(house: VaultHouse) -> None:
    await house.agent("eva")
    await house.desk.sign_in("eva", Sealed(PASSWORD), "", CHOSEN)
    assert await refusal(house.desk.sign_in("eva", CHOSEN, "")) == "sign-in-refused"
    assert await house.signed_in("eva")


async def test_all_or_nothing(house: VaultHouse, ledger: MemoryLedger) -> None:
    with pytest.raises(ConfigError, match=r"agents\[1\]: .*same login"):
        await house.admin.staff_apply([person("a"), person("A ")], DIGEST, dry_run=False)
    with pytest.raises(ConfigError, match="64 hexadecimal"):
        await house.admin.staff_apply([person("a")], "abc", dry_run=False)
    ledger.fault = LedgerUnavailable("ledger: full")
    with pytest.raises(LedgerUnavailable):
        await house.admin.staff_apply([person("a"), person("b")], DIGEST, dry_run=False)
    ledger.fault = None
    assert await house.calls.staff() == []
    assert (await house.admin.staff_apply([person("a"), person("b")], DIGEST, dry_run=False)).added == 2


async def test_hundreds_go_in_one_step_with_the_real_ledger(tmp_path: Path) -> None:
    async with VaultHouse(tmp_path) as house:
        people = [person(f"agent{number}", skills=["orders:3", "lang:en"]) for number in range(600)]
        done = await house.admin.staff_apply(people, DIGEST, dry_run=False)
        assert (done.added, len(set(done.words.values()))) == (600, 600)
        assert len(await house.calls.staff()) == 600
        last = Sealed(done.words["agent599"])
        await house.restart()
        assert (await house.desk.sign_in("agent599", last, "", CHOSEN))[1].name == "Agent599 Example"


# -- the configuration's own entry


async def test_an_applied_configuration_is_in_the_ledger(house: VaultHouse, ledger: MemoryLedger) -> None:
    await house.admin.config_applied(DIGEST, {"stores_added": 2, "queues_changed": 1})
    assert ledger.of(Kind.CONFIG_APPLIED) == [{"digest": DIGEST, "stores_added": 2, "queues_changed": 1}]
    ledger.fault = LedgerUnavailable("ledger: full")
    with pytest.raises(LedgerUnavailable):
        await house.admin.config_applied(DIGEST, {})


@pytest.mark.parametrize(
    "counts",
    [None, [], {"Stores": 1}, {"+442079460001": 1}, {"a": -1}, {"a": True}, {"a": "x"}, {"a": 1.5}, {"a": 10**6}],
)
async def test_only_words_and_counts_are_written(house: VaultHouse, counts: Any) -> None:
    with pytest.raises(ConfigError, match="whole numbers"):
        await house.admin.config_applied(DIGEST, counts)
