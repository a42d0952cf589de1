"""What the house rules look at: the package as syntax trees, and every text file of the project."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "quietline"
MADE_HERE = {".git", ".venv", "node_modules", "__pycache__", "build", "dist", "out", "bundle", ".pytest_cache"}
MADE_HERE |= {".mypy_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache"}
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".sql", ".cedar", ".cedarschema", ".j2", ".html", ".css", ".js", ".mjs"}
TEXT |= {".sh", ".service", ".svg", ""}

Trees = dict[Path, ast.Module]


def _files() -> Iterator[Path]:
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in MADE_HERE and not name.endswith(".egg-info")]
        yield from (Path(folder) / name for name in names)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def texts() -> dict[Path, str]:
    """Every text file of the project, by its path from the root."""
    found = [path for path in _files() if path.suffix in TEXT]
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8", errors="replace") for path in found}


@pytest.fixture(scope="session")
def trees() -> Trees:
    """Every module of the package, by its path below `quietline`."""
    found = sorted(path for path in PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8")) for path in found}


@pytest.fixture
def tree_of() -> Callable[[str], Trees]:
    """A module made up for a test that a rule can fail."""
    return lambda source: {Path("made_up.py"): ast.parse(source)}
