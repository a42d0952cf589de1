"""An exported copy verifies offline; whatever is changed in it is found, and said what and where."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError
from quietline.ledger.checkpoint import Checkpoint, NoteSigner, NoteVerifier
from quietline.ledger.export import export_ledger
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.merkle import leaf_hash, tree_hash
from quietline.ledger.ports import Entry
from quietline.ledger.tiles import pack_entries, tiles_of_level, unpack_entries
from quietline.ledger.verify import Copy, VerifyError, verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer, rebuild

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = NoteSigner(ORIGIN, KEY)
SIZE, OLDER = 700, 300


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 700 entries in `copy`, with the checkpoint of its first 300 in `older`."""
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
    """One's own, to spoil."""
    return Path(shutil.copytree(exported / "copy", tmp_path / "copy"))


def older(exported: Path) -> bytes:
    return (exported / "older").read_bytes()


def files(directory: Path) -> Iterator[Path]:
    """What is under the signature: tiles, entries, checkpoint."""
    yield directory / "checkpoint"
    yield from sorted(path for path in (directory / "tile").rglob("*") if path.is_file())


def refused(directory: Path, earlier: bytes | None = None) -> VerifyError:
    with pytest.raises(VerifyError) as raised:
        verify_directory(directory, SIGNER.vkey, earlier)
    assert raised.value.where in str(raised.value)
    return raised.value


def all_entries(directory: Path) -> list[bytes]:
    return [e for tile in tiles_of_level(0, SIZE) for e in unpack_entries((directory / tile.entries_path).read_bytes())]


def test_layout(exported: Path) -> None:
    names = {path.relative_to(exported / "copy").as_posix() for path in files(exported / "copy")}
    assert names == {
        "checkpoint",
        *("tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"),
        *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"),
    }
    assert (exported / "copy" / "vkey").read_text().strip() == SIGNER.vkey


def test_a_good_copy(exported: Path) -> None:
    found = verify_directory(exported / "copy", SIGNER.vkey, older(exported))
    assert (found.origin, found.size, found.files, found.earlier) == (ORIGIN, SIZE, 7, OLDER)
    leaves = [leaf_hash(entry) for entry in all_entries(exported / "copy")]
    assert found.root == tree_hash(leaves).hex()


def test_every_entry_is_included(exported: Path) -> None:
    copy = Copy(exported / "copy", NoteVerifier(SIGNER.vkey))
    leaves = [leaf_hash(entry).hex() for entry in all_entries(exported / "copy")]
    assert [copy.check_entry(index) for index in range(SIZE)] == leaves
    for index in (-1, SIZE):
        with pytest.raises(VerifyError, match="no entry"):
            copy.check_entry(index)


def test_one_flipped_bit_anywhere(exported: Path, copy: Path) -> None:
    """Every byte of the small files, a random sample of the large ones."""
    chance = random.Random(6962)
    for path in files(copy):
        good = path.read_bytes()
        places = range(len(good)) if len(good) <= 300 else chance.sample(range(len(good)), 60)
        for at in places:
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :])
            refused(copy)
        path.write_bytes(good)
    assert verify_directory(copy, SIGNER.vkey).size == SIZE


def test_every_file_missing_cut_or_longer(copy: Path) -> None:
    for path in files(copy):
        good = path.read_bytes()
        for bad in (good[:-1], good + b"\x00", b""):
            path.write_bytes(bad)
            refused(copy)
        path.unlink()
        assert refused(copy).where == path.relative_to(copy).as_posix()
        path.write_bytes(good)
    assert verify_directory(copy, SIGNER.vkey).size == SIZE


def test_a_file_too_many(copy: Path) -> None:
    (copy / "tile/0/003").write_bytes(bytes(8192))
    assert refused(copy).where == "tile/0/003"


def test_reordered_entries(copy: Path) -> None:
    path = copy / "tile/entries/001"
    entries = unpack_entries(path.read_bytes())
    entries[3], entries[4] = entries[4], entries[3]
    path.write_bytes(pack_entries(entries))
    assert "entry 259 does not hash to its place" in refused(copy).what


def test_reordered_entries_and_tile(copy: Path) -> None:
    """Entry and hash changed alike: found one level up."""
    entries = unpack_entries((copy / "tile/entries/001").read_bytes())
    entries[3], entries[4] = entries[4], entries[3]
    (copy / "tile/entries/001").write_bytes(pack_entries(entries))
    (copy / "tile/0/001").write_bytes(b"".join(map(leaf_hash, entries)))
    error = refused(copy)
    assert (error.where, error.what) == ("tile/1/000.p/2", "hash 1 is not the root of tile/0/001")


def test_swapped_tiles(copy: Path) -> None:
    for kind in ("tile/0", "tile/entries"):
        (copy / kind / "000").rename(copy / kind / "x")
        (copy / kind / "001").rename(copy / kind / "000")
        (copy / kind / "x").rename(copy / kind / "001")
    assert refused(copy).where == "tile/1/000.p/2"


def test_everything_rewritten_but_the_checkpoint(copy: Path) -> None:
    note = (copy / "checkpoint").read_bytes()
    rebuild(copy, SIGNER, [all_entries(copy)[0]] * SIZE)
    (copy / "checkpoint").write_bytes(note)
    error = refused(copy)
    assert (error.where, error.meaning[:29]) == ("checkpoint", "The entries are not those tha")


def test_a_checkpoint_forged_with_another_key(copy: Path) -> None:
    rebuild(copy, NoteSigner(ORIGIN, Ed25519PrivateKey.generate()), all_entries(copy)[:10])
    error = refused(copy)
    assert (error.where, "no signature" in error.what) == ("checkpoint", True)


def test_truncated_by_the_key_s_holder(exported: Path, copy: Path) -> None:
    """By itself well-formed; an earlier checkpoint shows it."""
    rebuild(copy, SIGNER, all_entries(copy)[: OLDER - 1])
    assert verify_directory(copy, SIGNER.vkey).size == OLDER - 1
    assert "cut short" in refused(copy, older(exported)).meaning


def test_forked_by_the_key_s_holder(exported: Path, copy: Path) -> None:
    entries = all_entries(copy)[:OLDER]
    rebuild(copy, SIGNER, [*entries[:-1], entries[0]])
    assert "forked" in refused(copy, older(exported)).meaning


def test_rewritten_by_the_key_s_holder(exported: Path, copy: Path) -> None:
    entries = all_entries(copy)
    rebuild(copy, SIGNER, [entries[1], *entries[1:]])
    assert "rewritten" in refused(copy, older(exported)).meaning


def test_an_earlier_checkpoint_of_another_log(copy: Path) -> None:
    note = NoteSigner("elsewhere.example/log", KEY).sign(Checkpoint("elsewhere.example/log", 1, bytes(32)).text())
    assert refused(copy, note).where == "earlier checkpoint"


def test_the_wrong_key(exported: Path) -> None:
    other = NoteSigner(ORIGIN, Ed25519PrivateKey.generate()).vkey
    with pytest.raises(VerifyError, match="no signature"):
        verify_directory(exported / "copy", other)
    with pytest.raises(ConfigError, match="verifier key"):
        verify_directory(exported / "copy", "nonsense")


def test_no_copy_at_all(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").where == "checkpoint"


def test_bodies_stay_sealed(exported: Path) -> None:
    lines = (exported / "copy/bodies/000001.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(256, 512))
    assert "fault" not in "".join(lines)


def test_export_replaces_an_older_copy_and_only_that(exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for _ in range(2):
        assert export_ledger(exported / "ledger.db", target, bodies=False).size == SIZE
        (target / "tile/0/099").write_bytes(b"left over")
    export_ledger(exported / "ledger.db", target, bodies=False)
    assert verify_directory(target, SIGNER.vkey).size == SIZE
    assert not (target / "bodies").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dog.jpg").touch()
    with pytest.raises(ConfigError, match="no ledger export"):
        export_ledger(exported / "ledger.db", tmp_path / "photos")
    with pytest.raises(ConfigError, match="no ledger can be read"):
        export_ledger(tmp_path / "no.db", tmp_path / "out2")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
async def test_small_copies(tmp_path: Path, size: int) -> None:
    log = await open_log(tmp_path / "ledger.db", signer=KEY, sealer=MemorySealer())
    await asyncio.gather(*(log.append(Entry(Kind.FAULT, float(n))) for n in range(size)))
    await log.export(tmp_path / "copy")
    await log.close()
    assert verify_directory(tmp_path / "copy", SIGNER.vkey).size == size


async def test_a_copy_is_of_one_moment_while_writing_goes_on(tmp_path: Path) -> None:
    log = await open_log(tmp_path / "ledger.db", signer=KEY, sealer=MemorySealer())
    going, notes = True, []

    async def write() -> None:
        while going:
            await log.append(Entry(Kind.FAULT, 1.0))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(write())
        sizes = await copies(log.export, tmp_path, notes)
        going = False
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] > 0
    await log.close()


async def copies(export: Callable[..., object], folder: Path, notes: list[bytes]) -> list[int]:
    """Five exports, each verified against the checkpoint of the one before."""
    sizes = []
    for n in range(5):
        await asyncio.sleep(0.05)
        await export(folder / str(n))  # type: ignore[misc]
        earlier = notes[-1] if notes else None
        found = await asyncio.to_thread(verify_directory, folder / str(n), SIGNER.vkey, earlier)
        notes.append((folder / str(n) / "checkpoint").read_bytes())
        sizes.append(found.size)
    return sizes
