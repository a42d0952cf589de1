"""Making, sealing, unsealing, breaking: the vault's states, and what an administrator is told."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from quietline import logs
from quietline.config_file import dump
from quietline.errors import ConfigError, Denied, ProtocolError, TamperError, Unavailable, VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, PASSPHRASE, PASSWORD, VaultHouse
from quietline.vault import service as service_module
from quietline.vault.bodies import body_owner
from quietline.vault.process import build_vault, read_secrets
from quietline.vault.records import owners_of


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def house(tmp_path: Path, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path, ledger) as house:
        yield house


# -- states


async def test_before_init_it_says_what_to_do(tmp_path: Path, ledger: MemoryLedger) -> None:
    house = VaultHouse(tmp_path, ledger)
    await house.start()
    assert await house.admin.status() == {"locked": True, "initialised": False, "customers": 0, "ledger": ""}
    with pytest.raises(ConfigError, match="init"):
        await house.admin.unseal(PASSPHRASE)
    with pytest.raises(VaultLocked, match="unseal"):
        await house.calls.staff()
    with pytest.raises(Denied, match="at least 8"):
        await house.admin.init(Sealed("short"))
    await house.admin.init(PASSPHRASE)
    assert (await house.admin.status())["locked"] is False
    await house.stop()


async def started_with(house: VaultHouse) -> list[dict[str, object]]:
    """What a vault that is given a passphrase at its start logs, and that it stays locked."""
    with structlog.testing.capture_logs() as said:
        starting = asyncio.create_task(house.start(PASSPHRASE))
        await asyncio.wait({starting}, timeout=1)
        starting.cancel()  # it serves; what it waits for is an open vault
        assert (await house.admin.status())["locked"] is True
    return [dict(each) for each in said]


async def test_a_first_start_with_a_passphrase_waits_for_init_and_is_no_error(
    tmp_path: Path, ledger: MemoryLedger
) -> None:
    house = VaultHouse(tmp_path, ledger)
    (said,) = await started_with(house)
    assert said["log_level"] == "info"
    assert "vault init" in str(said["event"])
    await house.admin.init(PASSPHRASE)
    assert (await house.admin.status())["locked"] is False
    await house.stop()


async def test_a_lost_key_file_is_an_error_and_not_made_anew(house: VaultHouse) -> None:
    await house.stop()
    (house.config.paths.state / "vault" / "kms.json").unlink()
    (said,) = await started_with(house)
    assert said["log_level"] == "error"
    assert "restore it" in str(said["event"])
    with pytest.raises(ConfigError, match="restore"):
        await house.admin.init(PASSPHRASE)
    assert not (house.config.paths.state / "vault" / "kms.json").exists()


async def test_a_second_init_changes_nothing(house: VaultHouse) -> None:
    before = (house.config.paths.state / "vault" / "kms.json").read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        await house.admin.init(Sealed("another passphrase"))
    assert (house.config.paths.state / "vault" / "kms.json").read_bytes() == before


async def test_unsealing_twice_at_once_is_one_unsealing(house: VaultHouse, ledger: MemoryLedger) -> None:
    await house.admin.seal()
    await asyncio.sleep(0.2)
    await asyncio.gather(*(house.admin.unseal(PASSPHRASE) for _ in range(4)))
    assert ledger.kinds().count("policy.loaded") == 2


async def test_a_wrong_passphrase_at_the_start_leaves_it_locked(house: VaultHouse) -> None:
    await house.stop()
    started = asyncio.create_task(house.start(Sealed("not the passphrase")))
    await asyncio.wait({started}, timeout=10)
    assert (await house.admin.status())["locked"] is True
    await house.admin.unseal(PASSPHRASE)
    assert (await house.admin.status())["locked"] is False


async def test_a_fault_in_the_background_ends_the_process(house: VaultHouse) -> None:
    """Fail closed: it does not go on half alive; the supervisor starts it anew."""
    parts = house.service._open
    assert parts is not None

    def broken() -> tuple[list[object], list[str]]:
        raise RuntimeError("an error of ours")

    parts.grants.changes = broken  # type: ignore[method-assign,assignment]
    done, _ = await asyncio.wait({house.serving}, timeout=10)
    assert done
    with pytest.raises(BaseExceptionGroup):
        house.serving.result()
    assert house.service.locked


async def test_an_error_of_ours_is_said_by_place_only(house: VaultHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> dict[str, object]:
        raise KeyError("Ana Example +442079460001")

    monkeypatch.setitem(service_module.ANSWERS, "staff_list", broken)
    written = io.StringIO()
    with structlog.testing.capture_logs() as captured:
        with pytest.raises(Unavailable) as error:
            await house.admin.call("staff_list")
        written.write(json.dumps(captured))
    assert "Ana" not in str(error.value) + written.getvalue()
    assert "KeyError at test_vault_lifecycle.py" in written.getvalue()
    assert logs.place(KeyError("x")).startswith("KeyError")


async def test_an_erased_customers_values_are_gone_from_a_live_call(house: VaultHouse) -> None:
    await house.admin.import_customers([ANA])
    agent = await house.agent()
    token, call = await house.signed_in(), await house.call(agent)
    parts = house.service._open
    assert parts is not None
    customer = parts.grants.find(call.grant, agent).customer
    keyring = parts.records._keyring
    await asyncio.to_thread(keyring.destroy, *owners_of("brand", customer), body_owner(customer))
    with pytest.raises(TamperError):
        await house.desk.card(token, call.grant)


# -- administration


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"role": "king"}, "role: one of agent, seasonal_agent, supervisor, store_manager, privacy_officer, auditor"),
        ({"role": "seasonal_agent"}, "a seasonal agent's contract ends"),
        ({"store": "moon"}, "store: one of high-street, station"),
        ({"password": "short"}, "password: 12 to"),
        ({"login": " "}, "login"),
        ({"ends": -1.0}, "times"),
    ],
)
async def test_a_wrong_account_names_what_is_wrong(house: VaultHouse, change: dict[str, object], named: str) -> None:
    account = {"login": "eva", "name": "Eva Example", "password": PASSWORD, "store": "high-street", **change}
    with pytest.raises(ConfigError, match=named) as error:
        await house.admin.call("staff_add", **account)
    assert "Eva" not in str(error.value)
    assert (await house.admin.call("staff_list"))["staff"] == []


async def test_a_login_is_taken_once(house: VaultHouse, ledger: MemoryLedger) -> None:
    await house.agent("eva")
    before = len(ledger.entries)
    with pytest.raises(ConfigError, match="another account has this login"):
        await house.agent(" EVA ")
    assert len(ledger.entries) == before


async def test_staff_are_found_by_login_and_listed_without_names(house: VaultHouse) -> None:
    agent = await house.agent("eva", certificates=("invoice",), skills=["orders:4", "lang:fr"])
    assert (await house.admin.call("staff_find", login="Eva"))["agent"] == agent
    with pytest.raises(ConfigError, match="nobody has this login"):
        await house.admin.call("staff_find", login="max")
    (person,) = (await house.admin.call("staff_list"))["staff"]
    assert (person["agent"], person["skills"], person["in_service"]) == (agent, {"lang:fr": 3, "orders": 4}, True)
    assert set(person["certificates"]) == {"invoice"}
    assert (person["signed_in"], person["phone"]) == (False, "")
    assert "Eva" not in str(person)


async def test_only_people_who_take_calls_and_are_in_service_are_routed_to(house: VaultHouse) -> None:
    working = await house.agent("a")
    await house.agent("b", role="administrator")
    await house.agent("c", ends=time.time() - 10)
    await house.agent("d", starts=time.time() + 3_600)
    boss = await house.agent("e", role="supervisor")
    season = await house.agent("f", role="seasonal_agent", ends=time.time() + 3_600)
    for role in ("store_manager", "privacy_officer", "auditor"):
        await house.agent(role, role=role)
    assert {member.agent for member in await house.calls.staff()} == {working, boss, season}


async def test_certificates_are_given_renewed_and_taken(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent = await house.agent(certificates=("invoice",))
    until = time.time() + 100_000
    await house.admin.call("certify", agent=agent, data_class="invoice", until=until)
    (member,) = await house.calls.staff()
    assert member.certificates == {"invoice": until}
    await house.admin.call("certify", agent=agent, data_class="invoice", until=0)
    (member,) = await house.calls.staff()
    assert member.certificates == {"invoice": 0}
    assert len(ledger.of(Kind.CERTIFICATE_SET)) == 3


@pytest.mark.parametrize(
    ("operation", "fields", "error"),
    [
        ("certify", {"agent": "ag_nobody", "data_class": "invoice", "until": 1.0}, Denied),
        ("set_password", {"agent": "ag_nobody", "password": PASSWORD}, Denied),
        ("end_service", {"agent": "ag_nobody"}, Denied),
        ("phone_issue", {"agent": "ag_nobody"}, Denied),
        ("certify", {"agent": "ag_nobody", "data_class": "gossip", "until": 1.0}, ConfigError),
        ("ledger_export", {"directory": "relative/path"}, ConfigError),
        ("fault", {"part": "Ana Example", "code": 1}, ConfigError),
        ("fault", {"part": "edge"}, ProtocolError),
        ("certify", {"agent": "a", "data_class": "invoice", "until": "soon"}, ProtocolError),
        ("staff_add", {}, ProtocolError),
        ("no_such_thing", {}, ProtocolError),
    ],
)
async def test_wrong_administration_is_refused(
    house: VaultHouse, ledger: MemoryLedger, operation: str, fields: dict[str, object], error: type[Exception]
) -> None:
    before = len(ledger.entries)
    with pytest.raises(error):
        await house.admin.call(operation, **fields)
    assert len(ledger.entries) == before


async def test_faults_of_parts_are_written_down(house: VaultHouse, ledger: MemoryLedger) -> None:
    await house.admin.call("fault", part="edge", code=-9)
    assert ledger.of(Kind.FAULT) == [{"part": "edge", "code": -9}]


async def test_tampered_staff_rows_are_left_out_and_written_down_once(house: VaultHouse, ledger: MemoryLedger) -> None:
    import sqlite3

    await house.agent("eva")
    safe = await house.agent("max")
    connection = sqlite3.connect(house.config.paths.state / "vault" / "staff.db")
    connection.execute("UPDATE staff SET role = 'supervisor' WHERE agent <> ?", (safe,))
    connection.commit()
    connection.close()
    for _ in range(3):
        assert {member.agent for member in await house.calls.staff()} == {safe}
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "staff"}]


# -- starting


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 31, b"x" * 33])
async def test_a_leg_key_of_another_length_is_refused(house: VaultHouse, key: bytes) -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        build_vault(house.config, key)


def test_secrets_are_read_from_one_line() -> None:
    line = json.dumps({"leg_key": "11" * 32, "passphrase": "ein süßes Wort"}).encode()
    assert read_secrets(line) == (b"\x11" * 32, "ein süßes Wort".encode())
    assert read_secrets(json.dumps({"leg_key": "11" * 32}).encode()) == (b"\x11" * 32, b"")


async def test_the_key_made_and_the_configuration_loaded_are_in_the_ledger(
    house: VaultHouse, ledger: MemoryLedger
) -> None:
    await asyncio.sleep(0)
    kinds = [entry.kind for entry in ledger.entries]
    assert kinds.count(Kind.CONFIG_LOADED) == kinds.count(Kind.POLICY_LOADED) == 1
    loaded = next(entry for entry in ledger.entries if entry.kind is Kind.CONFIG_LOADED)
    assert loaded.fields is not None
    assert loaded.fields["digest"] == hashlib.sha256(dump(house.config).encode()).hexdigest()
    assert Kind.KEY_CHANGED in kinds
