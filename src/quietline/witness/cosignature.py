"""Cosignatures (C2SP tlog-cosignature): "at this time, this checkpoint continued everything I had seen of the log"."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import COSIGNATURE, check_name, key_id, parse_verifier_key, split_note, verifier_key

ID_BYTES, TIME_BYTES, SIGNATURE_BYTES = 4, 8, 64
LATEST = 1 << 63  # seconds; tlog-cosignature: the time is at most 2⁶³-1


def message(time: int, text: str) -> bytes:
    """What is signed: two lines of header, then the checkpoint as its log wrote it."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


class Cosigner:
    """A witness's key. It stays in memory and prints as nothing but its name."""

    __slots__ = ("_id", "_key", "name", "public")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = check_name(name)
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._id = key_id(name, self.public, COSIGNATURE)

    def __repr__(self) -> str:
        return f"Cosigner({self.name})"

    @property
    def vkey(self) -> str:
        return verifier_key(self.name, self.public, COSIGNATURE)

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
        self.name, self._id, public = parse_verifier_key(self.vkey, COSIGNATURE)
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
