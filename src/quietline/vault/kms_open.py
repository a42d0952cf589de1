"""Which key service holds the KEKs, by configuration: made once, opened at each start, rotated, recovered.

`kms.json` below `state/vault` stands for either: a sealed file, or a note of which transit key of OpenBao it is, so
that records are never sealed under two services by a slip in the configuration. Functions block.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from quietline.config import Config
from quietline.errors import ConfigError
from quietline.vault import kms_file
from quietline.vault.ports import Kms

if TYPE_CHECKING:
    from quietline.vault.kms_openbao import OpenBaoKms

NAME = "kms.json"
FILE, OPENBAO = "file", "openbao"


class KeyHouse(Protocol):
    """The key service's rarer acts. `passphrase`: of the sealed file; b"" and not asked for by OpenBao."""

    unattended: bool  # opens without a person

    def create(self, passphrase: bytes) -> Kms:
        """Once. Raises ConfigError where there is one, Denied on a weak passphrase."""

    def open(self, passphrase: bytes) -> Kms:
        """Raises Denied("passphrase"), ConfigError, Unavailable."""

    def recover(self, shares: Sequence[str], new: bytes) -> Kms:
        """By two recovery shares of the sealed file, which gets a new passphrase. Raises ConfigError, Denied."""

    def add_kek(self, kms: Kms, passphrase: bytes) -> None:
        """`kms`, which is in use, wraps with a new KEK from now on. Raises as `open`."""

    def drop_kek(self, kms: Kms, passphrase: bytes, version: int) -> None:
        """Destroy that old KEK for good. Raises as `open`, ConfigError for one that is not old."""

    def versions(self, kms: Kms) -> tuple[int, ...]:
        """Versions of the KEK that there are."""


def key_house(config: Config) -> KeyHouse:
    """By `[vault] kms`. Raises ConfigError where kms.json is of the other service."""
    path = config.paths.state / "vault" / NAME
    wanted = config.vault.kms
    if path.exists() and kind_of(path) != wanted:
        raise ConfigError(
            f'[vault] kms: "{wanted}", but {NAME} is of "{kind_of(path)}", which sealed what is stored; set that again'
        )
    return _OpenBaoHouse(path, config) if wanted == OPENBAO else _FileHouse(path, config)


def kind_of(path: Path) -> str:
    """Which service this kms.json stands for; a broken one counts as a sealed file, which says what is wrong."""
    try:
        return OPENBAO if json.loads(path.read_text())["kms"] == OPENBAO else FILE
    except (ValueError, KeyError, TypeError):
        return FILE


class _FileHouse:
    unattended = False

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self._cost = (config.vault.argon2_memory_kib, config.vault.argon2_passes)

    def create(self, passphrase: bytes) -> Kms:
        return kms_file.create(self._path, passphrase, *self._cost)

    def open(self, passphrase: bytes) -> Kms:
        return kms_file.unseal(self._path, passphrase)

    def recover(self, shares: Sequence[str], new: bytes) -> Kms:
        kms_file.recover(self._path, shares, new, *self._cost)
        return kms_file.unseal(self._path, new)

    def add_kek(self, kms: Kms, passphrase: bytes) -> None:
        _file(kms).adopt(kms_file.add_kek(self._path, passphrase))

    def drop_kek(self, kms: Kms, passphrase: bytes, version: int) -> None:
        _file(kms).adopt(kms_file.drop_kek(self._path, passphrase, version))

    def versions(self, kms: Kms) -> tuple[int, ...]:
        return _file(kms).versions


class _OpenBaoHouse:
    unattended = True

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._settings = path, config.openbao

    def create(self, passphrase: bytes) -> Kms:
        if self._path.exists():
            raise ConfigError(f"{NAME}: exists already; the vault has its key")
        kms = self._connect()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(self._note(), stream)
            stream.flush()
            os.fsync(descriptor)
        return kms

    def open(self, passphrase: bytes) -> Kms:
        if not self._path.exists():
            raise ConfigError(f"{NAME}: missing; run `quietline vault init` once to make it")
        if json.loads(self._path.read_text()) != self._note():
            raise ConfigError(f"[openbao]: {NAME} names another mount or key, which sealed what is stored")
        return self._connect()

    def recover(self, shares: Sequence[str], new: bytes) -> Kms:
        raise ConfigError("key recover: OpenBao keeps this vault's key-encryption key, and its recovery is OpenBao's")

    def add_kek(self, kms: Kms, passphrase: bytes) -> None:
        _openbao(kms).rotate()

    def drop_kek(self, kms: Kms, passphrase: bytes, version: int) -> None:
        _openbao(kms).drop(version)

    def versions(self, kms: Kms) -> tuple[int, ...]:
        return _openbao(kms).versions

    def _connect(self) -> Kms:
        from quietline.vault.kms_openbao import OpenBaoKms

        return OpenBaoKms(self._settings)

    def _note(self) -> dict[str, str]:
        return {"kms": OPENBAO, "mount": self._settings.mount, "key": self._settings.key}


def _file(kms: Kms) -> kms_file.FileKms:
    assert isinstance(kms, kms_file.FileKms)
    return kms


def _openbao(kms: Kms) -> OpenBaoKms:
    from quietline.vault.kms_openbao import OpenBaoKms

    assert isinstance(kms, OpenBaoKms)
    return kms
