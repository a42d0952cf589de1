"""`quietline connect shop`: what must be there before it starts."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.config import Config, Paths, Users
from quietline.connector.process import become, listen, state_folder
from quietline.errors import ConfigError

Cli = Callable[..., Any]


def test_without_a_shop_it_says_where_to_read(cli: Cli, house: Path) -> None:
    assert "connect-your-shop.md" in cli("connect", "shop", "-c", house).error


def with_shop(house: Path, folder: Path) -> Path:
    text = f'\n[shop]\nurl = "https://shop.example"\nkey_file = "{folder}/k"\nwebhook_secret_file = "{folder}/w"\n'
    house.write_text(house.read_text() + text)
    return house


def test_root_and_a_running_vault_are_needed(cli: Cli, as_nobody: Cli, house: Path, tmp_path: Path) -> None:
    assert "root is needed" in as_nobody("connect", "shop", "-c", with_shop(house, tmp_path)).error


def test_nothing_runs(cli: Cli, house: Path, tmp_path: Path) -> None:
    assert "it does not run" in cli("connect", "shop", "-c", with_shop(house, tmp_path)).error


def test_a_secret_that_is_not_there_is_named(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    assert "[shop] key_file" in cli("connect", "shop", "--once", "-c", with_shop(house, tmp_path)).error


def test_a_port_that_is_taken_is_named() -> None:
    (taken,) = listen(("127.0.0.1",), 0)
    with taken, pytest.raises(ConfigError, match=r"\[shop\] addresses: 127\.0\.0\.1 port"):
        listen(("127.0.0.1",), taken.getsockname()[1])


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user: needs root")
def test_it_becomes_the_shops_user_and_its_folder_is_theirs(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from quietline.config import Config, Paths, Users\n"
        "from quietline.connector.process import become\n"
        f"config = Config(paths=Paths(state=Path({str(tmp_path)!r})), users=Users(shop='nobody'))\n"
        "become(config)\n"
        "assert os.getuid() == os.geteuid() != 0 and os.getgroups() == []\n"
        "try:\n"
        "    os.setuid(0)\n"
        "except PermissionError:\n"
        "    sys.exit(0)\n"
        "sys.exit(9)\n"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "connector").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_a_user_that_the_system_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="nobody-here"):
        become(Config(paths=Paths(state=tmp_path), users=Users(shop="nobody-here")))


def test_without_one_nothing_changes(tmp_path: Path) -> None:
    config = Config(paths=Paths(state=tmp_path))
    before = os.getuid()
    become(config)
    assert os.getuid() == before
    assert state_folder(config).stat().st_mode & 0o777 == 0o700
