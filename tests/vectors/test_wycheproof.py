"""Project Wycheproof's vectors (tests/vectors/wycheproof) through the primitives the vault uses."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import TamperError
from quietline.vault.envelope import DataKey, Place

FOLDER = Path(__file__).with_name("wycheproof")


def groups(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())["testGroups"]
    return found


def cases(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(group, case) for group in groups(name) for case in group["tests"]]


def raw(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def test_aes_gcm() -> None:
    """Only what the envelope uses is in scope for "valid": 96-bit nonces, 128-bit tags; every "invalid" must fail."""
    tried = 0
    for group, case in cases("aes_gcm_test.json"):
        key, nonce, aad, message, ciphertext, tag = raw(case, "key", "iv", "aad", "msg", "ct", "tag")
        if case["result"] == "valid" and (group["ivSize"], group["tagSize"]) == (96, 128):
            assert AESGCM(key).encrypt(nonce, message, aad) == ciphertext + tag, case["tcId"]
            assert AESGCM(key).decrypt(nonce, ciphertext + tag, aad) == message, case["tcId"]
            tried += 1
        elif case["result"] == "invalid":
            with pytest.raises((InvalidTag, ValueError)):
                AESGCM(key).decrypt(nonce, ciphertext + tag, aad)
            tried += 1
    assert tried > 200


def test_the_envelope_takes_nothing_that_the_vectors_call_invalid() -> None:
    """Each invalid case in the envelope's own shape: the header is bound as associated data, so it fails twice over."""
    tried = 0
    for group, case in cases("aes_gcm_test.json"):
        key, nonce, ciphertext, tag = raw(case, "key", "iv", "ct", "tag")
        if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128):
            data, sealed = DataKey(bytes(8), key), b"\x01" + bytes(8) + nonce + ciphertext + tag
            with pytest.raises(TamperError):
                data.open(sealed, Place("brand", "re_1", "contact.name", "contact", 1))
            tried += 1
    assert tried > 50


def test_what_the_envelope_seals_is_aes_gcm_with_its_place_as_associated_data() -> None:
    """Opened by the primitive alone, with nothing of the envelope's code."""
    key, place = os.urandom(32), Place("brand", "re_1", "contact.name", "contact", 1)
    sealed = DataKey(b"\x07" * 8, key).seal(b"a value", place)
    header, nonce, body = sealed[:9], sealed[9:21], sealed[21:]
    assert header == b"\x01" + b"\x07" * 8
    assert AESGCM(key).decrypt(nonce, body, header + place.encode()) == b"a value"


def test_hmac_sha256() -> None:
    """The blind index and the leg tickets."""
    tried = 0
    for group, case in cases("hmac_sha256_test.json"):
        key, message, tag = raw(case, "key", "msg", "tag")
        computed = hmac.new(key, message, hashlib.sha256).digest()[: group["tagSize"] // 8]
        assert hmac.compare_digest(computed, tag) == (case["result"] == "valid"), case["tcId"]
        tried += 1
    assert tried > 100
