"""The default key service: one sealed file. Passphrase → argon2id (RFC 9106) → file key → key-encryption keys (KEKs).

The file is JSON, mode 0600, replaced atomically. A thief of the disk has to guess the passphrase at the file's own
argon2id cost; whoever stores the passphrase beside it for an unattended start gives that up. The file key in between is
what recovery shares give back (shares.py), and what lets a KEK be added or destroyed without new shares.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import ConfigError, Denied, TamperError
from quietline.vault.shares import read_shares, write_shares

FORMAT = 2
FIRST_FORMAT = 1  # one KEK, sealed by the passphrase itself; read, and written anew as format 2 at the next change
WRAP_VERSION = 1
ID_BYTES = 8
VERSION_BYTES = 2
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
SALT_BYTES = 16  # RFC 9106 §3.1
MIN_MEMORY_KIB = 8
MAX_MEMORY_KIB = 4 * 1024 * 1024  # a damaged file must not make us ask for the whole machine
MAX_PASSES = 64
MAX_VERSION = (1 << 16) - 1
MIN_PASSPHRASE = 8  # characters
_ENTRY = struct.Struct(f"!H{KEY_BYTES}s")  # one KEK: its version, its bytes


@dataclass(frozen=True, slots=True)
class _File:
    """The file's content. `sealed` is the file key under the passphrase, `keks` the KEKs under the file key."""

    format: int
    id: str
    version: int  # of the KEK that wraps now
    memory_kib: int
    passes: int
    salt: str = field(repr=False)
    sealed: str = field(repr=False)
    keks: str = field(default="", repr=False)

    def header(self) -> bytes:
        """What is bound to `sealed` as associated data."""
        given = asdict(replace(self, sealed=""))
        for name in ("keks",) if self.format == FIRST_FORMAT else ("keks", "version"):
            del given[name]
        return json.dumps(given, sort_keys=True).encode()

    def keks_header(self) -> bytes:
        """What is bound to `keks`."""
        return f"quietline keks {self.id} {self.version}".encode()


@dataclass(frozen=True, slots=True)
class _Opened:
    """The file with what is in it."""

    file: _File
    file_key: bytes = field(repr=False)
    keks: Mapping[int, bytes] = field(repr=False)

    def kms(self) -> FileKms:
        return FileKms(self.file.id, self.file.version, self.keks)


class FileKms:
    """KEKs in memory, opened from their file. See `ports.Kms`."""

    def __init__(self, key_id: str, version: int, keks: Mapping[int, bytes]) -> None:
        self._id = bytes.fromhex(key_id)
        self._version = version
        self._keks = {each: AESGCM(kek) for each, kek in keks.items()}

    @property
    def key_id(self) -> str:
        return self._name(self._version)

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(sorted(self._keks))

    def __repr__(self) -> str:
        return f"FileKms({self.key_id})"

    def adopt(self, other: FileKms) -> None:
        """Hold what the same file holds now: a KEK was added or destroyed. Raises ValueError for another file's."""
        if other._id != self._id:
            raise ValueError("kms: another file's keys")
        # What wraps now is there before it is used, and what goes is no longer asked for.
        self._keks = self._keks | other._keks
        self._version = other._version
        self._keks = other._keks

    def wrap(self, key: bytes, context: bytes) -> bytes:
        version = self._version
        header = self._header(version)
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + self._keks[version].encrypt(nonce, key, header + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        version = self._version_of(wrapped)
        kek = self._keks.get(version)
        header = self._header(version)
        if kek is None or len(wrapped) < len(header) + NONCE_BYTES + TAG_BYTES:
            raise TamperError("kms: this key was wrapped by a KEK that is no more, or is damaged")
        body = wrapped[len(header) :]
        try:
            return kek.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], header + context)
        except InvalidTag:
            raise TamperError("kms: the wrapped key does not belong here, or was changed") from None

    def wrapped_by(self, wrapped: bytes) -> str:
        return self._name(self._version_of(wrapped))

    def _version_of(self, wrapped: bytes) -> int:
        start = bytes((WRAP_VERSION,)) + self._id
        if wrapped[: len(start)] != start or len(wrapped) < len(start) + VERSION_BYTES:
            raise TamperError("kms: this key was wrapped by another KEK, or is damaged")
        return int.from_bytes(wrapped[len(start) : len(start) + VERSION_BYTES], "big")

    def _name(self, version: int) -> str:
        return f"{self._id.hex()}.{version}"

    def _header(self, version: int) -> bytes:
        return bytes((WRAP_VERSION,)) + self._id + version.to_bytes(VERSION_BYTES, "big")


def create(path: Path, passphrase: bytes, memory_kib: int, passes: int) -> FileKms:
    """A new KEK, sealed into a new file. Raises ConfigError when the file is there, Denied on a weak passphrase."""
    if path.exists():
        raise ConfigError(
            f"{path.name}: exists already; it holds the key to everything stored and is never overwritten"
        )
    fresh = _File(FORMAT, secrets.token_hex(ID_BYTES), 1, memory_kib, passes, "", "")
    made = _Opened(fresh, secrets.token_bytes(KEY_BYTES), {1: secrets.token_bytes(KEY_BYTES)})
    _write(path, _seal(made, passphrase))
    return made.kms()


def unseal(path: Path, passphrase: bytes) -> FileKms:
    """Open the file; takes the argon2id time. Raises Denied("passphrase"), ConfigError for a missing or broken file."""
    return _open(_read(path), passphrase).kms()


def change_passphrase(path: Path, old: bytes, new: bytes, memory_kib: int, passes: int) -> None:
    """Seal the same KEKs under another passphrase and cost. Raises as `unseal` and `create` do."""
    opened = _open(_read(path), old)
    file = replace(opened.file, memory_kib=memory_kib, passes=passes)
    _write(path, _seal(replace(opened, file=file), new))


def make_shares(path: Path, passphrase: bytes) -> list[str]:
    """Three recovery shares, any two of which open the file; earlier ones open it no more. Raises as `unseal`."""
    opened = replace(_open(_read(path), passphrase), file_key=secrets.token_bytes(KEY_BYTES))
    _write(path, _seal(opened, passphrase))
    return write_shares(opened.file_key)


def recover(path: Path, shares: Sequence[str], new: bytes, memory_kib: int, passes: int) -> None:
    """A new passphrase, by two shares instead of the old one. Raises ConfigError, and Denied on a weak passphrase."""
    stored = _read(path)
    file_key = read_shares(shares)
    keks = _open_keks(stored, file_key)
    if stored.format == FIRST_FORMAT or keks is None:
        raise ConfigError(f"shares: they do not open {path.name}; newer ones were made, or they are another vault's")
    file = replace(stored, memory_kib=memory_kib, passes=passes)
    _write(path, _seal(_Opened(file, file_key, keks), new))


def add_kek(path: Path, passphrase: bytes) -> FileKms:
    """A new KEK that wraps from now on; the older ones stay. Durable on return. Raises as `unseal`."""
    opened = _open(_read(path), passphrase)
    version = max(opened.keks) + 1
    if version > MAX_VERSION:
        raise ConfigError(f"{path.name}: no KEK can follow version {MAX_VERSION}")
    keks = {**opened.keks, version: secrets.token_bytes(KEY_BYTES)}
    return _store(path, replace(opened, file=replace(opened.file, version=version), keks=keks), passphrase)


def drop_kek(path: Path, passphrase: bytes, version: int) -> FileKms:
    """Destroy a KEK: what it wrapped is noise from now on. Raises ConfigError for the one that wraps, and unknown."""
    opened = _open(_read(path), passphrase)
    if version == opened.file.version or version not in opened.keks:
        raise ConfigError(f"{path.name}: version {version} is not an old KEK of this file")
    keks = {each: kek for each, kek in opened.keks.items() if each != version}
    return _store(path, replace(opened, keks=keks), passphrase)


def _store(path: Path, opened: _Opened, passphrase: bytes) -> FileKms:
    _write(path, _seal(opened, passphrase))
    return opened.kms()


def _seal(opened: _Opened, passphrase: bytes) -> _File:
    if len(passphrase.decode(errors="replace")) < MIN_PASSPHRASE:
        raise Denied("passphrase", f"use at least {MIN_PASSPHRASE} characters")
    file = replace(opened.file, format=FORMAT, salt=secrets.token_hex(SALT_BYTES))
    plain = b"".join(_ENTRY.pack(*each) for each in sorted(opened.keks.items()))
    return replace(
        file,
        sealed=_encrypt(_stretch(file, passphrase), opened.file_key, file.header()),
        keks=_encrypt(opened.file_key, plain, file.keks_header()),
    )


def _open(file: _File, passphrase: bytes) -> _Opened:
    file_key = _decrypt(_stretch(file, passphrase), file.sealed, file.header())
    if file_key is not None and file.format == FIRST_FORMAT:
        return _Opened(file, secrets.token_bytes(KEY_BYTES), {file.version: file_key})
    keks = None if file_key is None else _open_keks(file, file_key)
    if file_key is None or keks is None:
        raise Denied("passphrase", "wrong passphrase, or the key file was changed; the vault stays locked")
    return _Opened(file, file_key, keks)


def _open_keks(file: _File, file_key: bytes) -> dict[int, bytes] | None:
    """None where this key does not open them."""
    plain = _decrypt(file_key, file.keks, file.keks_header()) if file.format == FORMAT else None
    return None if plain is None else dict(_ENTRY.iter_unpack(plain))


def _encrypt(key: bytes, plain: bytes, header: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return b64encode(nonce + AESGCM(key).encrypt(nonce, plain, header)).decode()


def _decrypt(key: bytes, sealed: str, header: bytes) -> bytes | None:
    raw = b64decode(sealed)
    try:
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], header)
    except InvalidTag:
        return None


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
    if file.format not in (FIRST_FORMAT, FORMAT) or len(bytes.fromhex(file.id)) != ID_BYTES:
        raise ValueError("format")
    if not 0 < file.version <= MAX_VERSION:
        raise ValueError("version")
    if not MIN_MEMORY_KIB <= file.memory_kib <= MAX_MEMORY_KIB or not 0 < file.passes <= MAX_PASSES:
        raise ValueError("cost")
    if len(bytes.fromhex(file.salt)) != SALT_BYTES:
        raise ValueError("salt")
    if len(b64decode(file.sealed, validate=True)) != NONCE_BYTES + KEY_BYTES + TAG_BYTES:
        raise ValueError("sealed")
    keks = len(b64decode(file.keks, validate=True)) - NONCE_BYTES - TAG_BYTES
    if file.format == FORMAT and (keks <= 0 or keks % _ENTRY.size):
        raise ValueError("keks")


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
