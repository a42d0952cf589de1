"""The default key service: one sealed file. Passphrase → argon2id (RFC 9106) → opens the key-encryption key (KEK).

The file is JSON, mode 0600, replaced atomically. A thief of the disk has to guess the passphrase at the file's own
argon2id cost; whoever stores the passphrase beside it for an unattended start gives that up.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import ConfigError, Denied, TamperError

FORMAT = 1
WRAP_VERSION = 1
ID_BYTES = 8
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
SALT_BYTES = 16  # RFC 9106 §3.1
MIN_MEMORY_KIB = 8
MAX_MEMORY_KIB = 4 * 1024 * 1024  # a damaged file must not make us ask for the whole machine
MAX_PASSES = 64
MIN_PASSPHRASE = 8  # characters


@dataclass(frozen=True, slots=True)
class _File:
    """The file's content. Everything but `sealed` is bound to `sealed` as associated data."""

    format: int
    id: str
    version: int
    memory_kib: int
    passes: int
    salt: str = field(repr=False)
    sealed: str = field(repr=False)

    def header(self) -> bytes:
        return json.dumps(asdict(replace(self, sealed="")), sort_keys=True).encode()


class FileKms:
    """A KEK in memory, opened from its file. See `ports.Kms`."""

    def __init__(self, key_id: str, version: int, kek: bytes) -> None:
        self._id = bytes.fromhex(key_id)
        self._version = version
        self._aead = AESGCM(kek)

    @property
    def key_id(self) -> str:
        return f"{self._id.hex()}.{self._version}"

    def __repr__(self) -> str:
        return f"FileKms({self.key_id})"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        header = self._header()
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + self._aead.encrypt(nonce, key, header + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        header = self._header()
        if wrapped[: len(header)] != header or len(wrapped) < len(header) + NONCE_BYTES + TAG_BYTES:
            raise TamperError("kms: this key was wrapped by another KEK, or is damaged")
        body = wrapped[len(header) :]
        try:
            return self._aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], header + context)
        except InvalidTag:
            raise TamperError("kms: the wrapped key does not belong here, or was changed") from None

    def _header(self) -> bytes:
        return bytes((WRAP_VERSION,)) + self._id + self._version.to_bytes(2, "big")


def create(path: Path, passphrase: bytes, memory_kib: int, passes: int) -> FileKms:
    """A new KEK, sealed into a new file. Raises ConfigError when the file is there, Denied on a weak passphrase."""
    if path.exists():
        raise ConfigError(
            f"{path.name}: exists already; it holds the key to everything stored and is never overwritten"
        )
    kek = secrets.token_bytes(KEY_BYTES)
    fresh = _File(FORMAT, secrets.token_hex(ID_BYTES), 1, memory_kib, passes, "", "")
    _write(path, _seal(fresh, kek, passphrase))
    return FileKms(fresh.id, fresh.version, kek)


def unseal(path: Path, passphrase: bytes) -> FileKms:
    """Open the file; takes the argon2id time. Raises Denied("passphrase"), ConfigError for a missing or broken file."""
    stored = _read(path)
    return FileKms(stored.id, stored.version, _open(stored, passphrase))


def change_passphrase(path: Path, old: bytes, new: bytes, memory_kib: int, passes: int) -> None:
    """Seal the same KEK under another passphrase and cost. Raises as `unseal` and `create` do."""
    stored = _read(path)
    kek = _open(stored, old)
    _write(path, _seal(replace(stored, memory_kib=memory_kib, passes=passes), kek, new))


def _seal(file: _File, kek: bytes, passphrase: bytes) -> _File:
    if len(passphrase.decode(errors="replace")) < MIN_PASSPHRASE:
        raise Denied("passphrase", f"use at least {MIN_PASSPHRASE} characters")
    file = replace(file, salt=secrets.token_hex(SALT_BYTES))
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(_stretch(file, passphrase)).encrypt(nonce, kek, file.header())
    return replace(file, sealed=b64encode(sealed).decode())


def _open(file: _File, passphrase: bytes) -> bytes:
    sealed = b64decode(file.sealed)
    try:
        return AESGCM(_stretch(file, passphrase)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], file.header())
    except InvalidTag:
        raise Denied("passphrase", "wrong passphrase, or the key file was changed; the vault stays locked") from None


def _stretch(file: _File, passphrase: bytes) -> bytes:
    return hash_secret_raw(
        secret=passphrase,
        salt=bytes.fromhex(file.salt),
        time_cost=file.passes,
        memory_cost=file.memory_kib,
        parallelism=1,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _read(path: Path) -> _File:
    try:
        file = _File(**json.loads(path.read_text()))
        _check(file)
    except FileNotFoundError:
        raise ConfigError(f"{path.name}: missing; run the vault's `init` once to make it") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"{path.name}: not a key file of format {FORMAT}; restore it from a backup") from None
    return file


def _check(file: _File) -> None:
    """Raises ValueError or TypeError on anything `create` could not have written."""
    if file.format != FORMAT or len(bytes.fromhex(file.id)) != ID_BYTES or not 0 < file.version < 1 << 16:
        raise ValueError("format")
    if not MIN_MEMORY_KIB <= file.memory_kib <= MAX_MEMORY_KIB or not 0 < file.passes <= MAX_PASSES:
        raise ValueError("cost")
    if len(bytes.fromhex(file.salt)) != SALT_BYTES:
        raise ValueError("salt")
    if len(b64decode(file.sealed, validate=True)) != NONCE_BYTES + KEY_BYTES + TAG_BYTES:
        raise ValueError("sealed")


def _write(path: Path, file: _File) -> None:
    """Atomic and durable: after a crash there is the old file or the new one, never half of one."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(asdict(file), stream, indent=1)
        stream.flush()
        os.fsync(descriptor)
    # Crash here: a `.partial` file stays behind and is overwritten next time.
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
