"""Cosignatures and requests, by the letters of C2SP tlog-cosignature and tlog-witness."""

from __future__ import annotations

import base64
import hashlib
import struct
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import COSIGNATURE, Checkpoint, NoteSigner, NoteVerifier, key_id, split_note
from quietline.witness.cosignature import CosignatureVerifier, Cosigner, Seen, require
from quietline.witness.request import MOST_HASHES, AddCheckpoint

LOG = NoteSigner("log.example/shop", Ed25519PrivateKey.from_private_bytes(bytes(32)))
ONE = Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
TWO = Cosigner("witness.example/w2", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32))
TEXT = Checkpoint("log.example/shop", 7, hashlib.sha256(b"seven").digest()).text()
NOTE = LOG.sign(TEXT)
TIME = 1_679_315_147

# The example of tlog-cosignature: a checkpoint, its log's signature, a witness's line.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501


def cosigned(*signers: Cosigner, time: int = TIME, note: bytes = NOTE) -> bytes:
    return note + "".join(each.sign(TEXT, time) for each in signers).encode()


def test_the_example_of_the_specification_is_read_as_it_says() -> None:
    text, lines = split_note(EXAMPLE)
    assert Checkpoint.parse(text).size == 20_852_163
    name, raw = lines[1]
    assert name == "witness.example.com/w1"
    assert (len(raw), struct.unpack(">Q", raw[4:12])) == (76, (TIME,))


def test_what_is_signed_is_the_header_the_time_and_the_checkpoint() -> None:
    raw = base64.b64decode(ONE.sign(TEXT, TIME).split(" ")[2])
    signed = b"cosignature/v1\ntime 1679315147\nlog.example/shop\n7\n" + TEXT.splitlines()[2].encode() + b"\n"
    Ed25519PublicKey.from_public_bytes(ONE.public).verify(raw[12:], signed)
    assert raw[:4] == hashlib.sha256(b"witness.example/w1\n\x04" + ONE.public).digest()[:4]
    assert raw[4:12] == TIME.to_bytes(8, "big")


def test_a_word_is_found_beside_others_and_the_logs_own_signature_still_opens() -> None:
    note = cosigned(ONE, TWO)
    assert CosignatureVerifier(TWO.vkey).seen(note) == Seen("witness.example/w2", TIME)
    assert CosignatureVerifier(TWO.vkey).seen(cosigned(ONE)) is None
    assert NoteVerifier(LOG.vkey).checkpoint(note).size == 7


@pytest.mark.parametrize("at", [12, 40, 75, 5])
def test_a_changed_word_is_refused(at: int) -> None:
    head, _, last = cosigned(ONE).rpartition(b" ")
    raw = bytearray(base64.b64decode(last))
    raw[at] ^= 1
    with pytest.raises(TamperError, match="does not fit"):
        CosignatureVerifier(ONE.vkey).seen(head + b" " + base64.b64encode(raw) + b"\n")


def test_a_word_on_another_checkpoint_is_refused() -> None:
    other = LOG.sign(Checkpoint("log.example/shop", 8, bytes(32)).text())
    with pytest.raises(TamperError, match="does not fit"):
        CosignatureVerifier(ONE.vkey).seen(cosigned(ONE, note=other))


def test_a_line_too_short_for_time_and_signature_is_refused() -> None:
    line = f"— {ONE.name} {base64.b64encode(key_id(ONE.name, ONE.public, COSIGNATURE) + bytes(8)).decode()}\n"
    with pytest.raises(TamperError, match="8 bytes in place of 72"):
        CosignatureVerifier(ONE.vkey).seen(NOTE + line.encode())


def test_so_many_different_witnesses_are_required() -> None:
    known = [CosignatureVerifier(each.vkey) for each in (ONE, TWO)]
    assert {each.witness for each in require(cosigned(ONE, TWO), known, 2)} == {ONE.name, TWO.name}
    assert len(require(NOTE, known, 0)) == 0
    with pytest.raises(TamperError, match="2 witnesses are needed, and these have signed it: witness"):
        require(cosigned(ONE, ONE), known, 2)
    with pytest.raises(ConfigError, match="2 needed, of 2 that are known"):
        require(cosigned(ONE), [known[0], known[0]], 2)  # one witness, named twice, is one


@pytest.mark.parametrize(
    ("vkey", "says"),
    [
        (LOG.vkey, "not a key of a witness"),
        (ONE.vkey.replace("w1", "w9"), "does not belong"),
        ("nonsense", "not of the form"),
        (ONE.vkey[:-4], "not of the form|not a key of a witness"),
    ],
)
def test_a_key_that_is_none(vkey: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CosignatureVerifier(vkey)


def test_a_key_says_nothing_of_itself() -> None:
    assert repr(ONE) == "Cosigner(witness.example/w1)"
    with pytest.raises(ConfigError, match="no space"):
        Cosigner("two words", Ed25519PrivateKey.generate())


# Requests


@given(st.integers(0, 10**18), st.lists(st.binary(min_size=32, max_size=32), max_size=MOST_HASHES))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    request = AddCheckpoint(old, tuple(proof), NOTE)
    assert AddCheckpoint.parse(request.encode()) == request


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "want a line"),
        (b"old 1\n" + NOTE, "is not a SHA-256 hash"),
        (b"old -1\n\n" + NOTE, "want a line"),
        (b"old 01\n\n" + NOTE, "want a line"),
        (b"old 1\nAAAA\n\n" + NOTE, "line 2 is not"),
        (b"old 1\n" + base64.b64encode(bytes(32)) + b"\n" + b"!" * 44 + b"\n\n" + NOTE, "line 3 is not"),
        (b"old 1\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + NOTE, "64 hashes"),
        (bytes(80_000), "80000 bytes"),
    ],
)
def test_a_request_that_is_none_says_why(body: bytes, says: str) -> None:
    with pytest.raises(TamperError, match=says):
        AddCheckpoint.parse(body)


@given(st.binary(max_size=300))
def test_no_bytes_end_the_reading_in_another_error(body: bytes) -> None:
    with suppress(TamperError):
        assert AddCheckpoint.parse(body).encode() == body
