"""What the relay costs: CPU milliseconds of rtpengine and of our side, from the kernel's own account.

    python bench/relay.py [calls]

Rows go to bench/out/relay.json: name, value, unit, and where there is one peer and ratio. The phones are sockets of
this process that send G.711 every 20 ms; their own CPU is left out of the relay's rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "integration"))

from relay_parts import Phone, RelayProcess, client, running, settings
from rich.console import Console
from rich.table import Table

from quietline.telephony.media import RtpengineMedia
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.prompts import Prompts, make
from quietline.telephony.rtpengine import RtpengineRelay

OUT = Path(__file__).parent / "out" / "relay.json"
AES = "AES_CM_128_HMAC_SHA1_80"
CYCLES = 400
TALKERS = 20  # two-leg calls at once while relaying is measured
SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: float
    unit: str
    peer: float | None = None
    ratio: float | None = None


@dataclass(slots=True)
class Bench:
    """One run: the relay, our client of it, and the rows so far."""

    process: RelayProcess
    relay: RtpengineRelay
    rows: list[Row]

    async def cost(self, work: Callable[[], Awaitable[object]], count: float) -> tuple[float, float]:
        """CPU milliseconds of the relay and of this process, for each of `count`."""
        relay, own = self.process.cpu_seconds(), time.process_time()
        await work()
        own, relay = time.process_time() - own, self.process.cpu_seconds() - relay
        return 1_000 * relay / count, 1_000 * own / count

    def row(self, name: str, value: float, unit: str = "ms CPU", peer: float | None = None) -> None:
        ratio = round(value / peer, 3) if peer else None
        self.rows.append(Row(name, round(value, 4), unit, None if peer is None else round(peer, 4), ratio))


async def cycle(media: RtpengineMedia, caller: str, agent: Phone | None) -> None:
    """One call's whole signalling: answered, music, an agent offered and bridged, released."""
    await media.answer_caller(caller)
    await media.loop(Prompt.MUSIC)
    if agent is None:
        await media.offer_agent("AG1", AgentPhone.BROWSER)
    else:
        agent.connect(await media.offer_agent("AG1", AgentPhone.SIP))
        await media.bridge("AG1", agent.sdp())
    await media.release()


async def cycles(bench: Bench, caller: Phone, agent: Phone | None) -> None:
    for number in range(CYCLES):
        await cycle(bench.relay.media_for(f"cycle-{number}"), caller.sdp(), agent)


async def signalling(bench: Bench) -> None:
    async with talking(bench, 0, "") as _:
        plain, secret, agent = [Phone(500, suite=suite) for suite in ("", AES, AES)]
        for phone in (plain, secret, agent):
            await phone.open()
            phone.sending.cancel()
        base, _own = await bench.cost(lambda: cycles(bench, plain, agent), CYCLES)
        relay, own = await bench.cost(lambda: cycles(bench, secret, agent), CYCLES)
        browser, _own = await bench.cost(lambda: cycles(bench, secret, None), CYCLES)
        bench.row("relay.cycle.rtp_caller", base)
        bench.row("relay.cycle.srtp_caller", relay, peer=base)
        bench.row("relay.cycle.controller_side", own)
        bench.row("relay.cycle.browser_offer", browser, peer=base)
        for phone in (plain, secret, agent):
            with contextlib.suppress(asyncio.CancelledError):
                await phone.close()


async def starting(bench: Bench) -> None:
    """Prompt start alone: many starts of a new prompt on one call that hears nothing in between."""
    phone = await Phone(500, suite=AES).open()
    media = bench.relay.media_for("starting")
    await media.answer_caller(phone.sdp())

    async def start() -> None:
        for _ in range(CYCLES):
            await media.play(Prompt.HOLD)

    relay, own = await bench.cost(start, CYCLES)
    bench.row("relay.prompt_start", relay)
    bench.row("relay.prompt_start.controller_side", own)
    await media.release()
    await phone.close()


async def playing(bench: Bench) -> None:
    for suite, name in (("", "rtp"), (AES, "srtp")):
        phones = [await Phone(500, suite=suite).open() for _ in range(TALKERS)]
        calls = [bench.relay.media_for(f"playing-{number}") for number in range(TALKERS)]
        for phone, media in zip(phones, calls, strict=True):
            await media.answer_caller(phone.sdp())  # not connected: the phone is silent, so playing alone is measured
            await media.loop(Prompt.MUSIC)
        relay, _ = await bench.cost(lambda: asyncio.sleep(SECONDS), TALKERS * SECONDS)
        bench.row(f"relay.played_second.{name}", relay, "ms CPU / s")
        for phone, media in zip(phones, calls, strict=True):
            await media.release()
            await phone.close()


@contextlib.asynccontextmanager
async def talking(bench: Bench, count: int, suite: str) -> AsyncIterator[list[Phone]]:
    """So many bridged calls; the agents use SRTP, the callers `suite`."""
    pairs = [(await Phone(500, suite=suite).open(), await Phone(900, suite=AES).open()) for _ in range(count)]
    calls = [bench.relay.media_for(f"talking-{number}") for number in range(count)]
    for (caller, agent), media in zip(pairs, calls, strict=True):
        caller.connect(await media.answer_caller(caller.sdp()))
        agent.connect(await media.offer_agent("AG1", AgentPhone.SIP))
        await media.bridge("AG1", agent.sdp())
    yield [phone for pair in pairs for phone in pair]
    for pair, media in zip(pairs, calls, strict=True):
        await media.release()
        for phone in pair:
            await phone.close()


async def relaying(bench: Bench) -> None:
    costs = []
    for suite, name in (("", "rtp_srtp"), (AES, "srtp_srtp")):
        async with talking(bench, TALKERS, suite) as phones:
            await asyncio.sleep(1)
            heard = sum(len(phone.heard) for phone in phones)
            relay, _ = await bench.cost(lambda: asyncio.sleep(SECONDS), TALKERS * SECONDS)
            packets = sum(len(phone.heard) for phone in phones) - heard
        costs.append(relay)
        bench.row(f"relay.relayed_second.{name}", relay, "ms CPU / s", costs[0] if len(costs) > 1 else None)
        bench.row(f"relay.relayed_share.{name}", packets / (2 * 50 * TALKERS * SECONDS), "of packets sent")


async def run(prompts: Prompts, folder: Path) -> list[Row]:
    with running(settings(), folder / "relay.log") as process:
        async with client(process.relay, prompts) as relay:
            bench = Bench(process, relay, [])
            for part in (signalling, starting, playing, relaying):
                await part(bench)
            return bench.rows


def show(rows: list[Row]) -> None:
    table = Table("row", "value", "unit", "peer", "ratio")
    for row in rows:
        table.add_row(row.name, f"{row.value:.3f}", row.unit, str(row.peer or ""), str(row.ratio or ""))
    Console().print(table)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as scratch:
        prompts = make(Path(scratch) / "prompts")
        rows = asyncio.run(run(prompts, Path(scratch)))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps([{k: v for k, v in asdict(row).items() if v is not None} for row in rows], indent=1))
    show(rows)


if __name__ == "__main__":
    main()
