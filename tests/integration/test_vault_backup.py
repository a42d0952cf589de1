"""The drill: back up while the vault serves, lose things, restore; the erased do not come back, nor do sessions."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyrage
import pytest

from quietline.access.helpers import Helper
from quietline.config import Config
from quietline.errors import ConfigError, Denied, TamperError
from quietline.ledger.store import open_reader, read_head
from quietline.testing.vault_house import ANA, ANA_NUMBER, PASSPHRASE, VaultHouse, vault_config
from quietline.vault import backup, restore
from quietline.vault.backup import clear_expired, make_backup, oldest_keys
from quietline.vault.backup_set import DATA, KEYS, sets_in
from quietline.vault.blind_index import PHONE
from quietline.vault.bodies import body_owner
from quietline.vault.keys import Owner
from quietline.vault.restore import Restored, Wanted, interrupted, restore_backup
from quietline.vault.tombstones import NAME, Tombstones
from quietline.vault.window import DAY, window_of

pytestmark = pytest.mark.real

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
BEA = {"key": "C-2", "controller": "brand", "fields": {"contact.phone": "020 7946 0002", "contact.name": "Bea Example"}}
BEA_NUMBER = "+442079460002"
NOW = time.time()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path / "site") as house:
        await house.admin.import_customers([ANA, BEA])
        yield house


async def back_up(house: VaultHouse, folder: Path, now: float = NOW) -> backup.Made:
    return await asyncio.to_thread(make_backup, house.config, folder, [RECIPIENT], now)


async def bring_back(house: VaultHouse, folder: Path, **wanted: object) -> Restored:
    """Stop, restore, start again."""
    await house.stop()
    given = Wanted(folder, (str(IDENTITY),), **wanted)  # type: ignore[arg-type]
    done = await asyncio.to_thread(restore_backup, house.config, given, NOW)
    await house.start(PASSPHRASE)
    return done


async def customer(house: VaultHouse, number: str = ANA_NUMBER) -> str:
    parts = house.service._open
    assert parts
    return await asyncio.to_thread(parts.keys._parts.index.find, "brand", PHONE, number)


async def erase(house: VaultHouse, number: str = ANA_NUMBER) -> list[bytes]:
    """As the rights desk does; the wrapped keys that are to be in no file any more."""
    token, parts = await customer(house, number), house.service._open
    assert parts
    given = parts.keys._parts
    classes = [
        row[0]
        for row in given.keys.read("SELECT class FROM data_key WHERE subject = ? AND class <> 'ledger'", (token,))
    ]
    wrapped = [row[0] for row in given.keys.read("SELECT wrapped FROM data_key WHERE subject = ?", (token,))]

    def work() -> None:
        Tombstones(vault(house.config) / NAME, time.time).add(token, "brand", tuple(classes))
        given.index.erase(token)
        given.keyring.destroy(*(Owner("brand", token, each) for each in classes), body_owner(token))
        given.records.erase(token, classes)

    await asyncio.to_thread(work)
    return wrapped


def vault(config: Config) -> Path:
    return config.paths.state / "vault"


def found_in(folder: Path, needles: list[bytes]) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and any(n in path.read_bytes() for n in needles)]


async def test_what_is_lost_comes_back_and_a_call_finds_it(house: VaultHouse, tmp_path: Path) -> None:
    made = await back_up(house, tmp_path / "backups")
    assert {"records.db", "keys.db", "ledger.db", "staff.db", "kms.json"} <= set(made.files)
    await house.stop()
    for name in ("records.db", "keys.db"):
        for path in vault(house.config).glob(name + "*"):
            path.unlink()
    await house.start()
    done = await bring_back(house, tmp_path / "backups")
    assert (done.stamp, done.keys, done.ledger, done.erased) == (made.stamp, "backup", "kept", 0)
    assert await customer(house)
    match = await house.calls.match(house.caller_leg())
    assert match.customer
    assert not interrupted(house.config)
    assert not (house.config.paths.state / "backup.tmp").exists()


async def test_a_backup_shows_nothing_to_whoever_lacks_the_identity(house: VaultHouse, tmp_path: Path) -> None:
    parts = house.service._open
    assert parts
    wrapped = [row[0] for row in parts.keys._parts.keys.read("SELECT wrapped FROM data_key")]
    await back_up(house, tmp_path / "backups")
    assert not found_in(tmp_path / "backups", [*wrapped, b"SQLite format 3"])
    other = str(pyrage.x25519.Identity.generate())
    await house.stop()
    with pytest.raises(ConfigError, match="does not open"):
        restore_backup(house.config, Wanted(tmp_path / "backups", (other,)), NOW)
    await house.start(PASSPHRASE)
    assert await customer(house)


async def test_the_drill_before_inside_and_after_the_window(house: VaultHouse, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = await back_up(house, folder, NOW)
    wrapped = await erase(house)
    assert await customer(house) == ""
    # Inside the window the copy of the keys is still there: restored, the customer is erased again.
    done = await bring_back(house, folder)
    assert (done.keys, done.erased) == ("backup", 1)
    assert await customer(house) == ""
    assert await customer(house, BEA_NUMBER)
    # After it no copy of a key is left; the older data is noise, and its rows go, too.
    later = NOW + window_of(house.config.vault).window
    assert list(clear_expired(house.config, folder, later)) == [f"keys/{made.stamp}"]
    assert oldest_keys(folder) is None
    done = await bring_back(house, folder)
    assert done.keys == "present"
    assert await customer(house) == ""
    assert await customer(house, BEA_NUMBER)
    await house.stop()
    assert not found_in(tmp_path, wrapped)
    await house.start(PASSPHRASE)


async def test_what_is_remembered_beside_the_rows_does_not_come_back_either(house: VaultHouse, tmp_path: Path) -> None:
    """A helper's number and a last talk lie under no key of the customer's: an older copy would bring them back."""
    tokens = {"ana": await customer(house), "bea": await customer(house, BEA_NUMBER)}
    parts, now = house.service._open, time.time()
    assert parts
    for who, token in tokens.items():
        parts.calls.last_agents.spoke(token, "ag_1")
        helper = Helper(f"he_{who}", token, "+442079460082", "ab" * 32, ("complaint",), now + 9_999.0, now)
        await parts.calls.assuring.helpers.put(helper)
    await parts.save()
    await back_up(house, tmp_path / "backups", NOW)
    await erase(house)
    await bring_back(house, tmp_path / "backups")
    parts = house.service._open
    assert parts
    last, helpers = parts.calls.last_agents, parts.calls.assuring.helpers
    known = {who: (last.of(token), helpers.get(f"he_{who}")) for who, token in tokens.items()}
    assert known["ana"] == ("", None)
    assert known["bea"][0] == "ag_1"
    assert known["bea"][1] is not None
    names = [name for (name,) in parts.keys._parts.rows.read("SELECT name FROM remembered")]
    assert not [name for name in names if tokens["ana"] in name or name == "helper/he_ana"]
    # Back again after the erasure: what is remembered from then on stays over a start.
    parts.calls.last_agents.spoke(tokens["ana"], "ag_2")
    await house.stop()
    await house.start(PASSPHRASE)
    assert house.service._open
    assert house.service._open.calls.last_agents.of(tokens["ana"]) == "ag_2"


async def test_a_backup_from_after_the_erasure_brings_no_one_back(house: VaultHouse, tmp_path: Path) -> None:
    await erase(house)
    await back_up(house, tmp_path / "backups")
    done = await bring_back(house, tmp_path / "backups")
    assert done.erased == 0
    assert await customer(house) == ""


async def test_a_lost_machine_keeps_the_erasures_that_the_backup_knew(house: VaultHouse, tmp_path: Path) -> None:
    await erase(house)
    await back_up(house, tmp_path / "backups")
    await house.stop()
    shutil.rmtree(vault(house.config))
    given = Wanted(tmp_path / "backups", (str(IDENTITY),), forked=True)
    assert restore_backup(house.config, given, NOW).ledger == "backup"
    assert (vault(house.config) / NAME).exists()
    await house.start(PASSPHRASE)
    assert await customer(house) == ""
    assert await customer(house, BEA_NUMBER)


async def test_who_was_signed_out_since_is_not_signed_in_again(house: VaultHouse, tmp_path: Path) -> None:
    await house.agent()
    token = await house.signed_in()
    await back_up(house, tmp_path / "backups")
    await bring_back(house, tmp_path / "backups")
    with pytest.raises(Denied):
        await house.desk.session(token)
    assert await house.signed_in()


# -- the ledger is not rolled back


async def test_a_longer_ledger_stays(house: VaultHouse, tmp_path: Path) -> None:
    await back_up(house, tmp_path / "backups")
    await house.agent("zoe", ())
    before = size(house)
    assert (await bring_back(house, tmp_path / "backups")).ledger == "kept"
    assert size(house) > before


async def test_a_lost_ledger_needs_a_mirror_that_it_covers(house: VaultHouse, tmp_path: Path) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    parts = house.service._open
    assert parts
    await parts.ledger.export(early)
    await back_up(house, tmp_path / "backups")
    await house.agent("zoe", ())
    await parts.ledger.export(late)
    await house.stop()
    for path in vault(house.config).glob("ledger.db*"):
        path.unlink()
    wanted = (tmp_path / "backups", (str(IDENTITY),))
    with pytest.raises(ConfigError, match="must not sign"):
        restore_backup(house.config, Wanted(*wanted), NOW)
    with pytest.raises(ConfigError, match="a newer backup is needed"):
        restore_backup(house.config, Wanted(*wanted, mirror=late), NOW)
    with pytest.raises(ConfigError, match="no exported ledger"):
        restore_backup(house.config, Wanted(*wanted, mirror=tmp_path / "nowhere"), NOW)
    assert not (vault(house.config) / "ledger.db").exists()
    assert restore_backup(house.config, Wanted(*wanted, mirror=early), NOW).ledger == "backup"
    await house.start(PASSPHRASE)
    assert await customer(house)


async def test_a_mirror_of_another_ledger_is_found(house: VaultHouse, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    async with VaultHouse(tmp_path / "other") as other:
        parts = other.service._open
        assert parts
        await parts.ledger.export(mirror)
    await back_up(house, tmp_path / "backups")
    await house.stop()
    for path in vault(house.config).glob("ledger.db*"):
        path.unlink()
    with pytest.raises(TamperError, match="another ledger"):
        restore_backup(house.config, Wanted(tmp_path / "backups", (str(IDENTITY),), mirror=mirror), NOW)
    assert restore_backup(house.config, Wanted(tmp_path / "backups", (str(IDENTITY),), forked=True), NOW).stamp
    await house.start(PASSPHRASE)


def size(house: VaultHouse) -> int:
    reader = open_reader(vault(house.config) / "ledger.db")
    try:
        return read_head(reader).size
    finally:
        reader.close()


# -- refused, damaged, broken off


async def test_a_running_vault_is_not_restored_into(house: VaultHouse, tmp_path: Path) -> None:
    await back_up(house, tmp_path / "backups")
    with pytest.raises(ConfigError, match="quietline down"):
        restore_backup(house.config, Wanted(tmp_path / "backups", (str(IDENTITY),)), NOW)


async def test_a_socket_that_nobody_listens_on_is_no_running_vault(house: VaultHouse, tmp_path: Path) -> None:
    await back_up(house, tmp_path / "backups")
    await house.stop()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(house.config.paths.vault_socket))
    left.close()
    assert restore_backup(house.config, Wanted(tmp_path / "backups", (str(IDENTITY),)), NOW).stamp
    house.config.paths.vault_socket.unlink()
    await house.start(PASSPHRASE)


async def test_a_changed_backup_is_found_and_nothing_is_touched(house: VaultHouse, tmp_path: Path) -> None:
    await back_up(house, tmp_path / "backups")
    await house.stop()
    before = {path.name: path.read_bytes() for path in vault(house.config).iterdir()}
    sealed = sets_in(tmp_path / "backups", DATA)[0].sealed("records.db")
    changed = bytearray(sealed.read_bytes())
    changed[-1] ^= 1
    sealed.write_bytes(changed)
    with pytest.raises(TamperError, match=r"records\.db\.age"):
        restore_backup(house.config, Wanted(tmp_path / "backups", (str(IDENTITY),)), NOW)
    assert {path.name: path.read_bytes() for path in vault(house.config).iterdir()} == before
    assert not interrupted(house.config)
    await house.start(PASSPHRASE)


async def test_a_restore_that_was_broken_off_keeps_the_vault_shut_until_it_is_done(
    house: VaultHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await back_up(house, tmp_path / "backups")
    await erase(house)
    await house.stop()

    def power_cut(*_: object) -> int:
        raise KeyboardInterrupt

    wanted = Wanted(tmp_path / "backups", (str(IDENTITY),))
    with monkeypatch.context() as broken:
        broken.setattr(restore, "_erase_again", power_cut)
        with pytest.raises(KeyboardInterrupt):
            restore_backup(house.config, wanted, NOW)
    assert interrupted(house.config)
    await house.start()
    with pytest.raises(ConfigError, match="broken off"):
        await house.admin.unseal(PASSPHRASE)
    await house.stop()
    assert restore_backup(house.config, wanted, NOW).erased == 1
    await house.start(PASSPHRASE)
    assert await customer(house) == ""


async def test_which_backup_can_be_said_and_unknown_ones_are_told(house: VaultHouse, tmp_path: Path) -> None:
    first = await back_up(house, tmp_path / "backups", NOW - 60)
    await back_up(house, tmp_path / "backups", NOW)
    with pytest.raises(ConfigError, match=first.stamp):
        await bring_back(house, tmp_path / "backups", at="20200101T000000Z")
    assert (await bring_back(house, tmp_path / "backups", at=first.stamp)).stamp == first.stamp


@pytest.mark.parametrize(("recipients", "said"), [([], "age1"), (["age1nobody"], "not an age public key")])
def test_without_a_recipient_there_is_no_backup(tmp_path: Path, recipients: list[str], said: str) -> None:
    (tmp_path / "state" / "vault").mkdir(parents=True)
    for name in ("keys.db", "kms.json"):
        (tmp_path / "state" / "vault" / name).touch()
    with pytest.raises(ConfigError, match=said):
        make_backup(vault_config(tmp_path), tmp_path / "backups", recipients, NOW)


def test_without_a_vault_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no vault"):
        make_backup(vault_config(tmp_path), tmp_path / "backups", [RECIPIENT], NOW)


async def test_what_does_not_read_back_is_no_backup(
    house: VaultHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "decrypted_digest", lambda *_: "other")
    with pytest.raises(TamperError, match="read back"):
        await back_up(house, tmp_path / "backups")
    assert sets_in(tmp_path / "backups", DATA) == sets_in(tmp_path / "backups", KEYS) == []
    assert not (house.config.paths.state / "backup.tmp").exists()


async def test_expired_copies_go_with_the_next_run(house: VaultHouse, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    first = await back_up(house, folder, NOW - 8 * DAY)
    second = await back_up(house, folder, NOW)
    assert second.removed == (f"keys/{first.stamp}",)
    assert [each.stamp for each in sets_in(folder, DATA)] == [first.stamp, second.stamp]
    third = await back_up(house, folder, NOW + 40 * DAY)
    assert set(third.removed) == {f"keys/{second.stamp}", f"data/{first.stamp}", f"data/{second.stamp}"}
