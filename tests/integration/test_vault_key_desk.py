"""`quietline key` against a running vault: calls go on while keys change; an old KEK ends by two people's word."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from typer.testing import CliRunner, Result

from quietline.cli import build
from quietline.clock import SystemClock
from quietline.config_file import dump
from quietline.errors import ConfigError, Denied
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, PASSPHRASE, VaultHouse
from quietline.vault.kek_ends import KekEnd, approve, require_ripe

WINDOW = 3_600.0
WORD = "correct horse battery staple\n"


class Later(SystemClock):
    """The wall clock, put forward."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    house = VaultHouse(tmp_path, memory_ledger=MemoryLedger(), kek_window_seconds=WINDOW)
    house.clock = Later()
    (tmp_path / "quietline.toml").write_text(dump(house.config))
    async with house:
        await house.admin.import_customers([ANA])
        await house.agent()
        yield house


async def quietline(house: VaultHouse, *words: str, given: str = "", env: dict[str, str] | None = None) -> Result:
    """As typed, in a thread of its own, for a command has its own event loop."""
    line = [*words, "--config", str(house.config.paths.state.parent / "quietline.toml")]
    return await asyncio.to_thread(lambda: CliRunner().invoke(build(), line, input=given, env=env))


def rows(result: Result) -> list[dict[str, Any]]:
    """What --json printed, between the lines that the vault in this process logs meanwhile."""
    printed = re.search(r"^\[$", result.stdout, re.MULTILINE)
    assert printed, result.stdout
    found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(result.stdout, printed.start())[0]
    return found


async def status(house: VaultHouse) -> dict[str, Any]:
    (answer,) = rows(await quietline(house, "key", "status", "--json"))
    return answer


def changes(house: VaultHouse) -> list[dict[str, Any]]:
    assert house.ledger
    return [dict(each.fields or {}) for each in house.ledger.entries if each.kind is Kind.KEY_CHANGED]


@pytest.mark.parametrize(("what", "given"), [("kek", WORD), ("data", ""), ("index", "")])
async def test_a_call_goes_on_while_keys_change(house: VaultHouse, what: str, given: str) -> None:
    call = await house.call((await house.admin.call("staff_find", login="eva"))["agent"])
    token = await house.signed_in()
    done = await quietline(house, "key", "rotate", what, "--json", given=given)
    assert done.exit_code == 0, done.output
    rotations = rows(done)
    assert {each["state"] for each in rotations} == {"done"}
    assert all(each["done"] == each["total"] for each in rotations)
    shown = await house.desk.open(token, call.grant, "order.status", "order_status")
    assert shown == Sealed("on its way")
    await call.hangs_up()
    assert (await house.calls.match(house.caller_leg())).customer
    await house.restart()
    assert (await house.calls.match(house.caller_leg())).customer
    said = [each["change"] for each in changes(house)]
    assert said[0] == "made"
    assert "rotated" in said
    assert said.count("rotation-done") == len(rotations)


async def test_what_a_restart_broke_off_goes_on_by_itself(house: VaultHouse) -> None:
    parts = house.service._open
    assert parts
    await asyncio.to_thread(parts.keys._rotation("data").start, 1.0)  # the progress stands, nothing has begun
    assert [each["state"] for each in (await status(house))["rotations"]] == ["running"]
    with pytest.raises(ConfigError, match="being rotated"):
        await house.admin.call("key_rotate", what="data")
    await house.restart()
    for _ in range(200):
        (rotation,) = (await status(house))["rotations"]
        if rotation["state"] == "done":
            break
        await asyncio.sleep(0.02)
    assert rotation["state"] == "done"


@pytest.mark.parametrize(
    ("words", "said"), [(("everything",), 'want "kek"'), (("index", "--field", "staff.login"), "one of contact.phone")]
)
async def test_what_cannot_be_rotated_is_told(house: VaultHouse, words: tuple[str, ...], said: str) -> None:
    result = await quietline(house, "key", "rotate", *words)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


async def test_a_wrong_passphrase_adds_no_kek(house: VaultHouse) -> None:
    result = await quietline(house, "key", "rotate", "kek", given="incorrect pony\n")
    assert isinstance(result.exception, Denied)
    assert [each["version"] for each in (await status(house))["keks"]] == [1]


async def two_administrators(house: VaultHouse) -> list[dict[str, str]]:
    """The environment of each."""
    tokens = []
    for login in ("ada", "bob"):
        await house.agent(login, (), role="administrator")
        tokens.append(await house.signed_in(login))
    return [{"QUIETLINE_SESSION": token} for token in tokens]


async def test_an_old_kek_ends_by_two_peoples_word_after_the_window(house: VaultHouse) -> None:
    ada, bob = await two_administrators(house)
    await quietline(house, "key", "rotate", "kek", given=WORD)
    assert (await refused(house, "agree-end", "1", env=bob)).reason == "not-asked"
    assert (await quietline(house, "key", "ask-end", "1", env=ada)).exit_code == 0
    assert (await refused(house, "end", "1", given=WORD)).reason == "not-asked"
    assert (await refused(house, "agree-end", "1", env=ada)).reason == "second-person"
    agreed = await quietline(house, "key", "agree-end", "1", env=bob)
    assert "in 1 hours" in agreed.output
    assert (await refused(house, "end", "1", given=WORD)).reason == "too-early"
    assert "approved, not before" in (await quietline(house, "key", "status")).output
    assert isinstance(house.clock, Later)
    house.clock.ahead = WINDOW + 1
    assert (await refused(house, "end", "1", given="incorrect pony\n")).reason == "passphrase"
    assert "Version 1 is no more." in (await quietline(house, "key", "end", "1", given=WORD)).output
    assert [each["version"] for each in (await status(house))["keks"]] == [2]
    house.clock.ahead = 0.0
    await house.restart()
    assert (await house.calls.match(house.caller_leg())).customer
    (ended,) = [each for each in changes(house) if each["change"] == "destroyed"][-1:]
    assert ended["agent"] != ended["second"]


async def refused(house: VaultHouse, *words: str, given: str = "", env: dict[str, str] | None = None) -> Denied:
    result = await quietline(house, "key", *words, given=given, env=env)
    assert isinstance(result.exception, Denied), result.output
    return result.exception


async def test_an_end_can_be_taken_back(house: VaultHouse) -> None:
    ada, bob = await two_administrators(house)
    await quietline(house, "key", "rotate", "kek", given=WORD)
    await quietline(house, "key", "ask-end", "1", env=ada)
    assert (await quietline(house, "key", "keep", "1", env=bob)).output == "It stays.\n"
    assert (await refused(house, "agree-end", "1", env=bob)).reason == "not-asked"


async def test_a_kek_that_wraps_now_or_still_wraps_something_stays(house: VaultHouse) -> None:
    ada, _ = await two_administrators(house)
    for version, said in (("1", "wraps now"), ("7", "no version 7")):
        result = await quietline(house, "key", "ask-end", version, env=ada)
        assert said in str(result.exception)
    parts = house.service._open
    assert parts
    desk = parts.keys
    await asyncio.to_thread(desk._house.add_kek, desk._parts.kms, WORD.strip().encode())  # nothing is wrapped anew
    result = await quietline(house, "key", "ask-end", "1", env=ada)
    assert "still wrapped under version 1" in str(result.exception)


async def test_keys_are_an_administrators(house: VaultHouse) -> None:
    eva = {"QUIETLINE_SESSION": await house.signed_in()}
    for word in ("ask-end", "agree-end", "keep"):
        assert (await refused(house, word, "1", env=eva)).reason == "policy"


async def test_two_shares_open_a_vault_whose_passphrase_is_lost(house: VaultHouse) -> None:
    printed = await quietline(house, "key", "shares", given=WORD)
    shares = [line for line in printed.stdout.splitlines() if line.startswith("ql1-")]
    assert len(shares) == 3
    await house.stop()
    await house.start()
    answer = f"{shares[2]}\n{shares[0]}\nanother long one\n"
    result = await quietline(house, "key", "recover", given=answer)
    assert result.exit_code == 0, result.output
    assert not house.service.locked
    assert (await house.calls.match(house.caller_leg())).customer
    await house.stop()
    await house.start()
    with pytest.raises(Denied):
        await house.admin.unseal(PASSPHRASE)
    await house.admin.unseal(Sealed("another long one"))
    assert changes(house)[-1]["change"] == "recovered"
    assert not [each for each in changes(house) if any(share in str(each) for share in shares)]


async def test_one_share_twice_opens_nothing(house: VaultHouse) -> None:
    printed = await quietline(house, "key", "shares", given=WORD)
    share = next(line for line in printed.stdout.splitlines() if line.startswith("ql1-"))
    await house.stop()
    await house.start()
    result = await quietline(house, "key", "recover", given=f"{share}\n{share}\nanother long one\n")
    assert "twice" in str(result.exception)
    assert house.service.locked
    await house.admin.unseal(PASSPHRASE)


async def test_another_passphrase(house: VaultHouse) -> None:
    result = await quietline(house, "key", "passphrase", given=f"{WORD}another long one\n")
    assert result.exit_code == 0, result.output
    await house.stop()
    await house.start()
    await house.admin.unseal(Sealed("another long one"))


async def test_backup_and_restore_as_typed(house: VaultHouse, tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.key").write_text(f"# made for a test\n{identity}\n")
    folder = str(tmp_path / "backups")
    made = await quietline(house, "backup", folder, "--recipient", str(identity.to_public()), "--json")
    assert made.exit_code == 0, made.output
    (told,) = rows(made)
    assert "keys.db" in told["files"]
    window = await quietline(house, "vault", "window", "--backups", folder, "--json")
    assert rows(window)[0]["oldest_keys"] == told["stamp"]
    assert "erasure window" in (await quietline(house, "vault", "window")).output
    running = await quietline(house, "restore", folder, "-i", str(tmp_path / "age.key"))
    assert "quietline down" in str(running.exception)
    await house.stop()
    done = await quietline(house, "restore", folder, "-i", str(tmp_path / "age.key"), "--forked")
    assert done.exit_code == 0, done.exception
    assert "0 erased again" in done.output
    await house.start(PASSPHRASE)
    assert (await house.calls.match(house.caller_leg())).customer


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
async def test_an_identity_that_is_none_is_told(house: VaultHouse, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "age.key").write_text(text)
    result = await quietline(house, "restore", str(tmp_path), "-i", str(tmp_path / "age.key"))
    assert "--identity" in str(result.exception)


# -- the decisions alone


def test_the_window_begins_with_the_second_persons_word() -> None:
    end = approve(KekEnd(1, "st_a", 100.0), 1, "st_b", 500.0)
    with pytest.raises(Denied) as early:
        require_ripe(end, 1, 500.0 + WINDOW - 1, WINDOW)
    assert early.value.reason == "too-early"
    assert require_ripe(end, 1, 500.0 + WINDOW, WINDOW) is end


@pytest.mark.parametrize("end", [None, KekEnd(1, "st_a", 100.0)])
def test_one_persons_word_is_not_enough(end: KekEnd | None) -> None:
    with pytest.raises(Denied) as refusal:
        require_ripe(end, 1, time.time(), 0.0)
    assert refusal.value.reason == "not-asked"
