"""An import's course: what is kept where, what is told, and that a stop at any point loses and doubles nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quietline.customers.batches import Batch, batches
from quietline.customers.mapping import read_mapping
from quietline.customers.position import COUNTS, Position, PositionFile, task_of
from quietline.customers.rows import CsvRows
from quietline.customers.running import TWIN, ImportRun, RejectFile
from quietline.errors import ConfigError, Unavailable
from quietline.files.marked_yaml import parse
from quietline.vault.schema import FIELDS

TEXT = "id,name\n" + "".join(f"{n},Ana {n}\n" for n in range(1, 11)) + "11\n"


class Vault:
    """Remembers keys; says what the real one would say. Dies at batch `dies` (before storing) where that is set."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.batches = 0
        self.dies = 0

    async def store(self, customers: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches += 1
        if self.batches == self.dies:
            raise Unavailable("vault: gone")
        known = [each["key"] in self.keys for each in customers]
        self.keys.update({each["key"]: each["fields"]["contact.name"] for each in customers})
        return {"new": known.count(False), "changed": 0, "unchanged": known.count(True), "with_phone": 0}


def source(start: tuple[int, int] | None = None, text: str = TEXT) -> Iterator[Batch]:
    mapping = read_mapping(parse("key: id\nfields: {contact.name: name}\n", "m"), FIELDS)
    return batches(CsvRows(io.BytesIO(text.encode()), "c.csv"), mapping, start, size=3)


async def run(vault: Vault, folder: Path) -> Position:
    keeper = PositionFile(folder / "import", "task")
    begin = keeper.load()
    rejects = RejectFile(folder / "rejects.csv", begin.rejects)
    try:
        return await ImportRun(vault.store, rejects, keeper).run(source(begin.after), begin)
    finally:
        rejects.close()


async def test_counts_and_rejects(tmp_path: Path) -> None:
    vault = Vault()
    end = await run(vault, tmp_path)
    assert end.counts == {**dict.fromkeys(COUNTS, 0), "rows": 11, "new": 10, "rejected": 1}
    assert (tmp_path / "rejects.csv").read_bytes() == b"row,reason\r\n12,has 1 columns where the header has 2\r\n"
    assert (tmp_path / "rejects.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("dies", [1, 2, 3, 4])
async def test_a_vault_that_dies_costs_no_row_and_doubles_none(tmp_path: Path, dies: int) -> None:
    vault = Vault()
    vault.dies = dies
    with pytest.raises(Unavailable, match="gone"):
        await run(vault, tmp_path)
    assert len(vault.keys) == (dies - 1) * 3
    end = await run(vault, tmp_path)
    assert len(vault.keys) == 10
    assert (end.counts["rows"], end.counts["new"], end.counts["unchanged"]) == (11, 10, 0)
    assert (tmp_path / "rejects.csv").read_text().count("has 1 columns") == 1


class Killed(Exception):
    """As kill -9 would end us."""


@pytest.mark.parametrize("batch", [1, 2, 4])
async def test_killed_between_storing_and_noting(tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch goes again and is found unchanged; its rejects stand once."""
    vault, saves = Vault(), 0
    real = PositionFile.save

    def save(self: PositionFile, position: Position) -> None:
        nonlocal saves
        saves += 1
        if saves == batch:
            raise Killed
        real(self, position)

    monkeypatch.setattr(PositionFile, "save", save)
    with pytest.raises(Killed):
        await run(vault, tmp_path)
    end = await run(vault, tmp_path)
    assert len(vault.keys) == 10
    assert end.counts["rows"] == 11
    assert end.counts["unchanged"] == (3 if batch < 4 else 1)
    assert (tmp_path / "rejects.csv").read_text().count("has 1 columns") == 1


async def test_what_the_vault_refuses_and_twins_are_told_by_row(tmp_path: Path) -> None:
    async def store(customers: list[dict[str, Any]]) -> dict[str, Any]:
        return {"new": len(customers) - 1, "duplicates": [0, 1], "rejected": [[1, ": contact.name: holds a card"]]}

    rejects = RejectFile(tmp_path / "r.csv", 0)
    end = await ImportRun(store, rejects, None).run(source(text="id,name\n1,A\n2,B\n3,C\n"), Position("t"))
    rejects.close()
    assert (tmp_path / "r.csv").read_text().splitlines() == [
        "row,reason",
        f'2,"{TWIN}"',
        "3,contact.name: holds a card",
    ]
    assert (end.counts["duplicates"], end.counts["rejected"]) == (2, 1)


async def test_the_bar_is_told_behind_every_batch(tmp_path: Path) -> None:
    told: list[int] = []
    rejects = RejectFile(tmp_path / "r.csv", 0)
    run = ImportRun(Vault().store, rejects, None, lambda position: told.append(position.counts["rows"]))
    await run.run(source(), Position("t"))
    rejects.close()
    assert told == [3, 6, 9, 11]


# The position


def test_a_position_is_read_back_and_forgotten(tmp_path: Path) -> None:
    keeper = PositionFile(tmp_path / "import", "a" * 64)
    assert keeper.load() == Position("a" * 64)
    moved = keeper.load().moved((120, 7), 40, {"rows": 6, "new": 5})
    keeper.save(moved)
    assert keeper.load() == moved
    (kept,) = (tmp_path / "import").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    keeper.done()
    assert keeper.load() == Position("a" * 64)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"task": "other"}', json.dumps({"task": "a" * 64, "after": [1, 2]})])
def test_a_spoilt_position_begins_at_the_beginning(tmp_path: Path, text: str) -> None:
    keeper = PositionFile(tmp_path, "a" * 64)
    (tmp_path / f"{'a' * 32}.json").write_text(text)
    assert keeper.load() == Position("a" * 64)


def test_another_file_mapping_or_option_is_another_task(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_bytes(b"id\n1\n")
    tasks = [task_of(file, b"map", "keep"), task_of(file, b"map", "merge"), task_of(file, b"mop", "keep")]
    file.write_bytes(b"id\n2\n")
    tasks.append(task_of(file, b"map", "keep"))
    assert len(set(tasks)) == 4
    assert tasks[3] == task_of(file, b"map", "keep")


# The reject file


def test_a_reject_file_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    first = RejectFile(path, 0)
    length = first.add([(2, "a")])
    first.add([(3, "of a batch that was not noted")])
    first.close()
    second = RejectFile(path, length)
    second.add([(4, "b, with a comma")])
    second.close()
    assert path.read_text().splitlines() == ["row,reason", "2,a", '4,"b, with a comma"']


def test_a_reject_file_is_made_private_and_follows_no_link(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("an older one")
    path.chmod(0o644)
    RejectFile(path, 0).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b"row,reason\r\n"
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(ConfigError, match="reject file cannot be written"):
        RejectFile(tmp_path / "link.csv", 0)
