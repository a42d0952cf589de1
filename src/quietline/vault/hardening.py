"""What a process can do so that its neighbours cannot read it (prctl(2), mlockall(2), setrlimit(2)).

It holds off other users, core dumps and swap. It does not hold off root, and Python cannot wipe keys it has used.
"""

from __future__ import annotations

import ctypes
import os
import resource

import structlog

log = structlog.get_logger()

PR_SET_DUMPABLE = 4
PR_GET_DUMPABLE = 3
PR_SET_NO_NEW_PRIVS = 38
MCL_CURRENT, MCL_FUTURE = 1, 2


def harden() -> dict[str, bool]:
    """Apply everything at hand, before any secret is read; says what holds.

    Raises OSError where the kernel refuses what it must grant: all but mlockall (it needs RLIMIT_MEMLOCK unlimited).
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    locked = _may_lock() and libc.mlockall(MCL_CURRENT | MCL_FUTURE) == 0
    if not locked:
        log.warning("memory is not locked: keys may reach swap; raise LimitMEMLOCK or encrypt swap")
    return {"dumpable": bool(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)), "memory_locked": locked}


def _may_lock() -> bool:
    """MCL_FUTURE under a small limit would make later allocations fail, so only without one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return soft == resource.RLIM_INFINITY or os.geteuid() == 0


def _must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} was refused")
