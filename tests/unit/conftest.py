"""The command line as a user meets it, and a vault and a supervisor that answer as a test tells them to."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quietline.cli import main
from quietline.config import Config, Paths, Store, Trunk
from quietline.config_file import dump
from quietline.errors import ProtocolError
from quietline.wire import Frame, Peer, WireServer


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error. Fails where there are more, or a traceback."""
        assert self.err.startswith("quietline: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("quietline: ").strip()


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("vault", "status", "-c", path)` runs the command in this process. `stdin`: what is piped in."""

    def run(*words: object, stdin: str = "", columns: int = 120) -> Result:
        monkeypatch.setattr(sys, "argv", ["quietline", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setenv("COLUMNS", str(columns))
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    monkeypatch.delenv("QUIETLINE_CONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return run


@pytest.fixture
def as_nobody(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The same for a user who is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    return cli


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A configuration file whose folders are the test's own. Nothing runs there."""
    config = Config(
        paths=Paths(tmp_path / "state", tmp_path / "run", tmp_path / "log"),
        trunks=(Trunk("carrier-a", certificate_name="carrier-a.example"), Trunk("carrier-b", digest_user="line1")),
        stores=(Store("north", "Northgate", ("+442079460101",)),),
    )
    path = tmp_path / "quietline.toml"
    path.write_text(dump(config))
    return path


@dataclass
class Answering:
    """A socket that answers each operation with what stands in `answers`; `asked` has every request."""

    socket: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Frame] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    async def _answer(self, peer: Peer, frame: Frame) -> Frame:
        self.asked.append({name: value for name, value in frame.items() if name != "id"})
        answer = self.answers.get(str(frame["op"]))
        if answer is None:
            raise ProtocolError(f"no answer for {frame['op']}")
        if isinstance(answer, Exception):
            raise answer
        found: Frame = answer(frame) if callable(answer) else answer
        return found

    def serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        server = WireServer(self.socket, self._answer)
        self._loop.run_until_complete(server.start())
        self._loop.call_soon(ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(server.stop())
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


@pytest.fixture
def listen() -> Iterator[Callable[[Path], Answering]]:
    """Start such a socket in a thread of its own; all of them end with the test."""
    running: list[tuple[Answering, threading.Thread]] = []

    def start(socket: Path) -> Answering:
        answering, ready = Answering(socket), threading.Event()
        thread = threading.Thread(target=answering.serve, args=(ready,), daemon=True)
        thread.start()
        assert ready.wait(10)
        running.append((answering, thread))
        return answering

    yield start
    for answering, thread in running:
        answering.stop()
        thread.join(10)


@pytest.fixture
def vault(house: Path, listen: Callable[[Path], Answering]) -> Answering:
    """The vault of `house`."""
    return listen(house.parent / "run" / "vault" / "vault.sock")


@pytest.fixture
def supervisor(house: Path, listen: Callable[[Path], Answering]) -> Answering:
    """The supervisor of `house`."""
    return listen(house.parent / "run" / "supervisor.sock")
