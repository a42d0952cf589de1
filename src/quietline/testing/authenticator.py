"""A passkey in software: makes keys and answers as browsers and security keys do, for tests without a browser.

`Authenticator` keeps one discoverable ES256 credential a site; its faults are fields that a test sets.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40  # flags of authenticator data (WebAuthn §6.1)


def encoded(raw: bytes) -> str:
    """URL-safe base 64 without padding, as browsers write it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The same back."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """`counts`: whether it keeps a signature counter; `verifies`: whether it asks for finger or PIN."""

    origin: str
    counts: bool = True
    verifies: bool = True
    counter: int = 0
    id: bytes = field(default_factory=lambda: os.urandom(32))
    user: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    def makes(self, options: dict[str, Any]) -> str:
        """The answer to registration options."""
        self.user = decoded(options["user"]["id"])
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self._public()
        data = self._data(options["rp"]["id"], attested)
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": client, "attestationObject": statement})

    def uses(self, options: dict[str, Any]) -> str:
        """The answer to request options."""
        self.counter += self.counts
        data, client = self._data(options["rpId"]), self._client("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": client,
            "authenticatorData": data,
            "signature": signature,
            "userHandle": self.user,
        }
        return self._answer(response)

    def copy(self) -> Authenticator:
        """As a thief's copy of the key would be."""
        return Authenticator(self.origin, self.counts, self.verifies, self.counter, self.id, self.user, self.key)

    def _public(self) -> bytes:
        """COSE, ES256 (RFC 9053 §2.1)."""
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def _data(self, site: str, attested: bytes = b"") -> bytes:
        flags = PRESENT | (VERIFIED if self.verifies else 0) | (ATTESTED if attested else 0)
        return hashlib.sha256(site.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big") + attested

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, bytes]) -> str:
        fields = {name: encoded(value) for name, value in response.items()}
        name = encoded(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": fields})
