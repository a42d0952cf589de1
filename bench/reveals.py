"""From the click to the field: HTTPS to the web process, the vault's decision, a durable ledger entry, the value back.

Each agent is signed in at the desk, on a call of their own, and asks over a connection that stands. The limits on opens
per leg and minute are out of the way; everything else is as shipped.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.stage import Stage, generators, load_average, spending
from quietline.testing.remote_desk import COOKIE, RemoteDesk

CROWDS = (1, 16)
SECONDS = 8.0
PAUSE = 0.25  # seconds between an agent's looks, on average one and a half times this: eager, yet no machine
FIELD, REASON = "order.status", "order_status"


@dataclass(slots=True)
class Looker:
    """One agent's open connection: a raw HTTP/1.1 client, for the browser's own cost is not asked here."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    @classmethod
    async def open(cls, stage: Stage, desk: RemoteDesk, call: str) -> Looker:
        context = ssl.create_default_context(cafile=str(stage.ca))
        context.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.config.web.port, ssl=context)
        body = json.dumps({"reason": REASON})
        host = stage.url.split("/")[2]
        head = (
            f"POST /api/calls/{call}/fields/{FIELD} HTTP/1.1\r\nHost: {host}\r\nOrigin: {stage.url}\r\n"
            f"Cookie: {COOKIE}={desk.cookies[COOKIE]}\r\nX-CSRF-Token: {desk.csrf}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        return cls(reader, writer, head.encode())

    async def look(self) -> None:
        """Raises RuntimeError for any answer that shows nothing."""
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200") or b'"value"' not in body:
            raise RuntimeError(f"a look was answered {head[:40]!r}")


async def asking(ask: Callable[[], Awaitable[None]], until: float, taken: list[float]) -> None:
    await asyncio.sleep(random.random() * PAUSE)
    while (start := time.perf_counter()) < until:
        await ask()
        taken.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(PAUSE * (1 + random.random()))


async def looks(lookers: list[Looker]) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + SECONDS
    async with asyncio.TaskGroup() as group:
        for looker in lookers:
            group.create_task(asking(looker.look, until, taken))
    return taken


async def lookers_of(stage: Stage, desks: dict[str, RemoteDesk]) -> list[Looker]:
    """One for each agent who is on a call whose grant is open."""
    found: list[Looker] = []
    floor = stage.desk()
    for login, desk in desks.items():
        view: dict[str, Any] = {}
        for _ in range(100):
            view = await floor.call("snapshot", agent=stage.agents[login])
            if view["grant"]:
                break
            await asyncio.sleep(0.05)
        found.append(await Looker.open(stage, desk, view["call"]))
    await floor.close()
    return found


async def measured(stage: Stage, callers: Any, logins: list[str], crowds: tuple[int, ...]) -> list[dict[str, Any]]:
    desks: dict[str, RemoteDesk] = {}
    for login in logins:
        desks[login] = RemoteDesk(stage.url, stage.ca)
        await desks[login].sign_in(login, stage.passwords[login])
        await desks[login].ready("sip")
    calls = asyncio.create_task(callers.order({"rate": 16, "seconds": 1, "hold": 4 * SECONDS}))
    lookers = await lookers_of(stage, desks)
    rows: list[dict[str, Any]] = []
    for crowd in crowds:
        pids = await stage.pids()
        with spending(pids) as spent:
            taken = await looks(lookers[:crowd])
        rows += _rows(crowd, taken, sum(spent.found.values()) / len(taken))
    for looker in lookers:
        looker.writer.close()
    for desk in desks.values():
        await desk.__aexit__(None, None, None)
    calls.cancel()
    return rows


def _rows(crowd: int, taken: list[float], cpu: float) -> list[dict[str, Any]]:
    p99 = statistics.quantiles(taken, n=100)[98]
    named = [
        (f"reveal.p50_ms.{crowd}_agents", statistics.median(taken), "ms, click to field over HTTPS"),
        (f"reveal.p99_ms.{crowd}_agents", p99, "ms, click to field over HTTPS"),
        (f"reveal.cpu_ms.{crowd}_agents", cpu, "ms CPU a look, all processes"),
    ]
    named += [("reveal.p99_ms", p99, f"ms at {crowd} agents")] * (crowd == CROWDS[-1])
    load = round(load_average(), 1)
    return [{"name": name, "value": round(value, 3), "unit": unit, "load": load} for name, value, unit in named]


async def reveal_rows(stage: Stage) -> list[dict[str, Any]]:
    """Rows of reveals, with as many agents ready as there are calls; and a look's cost when nobody decides on it."""
    rows = await _with(stage, frozenset(), CROWDS)
    plain = await _with(stage, frozenset({"policy"}), CROWDS[-1:])
    cost = next(row for row in plain if row["name"].startswith("reveal.cpu_ms"))
    return [*rows, cost | {"name": "reveal.cpu_ms.without_policy"}]


async def _with(stage: Stage, without: frozenset[str], crowds: tuple[int, ...]) -> list[dict[str, Any]]:
    stage.without = without
    async with stage:
        await stage.staff_known()
        phones = await stage.agents_answer()
        callers = await stage.callers(stage.carrier)
        async with generators(phones, callers):
            return await measured(stage, callers, list(stage.agents)[: CROWDS[-1]], crowds)
