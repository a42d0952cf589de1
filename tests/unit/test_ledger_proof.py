"""A proof in a file of its own (C2SP tlog-proof): what it proves, and every way in which it may not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from quietline.cli.ledger import app
from quietline.errors import TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteSigner, NoteVerifier
from quietline.ledger.merkle import inclusion_proof, leaf_hash, tree_hash
from quietline.ledger.proof import HEADER, Proof
from quietline.ledger.tiles import Tree, pack_entries, tiles_of, tiles_of_level

SIGNER = NoteSigner("log.example/shop", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner("log.example/shop", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
VERIFIER = NoteVerifier(SIGNER.vkey)
RECORDS = [b"\x01" + hashlib.sha256(b"%d" % n).digest() for n in range(300)]


def proof_of(index: int, size: int) -> Proof:
    leaves = [leaf_hash(record) for record in RECORDS[:size]]

    def node(height: int, at: int) -> bytes:
        return tree_hash(leaves[at << height : (at + 1) << height])

    note = SIGNER.sign(Checkpoint(SIGNER.name, size, tree_hash(leaves)).text())
    return Proof(RECORDS[index], index, tuple(inclusion_proof(index, size, node)), note)


@given(st.data())
def test_a_proof_is_read_as_it_was_written_and_proves_its_entry(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    made = proof_of(index, size)
    read = Proof.parse(made.encode())
    assert read == made
    assert read.check(VERIFIER).size == size
    assert read.leaf == leaf_hash(RECORDS[index]).hex()


@given(st.integers(2, 40), st.data())
def test_it_proves_no_other_entry_and_no_other_place(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
    made = proof_of(index, size)
    for lie in (
        Proof(RECORDS[other], index, made.hashes, made.note),
        Proof(made.record, other, made.hashes, made.note),
        Proof(made.record, index, made.hashes[:-1], made.note),
        Proof(made.record, index, (*made.hashes, bytes(32)), made.note),
    ):
        with pytest.raises(TamperError, match="inclusion"):
            Proof.parse(lie.encode()).check(VERIFIER)


def test_another_keys_checkpoint_proves_nothing() -> None:
    made = proof_of(3, 7)
    forged = OTHER.sign(Checkpoint(SIGNER.name, 7, tree_hash([leaf_hash(record) for record in RECORDS[:7]])).text())
    with pytest.raises(TamperError, match="no signature"):
        Proof(made.record, 3, made.hashes, forged).check(VERIFIER)


def test_every_changed_byte_is_found() -> None:
    raw = proof_of(5, 9).encode()
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(TamperError):
            Proof.parse(changed).check(VERIFIER)


def longer(raw: bytes) -> bytes:
    return raw.replace(b"\n\n", b"\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n", 1)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw: b"", "not a file that begins with"),
        (lambda raw: raw.replace(b"@v1", b"@v2"), "not a file that begins with"),
        (lambda raw: raw.replace(b"\nextra ", b"\nother "), "line 2 is not"),
        (lambda raw: raw.replace(b"\nextra ", b"\nextra AAAA"), "line 2 is not"),
        (lambda raw: raw.replace(b"\nindex 5", b"\nindex -5"), "line 3 is not"),
        (lambda raw: raw.replace(b"\nindex 5", b"\nindex 05"), "line 3 is not"),
        (lambda raw: raw.replace(b"\nindex 5\n", b"\nindex 5\n!\n"), "line 4 is not base64"),
        (lambda raw: raw.replace(b"\nindex 5\n", b"\nindex 5\nAAAA\n"), "line 4 is not a SHA-256 hash"),
        (lambda raw: raw.replace(b"\nindex 5\n", b"\nindex 5\nAB==\n"), "line 4 is not canonical"),
        (longer, "no log needs more than 63"),
        (lambda raw: raw + bytes(200_000), "not a file that begins with"),
    ],
)
def test_a_file_that_is_none_says_where(spoil: Callable[[bytes], bytes], says: str) -> None:
    with pytest.raises(TamperError, match=says):
        Proof.parse(spoil(proof_of(5, 9).encode()))


@given(st.binary(max_size=200))
def test_no_bytes_end_the_reading_in_another_error(raw: bytes) -> None:
    with suppress(TamperError):
        Proof.parse(HEADER.encode() + b"\n" + raw)


# As a person runs it


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a log of 300 entries, as `ledger export` lays it out."""
    tree, stored, folder = Tree(), {}, tmp_path / "copy"
    for record in RECORDS:
        tree.append(leaf_hash(record))
    for level, index, raw in tree.take_tiles():
        stored[level, index] = raw
    contents = {
        tile.path: stored.get((tile.level, tile.index)) or bytes(tree.partial[tile.level]) for tile in tiles_of(300)
    }
    contents |= {
        tile.entries_path: pack_entries(RECORDS[tile.first :][: tile.width]) for tile in tiles_of_level(0, 300)
    }
    contents |= {
        "checkpoint": SIGNER.sign(Checkpoint(SIGNER.name, 300, tree.root).text()),
        "vkey": SIGNER.vkey.encode(),
    }
    for name, raw in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize("index", [0, 255, 256, 299])
def test_prove_then_check_with_the_key_alone(copy: Path, tmp_path: Path, index: int) -> None:
    file = tmp_path / "proof"
    assert run("prove", copy, index, "-o", file, "--key", SIGNER.vkey).exit_code == 0
    result = run("check", file, "--key", SIGNER.vkey, "--json")
    assert json.loads(result.output) == {
        "verified": True, "entry": index, "leaf": leaf_hash(RECORDS[index]).hex(), "log": SIGNER.name, "entries": 300,
    }  # fmt: skip
    assert f"entry {index} " in run("check", file, "--key", SIGNER.vkey).output


def test_check_refuses_a_proof_of_another_log_and_a_changed_one(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "proof"
    run("prove", copy, 7, "-o", file)
    assert run("check", file, "--key", OTHER.vkey).exit_code == 1
    file.write_bytes(file.read_bytes().replace(b"index 7", b"index 8"))
    result = run("check", file, "--key", SIGNER.vkey, "--json")
    assert (result.exit_code, json.loads(result.output)["verified"]) == (1, False)


def test_prove_refuses_an_entry_that_is_not_there_and_a_copy_that_does_not_fit(copy: Path, tmp_path: Path) -> None:
    assert "Name an index below the size" in run("prove", copy, 300, "-o", tmp_path / "proof").stderr.replace("\n", " ")
    (copy / "tile/entries/000").write_bytes(pack_entries([RECORDS[1], *RECORDS[1:256]]))
    assert run("prove", copy, 0, "-o", tmp_path / "proof").exit_code == 1
    assert not (tmp_path / "proof").exists()
