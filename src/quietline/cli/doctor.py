"""`quietline doctor`: what is missing, and how to get it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.installation import missing_programs

LEAST_FREE_BYTES = 1_000_000_000
MODULES = Path("/usr/lib/x86_64-linux-gnu/kamailio/modules")
MODULE_PACKAGES = {
    "tls.so": "kamailio-tls-modules",
    "websocket.so": "kamailio-websocket-modules",
    "crypto.so": "kamailio-tls-modules",
}

Finding = tuple[str, bool, str, str]  # what, fine, what was found, the fix


def command(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Check programs, users, configuration, ports and disk. Exit 1 when something is missing."""
    findings = [finding for check in CHECKS for finding in check(_settings(config))]
    findings += list(_configuration(config))
    rows = [
        {"check": what, "ok": "yes" if fine else "NO", "found": found, "fix": "" if fine else fix}
        for what, fine, found, fix in findings
    ]
    show(rows, as_json)
    if not all(fine for _, fine, _, _ in findings):
        raise typer.Exit(1)


def _settings(path: Path) -> Config:
    try:
        return load(path)
    except ConfigError:
        return Config()


def _configuration(path: Path) -> Iterator[Finding]:
    try:
        load(path)
        yield "configuration", True, str(path), ""
    except ConfigError as error:
        yield "configuration", False, str(error), "mend that line, or name another file with --config"


def _python(config: Config) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield "Python", sys.version_info >= (3, 11), version, "install Python 3.11 or later"
    yield "OpenSSL", ssl.OPENSSL_VERSION_INFO >= (3,), ssl.OPENSSL_VERSION, "install OpenSSL 3"
    yield "SQLite", sqlite3.sqlite_version_info >= (3, 37), sqlite3.sqlite_version, "install SQLite 3.37 or later"


def _programs(config: Config) -> Iterator[Finding]:
    missing = missing_programs()
    for name in ("kamailio", "rtpengine", "espeak-ng", "sox"):
        package = missing.get(name, "")
        yield name, not package, "missing" if package else _version(name), f"apt-get install {package}"
    for module, package in MODULE_PACKAGES.items():
        there = (MODULES / module).exists()
        yield f"kamailio {module}", there, "there" if there else "missing", f"apt-get install {package}"


def _version(name: str) -> str:
    flag = "-v" if name in ("kamailio", "rtpengine") else "--version"
    path = shutil.which(name, path="/usr/sbin:/usr/bin") or name
    done = subprocess.run([path, flag], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    return ((done.stdout or done.stderr).splitlines() or ["there"])[0][:50]


def _users(config: Config) -> Iterator[Finding]:
    for user in filter(None, (getattr(config.users, name) for name in config.users.__slots__)):
        try:
            pwd.getpwnam(user)
            yield f"user {user}", True, "there", ""
        except KeyError:
            yield f"user {user}", False, "missing", f"useradd --system --user-group --no-create-home {user}"


def _ports(config: Config) -> Iterator[Finding]:
    running = config.paths.supervisor_socket.exists()
    for name, port in (("TLS", config.edge.tls_port), ("WSS", config.edge.wss_port), ("desk", config.web.port)):
        free = _free(port)
        found = "free" if free else "in use" + (" (by Quietline)" if running else "")
        yield (
            f"port {port} ({name})",
            free or running,
            found,
            "stop what uses it (ss -ltnp), or choose another in the configuration",
        )


def _own_key(config: Config) -> Iterator[Finding]:
    """The edge reads your own key under its own user id, and does not start where it may not."""
    key, user = config.certificates.key, config.users.edge
    if key and user:
        fine = _readable(Path(key), user)
        found = f"{user} {'can' if fine else 'cannot'} read {key}"
        yield "own key", fine, found, f"chgrp {user} {key} && chmod 440 {key}"


def _readable(path: Path, user: str) -> bool:
    try:
        who, file = pwd.getpwnam(user), path.stat()
    except (KeyError, OSError):
        return False
    owner = file.st_uid == who.pw_uid and file.st_mode & 0o400
    group = file.st_gid == who.pw_gid and file.st_mode & 0o040
    return bool(owner or group or file.st_mode & 0o004)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _disk(config: Config) -> Iterator[Finding]:
    folder = next(path for path in (config.paths.state, *config.paths.state.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    yield "disk", free >= LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free at {folder}", "free at least 1 GB"
    yield "root", os.geteuid() == 0, f"user id {os.geteuid()}", "use sudo: each part runs under a user id of its own"


CHECKS: tuple[Callable[[Config], Iterator[Any]], ...] = (_python, _programs, _users, _own_key, _ports, _disk)
