"""Saturated: agents who are never without a call. How long a freed agent's phone is silent, and how much they are used.

    python -m bench live        a table, and the rows `live.*` of bench/out/routing.json

50 agents' desk phones, 200 callers waiting, conversations of 2 s, everything over SIP/TLS and SRTP with every safeguard
on. An agent hangs up; the product ends the call, wraps up (1 ms), picks the next caller, asks the relay for an offer
and rings. The time is taken at the phones: from their BYE to the next INVITE.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import Row, keep
from bench.stage import Generator, Stage, bench_config, generators, load_average, spending

AGENTS, WAITING, TALK = 50, 200, 2.0
SECONDS = 30.0  # measured
LEAD = 4.0  # seconds before them, with all agents at work
FILL = 40.0  # calls a second until the queue is as long


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the phones saw: seconds of silence between two calls of one agent, and seconds of talk, in the window."""

    silent: list[float]
    talked: float

    @classmethod
    def of(cls, log: list[tuple[str, str, float]], begin: float, end: float) -> Gaps:
        silent, talked, last = [], 0.0, {}
        for agent, what, at in log:
            before = last.get(agent)
            if what == "rung" and before and begin <= before[1] and at <= end:
                silent.append(at - before[1])
            if what == "bye" and before:
                talked += max(0.0, min(at, end) - max(before[1], begin))
            last[agent] = (what, at)
        talked += sum(end - max(at, begin) for what, at in last.values() if what == "rung" and at <= end)
        return cls(silent, talked)


async def saturated(stage: Stage) -> list[Row]:
    await stage.staff_known()
    edge = stage.config.edge
    where = {"host": "127.0.0.1", "port": edge.tls_port, "ca": str(stage.ca), "connections": 4}
    setting = {"where": where, "people": stage.phones, "realm": edge.realm, "talk": TALK}
    phones = await Generator.start("phones", setting, script="talkers.py")
    first, more = await stage.callers(stage.carrier), await stage.callers(stage.carrier)
    fill, rate = (WAITING + AGENTS) / FILL, AGENTS / TALK
    async with generators(phones, first, more), asyncio.TaskGroup() as tasks:
        tasks.create_task(first.order({"rate": FILL, "seconds": fill, "hold": 120}))
        await asyncio.sleep(fill)
        tasks.create_task(more.order({"rate": rate, "seconds": TALK + LEAD + SECONDS, "hold": 120}))
        await come_to_work(stage)
        await asyncio.sleep(LEAD)
        return await watched(stage, phones)


async def come_to_work(stage: Stage) -> None:
    """One after the other over one conversation's time: calls of equal length would else all end at once, for ever."""
    desk = stage.desk()
    for user, _ in stage.phones:
        await desk.call("state", agent=user, state="ready", phone="sip")
        await asyncio.sleep(TALK / AGENTS)
    await desk.close()


async def watched(stage: Stage, phones: Generator) -> list[Row]:
    desk = stage.desk()
    before = await desk.call("floor")
    begin = time.monotonic()
    with spending(await stage.pids()) as spent:
        await asyncio.sleep(SECONDS)
        end = time.monotonic()
    after = await desk.call("floor")
    await desk.close()
    gaps = Gaps.of((await phones.order({}))["log"], begin, end)
    return rows(gaps, end - begin, (before["waiting"], after["waiting"]), spent.found)


def rows(gaps: Gaps, seconds: float, waiting: tuple[int, int], cpu: dict[str, float]) -> list[Row]:
    silent = sorted(gaps.silent)
    if not silent:
        raise SystemExit("no agent got a second call")
    at = {share: silent[min(len(silent) - 1, int(len(silent) * share))] * 1e3 for share in (0.5, 0.99)}
    said = {"agents": AGENTS, "waiting": list(waiting), "calls": len(silent), "load": round(load_average(), 1)}
    used = gaps.talked / (AGENTS * seconds)
    return [
        {"name": "live.free_to_ring_p50_ms", "value": round(at[0.5], 2), "unit": "ms, BYE to INVITE"} | said,
        {"name": "live.free_to_ring_p99_ms", "value": round(at[0.99], 2), "unit": "ms, BYE to INVITE"} | said,
        {"name": "live.free_to_ring_max_ms", "value": round(silent[-1] * 1e3, 2), "unit": "ms, BYE to INVITE"} | said,
        {"name": "live.utilisation", "value": round(used, 4), "unit": "of the agents' time on a call"} | said,
        {"name": "live.cpu_ms", "value": round(sum(cpu.values()) / len(silent), 2), "unit": "ms a call, all parts"}
        | said,
    ]


async def measure(folder: Path) -> list[Row]:
    stage = Stage(bench_config(folder, wrap_up_seconds=0.001))
    async with stage:
        await stage.populate(AGENTS)
        return await saturated(stage)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as folder:
        Path(folder).chmod(0o755)  # the parts' own users go in
        made = uvloop.run(measure(Path(folder)))
    keep("routing", made, "live.")
    table = Table("row", "value", "unit", "calls", "waiting", "load", title="Saturated floor")
    for each in made:
        table.add_row(*(str(each[name]) for name in ("name", "value", "unit", "calls", "waiting", "load")))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
