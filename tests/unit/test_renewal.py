"""Renewal while running: what has ten days left is replaced, edge and web are told, and what fails is tried again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from cryptography import x509

from quietline.config import Certificates, Config, Paths, Users
from quietline.errors import EdgeUnavailable
from quietline.installation import web_certificate_is_current, write_web_certificate
from quietline.renewal import Renewal
from quietline.telephony.certificates import LEAF_DAYS, certificate_paths, ensure_certificates

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATE = NOW + timedelta(days=LEAF_DAYS - 10)  # the certificate has ten days left


class Edge:
    """Counts reloads; while `down` it does not answer."""

    def __init__(self) -> None:
        self.reloads = 0
        self.down = False

    async def reload_certificates(self) -> None:
        if self.down:
            raise EdgeUnavailable("edge: no answer")
        self.reloads += 1


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Started at NOW: a certificate at the edge, and web's copy of it."""
    paths = Paths(state=tmp_path / "state", run=tmp_path / "run", log=tmp_path / "log")
    config = Config(paths=paths, users=Users("", "", "", "", ""))
    config.paths.web_certificate[0].parent.mkdir(parents=True)
    ensure_certificates(config, NOW)
    write_web_certificate(config)
    return config


@pytest.fixture
def web() -> Iterator[subprocess.Popen[str]]:
    """A process that says when it got SIGHUP."""
    code = (
        "import signal, time\nsignal.signal(signal.SIGHUP, lambda *_: print('told', flush=True))\n"
        "print('up', flush=True)\nfor _ in range(600): time.sleep(0.1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def days_left(path: Path, now: datetime) -> float:
    return (x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - now) / timedelta(days=1)


async def test_ten_days_left_is_renewed_and_everybody_told(
    config: Config, edge: Edge, web: subprocess.Popen[str]
) -> None:
    at_edge, at_web = certificate_paths(config).certificate, config.paths.web_certificate[0]
    assert days_left(at_edge, LATE) == 10
    assert await Renewal(config, edge, lambda: web.pid, lambda: LATE).once() is True
    assert days_left(at_edge, LATE) == days_left(at_web, LATE) == LEAF_DAYS
    assert edge.reloads == 1
    assert web.stdout
    assert await asyncio.to_thread(web.stdout.readline) == "told\n"
    assert at_web.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("days", [0, 1, LEAF_DAYS - 31])
async def test_with_more_than_thirty_days_nothing_is_touched(config: Config, edge: Edge, days: int) -> None:
    before = certificate_paths(config).certificate.read_bytes()
    found = await Renewal(config, edge, lambda: os.getpid(), lambda: NOW + timedelta(days=days)).once()
    assert (found, edge.reloads) == (False, 0)
    assert certificate_paths(config).certificate.read_bytes() == before


async def test_an_edge_that_does_not_answer_is_told_later(config: Config, edge: Edge) -> None:
    renewal = Renewal(config, edge, lambda: 0, lambda: LATE)
    edge.down = True
    with structlog.testing.capture_logs() as logged:
        assert await renewal.try_once() is False
    assert [each["error"] for each in logged] == ["EdgeUnavailable"]
    assert web_certificate_is_current(config) is False
    edge.down = False
    assert await renewal.try_once() is True
    assert (edge.reloads, web_certificate_is_current(config)) == (1, True)
    assert await renewal.once() is False


async def test_a_web_process_that_is_away_is_no_failure(config: Config, edge: Edge, web: subprocess.Popen[str]) -> None:
    web.kill()
    web.wait()
    assert await Renewal(config, edge, lambda: web.pid, lambda: LATE).try_once() is True


@pytest.mark.parametrize(("days", "taken"), [(0, True), (LEAF_DAYS + 1, False)])
async def test_a_certificate_of_your_own_is_taken_up_when_you_replaced_it_and_refused_when_it_expired(
    config: Config, edge: Edge, tmp_path: Path, days: int, taken: bool
) -> None:
    source = certificate_paths(config)
    own = Certificates(str(tmp_path / "own.pem"), str(tmp_path / "own.key"), "")
    for path, content in ((own.certificate, source.certificate), (own.key, source.key)):
        Path(path).write_bytes(content.read_bytes())
    mine = replace(config, certificates=own)
    renewal = Renewal(mine, edge, lambda: 0, lambda: NOW + timedelta(days=days))
    assert await renewal.try_once() is taken  # an expired one is an error that the log names
    source.certificate.unlink()
    ensure_certificates(config, NOW + timedelta(seconds=1))  # the operator gets another one and puts it there
    for path, content in ((own.certificate, source.certificate), (own.key, source.key)):
        Path(path).write_bytes(content.read_bytes())
    assert await renewal.try_once() is taken
    assert edge.reloads == (1 if taken else 0)


async def test_it_looks_daily_sooner_after_a_failure_and_at_once_when_told(
    config: Config, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    wait_for = asyncio.wait_for

    async def quick(waiting: object, pause: float) -> object:
        waited.append(pause)
        return await wait_for(waiting, 0.01)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "wait_for", quick)
    now = [NOW]
    edge.down = True
    renewal = Renewal(config, edge, lambda: 0, lambda: now[0])
    running = asyncio.create_task(renewal.run())
    await until(lambda: len(waited) > 2)
    assert set(waited) == {86_400.0}
    now[0] = LATE
    await until(lambda: waited[-1] == 300.0)
    edge.down = False
    await until(lambda: edge.reloads == 1 and waited[-1] == 86_400.0)
    running.cancel()
    monkeypatch.undo()
    certificate_paths(config).certificate.unlink()
    again = asyncio.create_task(renewal.run())  # a day to go
    renewal.at_once()
    await until(lambda: edge.reloads == 2)
    again.cancel()


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)
