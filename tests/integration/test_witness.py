"""A real witness process, asked over HTTP: by our own log's side, and by whoever has forked, cut or lost the log."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from quietline.cli import ledger, witness
from quietline.errors import ConfigError
from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.ports import Entry
from quietline.ledger.tiles import tiles_of_level, unpack_entries
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer, rebuild
from quietline.witness import house
from quietline.witness.memory import SqliteMemory
from quietline.witness.submit import Place

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = NoteSigner(ORIGIN, KEY)
YOUNG, OLD = 300, 700


@dataclass
class Running:
    """A witness process that knows our log."""

    folder: Path
    port: int
    vkey: str
    process: subprocess.Popen[bytes]

    @property
    def place(self) -> str:
        return f"http://127.0.0.1:{self.port}={self.vkey}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


def start(folder: Path) -> Running:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "quietline.cli", "witness", "run", str(folder), "--port", str(port)]
    running = Running(folder, port, house.load_key(folder).vkey, subprocess.Popen(command, stderr=subprocess.DEVNULL))
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/")
            return running
        except httpx.TransportError:
            time.sleep(0.05)
    running.stop()
    raise AssertionError("the witness does not answer")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    assert run(witness.app, "init", tmp_path / "w", "witness.example/w1").exit_code == 0
    assert run(witness.app, "trust", tmp_path / "w", SIGNER.vkey).exit_code == 0
    up = start(tmp_path / "w")
    yield up
    up.stop()


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies `young` and `old` of one log, of 300 and of 700 entries."""
    folder = tmp_path_factory.mktemp("ledger")

    async def make() -> None:
        log = await open_log(folder / "ledger.db", signer=KEY, sealer=MemorySealer())
        for size, name in ((YOUNG, "young"), (OLD - YOUNG, "old")):
            await asyncio.gather(*(log.append(Entry(Kind.FAULT, float(n))) for n in range(size)))
            await log.export(folder / name)
        await log.close()

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(copies: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(copies / "old", tmp_path / "old"))


@pytest.fixture
def young(copies: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(copies / "young", tmp_path / "young"))


def run(app: object, *arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def cosign(copy: Path, *places: str) -> list[dict[str, object]]:
    options = [word for place in places for word in ("--witness", place)]
    told: list[dict[str, object]] = json.loads(run(ledger.app, "cosign", copy, *options, "--json").output)
    return told


def forked(copy: Path, kept: int) -> Path:
    """What the key's holder can make: another history, well-formed and signed."""
    entries = [e for tile in tiles_of_level(0, OLD) for e in unpack_entries((copy / tile.entries_path).read_bytes())]
    rebuild(copy, SIGNER, [entries[1], *entries[1:kept]])
    return copy


def test_a_growing_log_is_signed_and_verifies_with_the_witnesss_word(running: Running, young: Path, copy: Path) -> None:
    for each in (young, copy, copy):
        assert cosign(each, running.place) == [{"witness": "witness.example/w1", "signed": True, "why not": ""}]
    found = json.loads(
        run(ledger.app, "verify", copy, "--key", SIGNER.vkey, "--witness", running.vkey, "--json").output
    )
    assert (found["verified"], found["size"]) == (True, OLD)
    assert [word["witness"] for word in found["witnesses"]] == ["witness.example/w1"]
    assert (copy / "checkpoint").read_bytes().count("— witness.example/w1 ".encode()) == 1
    assert f"{OLD}" in run(witness.app, "status", running.folder, "--json").output


def test_a_copy_without_the_word_does_not_verify(running: Running, copy: Path) -> None:
    result = run(ledger.app, "verify", copy, "--key", SIGNER.vkey, "--witness", running.vkey)
    assert result.exit_code == 1
    assert "1 witnesses are needed" in result.stderr.replace("\n", " ")
    assert run(ledger.app, "verify", copy, "--witness", running.vkey, "--need", 0).exit_code == 0


def test_a_fork_a_rollback_and_a_rewrite_are_refused(running: Running, young: Path, copy: Path) -> None:
    honest = Path(shutil.copytree(copy, copy.with_name("honest")))
    assert cosign(copy, running.place)[0]["signed"]
    for bad, says in (
        (forked(Path(shutil.copytree(honest, copy.with_name("fork"))), OLD), "forked"),
        (young, "an older copy, or a cut one"),
    ):
        [told] = cosign(bad, running.place)
        assert not told["signed"]
        assert says in str(told["why not"])
    memory = SqliteMemory(running.folder / "memory.db")
    assert len(memory.evidence(ORIGIN)) == 1  # the log's own signature on another history: it can be shown to anybody
    memory.close()


def test_a_rewritten_past_is_refused_even_when_the_log_has_grown(running: Running, young: Path, copy: Path) -> None:
    assert cosign(young, running.place)[0]["signed"]
    [told] = cosign(forked(copy, OLD), running.place)
    assert (told["signed"], "422" in str(told["why not"])) == (False, True)


def test_killed_and_started_again_it_still_knows(running: Running, young: Path, copy: Path) -> None:
    assert cosign(copy, running.place)[0]["signed"]
    running.stop()
    again = start(running.folder)
    try:
        assert not cosign(young, again.place)[0]["signed"]
        assert cosign(copy, again.place)[0]["signed"]
    finally:
        again.stop()


def test_one_witness_that_is_down_does_not_hide_another(running: Running, copy: Path) -> None:
    down = "http://127.0.0.1:1=" + running.vkey
    told = cosign(copy, down, running.place)
    assert [each["signed"] for each in told] == [False, True]
    assert "cannot be reached" in str(told[0]["why not"])


def test_a_log_it_does_not_know_and_bodies_that_are_none(running: Running) -> None:
    url = f"http://127.0.0.1:{running.port}/add-checkpoint"
    stranger = NoteSigner("elsewhere.example/log", KEY).sign("elsewhere.example/log\n0\n" + "A" * 43 + "=\n")
    assert httpx.post(url, content=b"old 0\n\n" + stranger).status_code == 404
    assert httpx.post(url, content=b"\xff\xfe").status_code == 400
    assert httpx.post(url, content=bytes(200_000)).status_code == 413
    assert httpx.get(url).status_code == 405
    assert httpx.get(f"http://127.0.0.1:{running.port}/").status_code == 404


def test_a_copy_that_does_not_verify_is_shown_to_nobody(running: Running, copy: Path) -> None:
    (copy / "tile/0/000").write_bytes(bytes(8192))
    with pytest.raises(Exception, match="tile/entries/000"):
        cosign(copy, running.place)
    memory = SqliteMemory(running.folder / "memory.db")
    assert memory.latest(ORIGIN) is None
    memory.close()


def test_what_init_and_trust_refuse(tmp_path: Path) -> None:
    run(witness.app, "init", tmp_path / "w", "witness.example/w1")
    assert (tmp_path / "w" / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="already"):
        run(witness.app, "init", tmp_path / "w", "witness.example/w1")
    with pytest.raises(ConfigError, match="verifier key"):
        run(witness.app, "trust", tmp_path / "w", "nonsense")
    run(witness.app, "trust", tmp_path / "w", SIGNER.vkey)
    with pytest.raises(ConfigError, match="another key"):
        run(witness.app, "trust", tmp_path / "w", NoteSigner(ORIGIN, Ed25519PrivateKey.generate()).vkey)
    (tmp_path / "w" / "memory.db").unlink()
    with pytest.raises(ConfigError, match="must be retired, not restarted"):
        run(witness.app, "run", tmp_path / "w")
    with pytest.raises(ConfigError, match="needs --certificate"):
        run(witness.app, "run", tmp_path / "w", "--host", "192.0.2.1")


@pytest.mark.parametrize(
    "text", ["http://witness.example=k", "witness.example", "https://witness.example", "ftp://x=k"]
)
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError):
        Place.parse(text)
