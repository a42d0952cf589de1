"""Field encryption: AES-256-GCM (NIST SP 800-38D) with everything about the place bound in.

    byte 0       format version, 1
    bytes 1-8    id of the data key
    bytes 9-20   nonce, random (a data key seals far fewer than 2^32 values, SP 800-38D §8.3)
    rest         ciphertext and 16-byte tag

GCM is not key-committing, so the key is chosen by its id and nothing is ever tried against several keys.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import TamperError

VERSION = 1
KEY_ID_BYTES = 8
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = 1 + KEY_ID_BYTES
OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs: a ciphertext moved to any other place does not open.

    revision: counts the writes of this field, so that an older value of the same row does not pass for the present one.
    """

    controller: str
    record: str
    field: str
    data_class: str
    revision: int = 0

    def encode(self) -> bytes:
        """Each part with its length in characters, so that no two places encode alike."""
        return (
            f"{len(self.controller)}:{self.controller}{len(self.record)}:{self.record}{len(self.field)}:{self.field}"
            f"{len(self.data_class)}:{self.data_class}{self.revision}"
        ).encode()


class DataKey:
    """An AES-256 key with its id. Prints as its id only."""

    __slots__ = ("_aead", "_header", "id")

    def __init__(self, key_id: bytes, key: bytes) -> None:
        if len(key_id) != KEY_ID_BYTES or len(key) != KEY_BYTES:
            raise ValueError("a data key has an 8-byte id and 32 bytes")
        self.id = key_id
        self._header = bytes((VERSION,)) + key_id
        self._aead = AESGCM(key)

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"

    def seal(self, plain: bytes, place: Place) -> bytes:
        """The value sealed for this place alone."""
        nonce = os.urandom(NONCE_BYTES)
        return self._header + nonce + self._aead.encrypt(nonce, plain, self._header + place.encode())

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The value. Raises TamperError unless these very bytes were sealed under this key for this place."""
        if key_id_of(sealed) != self.id:
            raise TamperError("envelope: sealed under another key than the one on record")
        nonce = sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        try:
            return self._aead.decrypt(nonce, sealed[HEADER_BYTES + NONCE_BYTES :], self._header + place.encode())
        except InvalidTag:
            raise TamperError("envelope: the ciphertext does not belong here, or was changed") from None


def key_id_of(sealed: bytes) -> bytes:
    """The id of the key that opens this. Raises TamperError on a format that is not ours."""
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != VERSION:
        raise TamperError("envelope: not a version 1 ciphertext")
    return sealed[1:HEADER_BYTES]
