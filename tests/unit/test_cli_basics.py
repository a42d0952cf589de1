"""Every command: help, wrong words, a missing right, a missing file. One line and an exit code, never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.cli import COMMANDS, needed
from quietline.cli.reference import commands

Cli = Callable[..., Any]
QUIETLINE = Path(sys.executable).parent / "quietline"
EVERY = [name for name, _ in commands()]
DAY = "2026-11-24"
TAKES_CONFIG = [name for name, command in commands() if any(each.name == "config" for each in command.params)]
TAKES_JSON = [name for name, command in commands() if any(each.name == "as_json" for each in command.params)]


SOME = {"days": "3", "version": "3", "since": DAY, "until": DAY, "action": "card", "who": "agent"}
# What stands in the command line is looked at before the configuration: a file or a folder that is not there.
FILE_FIRST = (
    "config new",
    "doctor",
    "vault import",
    "staff import",
    *(name for name in EVERY if name.split()[0] == "policy"),
)


def arguments(name: str) -> list[str]:
    """Something for each argument of a command, and for each option that must be given."""
    command = dict(commands())[name]
    needed = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.required]
    return [
        *(SOME.get(str(each.name), "something") for each in needed),
        *(word for each in options for word in (each.opts[0], SOME.get(str(each.name), "something"))),
    ]


@pytest.mark.parametrize("name", EVERY)
def test_help(cli: Cli, name: str) -> None:
    result = cli(*name.split(), "--help")
    assert result.code == 0
    assert f"Usage: quietline {name}" in result.out


def test_help_of_all_names_every_command(cli: Cli) -> None:
    out = cli("--help").out
    assert all(f" {name} " in out for name in COMMANDS)


def test_version(cli: Cli) -> None:
    assert cli("--version").out == "quietline 0.1.0\n"


@pytest.mark.parametrize(
    "words", [("no-such",), ("vault", "no-such"), ("status", "--no-such"), ("staff", "certify", "a")]
)
def test_asked_for_wrongly_is_2(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli(*words)
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "--help" in result.err


@pytest.mark.parametrize("name", [name for name in TAKES_CONFIG if name not in FILE_FIRST])
def test_a_missing_configuration_is_said(cli: Cli, name: str, tmp_path: Path) -> None:
    result = cli(*name.split(), *arguments(name), "--config", tmp_path / "none.toml")
    assert result.code == 2
    assert "none.toml: cannot be read" in result.error
    assert "config new" in result.error


@pytest.mark.parametrize(
    "name", ["demo", "run", "up", "down", "status", "trunk certificate", "vault status", "staff list"]
)
def test_root_is_asked_for(as_nobody: Cli, name: str, house: Path) -> None:
    words = [*name.split(), *arguments(name)]
    result = as_nobody(*words, *(["-c", house] if name != "demo" else []))
    assert result.code == 2
    assert "root is needed" in result.error
    assert "sudo" in result.error


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="becomes nobody: needs root")
@pytest.mark.parametrize("words", [("up",), ("demo",), ("call",), ("down", "--sample")])
def test_a_normal_user_is_told_so_by_the_real_program(words: tuple[str, ...]) -> None:
    become = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
    done = subprocess.run(
        (*become, str(QUIETLINE), *words), capture_output=True, text=True, timeout=30, check=False, cwd="/"
    )
    assert done.returncode == 2
    assert "sudo" in done.stderr
    assert done.stderr.count("\n") == 1


ASKING = [
    name
    for name in EVERY
    if name.split()[0] in ("vault", "staff", "phone") and name not in ("vault window", "staff import")
]


@pytest.mark.parametrize("name", ASKING)
def test_nothing_runs(cli: Cli, name: str, house: Path, tmp_path: Path) -> None:
    words = [*name.split(), *arguments(name)]
    if name == "vault import":
        (tmp_path / "empty.json").write_text("[{}]")
        words[-1] = str(tmp_path / "empty.json")
    result = cli(*words, "-c", house, stdin="a long passphrase\nanother line\n")
    assert result.code == 1
    assert "it does not run" in result.error
    assert "quietline up" in result.error


def test_commands_do_without_the_simulated_far_side() -> None:
    """Browser and simulated phone are an extra: an installation without them still has every other command."""
    program = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('playwright', 'pylibsrtp'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from quietline.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program, "--help"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("status",), ("status",)),
        (("vault", "init", "--help"), ("vault",)),
        (("--help",), COMMANDS),
        ((), COMMANDS),
        (("--version", "status"), ("status",)),
        (("sttus", "status"), COMMANDS),  # the first word is a slip: the error must know all that there are
    ],
)
def test_only_the_command_that_is_named_is_needed(words: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert tuple(needed(words)) == names


def test_a_command_starts_without_what_others_calculate_with() -> None:
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted({'numpy', 'quietline.staffing.run'} & sys.modules.keys())))\n"
        "sys.argv[1:] = ['status', '--help']\n"
        "from quietline.cli import main\n"
        "main()\n"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--json" in done.stdout


def test_a_slip_of_the_pen_is_told_what_there_is(cli: Cli) -> None:
    result = cli("sttus")
    assert result.code == 2
    assert "status" in result.err


def test_the_environment_names_the_configuration(cli: Cli, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIETLINE_CONFIG", str(house))
    assert cli("config", "check").out.startswith(f"{house}: right")


@pytest.mark.parametrize("name", TAKES_JSON)
def test_every_json_option_is_said_to_be_one(cli: Cli, name: str) -> None:
    assert "--json" in cli(*name.split(), "--help").out
