"""People from a file: each row by itself, a reason for each bad one, nobody's login in any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import pytest_asyncio
from hypothesis import given
from typer.testing import CliRunner

from quietline.access.decide import Role
from quietline.cli import build
from quietline.cli.staff import end_of, read_people
from quietline.errors import ConfigError, Denied, NotSignedIn
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import VaultHouse
from quietline.vault.applied_staff import TICKET
from quietline.vault.staff_import import COLUMNS, read_rows

STORES = {"high-street", "station"}
EVA = {
    "login": "eva@example.com",
    "name": "Eva Example",
    "role": "agent",
    "store": "station",
    "skills": "orders:4 lang:fr",
}
DIGEST = "ab" * 32
DAY = 86_400.0


def row(line: int = 2, **changes: str) -> dict[str, Any]:
    return {"line": line, **EVA, **changes}


def test_a_good_row_says_all_of_a_person() -> None:
    (person,), bad = read_rows([row(starts="2027-01-01", ends="2027-01-31")], STORES)
    assert bad == {}
    assert person.login.open(TICKET) == "eva@example.com"
    assert (person.role, person.store, person.skills) == (Role.AGENT, "station", {"orders": 4, "lang:fr": 3})
    starts, ends = person.times or (0.0, 0.0)
    assert starts == 1_798_761_600.0  # 2027-01-01T00:00Z
    assert ends - starts == 31 * DAY  # the last day counts


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"login": ""}, "login: 1 to 254"),
        ({"name": " "}, "name: 1 to 254"),
        ({"login": "x" * 255}, "login: 1 to 254"),
        ({"role": "king"}, "role: one of agent, seasonal_agent"),
        ({"role": ""}, "role: 1 to 254"),
        ({"store": "moon"}, "store: one of high-street, station"),
        ({"skills": "orders:9"}, "orders"),
        ({"starts": "01.02.2027"}, "starts: a date such as"),
        ({"ends": "soon"}, "ends: a date such as"),
        ({"starts": "2027-02-01", "ends": "2027-01-01"}, "ends: before it starts"),
        ({"role": "seasonal_agent"}, "seasonal agent's contract ends"),
    ],
)
def test_a_bad_row_says_what_is_wrong_and_never_whose_it_is(changes: dict[str, str], why: str) -> None:
    people, bad = read_rows([row(2), row(3, **{"login": "max@example.com", **changes})], STORES)
    assert len(people) == 1
    assert list(bad) == [3]
    assert why in bad[3]
    assert "example.com" not in bad[3]


def test_a_login_stands_once_in_a_file() -> None:
    people, bad = read_rows([row(2), row(3, login=" EVA@example.com ")], STORES)
    assert len(people) == 1
    assert bad == {3: "the same login as in line 2"}


@pytest.mark.parametrize("raw", [None, {}, "x", [7], [{"login": "eva"}], [{"line": 2, "login": 7}], [row()] * 1_001])
def test_what_is_no_list_of_rows_is_refused(raw: object) -> None:
    with pytest.raises(ConfigError, match="staff import: rows"):
        read_rows(raw, STORES)


texts = st.text(max_size=20) | st.sampled_from(["agent", "station", "2027-01-01", "orders:4", "seasonal_agent", ""])


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, texts)), max_size=5))
def test_every_row_is_either_good_or_has_a_reason(rows: list[dict[str, str]]) -> None:
    numbered = [{"line": number, **each} for number, each in enumerate(rows, 2)]
    people, bad = read_rows(numbered, STORES)
    assert len(people) + len(bad) == len(rows)
    assert all(bad.values())


# -- the file


def test_a_file_is_read_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text('\ufefflogin,name,role,store\neva,"Example, Eva",agent,station\nmax,Max,agent,station\n')
    rows, digest = read_people(file)
    assert [each["line"] for each in rows] == [2, 3]
    assert rows[0]["name"] == "Example, Eva"
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("login,name,role\n", "line 1: no column store"),
        ("login,name,role,store,shoe\n", "unknown column shoe"),
        ("login,name,role,store\na,b,agent,station,more\n", "line 2: more fields"),
        ("", "no column"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        read_people(file)


@pytest.mark.parametrize("raw", [b"\xff\xfe", None])
def test_an_unreadable_file_is_said(tmp_path: Path, raw: bytes | None) -> None:
    file = tmp_path / "people.csv"
    if raw:
        file.write_bytes(raw)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_people(file)


def test_a_last_day_lasts_to_its_end() -> None:
    assert end_of("") == 0.0
    assert end_of("2027-01-31") == 1_801_440_000.0  # 2027-02-01T00:00Z
    with pytest.raises(ConfigError, match="--until"):
        end_of("31.1.2027")


def test_the_commands_exist() -> None:
    for words in (["staff", "import"], ["staff", "unlock"], ["token", "add"], ["token", "revoke"]):
        assert CliRunner().invoke(build(), [*words, "--help"]).exit_code == 0


# -- over the real vault


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path_factory.mktemp("import"), MemoryLedger()) as made:
        yield made


async def imports(house: VaultHouse, *rows: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
    return await house.admin.call("staff_import", rows=list(rows), digest=DIGEST, dry_run=dry_run)


@pytest.mark.asyncio(loop_scope="module")
async def test_people_are_added_changed_and_left_alone(house: VaultHouse) -> None:
    other = await house.agent("other", certificates=())
    looked = await imports(house, row(), row(3, login="bad", role="king"), dry_run=True)
    assert (looked["plan"]["added"], list(looked["bad"])) == (1, ["3"])
    assert len((await house.admin.call("staff_list"))["staff"]) == 1

    done = await imports(house, row(), row(3, login="bad", role="king"))
    word = done["plan"]["words"]["eva@example.com"]
    agent = (await house.admin.call("staff_find", login="eva@example.com"))["agent"]
    with pytest.raises(Denied, match="choose-password"):
        await house.desk.sign_in("eva@example.com", Sealed(word), "192.0.2.7")
    chosen = Sealed("a password of my own")
    token, session = await house.desk.sign_in("eva@example.com", Sealed(word), "192.0.2.7", chosen)
    assert (session.agent, session.role) == (agent, "agent")

    again = await imports(house, row())
    assert (again["plan"]["added"], again["plan"]["changed"], again["plan"]["unchanged"]) == (0, {}, 1)
    changed = await imports(house, row(role="auditor", store="high-street", ends="2037-01-01"))
    assert set(changed["plan"]["changed"][agent]) == {"role", "store", "service"}
    assert (await house.desk.session(token)).role == "auditor"
    members = {each["agent"]: each for each in (await house.admin.call("staff_list"))["staff"]}
    assert members[other]["in_service"]  # nobody is retired by a file

    await imports(house, row(role="auditor", store="high-street", ends="2020-01-01"))
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    assert house.ledger is not None
    written = [each for each in house.ledger.of(Kind.STAFF_CHANGED) if each.get("agent") == agent]
    assert {each["digest"] for each in written if "digest" in each} == {DIGEST}
    assert "eva@" not in str(house.ledger.entries)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_thousand_rows_go_in_one_question(house: VaultHouse) -> None:
    rows = [row(number, login=f"p{number}@example.com") for number in range(2, 1_002)]
    assert (await imports(house, *rows, dry_run=True))["plan"]["added"] == 1_000
