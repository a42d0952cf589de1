"""Project Wycheproof's vectors through the primitives the vault uses; skipped where the files are not at hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "wycheproof"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="Wycheproof vectors are not at hand")


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


def test_hmac_sha256() -> None:
    """The blind index and the leg tickets."""
    tried = 0
    for group, case in cases("hmac_sha256_test.json"):
        key, message, tag = raw(case, "key", "msg", "tag")
        computed = hmac.new(key, message, hashlib.sha256).digest()[: group["tagSize"] // 8]
        assert hmac.compare_digest(computed, tag) == (case["result"] == "valid"), case["tcId"]
        tried += 1
    assert tried > 100
