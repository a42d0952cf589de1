"""docs/reference/asvs.md says for each requirement met, not applicable or gap; what is met names tests that exist."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "asvs.md"
TESTS = ROOT / "tests"
VECTORS = ROOT.parent / "shared" / "vectors" / "asvs-5.0.0.json"
CHAPTERS = {"V6", "V7", "V8", "V9", "V10", "V11", "V12", "V14", "V16", "V17"}
BESIDES = {"V8.3.2", "V14.2.6"}  # of level 3, asked for by the issue
STATES = {"met", "not applicable", "gap"}
COUNT = 153


@dataclass(frozen=True)
class Row:
    """One requirement. `tests`: "unit/test_x.py::test_y" below tests/."""

    id: str
    level: str
    short: str
    state: str
    why: str
    tests: tuple[str, ...]


def rows_of(text: str) -> list[Row]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| V"]
    return [Row(*each[:5], tuple(part.strip("` ") for part in each[5].split(",") if part.strip())) for each in cells]


ROWS = rows_of(PAGE.read_text())
MET = [(row.id, name) for row in ROWS for name in row.tests]


@cache
def names_in(file: str) -> frozenset[str]:
    """Names of the tests of a file below tests/, stateful machines' included; nothing for a file that is not there."""
    path = TESTS / file
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(node.name for node in functions if node.name.startswith("test") and not skipped(node))


def skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Skipped or expected to fail for good."""
    marks = (ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list)
    return any(mark.endswith((".skip", ".xfail")) for mark in marks)


def test_each_requirement_stands_once() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) == COUNT
    assert set(ids) >= BESIDES
    assert {each.split(".")[0] for each in ids} == CHAPTERS


@pytest.mark.skipif(not VECTORS.is_file(), reason="the standard's file is not at hand")
def test_they_are_the_standards_of_level_one_and_two() -> None:
    found = json.loads(VECTORS.read_text())["requirements"]
    wanted = {
        each["req_id"]: str(each["L"])
        for each in found
        if (each["chapter_id"] in CHAPTERS and str(each["L"]) in ("1", "2")) or each["req_id"] in BESIDES
    }
    assert {row.id: row.level for row in ROWS} == wanted


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_it_says_what_it_is_and_why(row: Row) -> None:
    assert row.state in STATES
    assert row.short
    assert len(row.why) >= 2, "say why"
    assert bool(row.tests) == (row.state == "met"), "what is met names a test, what is not names none"
    if row.state == "gap":
        assert len(row.why.split()) >= 8, "a gap is explained"


@pytest.mark.parametrize(("requirement", "name"), MET, ids=[f"{each}-{name}" for each, name in MET])
def test_what_is_met_names_a_test_that_is_there(requirement: str, name: str) -> None:
    file, _, test = name.partition("::")
    assert test in names_in(file), f"{requirement}: tests/{file} has no {test}; name what proves it now"


def test_a_row_without_a_test_or_with_a_gone_one_would_be_seen() -> None:
    (row,) = rows_of("| V6.1.1 | 1 | x | met | because | `unit/test_x.py::test_gone`, `unit/test_y.py::test_b` |")
    assert row.tests == ("unit/test_x.py::test_gone", "unit/test_y.py::test_b")
    assert names_in("unit/test_x.py") == frozenset()
    assert rows_of("| V6.1.1 | 1 | x | met | because |  |")[0].tests == ()


def test_the_counts_of_the_page_are_those_of_its_rows() -> None:
    text = PAGE.read_text()
    for state in STATES:
        count = sum(row.state == state for row in ROWS)
        assert f"{count} {state}" in text, f"{count} are {state}"
