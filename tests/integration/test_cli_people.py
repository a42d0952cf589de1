"""`quietline token` and `quietline staff`, run as commands against a vault that serves: what they print and refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from quietline import config_file
from quietline.cli import build
from quietline.errors import ConfigError, Denied
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import PASSWORD, VaultHouse

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


class Console:
    """Commands, each in a thread, as a shell beside the vault would run them."""

    def __init__(self, house: VaultHouse, config: Path) -> None:
        self.house, self.config = house, config

    async def runs(self, *words: str) -> Result:
        arguments = [*words, "--config", str(self.config)]
        return await asyncio.to_thread(CliRunner().invoke, build(), arguments)

    async def says(self, *words: str) -> str:
        result = await self.runs(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.output)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    folder = tmp_path_factory.mktemp("cli-people")
    async with VaultHouse(folder, MemoryLedger()) as house:
        config = folder / "quietline.toml"
        config.write_text(config_file.dump(house.config))
        yield Console(house, config)


async def test_a_token_is_shown_once_listed_and_revoked(console: Console) -> None:
    agent = await console.house.agent("boss", certificates=(), role="supervisor")
    token, told, *_ = (await console.says("token", "add", "boss", "--scope", "floor.read", "--days", "1")).splitlines()
    assert await console.house.people.token_floor(token) == {"agent": agent, "store": "high-street"}
    listed = json.loads(await console.says("token", "list", "--json"))
    assert [each["agent"] for each in listed] == [agent]
    assert told.startswith(f"{listed[0]['id']}: floor.read, until 20")
    assert token not in json.dumps(listed)
    assert listed[0]["id"] in await console.says("token", "list")
    assert await console.says("token", "revoke", listed[0]["id"]) == "Revoked.\n"
    with pytest.raises(Denied, match="token-refused"):
        await console.house.people.token_floor(token)
    again = await console.runs("token", "revoke", listed[0]["id"])
    assert isinstance(again.exception, ConfigError)


async def test_a_token_as_json_says_all_of_it(console: Console) -> None:
    agent = await console.house.agent("json", certificates=(), role="supervisor")
    made = json.loads(await console.says("token", "add", agent, "--scope", "token.read", "--json"))
    assert (await console.house.people.token_about(made["token"]))["id"] == made["id"]


async def test_a_locked_account_is_seen_and_unlocked(console: Console) -> None:
    agent = await console.house.agent("lea", certificates=())
    assert await console.says("staff", "unlock", "lea") == "It was not locked.\n"
    for _ in range(6):
        with pytest.raises(Denied):
            await console.house.desk.sign_in("lea", Sealed("not the password"), "192.0.2.7")
    (row,) = json.loads(await console.says("staff", "locked", "--json"))
    assert row["agent"] == agent
    assert await console.says("staff", "unlock", "lea") == "Unlocked.\n"
    assert await console.house.signed_in("lea")


async def test_factors_are_reset_from_the_console(console: Console) -> None:
    await console.house.agent("ria", certificates=())
    token = await console.house.signed_in("ria")
    app = pyotp.TOTP((await console.house.people.app_begin(token))["secret"])
    await console.house.people.app_confirm(token, Sealed(app.now()))
    with pytest.raises(Denied, match="second-factor"):
        await console.house.signed_in("ria")
    assert (await console.says("staff", "reset-factors", "ria")).startswith("Reset.")
    assert await console.house.signed_in("ria")


async def test_a_link_needs_a_provider(console: Console) -> None:
    await console.house.agent("lin", certificates=())
    refused = await console.runs("staff", "link", "lin", "sub-1")
    assert isinstance(refused.exception, ConfigError)
    assert "[oidc] issuer" in str(refused.exception)
    assert await console.says("staff", "unlink", "lin") == "Unlinked.\n"


async def test_people_come_from_a_file_and_get_words(console: Console, tmp_path: Path) -> None:
    file, words = tmp_path / "people.csv", tmp_path / "words.csv"
    file.write_text(
        "login,name,role,store,skills,ends\n"
        "ada@example.com,Ada Example,agent,station,orders:4,\n"
        "ben@example.com,Ben Example,seasonal_agent,station,,\n"
        "cy@example.com,Cy Example,seasonal_agent,station,,2037-01-31\n"
    )
    looked = await console.runs("staff", "import", str(file), "--dry-run")
    assert looked.exit_code == 1  # there is a bad row
    assert "2 would be added, 0 would be changed, 0 as they are." in looked.output
    assert "line 3: staff: a seasonal agent's contract ends" in looked.output
    done = await console.runs("staff", "import", str(file), "--words", str(words), "--json")
    told = json.loads(done.output)
    assert (told["added"], list(told["bad"]), told["words"]) == (2, ["3"], str(words))
    assert words.stat().st_mode & 0o777 == 0o600
    ((login, word), _) = [line.split(",") for line in words.read_text().splitlines()[1:]]
    assert login == "ada@example.com"
    assert word not in done.output
    with pytest.raises(Denied, match="choose-password"):
        await console.house.desk.sign_in(login, Sealed(word), "192.0.2.7")
    again = await console.runs("staff", "import", str(file))
    assert "0 added, 0 changed, 2 as they are." in again.output


async def test_an_account_may_have_a_last_day(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quietline.cli.staff.ask_secret", lambda what: Sealed(PASSWORD))
    added = ("staff", "add", "sea", "station", "--role", "seasonal_agent")
    refused = await console.runs(*added)
    assert isinstance(refused.exception, ConfigError)
    assert (await console.says(*added, "--until", "2037-01-31")).startswith("ag_")
