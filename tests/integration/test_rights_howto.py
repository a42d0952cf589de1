"""docs/howto/answer-a-rights-request.md, line by line, against a real vault."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyrage
import pytest
from rights_parts import RightsHouse, rights_house

from quietline.cli import main
from quietline.config_file import dump
from quietline.ledger.store import open_reader, read_head
from quietline.testing.vault_house import PASSWORD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "answer-a-rights-request.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
STDIN = {
    "right sign-in": PASSWORD,
    "right open": "020 7946 0001",
    "right rectify": "ana.new@example.com",
    "right hold": "ben@example.com",
}
Run = Callable[[list[str]], Awaitable[str]]


def lines() -> list[str]:
    """The commands of the page, in its order."""
    return [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines() if line]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One `quietline …` in a thread, as the vault answers on this loop; it must succeed."""

    def once(words: list[str]) -> str:
        monkeypatch.setattr(sys, "argv", ["quietline", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(STDIN.get(" ".join(words[:2]), "") + "\n"))
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        assert code == 0, (words, said.err)
        return said.out

    return lambda words: asyncio.to_thread(once, words)


class Reader:
    """Follows the page: puts the real tokens in the place of the example's, keeps what a shell would keep."""

    def __init__(self, desk: RightsHouse, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.folder, self._run, self._patch = desk, folder, run, monkeypatch
        self.requests: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.key = pyrage.x25519.Identity.generate()

    async def does(self, line: str) -> None:
        """One line of the page."""
        exported = re.fullmatch(r"export (\w+)=\$\((.*)\)", line)
        words = shlex.split(self._real(exported.group(2) if exported else line))
        assert words[0] == "quietline"
        said = await self._run(words[1:])
        self.said[line] = said
        if exported:
            self._patch.setenv(exported.group(1), said.split()[-1])  # the vault's own log is in this process
        if words[1:3] == ["right", "open"]:
            self.requests[words[3]] = re.findall(r"rq_[0-9a-f]{16}", said)[0]

    def _real(self, line: str) -> str:
        for right, token in self.requests.items():
            line = line.replace(f"rq_{right}", token)
        return re.sub(r"age1\w{20,}", str(self.key.to_public()), line)


async def test_every_line_of_the_page_works(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rights_house(tmp_path) as desk:
        await desk.session("dora")
        await desk.eva()
        config, ledger = tmp_path / "quietline.toml", desk.folder / "ledger.db"
        config.write_text(dump(desk.house.config))
        monkeypatch.setenv("QUIETLINE_CONFIG", str(config))
        monkeypatch.delenv("QUIETLINE_SESSION", raising=False)
        monkeypatch.chdir(tmp_path)
        reader = Reader(desk, tmp_path, run, monkeypatch)
        db = open_reader(ledger)
        (tmp_path / "ledger.vkey").write_text(read_head(db).vkey)
        db.close()
        for line in lines():
            await reader.does(line)
        await _as_the_page_says(reader)


async def _as_the_page_says(reader: Reader) -> None:
    """What the page promises of what it did."""
    said = {line.split("quietline ", 1)[1].split(" --")[0]: text for line, text in reader.said.items()}
    assert pyrage.decrypt((reader.folder / "answer.age").read_bytes(), [reader.key]).startswith(b"PK")
    assert "Verified: erasure" in said["right verify receipts/rq_erasure.receipt"]
    assert "Recipient courier: told" in said["right verify receipts/rq_erasure.receipt"]
    assert await reader.desk.customer() == ""
    assert await reader.desk.customer("ana.new@example.com", "contact.email") == ""
    assert "dispute" in said["right holds"]
    assert "Authority by" in said["breach eva"]
    assert "GDPR 30" in said["right record"]
    assert os.environ["QUIETLINE_SESSION"] == reader.said[lines()[0]].split()[-1]


def test_the_page_names_every_command_of_the_desk() -> None:
    from quietline.cli.right import app

    text = PAGE.read_text()
    wanted = {each.name or str(getattr(each.callback, "__name__", "")) for each in app.registered_commands}
    told = {name for name in wanted if f"quietline right {name}" in text}
    assert wanted - told == {"sign-out", "show", "receipt", "lift"}, "commands the page does not need"
