"""Receipts over a real log: each of the four steps of their verification can fail, and does when it should."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import NoteSigner, NoteVerifier
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import LedgerReader, Proof
from quietline.rights.receipt import HEADER, canonical, digest_of, verify_receipt, write_receipt
from quietline.vault.keys import KeyGoneError

KEY = Ed25519PrivateKey.generate()
SIGNER = NoteSigner(ORIGIN, KEY)
OTHER = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
STATEMENT: dict[str, Any] = {"request": "rq_1", "erased": ["contact"], "kept": []}


class PlainBodies:
    """Seals nothing; a subject in `gone` has no key any more."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def seal_body(self, subject: str, body: bytes) -> bytes:
        return body

    def open_body(self, subject: str, sealed: bytes) -> bytes:
        if subject in self.gone:
            raise KeyGoneError("keys: no key on record for this value")
        return sealed


async def a_log(path: Path, before: int = 3, after: int = 300) -> tuple[LedgerReader, int, PlainBodies]:
    """A log with an erasure's entry in the middle, over more than one tile."""
    bodies = PlainBodies()
    log = await open_log(path, signer=KEY, sealer=bodies)
    try:
        for place in range(before):
            await log.append(Entry(Kind.CALL_ARRIVED, 1.0, f"cu_{place % 2}"))
        fields = {"request": "rq_1", "statement": digest_of(STATEMENT)}
        receipt = await log.append(Entry(Kind.RECORDS_ERASED, 2.0, "", fields))
        for _ in range(after):
            log.append_soon(Entry(Kind.CALL_ARRIVED, 3.0))
        await log.append(Entry(Kind.CALL_ENDED, 4.0, "cu_1"))
    finally:
        await log.close()
    return LedgerReader(path, bodies), receipt.index, bodies


@pytest.fixture
async def proof(tmp_path: Path) -> Proof:
    reader, index, _ = await a_log(tmp_path / "ledger.db")
    return reader.proof(index)


def resigned(receipt: bytes, change: Callable[[dict[str, Any]], None], signer: NoteSigner = SIGNER) -> bytes:
    """The receipt with a change, signed anew: as the key's holder could."""
    whole = json.loads(receipt.decode().split("\n")[1])
    change(whole)
    return signer.sign(f"{HEADER}\n{canonical(whole)}\n")


async def test_it_verifies_and_says_where_it_stands(proof: Proof) -> None:
    found = verify_receipt(write_receipt(STATEMENT, proof, SIGNER), SIGNER.vkey)
    assert (found.statement, found.index, found.size, found.origin) == (STATEMENT, 3, 305, ORIGIN)


async def test_1_only_the_ledgers_key_signs_it(proof: Proof) -> None:
    with pytest.raises(TamperError, match="no signature by"):
        verify_receipt(write_receipt(STATEMENT, proof, OTHER), SIGNER.vkey)
    with pytest.raises(ConfigError, match="verifier key"):
        verify_receipt(write_receipt(STATEMENT, proof, SIGNER), "nonsense")


async def test_1_not_a_byte_of_it_can_be_changed(proof: Proof) -> None:
    receipt = write_receipt(STATEMENT, proof, SIGNER)
    for place in range(0, len(receipt), 97):
        spoilt = receipt[:place] + bytes([receipt[place] ^ 1]) + receipt[place + 1 :]
        with pytest.raises(TamperError):
            verify_receipt(spoilt, SIGNER.vkey)


async def test_2_the_ledger_says_the_same_as_the_statement(proof: Proof) -> None:
    with pytest.raises(TamperError, match="another erasure"):
        verify_receipt(write_receipt({**STATEMENT, "erased": []}, proof, SIGNER), SIGNER.vkey)


async def test_2_an_entry_of_another_kind_is_no_erasure(tmp_path: Path) -> None:
    reader, index, _ = await a_log(tmp_path / "ledger.db")
    with pytest.raises(TamperError, match="another erasure"):
        verify_receipt(write_receipt(STATEMENT, reader.proof(index - 1), SIGNER), SIGNER.vkey)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole.update(index=whole["index"] + 1),
        lambda whole: whole["proof"].reverse(),
        lambda whole: whole["proof"].pop(),
        lambda whole: whole["proof"].append("00" * 32),
    ],
)
async def test_3_the_entry_stands_in_the_tree(proof: Proof, change: Callable[[dict[str, Any]], None]) -> None:
    receipt = write_receipt(STATEMENT, proof, SIGNER)
    with pytest.raises(TamperError, match="inclusion"):
        verify_receipt(resigned(receipt, change), SIGNER.vkey)


async def test_3_another_salt_is_another_leaf(proof: Proof) -> None:
    def change(whole: dict[str, Any]) -> None:
        opened = base64.b64decode(whole["entry"])
        whole["entry"] = base64.b64encode(bytes(32) + opened[32:]).decode()

    with pytest.raises(TamperError, match="inclusion"):
        verify_receipt(resigned(write_receipt(STATEMENT, proof, SIGNER), change), SIGNER.vkey)


async def test_4_the_root_is_signed_by_the_ledger(proof: Proof) -> None:
    def change(whole: dict[str, Any]) -> None:
        text = text_of(whole["checkpoint"])
        whole["checkpoint"] = OTHER.sign(text).decode()

    with pytest.raises(TamperError, match="no signature by"):
        verify_receipt(resigned(write_receipt(STATEMENT, proof, SIGNER), change), SIGNER.vkey)


def text_of(note: str) -> str:
    return note.partition("\n\n")[0] + "\n"


@pytest.mark.parametrize("part", ["statement", "index", "entry", "proof", "checkpoint"])
async def test_a_missing_or_spoilt_part_is_said(proof: Proof, part: str) -> None:
    receipt = write_receipt(STATEMENT, proof, SIGNER)
    for change in (lambda whole: whole.pop(part), lambda whole: whole.update({part: None})):
        with pytest.raises(TamperError, match=r"receipt|checkpoint"):
            verify_receipt(resigned(receipt, change), SIGNER.vkey)


@pytest.mark.parametrize("text", ["", f"{HEADER}\n", f"{HEADER}\nnot json\n", f"{HEADER}\n[]\n", "x\n{}\n"])
def test_what_is_signed_but_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(TamperError):
        verify_receipt(SIGNER.sign(text or "\n"), SIGNER.vkey)


async def test_a_receipt_is_never_taken_for_a_checkpoint(proof: Proof) -> None:
    with pytest.raises(TamperError, match="checkpoint"):
        NoteVerifier(SIGNER.vkey).checkpoint(write_receipt(STATEMENT, proof, SIGNER))
    with pytest.raises(TamperError, match="no erasure receipt"):
        verify_receipt(proof.checkpoint.encode(), SIGNER.vkey)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=5))
def test_equal_statements_have_equal_digests(statement: dict[str, str]) -> None:
    other = dict(reversed(list(statement.items())))
    assert digest_of(statement) == digest_of(other)
    assert digest_of({**statement, "more": 1}) != digest_of(statement)


# -- reading the ledger


async def test_entries_are_read_by_subject_and_from_first_to_last(tmp_path: Path) -> None:
    reader, index, _ = await a_log(tmp_path / "ledger.db")
    assert [placed.index for placed in reader.of("cu_1")] == [1, 304]
    every = list(reader.all())
    assert [placed.index for placed in every] == list(range(305))
    assert every[index].entry.kind is Kind.RECORDS_ERASED
    assert reader.of("cu_none") == []
    assert reader.vkey() == SIGNER.vkey


async def test_an_erased_body_is_passed_over_and_has_no_proof(tmp_path: Path) -> None:
    reader, _, bodies = await a_log(tmp_path / "ledger.db")
    bodies.gone.add("cu_0")
    assert 0 not in {placed.index for placed in reader.all()}
    assert reader.of("cu_0") == []
    with pytest.raises(KeyGoneError):
        reader.proof(0)
    with pytest.raises(IndexError, match="no entry 999"):
        reader.proof(999)


async def test_a_body_under_another_subject_or_changed_is_found(tmp_path: Path) -> None:
    reader, index, _ = await a_log(tmp_path / "ledger.db")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("UPDATE body SET subject = 'cu_2' WHERE idx = 0")
        db.commit()
        with pytest.raises(TamperError, match="another subject"):
            reader.of("cu_2")
        db.execute("UPDATE body SET sealed = sealed || x'20' WHERE idx = ?", (index,))
        db.commit()
    with pytest.raises(TamperError, match="commits to"):
        reader.proof(index)
