"""The supervisor: starts each part under a user id of its own, watches it, restarts it with backoff, stops it cleanly.

It is the only parent, so killing the controller drops no call. Secrets reach a child on its standard input as one JSON
line and nowhere else: not in arguments, environment or files that the child did not ask for.
"""

from __future__ import annotations

import asyncio
import ctypes
import grp
import json
import os
import pwd
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from quietline.errors import ConfigError, QuietlineError, Unavailable
from quietline.wire import Frame, Peer, WireServer

log = structlog.get_logger()

FIRST_PAUSE = 0.2  # seconds before the first restart; doubles
LONGEST_PAUSE = 10.0
HEALTHY_AFTER = 30.0  # seconds of running that reset the pause
STOP_WAIT = 8.0  # seconds between SIGTERM and SIGKILL
FAULT_RETRY = 1.0  # seconds
FAULT_WAIT = 5.0  # seconds for one try
MAX_FAULTS = 1_000  # not written yet; beyond it the log alone has them
LOG_BYTES = 50_000_000  # a part's log is cut to its newest half beyond this, at restart
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One child. `secrets` goes to its standard input as one JSON line."""

    name: str
    command: tuple[str, ...]
    user: str = ""
    groups: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Life:
    """How a part fares: its process id now, its starts so far, its last exit."""

    pid: int = 0
    starts: int = 0
    last_exit: int | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)


FaultSink = Callable[[str, int], Awaitable[None]]  # raises Unavailable while it cannot be written


class Supervisor:
    """Runs parts until told to stop. `on_fault(part, exit code)` writes each fault to the ledger; a restart never waits
    for that, and a fault that cannot be written yet (the vault's own death) is tried again until it is."""

    def __init__(self, parts: tuple[Part, ...], log_directory: Path, socket: Path, on_fault: FaultSink) -> None:
        self._parts = parts
        self._logs = log_directory
        self._socket = socket
        self._server = WireServer(socket, self._handle)
        self._on_fault = on_fault
        self._faults: asyncio.Queue[tuple[str, int]] = asyncio.Queue(MAX_FAULTS)
        self._stop = asyncio.Event()
        self.lives = {part.name: Life() for part in parts}

    async def run(self) -> None:
        """Start the parts in order, keep them running, and on SIGTERM or SIGINT stop them in reverse order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._server.start(0o600)
        keepers: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report())
            for part in self._parts:
                keepers.append(tasks.create_task(self._keep(part), name=part.name))
                await self.lives[part.name].started.wait()
            log.info("every part is started")
            await self._stop.wait()
            for keeper in (reporting, *reversed(keepers)):
                keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await keeper
        await self._server.stop()
        self._socket.unlink(missing_ok=True)  # gone: everything has stopped

    async def _keep(self, part: Part) -> None:
        pause = FIRST_PAUSE
        while True:
            started = asyncio.get_running_loop().time()
            code = await self._live(part)
            ran = asyncio.get_running_loop().time() - started
            log.error("a part stopped by itself and is restarted", part=part.name, exit=code, ran_s=round(ran, 1))
            pause = FIRST_PAUSE if ran > HEALTHY_AFTER else min(pause * 2, LONGEST_PAUSE)
            self._note_fault(part.name, code)
            await asyncio.sleep(pause)

    async def _live(self, part: Part) -> int:
        """One life of a part, from start to exit; its whole process group is gone afterwards."""
        life = self.lives[part.name]
        process = await self._start(part)
        life.pid, life.starts = process.pid, life.starts + 1
        life.started.set()
        try:
            life.last_exit = await process.wait()
            return life.last_exit
        except asyncio.CancelledError:
            await _terminate(process)
            raise
        finally:
            life.pid = 0
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _start(self, part: Part) -> asyncio.subprocess.Process:
        output = _log_file(self._logs / f"{part.name}.log")
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **part.environment},
                cwd="/",
                umask=0o077,
                **credentials(part.user, part.groups),
            )
        finally:
            os.close(output)
        assert process.stdin
        with suppress(ConnectionError):
            process.stdin.write(json.dumps(dict(part.secrets)).encode() + b"\n")
            await process.stdin.drain()
        process.stdin.close()
        return process

    def _note_fault(self, part: str, code: int) -> None:
        try:
            self._faults.put_nowait((part, code))
        except asyncio.QueueFull:
            log.error("too many faults wait for the ledger: this one stands in this log only", part=part, exit=code)

    async def _report(self) -> None:
        """Carry faults to the ledger, in order, until cancelled."""
        while True:
            part, code = await self._faults.get()
            await self._report_one(part, code)

    async def _report_one(self, part: str, code: int) -> None:
        while True:
            try:
                async with asyncio.timeout(FAULT_WAIT):
                    return await self._on_fault(part, code)
            except (TimeoutError, Unavailable):
                await asyncio.sleep(FAULT_RETRY)
            except QuietlineError as error:
                log.error("the vault refused a fault: it stands in this log only", part=part, why=str(error))
                return None

    async def _handle(self, peer: Peer, frame: Frame) -> Frame:
        if frame.get("op") == "stop":
            self._stop.set()
        return {name: {"pid": life.pid, "starts": life.starts} for name, life in self.lives.items()}


def credentials(user: str, groups: tuple[str, ...]) -> dict[str, Any]:
    """The keyword arguments that start a process as `user`; empty for the present user. Raises ConfigError."""
    if not user:
        return {}
    try:
        entry = pwd.getpwnam(user)
        extra = [grp.getgrnam(name).gr_gid for name in groups]
    except KeyError:
        raise ConfigError(f"[users]: the system has no {user} or a group of {groups}; `make setup` adds them") from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": extra}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _log_file(path: Path) -> int:
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES:
            path.write_bytes(path.read_bytes()[-LOG_BYTES // 2 :])
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


async def _terminate(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WAIT)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
