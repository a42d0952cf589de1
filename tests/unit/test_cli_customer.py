"""`quietline customer`: what it asks the vault, what it prints (counts, never a value), what it says of wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import Unavailable

Cli = Callable[..., Any]
MAPPING = "key: id\nfields: {contact.name: name, contact.phone: phone}\n"
PEOPLE = "id,name,phone\n1,Ana Example,020 7946 0001\n2,Bob Example,020 7946 0002\n,No Key,x\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    file, mapping = tmp_path / "people.csv", tmp_path / "map.yaml"
    file.write_text(PEOPLE)
    mapping.write_text(MAPPING)
    return file, mapping


@pytest.fixture
def storing(vault: Any) -> Any:
    """A vault that takes everything as new."""
    vault.answers["customers_import"] = lambda frame: {
        "new": len(frame["customers"]), "changed": 0, "unchanged": 0, "with_phone": 2, "duplicates": [], "rejected": [],
    }  # fmt: skip
    return vault


def imports(cli: Cli, house: Path, files: tuple[Path, Path], *words: object) -> Any:
    return cli("customer", "import", files[0], "-m", files[1], "-c", house, *words)


def test_an_import_tells_counts_and_no_value(cli: Cli, house: Path, storing: Any, files: tuple[Path, Path]) -> None:
    result = imports(cli, house, files, "--json")
    assert json.loads(result.out) == {
        "rows": 3, "new": 2, "changed": 0, "unchanged": 0, "duplicates": 0, "rejected": 1, "with_phone": 2,
        "dry_run": False, "resumed": False,
    }  # fmt: skip
    (asked,) = storing.asked
    assert (asked["op"], asked["duplicates"], asked["dry_run"]) == ("customers_import", "keep", False)
    assert [each["key"] for each in asked["customers"]] == ["1", "2"]
    assert (files[0].parent / "people.csv.rejects.csv").read_text().splitlines()[1:] == ["4,the key (`id`) is empty"]


def test_a_table_for_people(cli: Cli, house: Path, storing: Any, files: tuple[Path, Path]) -> None:
    result = imports(cli, house, files)
    assert "rejected" in result.out
    assert "reject file" in result.out
    assert "Ana" not in result.out + result.err
    assert "7946" not in result.out + result.err


def test_a_dry_run_asks_for_one_and_says_would_be(
    cli: Cli, house: Path, storing: Any, files: tuple[Path, Path]
) -> None:
    assert "would be new" in imports(cli, house, files, "--dry-run", "--duplicates", "merge").out
    (asked,) = storing.asked
    assert (asked["dry_run"], asked["duplicates"]) == (True, "merge")
    assert not list((house.parent / "state" / "import").iterdir())


def test_cut_off_it_goes_on_and_says_so(cli: Cli, house: Path, vault: Any, files: tuple[Path, Path]) -> None:
    files[0].write_text("id,name,phone\n" + "".join(f"{n},Ana,\n" for n in range(700)))
    answer = {"changed": 0, "unchanged": 0, "with_phone": 0, "duplicates": [], "rejected": []}
    asked: list[int] = []

    def dies_at_the_second(frame: Any) -> Any:
        asked.append(len(frame["customers"]))
        if len(asked) == 2:
            raise Unavailable("keys.db: no write within 10 s")
        return {"new": len(frame["customers"]), **answer}

    vault.answers["customers_import"] = dies_at_the_second
    broken = imports(cli, house, files)
    assert broken.code == 1
    assert "keys.db: no write within 10 s; what was stored is kept: the same command goes on there" in broken.error
    went_on = imports(cli, house, files, "--json")
    assert {**json.loads(went_on.out), "rows": 700, "new": 700, "resumed": True} == json.loads(went_on.out)
    assert asked == [500, 200, 200]


def test_afresh_begins_at_the_first_row(cli: Cli, house: Path, vault: Any, files: tuple[Path, Path]) -> None:
    vault.answers["customers_import"] = Unavailable("gone")
    assert imports(cli, house, files).code == 1
    vault.answers["customers_import"] = {"new": 2}
    assert json.loads(imports(cli, house, files, "--afresh", "--json").out)["resumed"] is False


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("people.csv", "", "people.csv: is empty"),
        ("people.csv", "id,name,tel\n", "map.yaml:2: fields.contact.phone: the file has no column `phone`"),
        ("people.xls", "x", "ends in .csv or .jsonl"),
    ],
)
def test_a_wrong_file_is_said(
    cli: Cli, house: Path, storing: Any, tmp_path: Path, files: tuple[Path, Path], name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text)
    result = imports(cli, house, (tmp_path / name, files[1]))
    assert result.code == 2
    assert says in result.error
    assert storing.asked == []


def test_what_is_missing_is_said(cli: Cli, house: Path, storing: Any, files: tuple[Path, Path]) -> None:
    assert "--mapping" in cli("customer", "import", files[0], "-c", house).error
    assert "cannot be read" in imports(cli, house, (files[0].with_name("none.csv"), files[1])).error
    files[1].write_text(MAPPING + "orders: lines\norder: {order.reference: no}\n")
    assert "is for JSON files" in imports(cli, house, files).error


def test_nothing_runs_and_root_is_needed(cli: Cli, house: Path, files: tuple[Path, Path]) -> None:
    assert "it does not run" in imports(cli, house, files).error


def test_json_lines(cli: Cli, house: Path, storing: Any, files: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"id": 1, "name": "Ana"}\n{"id": 2\n')
    assert json.loads(imports(cli, house, (file, files[1]), "--json").out)["rejected"] == 1


def test_the_fields_and_the_schema(cli: Cli, house: Path) -> None:
    house.write_text(house.read_text() + '\n[[field]]\nname = "custom.shoe_size"\nlabel = "Shoe size"\n')
    rows = {row["field"]: row for row in json.loads(cli("customer", "fields", "-c", house, "--json").out)}
    assert rows["contact.loyalty"]["indexed"] is True
    assert rows["custom.shoe_size"]["in a mapping"] == "fields"
    assert rows["invoice.number"]["in a mapping"] == "order"
    assert rows["consent.wording"]["in a mapping"] == ""
    assert "consent.wording" not in cli("customer", "fields", "-c", house).out
    assert json.loads(cli("customer", "schema").out)["title"] == "Quietline customer mapping"
