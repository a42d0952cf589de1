"""The walls between the packages (pyproject.toml, [tool.importlinter]) stand, and a breach of one is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LINTER = Path(sys.executable).parent / "lint-imports"

BREACH = """\
[importlinter]
root_package = quietline

[importlinter:contract:1]
name = A wall that the command line is known to go through
type = forbidden
source_modules = quietline.cli
forbidden_modules = quietline.config
"""


def lint(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = (str(LINTER), "--config", str(config), "--no-cache")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_every_wall_stands(root: Path) -> None:
    done = lint(root / "pyproject.toml", root)
    assert done.returncode == 0, done.stdout


def test_a_breach_is_seen(tmp_path: Path) -> None:
    (tmp_path / "breach.ini").write_text(BREACH)
    done = lint(tmp_path / "breach.ini", tmp_path)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
