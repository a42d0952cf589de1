"""The supervisor with real children: started in order, restarted with backoff, stopped, and told their secrets."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from quietline import supervisor as module
from quietline.errors import ConfigError, Denied, QuietlineError, Unavailable, VaultLocked
from quietline.supervisor import Part, Supervisor, credentials

PYTHON = sys.executable


def python(name: str, code: str, **details: Any) -> Part:
    return Part(name, (PYTHON, "-c", code), **details)


SLEEPER = "import time; time.sleep(60)"


class Run:
    """A supervisor under test, with the faults it reported."""

    def __init__(self, folder: Path, *parts: Part) -> None:
        self.faults: list[tuple[str, int]] = []
        self.away: QuietlineError | None = None  # what the ledger says instead
        self.refusals = 0
        self.folder = folder
        self.supervisor = Supervisor(parts, folder, folder / "supervisor.sock", self.note)
        self.task = asyncio.get_running_loop().create_task(self.supervisor.run())

    async def note(self, part: str, code: int) -> None:
        if self.away:
            self.refusals += 1
            raise self.away
        self.faults.append((part, code))

    def life(self, name: str) -> Any:
        return self.supervisor.lives[name]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(self.task, 20)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_parts_run_and_stop_cleanly(tmp_path: Path) -> None:
    run = Run(tmp_path, python("one", SLEEPER), python("two", SLEEPER))
    await run.until(lambda: run.life("one").pid and run.life("two").pid)
    pids = [run.life("one").pid, run.life("two").pid]
    assert all(alive(pid) for pid in pids)
    await run.stop()
    assert not any(alive(pid) for pid in pids)
    assert run.faults == []


async def test_a_killed_part_is_restarted_and_the_fault_reported(tmp_path: Path) -> None:
    run = Run(tmp_path, python("one", SLEEPER), python("two", SLEEPER))
    await run.until(lambda: run.life("two").pid)
    first, other = run.life("one").pid, run.life("two").pid
    os.kill(first, signal.SIGKILL)
    await run.until(lambda: run.life("one").starts == 2 and run.life("one").pid)
    assert run.life("one").pid != first
    assert run.life("two").pid == other
    assert run.faults == [("one", -9)]
    await run.stop()


async def test_a_part_that_cannot_start_is_tried_ever_more_slowly(tmp_path: Path) -> None:
    run = Run(tmp_path, python("bad", "raise SystemExit(3)"))
    await run.until(lambda: len(run.faults) >= 2)
    await asyncio.sleep(0.5)
    assert run.faults[0] == ("bad", 3)
    assert len(run.faults) <= 4
    await run.stop()


@pytest.mark.parametrize("away", [Unavailable("away"), VaultLocked("locked")], ids=["away", "locked"])
async def test_a_fault_that_the_ledger_cannot_take_is_kept_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: QuietlineError
) -> None:
    monkeypatch.setattr(module, "FAULT_RETRY", 0.02)
    run = Run(tmp_path, python("one", SLEEPER))
    run.away = away
    await run.until(lambda: run.life("one").pid)
    os.kill(run.life("one").pid, signal.SIGKILL)
    await run.until(lambda: run.refusals > 2 and run.life("one").starts == 2)  # the restart did not wait
    assert run.faults == []
    run.away = None
    await run.until(lambda: run.faults == [("one", -9)])
    await run.stop()


async def test_a_fault_that_is_refused_for_good_does_not_block_the_next(tmp_path: Path) -> None:
    run = Run(tmp_path, python("one", SLEEPER))
    run.away = Denied("wrong-user", "no")
    await run.until(lambda: run.life("one").pid)
    os.kill(run.life("one").pid, signal.SIGKILL)
    await run.until(lambda: run.refusals == 1 and run.life("one").starts == 2 and run.life("one").pid)
    run.away = None
    os.kill(run.life("one").pid, signal.SIGTERM)
    await run.until(lambda: run.faults == [("one", -15)])
    await run.stop()


async def test_children_of_a_killed_part_do_not_outlive_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', '{SLEEPER}']); print(p.pid, flush=True); time.sleep(60)"
    )
    run = Run(tmp_path, python("forker", code))
    log = tmp_path / "forker.log"
    await run.until(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text().split()[0])
    os.kill(run.life("forker").pid, signal.SIGKILL)
    await run.until(lambda: not alive(grandchild) or Path(f"/proc/{grandchild}/stat").read_text().split()[2] == "Z")
    await run.stop()


async def test_secrets_come_on_standard_input_and_nowhere_else(tmp_path: Path) -> None:
    code = (
        "import json, os, sys, time; s = json.loads(sys.stdin.readline()); "
        "print(len(s['key']), s['key'] in str(os.environ), flush=True); time.sleep(60)"
    )
    secret = "canary" * 5
    run = Run(tmp_path, python("one", code, secrets={"key": secret}))
    log = tmp_path / "one.log"
    await run.until(lambda: log.exists() and log.read_text())
    assert log.read_text().split() == ["30", "False"]
    assert secret.encode() not in Path(f"/proc/{run.life('one').pid}/cmdline").read_bytes()
    assert log.stat().st_mode & 0o007 == 0
    await run.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change user ids")
async def test_each_part_runs_under_its_own_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code = "import os, time; print(os.getuid(), os.getgroups(), flush=True); time.sleep(60)"
    run = Run(tmp_path, Part("one", ("/usr/bin/python3", "-c", code), user="nobody"))
    log = tmp_path / "one.log"
    await run.until(lambda: log.exists() and log.read_text())
    assert log.read_text().startswith(f"{credentials('nobody', ())['user']} [")
    await run.stop()


def test_an_unknown_user_is_said() -> None:
    with pytest.raises(ConfigError, match="no quietline-nobody"):
        credentials("quietline-nobody", ())


def test_no_user_means_the_present_one() -> None:
    assert credentials("", ()) == {}
