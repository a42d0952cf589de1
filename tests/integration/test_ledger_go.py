"""A program that nobody here wrote verifies our log: Go's `sumdb/note` and `tlog`, as Debian packages them.

`go_checker/main.go` reads an exported copy with them. What it accepts and refuses is held against our own verifier.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import Entry
from quietline.ledger.tiles import pack_entries, tiles_of_level, unpack_entries
from quietline.ledger.verify import VerifyError, verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer, rebuild

pytestmark = pytest.mark.real

SOURCE = Path(__file__).with_name("go_checker")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = NoteSigner(ORIGIN, KEY)
STRANGER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
OLDER, SIZE = 300, 1_000


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from Debian's packages alone: no module is fetched."""
    folder = tmp_path_factory.mktemp("go")
    environment = os.environ | {
        "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOPROXY": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
        "GOCACHE": str(folder / "cache"), "HOME": str(folder),
    }  # fmt: skip
    command = ["go", "build", "-o", str(folder / "checker"), "."]
    subprocess.run(command, cwd=SOURCE, env=environment, check=True, timeout=100)
    return folder / "checker"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`copy` of a log of 1,000 entries, and the checkpoint of its first 300 in `older`."""
    folder = tmp_path_factory.mktemp("ledger")

    async def make() -> None:
        log = await open_log(folder / "ledger.db", signer=KEY, sealer=MemorySealer())
        await asyncio.gather(*(log.append(Entry(Kind.FAULT, float(n))) for n in range(OLDER)))
        (folder / "older").write_bytes(await log.checkpoint())
        await asyncio.gather(*(log.append(Entry(Kind.FAULT, float(n))) for n in range(OLDER, SIZE)))
        await log.export(folder / "copy")
        await log.close()

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported / "copy", tmp_path / "copy"))


def go(checker: Path, directory: Path, earlier: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(checker), str(directory), SIGNER.vkey, *([str(earlier)] if earlier else [])]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def ours(directory: Path, earlier: Path | None = None) -> bool:
    try:
        verify_directory(directory, SIGNER.vkey, earlier.read_bytes() if earlier else None)
    except VerifyError:
        return False
    return True


def entries_of(directory: Path) -> list[bytes]:
    bundles = (directory / tile.entries_path for tile in tiles_of_level(0, SIZE))
    return [entry for bundle in bundles for entry in unpack_entries(bundle.read_bytes())]


def change_an_entry(copy: Path) -> None:
    path = copy / "tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def change_an_entry_and_its_tile(copy: Path) -> None:
    change_an_entry(copy)
    entries = unpack_entries((copy / "tile/entries/001").read_bytes())
    (copy / "tile/0/001").write_bytes(b"".join(map(leaf_hash, entries)))


def drop_an_entry(copy: Path) -> None:
    path = copy / "tile/entries/000"
    path.write_bytes(pack_entries(unpack_entries(path.read_bytes())[1:]))


def reorder(copy: Path) -> None:
    path = copy / "tile/entries/002"
    first, second, *rest = unpack_entries(path.read_bytes())
    path.write_bytes(pack_entries([second, first, *rest]))


def cut_the_last_tile(copy: Path) -> None:
    path = copy / "tile/0/003.p/232"
    path.write_bytes(path.read_bytes()[:-32])


def forge_the_checkpoint(copy: Path) -> None:
    rebuild(copy, STRANGER, entries_of(copy))


def edit_the_size(copy: Path) -> None:
    path = copy / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n1000\n", b"\n0999\n"))


def rewrite_all_but_the_checkpoint(copy: Path) -> None:
    note = (copy / "checkpoint").read_bytes()
    rebuild(copy, SIGNER, [entries_of(copy)[0]] * SIZE)
    (copy / "checkpoint").write_bytes(note)


TAMPERINGS = [
    change_an_entry, change_an_entry_and_its_tile, drop_an_entry, reorder, cut_the_last_tile, forge_the_checkpoint,
    edit_the_size, rewrite_all_but_the_checkpoint,
]  # fmt: skip


def test_every_leaf_and_the_growth_since_are_accepted(checker: Path, exported: Path) -> None:
    found = go(checker, exported / "copy", exported / "older")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{SIZE}\n", "")


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda each: each.__name__)
def test_tampering_is_refused_by_both(checker: Path, copy: Path, tamper: Callable[[Path], None]) -> None:
    tamper(copy)
    found = go(checker, copy)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("checker: ")
    assert not ours(copy)


@pytest.mark.parametrize(("kept", "says"), [(OLDER - 1, "shorter"), (OLDER, ""), (SIZE, "")])
def test_what_the_keys_holder_may_do_an_earlier_checkpoint_shows(
    checker: Path, exported: Path, copy: Path, kept: int, says: str
) -> None:
    """Cut short, forked at the same size, rewritten: by itself each is a good log, for its key signed it."""
    entries = entries_of(copy)[:kept]
    rebuild(copy, SIGNER, [*entries[:-1], entries[0]] if kept == OLDER else [entries[1], *entries[1:]])
    assert go(checker, copy).returncode == 0
    assert ours(copy)
    found = go(checker, copy, exported / "older")
    assert found.returncode == 1
    assert says in found.stderr
    assert not ours(copy, exported / "older")


def test_bits_flipped_anywhere_are_refused_by_both(checker: Path, copy: Path) -> None:
    chance = random.Random(6962)
    paths = [copy / "checkpoint", *sorted(path for path in (copy / "tile").rglob("*") if path.is_file())]
    for path in paths:
        good = path.read_bytes()
        for at in chance.sample(range(len(good)), 3):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << chance.randrange(7)]) + good[at + 1 :])
            assert (go(checker, copy).returncode, ours(copy)) == (1, False), f"{path.name}, byte {at}"
        path.write_bytes(good)
    assert go(checker, copy).returncode == 0
