"""Project Wycheproof's Ed25519 vectors through the primitive of checkpoints; skipped where they are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILE = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "wycheproof" / "ed25519_test.json"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="Wycheproof vectors are not at hand")


def holds(public: str, message: str, signature: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), bytes.fromhex(message))
    except (InvalidSignature, ValueError):
        return False
    return True


def test_ed25519() -> None:
    tried = 0
    for group in json.loads(FILE.read_text())["testGroups"]:
        for case in group["tests"]:
            answer = holds(group["publicKey"]["pk"], case["msg"], case["sig"])
            assert answer == (case["result"] == "valid"), case["tcId"]
            tried += 1
    assert tried >= 140
