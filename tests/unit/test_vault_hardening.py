"""Hardening, in a process of its own each time, for it cannot be taken back."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quietline.vault.hardening import swap_is_on

REPORT = """
import json, os, resource, sys
from quietline.vault.hardening import harden
said = harden()
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "said": said,
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "no_new_privs": status["NoNewPrivs"].strip(),
    "locked_kb": int(status["VmLck"].split()[0]),
    "umask": os.umask(0),
    "owner_of_mem": os.stat("/proc/self/mem").st_uid,
}), file=sys.stdout)
"""


def hardened(memlock: int | None = None, uid: int | None = None) -> dict[str, Any]:
    def limit() -> None:
        if memlock is not None:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))

    done = subprocess.run(
        [sys.executable, "-I", "-c", REPORT],
        capture_output=True,
        check=True,
        timeout=60,
        preexec_fn=limit,
        user=uid,
        cwd="/",
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**report, "logged": (done.stdout + done.stderr).decode()}


def test_no_core_no_dump_no_privileges_no_loose_files() -> None:
    report = hardened()
    assert report["core"] == [0, 0]
    assert report["no_new_privs"] == "1"
    assert report["umask"] == 0o077
    assert report["said"]["dumpable"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="starts a process as another user")
def test_an_undumpable_process_belongs_to_root_in_proc() -> None:
    assert hardened(memlock=0, uid=12_345)["owner_of_mem"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="starts a process as another user")
def test_a_small_limit_leaves_memory_unlocked_and_says_so() -> None:
    report = hardened(memlock=65_536, uid=12_345)
    assert report["said"]["memory_locked"] is False
    assert report["locked_kb"] == 0
    assert report["said"]["memory_unlocked_because"].startswith("RLIMIT_MEMLOCK is 64 KiB")
    assert "LimitMEMLOCK" in report["logged"]


def test_swap_is_on_where_the_kernel_lists_an_area() -> None:
    listed = Path("/proc/swaps").read_text()
    assert swap_is_on() == ("partition" in listed or "file" in listed.partition("\n")[2])


def test_what_it_says_of_memory_is_so() -> None:
    report = hardened()
    assert report["said"]["memory_locked"] == (report["locked_kb"] > 0)
    assert report["said"]["memory_locked"] == ("memory_unlocked_because" not in report["said"])
