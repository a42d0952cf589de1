"""What a process can do so that its neighbours cannot read it (prctl(2), mlockall(2), setrlimit(2)).

It holds off other users, core dumps and swap. It does not hold off root, and Python cannot wipe keys it has used.
"""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

import structlog

log = structlog.get_logger()

PR_SET_DUMPABLE = 4
PR_GET_DUMPABLE = 3
PR_SET_NO_NEW_PRIVS = 38
MCL_CURRENT, MCL_FUTURE = 1, 2


def harden() -> dict[str, bool | str]:
    """Apply everything at hand, before any secret is read. What holds; and of unlocked memory, why, and swap.

    Raises OSError where the kernel refuses what it must grant: all but mlockall (it needs RLIMIT_MEMLOCK unlimited).
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    why = _lock_memory(libc)
    if why:
        log.warning("memory is not locked: keys may reach swap, where there is any", because=why, swap=swap_is_on())
    dumpable = bool(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
    because: dict[str, bool | str] = {"memory_unlocked_because": why, "swap": swap_is_on()} if why else {}
    return {"dumpable": dumpable, "memory_locked": not why, **because}


def _lock_memory(libc: ctypes.CDLL) -> str:
    """Lock all of it, now and later; "" or why not. MCL_FUTURE under a limit would make later allocations fail."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        return (
            f"RLIMIT_MEMLOCK is {soft // 1024} KiB and the supervisor could not lift it: give its container"
            " CAP_SYS_RESOURCE or an unlimited memlock (systemd: LimitMEMLOCK=infinity), or encrypt swap"
        )
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        return f"mlockall was refused ({os.strerror(ctypes.get_errno())})"
    return ""


def swap_is_on() -> bool:
    """Whether the machine has swap at all (proc(5), /proc/swaps: one line of heads, one for each area)."""
    return len(Path("/proc/swaps").read_text().splitlines()) > 1


def _must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} was refused")
