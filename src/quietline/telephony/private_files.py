"""Files that only one user may read: written under another name first, so that no reader ever meets half a file."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def owner_ids(user: str) -> tuple[int, int] | None:
    """(uid, gid) for chown; None when `user` is empty or we are not root, and files stay with whoever runs us.

    Raises KeyError for a user that does not exist: a key must not silently stay with root and be unreadable.
    """
    if not user or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def write_private(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace `path` atomically. `mode` holds from the first byte on; the directory must exist."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    temporary.replace(path)
