"""The service file gives the product no more than it needs, and enough: everything starts under just these rights."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "quietline.service"

# Starts the whole product as the service does and says what rights each part has; a killed part must come back.
TRIAL = """\
import asyncio, json, pathlib, sys
from quietline.testing.site import Site, sample_config

async def main(folder):
    async with Site(sample_config(folder)) as site:
        await site.set_up()
        rights = {}
        for name, life in (await site.lives()).items():
            text = pathlib.Path(f"/proc/{life['pid']}/status").read_text()
            status = dict(line.split(":\\t", 1) for line in text.splitlines())
            rights[name] = [status["Uid"].split()[1], status["CapEff"], status["NoNewPrivs"]]
        await site.kill("relay")
        for _ in range(100):
            if (await site.lives())["relay"]["starts"] == 2:
                break
            await asyncio.sleep(0.1)
        starts = (await site.lives())["relay"]["starts"]
        vault = site.admin()
        open_now = not (await vault.status())["locked"]
        await vault.close()
    print(json.dumps({"rights": rights, "starts": starts, "open": open_now}))

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def settings() -> dict[str, str]:
    lines = UNIT.read_text().splitlines()
    return dict(re.findall(r"^(\w+)=(.*)$", "\n".join(lines), re.MULTILINE))


def capabilities() -> str:
    """As setpriv takes them: "-all,+setuid,..."."""
    names = settings()["CapabilityBoundingSet"].split()
    return ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in names)])


@pytest.mark.real
def test_everything_runs_under_these_rights() -> None:
    rights = ("setpriv", f"--bounding-set={capabilities()}", "--inh-caps=-all", "--no-new-privs")
    with tempfile.TemporaryDirectory(prefix="ql-service-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the parts run under other user ids
        command = (*rights, sys.executable, "-c", TRIAL, folder)
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    told = json.loads(done.stdout)
    assert told["starts"] == 2
    assert told["open"]
    assert len({uid for uid, _, _ in told["rights"].values()}) == 5, "a user id each, none of them root"
    assert all(effective.strip("0") == "" and nnp == "1" for _, effective, nnp in told["rights"].values())


def test_it_is_hardened() -> None:
    found = settings()
    assert found["NoNewPrivileges"] == found["ProtectHome"] == found["PrivateTmp"] == "yes"
    assert found["ProtectSystem"] == "strict"
    assert found["LimitCORE"] == "0"
    assert found["LimitMEMLOCK"] == "infinity"
    assert "CAP_SYS_ADMIN" not in found["CapabilityBoundingSet"]
    assert "CAP_SYS_PTRACE" not in found["CapabilityBoundingSet"]


def test_its_folders_are_the_configurations_defaults() -> None:
    found = settings()
    assert (found["StateDirectory"], found["RuntimeDirectory"], found["LogsDirectory"]) == ("quietline",) * 3


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_understands_it() -> None:
    command = ("systemd-analyze", "verify", "--recursive-errors=no", str(UNIT))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line and line.strip()]
    assert complaints == []
