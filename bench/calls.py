"""What a whole call costs: edge → controller → relay → edge → agent, every safeguard on, and with each taken away.

    python -m bench calls [--long]        a table, and bench/out/calls.json; --long: also 200/s for five minutes

Callers and agents' phones are processes of `load.py`; their CPU is not counted. No prompt, no menu, no RTP. CPU is
that of the product's processes by the kernel's account (10 ms steps over thousands of calls). The load average stands
beside each figure, for a shared machine shows.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.floor import kamailio_alone
from bench.media_rows import media_rows
from bench.reveals import reveal_rows
from bench.stage import PARTS, Stage, bench_config, generators, load_average, memory_bytes, spending

OUT = Path(__file__).with_name("out") / "calls.json"
AGENTS = 200
RATE, SECONDS, HOLD = 100.0, 10.0, 0.3  # of every CPU row
STEPS = (100.0, 150.0, 175.0, 200.0, 225.0, 250.0, 300.0, 350.0, 400.0)  # calls/s tried for call.max_cps
STEP_SECONDS = 20.0
LONG_RATE, LONG_SECONDS = 200.0, 300.0
OVERLOAD = 1.5  # times the highest rate: what cannot be carried is refused, and what is accepted succeeds
GOOD_P99_MS = 100.0
FRESH_RATE = 20.0  # of the row with a TLS handshake for each call; at 100/s the edge's one TLS worker is overrun
STANDING = (50, 200, 800)
Row = dict[str, Any]


@dataclass(slots=True)
class Case:
    """One row: what is taken away of the product, and how callers come."""

    name: str
    without: frozenset[str] = frozenset()
    clear: bool = False
    fresh: bool = False
    said: str = ""


CASES = (
    Case("on", said="TLS, SDES SRTP, vault, grants, ledger; connections stand"),
    Case("on_new_connections", fresh=True, said="a TLS handshake with client certificate for each call; 20 calls/s"),
    Case("without_encryption", frozenset({"srtp"}), clear=True, said="UDP trunk and phones, RTP"),
    Case("without_policy", frozenset({"policy"}), said="no question reaches Cedar; calls alone ask none, looks do"),
    Case("without_ledger", frozenset({"ledger"}), said="the vault writes nothing down"),
    Case("without_vault", frozenset({"vault"}), said="no match, grants, policy, ledger"),
    Case("off", frozenset({"vault", "srtp"}), clear=True, said="all of these away"),
)


@dataclass(slots=True)
class Result:
    """What one load gave. Milliseconds; CPU for each call."""

    calls: int
    failures: int
    answer: list[float]
    ring: list[float]
    cpu: dict[str, float]
    late: float
    load: float
    generator: float = 0.0
    handshake: list[float] = field(default_factory=list)
    refused: int = 0  # calls answered 503 by the product's own admission: no failures

    @property
    def all(self) -> float:
        return sum(self.cpu.values())


def at(values: list[float], share: float) -> float:
    """The value at this share of the sorted values, 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def load(stage: Stage, callers: Any, phones: Any, rate: float, seconds: float, hold: float = HOLD) -> Result:
    """Drive so many calls and account for them. Ringing is paired with calls in order of time."""
    await phones.order({})
    with spending(await stage.pids()) as spent:
        told = await callers.order({"rate": rate, "seconds": seconds, "hold": hold})
    heard = await phones.order({})
    calls = max(1, told["ended"])
    refused = told["refused"].get("503", 0)
    failures = len(told["started"]) - told["ended"] - refused
    pairs = zip(heard["rung"], () if refused else told["started"], strict=False)  # a refused call rings nobody
    ring = [(rung - sent) * 1e3 for rung, sent in pairs]
    return Result(
        calls, failures, [each * 1e3 for each in told["answers"]], ring,
        {name: spent.found[name] / calls for name in PARTS}, told["late"] * 1e3, load_average(),
        (told["cpu"] + heard["cpu"]) * 1e3 / calls, [each * 1e3 for each in told["handshakes"]],
        refused,
    )  # fmt: skip


async def staged(stage: Stage, case: Case, work: Callable[[Any, Any], Any]) -> Any:
    """The product started as the case has it, callers and phones connected, agents ready; a warm-up; then `work`."""
    stage.without = case.without
    async with stage:
        await stage.staff_known()
        phones = await stage.agents_answer(tls=not case.clear)
        where = (stage.clear if case.clear else stage.carrier) | {"fresh": case.fresh}
        callers = await stage.callers(where)
        async with generators(phones, callers):
            await stage.all_ready()
            await load(stage, callers, phones, 30, 3)
            return await work(callers, phones)


async def cpu_case(stage: Stage, case: Case) -> Result:
    rate = FRESH_RATE if case.fresh else RATE
    result: Result = await staged(stage, case, lambda callers, phones: load(stage, callers, phones, rate, SECONDS))
    return result


async def highest_rate(
    stage: Stage, callers: Any, phones: Any, seconds: float
) -> tuple[float, list[tuple[float, Result]]]:
    """The highest of STEPS at which no call fails or is refused and p99 INVITE→200 stays below 100 ms; a step may be
    tried twice."""
    best, tried = 0.0, []
    for rate in STEPS:
        for _ in range(2):
            result = await load(stage, callers, phones, rate, seconds)
            tried.append((rate, result))
            if good := not (result.failures or result.refused) and at(result.answer, 0.99) <= GOOD_P99_MS:
                break
        if not good:
            break
        best = rate
    return best, tried


async def limits(stage: Stage, callers: Any, phones: Any, *, long: bool) -> list[Row]:
    """How much is carried, what becomes of what is not, and whether it lasts."""
    best, tried = await highest_rate(stage, callers, phones, STEP_SECONDS)
    rows = [row("call.max_cps", best, f"calls/s for {STEP_SECONDS:.0f} s, none failed or refused, p99 ≤ 100 ms")]
    for rate, each in tried:
        rows.append(row(f"call.cpu_ms_at.{rate:.0f}", each.all, "ms CPU a call"))
        say_step(rate, each)
    rate = OVERLOAD * (best or STEPS[0])
    over = await load(stage, callers, phones, rate, STEP_SECONDS)
    say_step(rate, over)
    rows += [
        row("call.overload_failures", over.failures, f"accepted calls that failed at {rate:.0f}/s"),
        row("call.overload_accepted_cps", over.calls / STEP_SECONDS, f"calls/s accepted of {rate:.0f}/s, others: 503"),
        row("call.overload_p99_ms", at(over.answer, 0.99), "ms INVITE→200 of the accepted"),
    ]
    if long:
        held = await load(stage, callers, phones, LONG_RATE, LONG_SECONDS)
        say_step(LONG_RATE, held)
        rows += [
            row("call.held_failures", held.failures + held.refused, f"calls at {LONG_RATE:.0f}/s for five minutes"),
            row("call.held_p99_ms", at(held.answer, 0.99), "ms INVITE→200"),
            row("call.held_cpu_ms", held.all, "ms CPU a call"),
        ]
    return rows


def say_step(rate: float, each: Result) -> None:
    waits = f"200 p99 {at(each.answer, 0.99):.0f} ms, {each.all:.2f} ms CPU a call"
    own = f"generator {each.generator:.2f} ms a call, late {each.late:.0f} ms, load {each.load:.1f}"
    print(f"{rate:4.0f}/s: {each.failures} failed, {each.refused} refused, {waits}, {own}")


async def standing(stage: Stage, callers: Any, phones: Any) -> list[Row]:
    """CPU and memory with so many calls up: what an idle call costs a second, and a further one."""
    rows: list[Row] = []
    empty = {name: memory_bytes(pids) for name, pids in (await stage.pids()).items()}
    for count in STANDING:
        pids = await stage.pids()
        order = asyncio.create_task(callers.order({"rate": 50, "seconds": count / 50, "hold": 14 + count / 50}))
        await asyncio.sleep(count / 50 + 2)
        with spending(pids) as spent:
            await asyncio.sleep(10)
        held = {name: memory_bytes(each) - empty[name] for name, each in pids.items()}
        await order
        rows.append(row(f"call.standing_cpu_ms_s.{count}", sum(spent.found.values()) / 10 / count, "ms CPU / s a call"))
        rows.append(row(f"call.standing_kb.{count}", sum(held.values()) / count / 1024, "kB a call"))
    return rows


# -- rows


def row(name: str, value: float, unit: str, peer: str = "", ratio: float | None = None) -> Row:
    made: Row = {"name": name, "value": round(value, 3), "unit": unit, "load": round(load_average(), 1)}
    if peer:
        made |= {"peer": peer, "ratio": round(ratio or 0.0, 2)}
    return made


def case_rows(results: dict[str, Result]) -> list[Row]:
    on, off = results["on"], results["off"]
    rows = [
        row("call.cpu_ms_all", on.all, "ms CPU a call", "off", on.all / off.all),
        row(
            "call.cpu_ms_controller",
            on.cpu["controller"],
            "ms CPU a call",
            "off",
            on.cpu["controller"] / off.cpu["controller"],
        ),
        row("call.privacy_tax", on.all / off.all, "on ÷ off"),
        row("call.invite_to_200_p50_ms", at(on.answer, 0.5), "ms"),
        row("call.invite_to_200_p99_ms", at(on.answer, 0.99), "ms"),
        row("call.invite_to_ring_p50_ms", at(on.ring, 0.5), "ms"),
        row("call.invite_to_ring_p99_ms", at(on.ring, 0.99), "ms"),
    ]
    for name, result in results.items():
        rows.append(row(f"call.cpu_ms.{name}", result.all, "ms CPU a call", "on", result.all / on.all))
        rows += [row(f"call.cpu_ms.{name}.{part}", spent, "ms CPU a call") for part, spent in result.cpu.items()]
        rows[-len(result.cpu) - 1]["load"] = round(result.load, 1)
    fresh = results["on_new_connections"]
    rows.append(row("call.handshake_p50_ms", at(fresh.handshake, 0.5), "ms"))
    rows.append(row("call.generator_cpu_ms", on.generator, "ms CPU a call of callers and phones, not counted"))
    rows.append(row("call.failures", sum(result.failures for result in results.values()), "calls"))
    return rows


def show_cases(results: dict[str, Result]) -> None:
    table = Table(
        title=f"A call at {RATE:.0f}/s: CPU in ms by process; latency in ms (callers' and phones' CPU beside)"
    )
    for heading in ("case", "all", *PARTS, "200 p50", "p99", "ring p50", "p99", "failed", "load", "generator"):
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for name, each in results.items():
        cells = [each.all, *each.cpu.values()]
        waits = [at(each.answer, 0.5), at(each.answer, 0.99), at(each.ring, 0.5), at(each.ring, 0.99)]
        table.add_row(
            name, *(f"{cell:.2f}" for cell in cells), *(f"{wait:.0f}" for wait in waits),
            str(each.failures), f"{each.load:.1f}", f"{each.generator:.2f}",
        )  # fmt: skip
    Console(width=150).print(table)


async def measure(folder: Path, *, long: bool) -> list[Row]:
    stage = Stage(bench_config(folder))
    async with stage:
        await stage.populate(AGENTS)
    results = {case.name: await cpu_case(stage, case) for case in CASES}
    rows = case_rows(results)
    show_cases(results)
    rows += await staged(stage, CASES[0], lambda callers, phones: limits(stage, callers, phones, long=long))
    rows += await kamailio_alone(folder)
    rows += await reveal_rows(stage)
    rows += await media_rows(stage)
    stage.without = frozenset()
    async with stage:
        await stage.populate(max(STANDING) + 20)
    return [*rows, *await staged(stage, CASES[0], lambda callers, phones: standing(stage, callers, phones))]


def show(rows: list[Row]) -> None:
    table = Table("row", "value", "unit", "beside", "ratio", "load")
    for each in rows:
        table.add_row(
            each["name"],
            f"{each['value']:,}",
            each["unit"],
            each.get("peer", ""),
            str(each.get("ratio", "")),
            str(each["load"]),
        )
    Console(width=140).print(table)


def main(*, long: bool = False) -> None:
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as folder:
        Path(folder).chmod(0o755)  # the parts' own users go in
        rows = uvloop.run(measure(Path(folder), long=long))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
    show(rows)


if __name__ == "__main__":
    main(long="--long" in sys.argv)
