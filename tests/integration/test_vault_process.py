"""The vault as a process under its own user id, attacked by other users: needs root and the users of `make setup`."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quietline.config import Users
from quietline.config_file import dump
from quietline.errors import Denied, VaultLocked
from quietline.sealed import Sealed
from quietline.testing.vault_house import ANA, PASSPHRASE, vault_config
from quietline.vault.client import AdminVaultClient

NEEDED = ("quietline-vault", "quietline-call", "quietline-web")


def _have_users() -> bool:
    with suppress(KeyError):
        return all(pwd.getpwnam(name) for name in NEEDED)
    return False


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not _have_users(), reason="needs root and Quietline's users (`make setup`)"
)

ADMINISTRATION = (
    "status",
    "unseal",
    "init",
    "seal",
    "import_customers",
    "staff_add",
    "certify",
    "phone_issue",
    "ledger_export",
    "set_password",
)
ATTACK = Path(__file__).with_name("vault_attack.py")


@dataclass
class Running:
    """The process, and where its things are."""

    process: subprocess.Popen[bytes]
    folder: Path
    admin: AdminVaultClient

    @property
    def pid(self) -> int:
        return self.process.pid


@pytest.fixture
async def vault() -> AsyncIterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="ql-vault-"))
    folder.chmod(0o755)
    config = vault_config(folder, Users())
    owner = pwd.getpwnam("quietline-vault")
    for path, mode in (
        (config.paths.state, 0o755),
        (config.paths.state / "vault", 0o700),
        (config.paths.run, 0o755),
        (config.paths.vault_socket.parent, 0o755),
    ):
        path.mkdir()
        path.chmod(mode)
    for path in (config.paths.state / "vault", config.paths.vault_socket.parent):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    file = folder / "quietline.toml"
    file.write_text(dump(config))
    file.chmod(0o644)
    running = Running(start(file), folder, AdminVaultClient(config.paths.vault_socket))
    try:
        await until_there(config.paths.vault_socket)
        yield running
    finally:
        await running.admin.close()
        running.process.send_signal(signal.SIGTERM)
        try:
            running.process.wait(15)
        finally:
            running.process.kill()
            running.process.wait()
            assert running.process.stdin
            running.process.stdin.close()
            shutil.rmtree(folder)


def start(file: Path) -> subprocess.Popen[bytes]:
    """As the supervisor does: under its user id, secrets on standard input."""
    with (file.parent / "vault.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "quietline.vault.process", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            user="quietline-vault",
            group="quietline-vault",
            extra_groups=[],
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )
    assert process.stdin
    process.stdin.write(json.dumps({"leg_key": "11" * 32}).encode() + b"\n")
    process.stdin.flush()
    return process


async def until_there(socket: Path) -> None:
    for _ in range(300):
        if socket.exists():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the vault did not start: " + (socket.parents[2] / "vault.log").read_text())


def attack(user: str, vault: Running) -> dict[str, Any]:
    """What another user gets, really being that user."""
    done = subprocess.run(
        [sys.executable, "-I", str(ATTACK), str(vault.pid), str(vault.folder)],
        user=user,
        group=pwd.getpwnam(user).pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_the_process_keeps_its_secrets_from_other_users(vault: Running) -> None:
    await vault.admin.init(PASSPHRASE)
    await vault.admin.import_customers([ANA])
    for user in ("quietline-call", "quietline-web", "nobody"):
        found = await asyncio.to_thread(attack, user, vault)
        assert set(found["memory"].values()) == {"refused"}, found
        assert len(found["memory"]) >= 6
        assert set(found["files"].values()) == {"refused"}, found


async def test_not_even_its_own_user_reads_its_memory(vault: Running) -> None:
    """Undumpable: another process of the same user id may not attach either."""
    found = await asyncio.to_thread(attack, "quietline-vault", vault)
    assert set(found["memory"].values()) == {"refused"}, found


async def test_the_controllers_user_opens_nothing(vault: Running) -> None:
    await vault.admin.init(PASSPHRASE)
    await vault.admin.import_customers([ANA])
    found = (await asyncio.to_thread(attack, "quietline-call", vault))["asked"]
    assert {found[name] for name in ("sign_in", "session", "card", "open", "wrap_up", "write_note")} == {"not-yours"}
    assert {found[name] for name in ("status", "unseal", "init", "seal", "import_customers", "staff_add")} == {
        "not-yours"
    }
    assert {found[name] for name in ("certify", "phone_issue", "ledger_export", "set_password")} == {"not-yours"}
    assert found["match invented"] == "leg-unknown"
    assert found["match in bulk"] == "leg-unknown"
    assert found["connect invented"] == "leg-unknown"
    assert found["staff"] == "answered"


async def test_the_web_users_side_is_the_desk_alone(vault: Running) -> None:
    await vault.admin.init(PASSPHRASE)
    found = (await asyncio.to_thread(attack, "quietline-web", vault))["asked"]
    assert {found[name] for name in ("match invented", "connect invented", "staff", *ADMINISTRATION)} == {"not-yours"}
    assert found["open"] == "signed-out"
    assert found["card"] == "signed-out"


async def test_locked_until_root_unseals(vault: Running) -> None:
    assert (await vault.admin.status())["locked"] is True
    with pytest.raises(VaultLocked):
        await vault.admin.call("staff_list")
    await vault.admin.init(PASSPHRASE)
    await vault.admin.seal()
    with pytest.raises(Denied):
        await vault.admin.unseal(Sealed("not the passphrase"))
    await vault.admin.unseal(PASSPHRASE)
    status = await vault.admin.status()
    assert status["locked"] is False
    assert status["dumpable"] is False


async def test_what_the_kernel_says_of_it(vault: Running) -> None:
    status = Path(f"/proc/{vault.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert f"Uid:\t{pwd.getpwnam('quietline-vault').pw_uid}" in status
    limits = Path(f"/proc/{vault.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    for secret in (b"11" * 32, b"correct horse"):
        assert secret not in Path(f"/proc/{vault.pid}/cmdline").read_bytes()
        assert secret not in Path(f"/proc/{vault.pid}/environ").read_bytes()


async def test_its_files_are_its_own(vault: Running) -> None:
    await vault.admin.init(PASSPHRASE)
    await vault.admin.import_customers([ANA])
    files = [path for path in (vault.folder / "state" / "vault").iterdir() if path.is_file()]
    assert {"kms.json", "keys.db", "records.db", "staff.db", "ledger.db"} <= {path.name for path in files}
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


async def test_its_log_names_nobody(vault: Running) -> None:
    await vault.admin.init(PASSPHRASE)
    await vault.admin.import_customers([ANA])
    await vault.admin.seal()
    with pytest.raises(Denied):
        await vault.admin.unseal(Sealed("79460001 Ana Example"))
    text = (vault.folder / "vault.log").read_text()
    assert "the vault is locked" in text
    for plain in ("Ana Ex", "79460001", "horse", "11111111"):
        assert plain not in text


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"leg_key": "zz"}', b'{"leg_key": "11"}', b"secret-words\n"])
def test_wrong_secrets_end_it_with_one_clear_line(line: bytes, tmp_path: Path) -> None:
    file = tmp_path / "quietline.toml"
    file.write_text(dump(vault_config(tmp_path, Users("", "", "", "", ""))))
    done = subprocess.run(
        [sys.executable, "-I", "-m", "quietline.vault.process", str(file)],
        input=line,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"leg" in done.stderr
    assert b"secret-words" not in done.stderr
    assert b"Traceback" not in done.stderr
