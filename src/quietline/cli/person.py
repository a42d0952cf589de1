"""Who acts at the console: a signed-in person, by the session in QUIETLINE_SESSION. Root carries the question only.

A token stands in no argument, for the process list shows those to everybody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from quietline.cli.vault import ask, ask_secret
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.client import AdminVaultClient

SESSION = "QUIETLINE_SESSION"
SECOND = "QUIETLINE_SECOND_SESSION"
SEND = Ticket("admin", "rights", SIGNALLING)


def session(variable: str = SESSION) -> str:
    """The session of who acts. Raises ConfigError where nobody is signed in."""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConfigError(
            f"{variable} is not set: sign in with `export {variable}=$(quietline right sign-in LOGIN)`, "
            "so that the ledger names a person and not root"
        )
    return token


def asked(config: Path, operation: str, **fields: Any) -> Any:
    """One question in the name of who is signed in. A configuration that is missing is said before anything else."""
    load(config)
    token = session()

    def question(vault: AdminVaultClient) -> Awaitable[Any]:
        return vault.call(operation, session=token, **fields)

    return ask(config, question)


def sign_in(config: Path, login: str, with_code: bool) -> str:
    """A session's token; password and code are asked for."""
    password = ask_secret("Password")
    code = ask_secret("Code") if with_code else None
    fields = {"login": login, "password": password.open(SEND), "code": code.open(SEND) if code else ""}
    return str(ask(config, lambda vault: vault.call("console_sign_in", **fields))["session"])


def write_new(path: Path, raw: bytes) -> None:
    """A file that only root reads, and that was not there before. Raises ConfigError."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name a new file") from None
    with os.fdopen(handle, "wb") as file:
        file.write(raw)


def folder(path: Path) -> None:
    """A directory that is there, or is made. Raises ConfigError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: is no directory and cannot be made one ({error.strerror})") from None


def read_text(path: Path) -> bytes:
    """A file, or standard input for "-". Raises ConfigError."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file that is there") from None
