"""`make test` runs two pytest processes beside each other: all folders in one of them, and no failure lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LANES = Path(__file__).parents[1] / "lanes.sh"
FAKE = """#!/bin/sh
echo "ran $*"
case "$*" in *"--lane rest"*) exit {rest} ;; *) exit {parts} ;; esac
"""


def run(folder: Path, parts: int, rest: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    fake = folder / "python"
    fake.write_text(FAKE.format(parts=parts, rest=rest))
    fake.chmod(0o755)
    return subprocess.run([str(LANES), str(fake), *arguments], capture_output=True, text=True, check=False)


def test_together_they_run_everything_once(tmp_path: Path) -> None:
    ran = [line for line in run(tmp_path, 0, 0, "-x").stdout.splitlines() if line.startswith("ran ")]
    assert ran == [f"ran -m pytest --lane {each} -o cache_dir=.pytest_cache/{each} -x" for each in ("parts", "rest")]


@pytest.mark.parametrize(("parts", "rest"), [(0, 0), (1, 0), (0, 1), (2, 5)])
def test_it_passes_only_when_both_did(tmp_path: Path, parts: int, rest: int) -> None:
    done = run(tmp_path, parts, rest)
    assert (done.returncode == 0) == (parts == rest == 0)
    last = done.stdout.splitlines()[-1]
    assert ("lane 2 passed" in last, "Lane 1 passed" in last) == (rest == 0, parts == 0)


def test_make_test_runs_the_lanes() -> None:
    recipe = (LANES.parents[1] / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    assert "tests/lanes.sh $(PY)" in recipe


def collected(*arguments: str) -> int:
    """How many tests of a few small files, one of which makes network interfaces; `test_cli_real` is moved by name."""
    root = LANES.parents[1]
    files = [
        "tests/integration/test_namespaces.py",
        "tests/integration/test_ledger_cli.py",
        "tests/integration/test_cli_real.py",
        "tests/unit/test_bencode.py",
    ]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *files, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout
    return sum("::" in line for line in said.splitlines())


def test_every_test_is_in_exactly_one_lane() -> None:
    parts, rest = collected("--lane", "parts"), collected("--lane", "rest")
    assert parts
    assert rest
    assert parts + rest == collected()
