"""`quietline ledger` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from quietline.cli.ledger import app
from quietline.errors import ConfigError
from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
VKEY = NoteSigner(ORIGIN, KEY).vkey


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    log = await open_log(tmp_path / "ledger.db", signer=KEY, sealer=MemorySealer())
    (tmp_path / "empty").write_bytes(await log.checkpoint())
    for n in range(3):
        await log.append(Entry(Kind.FAULT, float(n)))
    await log.close()
    return tmp_path / "ledger.db"


@pytest.fixture
def copy(database: Path, tmp_path: Path) -> Path:
    assert run("export", tmp_path / "copy", "--database", database).exit_code == 0
    return tmp_path / "copy"


def test_export_says_where_and_which_key(database: Path, tmp_path: Path) -> None:
    out = run("export", tmp_path / "out", "--database", database, "--no-bodies").output
    assert "3 entries" in out.replace("\n", " ")
    assert VKEY in out
    assert not (tmp_path / "out" / "bodies").exists()


def test_export_where_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.db: no ledger"):
        run("export", tmp_path / "out", "--database", tmp_path / "none.db")


def test_verify(copy: Path, tmp_path: Path) -> None:
    result = run("verify", copy, "--key", VKEY, "--checkpoint", tmp_path / "empty", "--entry", 2)
    assert result.exit_code == 0
    assert "Verified: 3 entries" in result.output
    assert "continues the earlier checkpoint of 0" in result.output
    assert "Entry 2 is in it" in result.output
    assert "came with the copy" not in result.output


def test_verify_with_the_key_that_came_along(copy: Path) -> None:
    assert "came with the copy" in run("verify", copy).output


def test_verify_with_a_key_file(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VKEY + "\n")
    assert run("verify", copy, "--key", tmp_path / "key").exit_code == 0
    with pytest.raises(ConfigError, match="verifier key"):
        run("verify", copy, "--key", "nonsense")


def test_verify_json(copy: Path) -> None:
    found = json.loads(run("verify", copy, "--key", VKEY, "--json").output)
    assert (found["verified"], found["size"], found["key_given"]) == (True, 3, True)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_flipped_byte(copy: Path, as_json: bool) -> None:
    path = copy / "tile/entries/000.p/3"
    raw = bytearray(path.read_bytes())
    raw[10] ^= 1
    path.write_bytes(raw)
    result = run("verify", copy, "--key", VKEY, *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert "entry 0 does not hash to its place" in result.output
    if as_json:
        found = json.loads(result.output)
        assert (found["verified"], found["where"]) == (False, "tile/entries/000.p/3")
    else:
        assert result.output.startswith("NOT verified. tile/entries/000.p/3: entry 0")


def test_no_such_checkpoint_or_copy(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        run("verify", copy, "--checkpoint", tmp_path / "gone")
    with pytest.raises(ConfigError, match="vkey: cannot be read"):
        run("verify", tmp_path / "gone")
    assert run("verify", copy, "--entry", 3).exit_code == 1


def test_show(database: Path) -> None:
    assert "3" in run("show", "--database", database).output
    (facts,) = json.loads(run("show", "--database", database, "--json").output)
    assert (facts["entries"], facts["bodies kept"], facts["verifier key"]) == (3, 3, VKEY)
