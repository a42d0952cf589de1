"""Cosignatures (C2SP tlog-cosignature): "at this time, this checkpoint continued everything I had seen of the log"."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import split_note

COSIGNATURE = b"\x04"  # signed-note, "Signature types": timestamped Ed25519 cosignature
KEY_BYTES, ID_BYTES, TIME_BYTES, SIGNATURE_BYTES = 32, 4, 8, 64
LATEST = 1 << 63  # seconds; tlog-cosignature: the time is at most 2⁶³-1
_NAME = re.compile(r"[^\s+]+")


def key_id(name: str, public: bytes) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ 0x04 ‖ public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + COSIGNATURE + public).digest()[:ID_BYTES]


def message(time: int, text: str) -> bytes:
    """What is signed: two lines of header, then the checkpoint as its log wrote it."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


class Cosigner:
    """A witness's key. It stays in memory and prints as nothing but its name."""

    __slots__ = ("_id", "_key", "name", "public")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigError("witness: a name is not empty and has no space and no plus sign")
        self.name = name
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._id = key_id(name, self.public)

    def __repr__(self) -> str:
        return f"Cosigner({self.name})"

    @property
    def vkey(self) -> str:
        """The verifier key: `<name>+<key id, hex>+<base64(0x04 ‖ public key)>`."""
        return f"{self.name}+{self._id.hex()}+{base64.b64encode(COSIGNATURE + self.public).decode()}"

    def sign(self, text: str, time: int) -> str:
        """One signature line for a checkpoint's text; `time` in UTC seconds."""
        raw = self._id + struct.pack(">Q", time) + self._key.sign(message(time, text))
        return f"— {self.name} {base64.b64encode(raw).decode()}\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """A witness's word on a checkpoint. `time`: UTC seconds."""

    witness: str
    time: int


class CosignatureVerifier:
    """Finds one witness's cosignature on a note."""

    __slots__ = ("_id", "_public", "name", "vkey")

    def __init__(self, vkey: str) -> None:
        """Raises ConfigError unless `vkey` is a witness's verifier key whose id is its own."""
        self.vkey = vkey.strip()
        self.name, self._id, public = _parse_vkey(self.vkey)
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def seen(self, note: bytes) -> Seen | None:
        """The witness's word, None where it has not spoken. Raises TamperError for a line in its name that is wrong."""
        text, lines = split_note(note)
        for name, raw in lines:
            if (name, raw[:ID_BYTES]) == (self.name, self._id):
                return Seen(self.name, self._check(text, raw[ID_BYTES:]))
        return None

    def _check(self, text: str, raw: bytes) -> int:
        if len(raw) != TIME_BYTES + SIGNATURE_BYTES:
            raise TamperError(f"cosignature: {self.name}: {len(raw)} bytes in place of {TIME_BYTES + SIGNATURE_BYTES}")
        (time,) = struct.unpack(">Q", raw[:TIME_BYTES])
        try:
            self._public.verify(raw[TIME_BYTES:], message(time, text))
        except InvalidSignature:
            raise TamperError(f"cosignature: the line of {self.name} does not fit the checkpoint") from None
        if time >= LATEST:
            raise TamperError(f"cosignature: {self.name}: not a time")
        return int(time)


def require(note: bytes, witnesses: Sequence[CosignatureVerifier], needed: int) -> list[Seen]:
    """The words of all witnesses that have spoken. Raises TamperError where fewer than `needed` different ones have,
    ConfigError where so many are not known."""
    if not 0 <= needed <= len({each.vkey for each in witnesses}):
        raise ConfigError(f"witnesses: {needed} needed, of {len(witnesses)} that are known")
    found = {seen.witness: seen for each in witnesses if (seen := each.seen(note))}
    if len(found) < needed:
        names = ", ".join(sorted(found)) or "none"
        raise TamperError(f"checkpoint: {needed} witnesses are needed, and these have signed it: {names}")
    return list(found.values())


def _parse_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    try:
        name, identity, material = vkey.split("+", 2)
        raw = base64.b64decode(material, validate=True)
        known = bytes.fromhex(identity)
    except ValueError:
        raise ConfigError("witness key: not of the form name+id+base64") from None
    if raw[:1] != COSIGNATURE or len(raw) != 1 + KEY_BYTES:
        raise ConfigError("witness key: not a cosignature key (type 0x04); a log's own key is another")
    if not _NAME.fullmatch(name) or known != key_id(name, raw[1:]):
        raise ConfigError("witness key: its id does not belong to its name and key; copy it again")
    return name, known, raw[1:]
