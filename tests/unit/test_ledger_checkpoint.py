"""Checkpoints and signed notes."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteSigner, NoteVerifier

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = NoteSigner("quietline.local/ledger", KEY)
VERIFIER = NoteVerifier(SIGNER.vkey)
CHECKPOINT = Checkpoint("quietline.local/ledger", 42, bytes(range(32)))
NOTE = SIGNER.sign(CHECKPOINT.text())

# The documented example of Go's golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_of_go_s_implementation() -> None:
    assert NoteVerifier(GO_VKEY).open(GO_NOTE).endswith("what your problem is.\n")


def test_the_go_checksum_database_s_key_has_its_key_id() -> None:
    NoteVerifier("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")


def test_text() -> None:
    assert CHECKPOINT.text() == "quietline.local/ledger\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert Checkpoint.parse(CHECKPOINT.text()) == CHECKPOINT


def test_sign_and_open() -> None:
    assert VERIFIER.checkpoint(NOTE) == CHECKPOINT
    assert NOTE.decode().startswith(CHECKPOINT.text() + "\n— quietline.local/ledger ")


def test_every_changed_byte_is_seen() -> None:
    for at in range(len(NOTE)):
        for bit in range(8):
            changed = NOTE[:at] + bytes([NOTE[at] ^ 1 << bit]) + NOTE[at + 1 :]
            with pytest.raises(TamperError):
                VERIFIER.checkpoint(changed)


@pytest.mark.parametrize("cut", range(0, len(NOTE), 7))
def test_every_cut_is_seen(cut: int) -> None:
    with pytest.raises(TamperError):
        VERIFIER.checkpoint(NOTE[:cut])


def test_signatures_by_others_are_ignored() -> None:
    other = NoteSigner("witness.example/w", Ed25519PrivateKey.generate()).sign(CHECKPOINT.text())
    line = other.split(b"\n\n")[1]
    assert VERIFIER.checkpoint(NOTE + line) == CHECKPOINT
    with pytest.raises(TamperError, match="no signature by quietline"):
        VERIFIER.checkpoint(other)


def test_another_key_of_the_same_name_is_not_ours() -> None:
    forged = NoteSigner(SIGNER.name, Ed25519PrivateKey.generate()).sign(CHECKPOINT.text())
    with pytest.raises(TamperError, match="no signature"):
        VERIFIER.checkpoint(forged)


def test_a_second_spelling_of_the_signature_is_refused() -> None:
    """68 bytes leave two unused bits in the last base64 character."""
    assert NOTE.endswith(b"=\n")
    last = NOTE[-3:-2]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) + 1 : alphabet.index(last) + 2]
    with pytest.raises(TamperError, match="canonical"):
        VERIFIER.checkpoint(NOTE[:-3] + other + b"=\n")


def test_our_signature_under_another_origin_is_no_checkpoint_of_ours() -> None:
    with pytest.raises(TamperError, match="another log"):
        VERIFIER.checkpoint(SIGNER.sign(Checkpoint("elsewhere.example", 1, bytes(32)).text()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "o\n1\nnot base64\n",
        "o\n1\n" + base64.b64encode(bytes(32)).decode() + "\nextension\n",
        "o\n1\n" + base64.b64encode(bytes(32)).decode(),
    ],
)
def test_texts_that_are_no_checkpoint(text: str) -> None:
    with pytest.raises(TamperError, match="checkpoint"):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "note", [b"\xff\n\n\n", b"text\n", b"text\n\nno signature\n", NOTE.replace(b"\n", b"\r\n"), b"a" * 70_000]
)
def test_bytes_that_are_no_note(note: bytes) -> None:
    with pytest.raises(TamperError, match="checkpoint"):
        VERIFIER.open(note)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+zz+AAAA",
        "name+00000000+AAAA",
        SIGNER.vkey.replace("ledger", "ledges"),
        SIGNER.vkey[:-4],
        SIGNER.vkey.replace("+AQ", "+Aw"),
    ],
)
def test_bad_verifier_keys(vkey: str) -> None:
    with pytest.raises(ConfigError, match="verifier key"):
        NoteVerifier(vkey)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb"])
def test_bad_key_names(name: str) -> None:
    with pytest.raises(ConfigError, match="key name"):
        NoteSigner(name, KEY)


def test_the_private_key_does_not_show() -> None:
    assert repr(SIGNER) == "NoteSigner(quietline.local/ledger)"
    assert bytes(range(32)).hex() not in repr(vars) + SIGNER.vkey
