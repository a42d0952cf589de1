"""`quietline run` as an operator meets it: bad files, taken ports, two starts, a crash before, SIGTERM, `down`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import Shop, becomes, hung_up_on, product

from quietline.config import Config
from quietline.config_file import dump
from quietline.testing.namespaces import Ran
from quietline.testing.site import sample_config

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

WAIT = 30.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quietline-run-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product() as running:
        yield running


async def _quietline(*arguments: str) -> Ran:
    """A command, to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "quietline.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), WAIT)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return Ran(process.returncode or 0, out.decode(), err.decode())


def _lines(config: Config, old: str, new: str) -> str:
    text = dump(replace(config, controller=replace(config.controller, ring_seconds=7.0)))
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sip_port =", "sip_prot =", "sip_prot"),
        ("ring_seconds = 7.0", 'ring_seconds = "long"', "ring_seconds"),
        ("[relay]", "[relay", "line"),
    ],
    ids=["unknown key", "wrong type", "not TOML"],
)
async def test_a_bad_file_is_exit_2_with_the_line(folder: Path, old: str, new: str, says: str) -> None:
    path = folder / "quietline.toml"
    path.write_text(_lines(sample_config(folder), old, new))
    ran = await _quietline("run", "--config", str(path))
    assert ran.code == 2, ran
    assert says in ran.err
    assert "Traceback" not in ran.err
    line = 1 + path.read_text()[: path.read_text().index(new)].count("\n")
    assert str(line) in ran.err, ran.err


async def test_a_missing_file_is_exit_2_and_says_what_to_do(folder: Path) -> None:
    ran = await _quietline("run", "--config", str(folder / "none.toml"))
    assert (ran.code, "none.toml" in ran.err, "Traceback" in ran.err) == (2, True, False), ran


async def test_a_taken_port_is_said_at_the_start(folder: Path) -> None:
    config = sample_config(folder)
    port = config.web.port
    path = folder / "quietline.toml"
    path.write_text(dump(config))
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        ran = await _quietline("run", "--config", str(path))
    assert (ran.code, str(port) in ran.err, "Traceback" in ran.err) == (2, True, False), ran


async def test_a_second_start_is_refused_and_disturbs_nothing(shop: Shop) -> None:
    before = await shop.site.lives()
    ran = await _quietline("run", "--config", str(shop.site.config_path))
    assert (ran.code, "it runs already" in ran.err) == (2, True), ran
    assert await shop.site.lives() == before
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await shop.talk(caller, mia)


async def test_sigterm_ends_calls_with_bye_and_leaves_nothing_running(folder: Path) -> None:
    async with product() as shop, shop.agent("mia") as mia, shop.caller() as caller:
        await shop.talk(caller, mia)
        pids = [life["pid"] for life in (await shop.site.lives()).values()]
        assert shop.site.process
        shop.site.process.terminate()
        await asyncio.gather(hung_up_on(caller.leg), hung_up_on(mia.phone.legs[-1]))
        assert await asyncio.wait_for(shop.site.process.wait(), WAIT) == 0
        assert not any(_alive(pid) for pid in pids)
        assert not shop.site.config.paths.supervisor_socket.exists()
        down = await _quietline("down", "--config", str(shop.site.config_path))
        assert (down.code, "does not run" in down.out) == (0, True), down


async def test_after_the_supervisors_own_death_parts_go_and_a_start_is_clean(folder: Path) -> None:
    """kill -9 of the supervisor: its children are gone with it, and stale sockets do not stop the next start."""
    async with product() as shop:
        pids = [life["pid"] for life in (await shop.site.lives()).values()]
        assert shop.site.process
        os.kill(shop.site.process.pid, signal.SIGKILL)
        await shop.site.process.wait()
        await becomes(lambda: asyncio.sleep(0, not any(map(_alive, pids))), "every part is gone")
        await shop.site.start()
        await shop.unsealed()
        async with shop.agent("mia") as mia, shop.caller() as caller:
            await shop.talk(caller, mia)
        down = await _quietline("down", "--config", str(shop.site.config_path))
        assert (down.code, "Stopped" in down.out) == (0, True), down
        assert await asyncio.wait_for(shop.site.process.wait(), WAIT) == 0


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
