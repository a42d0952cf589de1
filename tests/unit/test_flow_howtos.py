"""The guides to flows and to TaskRouter do what they say: their files are written, their commands run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quietline.chain.reading import read as read_chain
from quietline.cli import build
from quietline.files.marked_yaml import parse
from quietline.flows.file import FlowFile

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs" / "howto"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    return [text for word, text in FENCE.findall((HOWTO / page).read_text()) if word == language]


def runs(line: str, keys: str = "") -> str:
    """The output of one command of a page; it must succeed."""
    words = shlex.split(line)
    assert words[0] == "quietline"
    done: Any = CliRunner().invoke(build(), words[1:], input=keys)
    assert done.exit_code == 0, (line, done.output, done.exception)
    return str(done.output)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_write_a_flow(here: Path) -> None:
    (here / "flows.yaml").write_text(blocks("write-a-flow.md", "yaml")[0])
    check, draw, *tries = [line for block in blocks("write-a-flow.md", "sh") for line in block.splitlines()]
    assert "right (1 flows, 11 steps)" in runs(check)
    runs(draw)
    assert (here / "flow.svg").read_text().startswith("<svg")
    asked, promised, closed = (runs(line, "1\n1\nagent\n") for line in tries)
    assert "an agent takes the call" in asked
    assert "Vous gardez votre place" in promised
    assert "We are closed now" in closed


def test_the_guides_flow_fits_a_chain_file() -> None:
    text = "stores: {north: {name: N, numbers: [+442079460101], flow: shop}}\n"
    text += "queues: {orders: {name: O}, returns: {name: R}}\n" + blocks("write-a-flow.md", "yaml")[0]
    assert read_chain(parse(text, "chain.yaml"), ROOT).warnings == ()


def test_the_guides_recording_is_written_as_it_may_be() -> None:
    flow = "flows: {a: {steps: {b: {do: hang_up}}}}\n"
    model = FlowFile.model_validate(parse(flow + blocks("write-a-flow.md", "yaml")[1], "f").value)
    assert model.prompts["shut"]["en"].file == "sounds/shut.wav"  # type: ignore[union-attr]


def test_the_picture_is_the_examples() -> None:
    """Make it anew with `quietline flow draw examples/flows.yaml --out docs/images/flow.svg`."""
    assert (
        runs(f"quietline flow draw {ROOT / 'examples' / 'flows.yaml'}") == (ROOT / "docs/images/flow.svg").read_text()
    )


def test_import_a_workflow(here: Path) -> None:
    shutil.copy(ROOT / "examples" / "taskrouter-workflow.json", here / "workflow.json")
    import_, check, draw, try_ = [
        line for block in blocks("import-a-taskrouter-workflow.md", "sh") for line in block.splitlines()
    ]
    report = runs(import_)
    for line in blocks("import-a-taskrouter-workflow.md", "")[0].splitlines():
        assert line in report
    assert "right" in runs(check)
    runs(draw)
    assert "waits in french-returns" in runs(try_)
    assert (here / "part.yaml").read_text().startswith("# Made from a TaskRouter workflow.")
