"""Field encryption beside `openssl speed`, blind-index look-ups, the vault's round trip, and the reveal path.

Run: python bench/vault.py [seconds for each row, default 2]. Prints a table, writes bench/out/vault.json.

The vault runs as a process of its own on its real socket, files and ledger (one fsync a reveal, shared by concurrent
ones); only the edge's word that a leg lives is given in memory: over the real edge a reveal costs its RPC more.
"saturated" rows ask again as soon as answered; the others pause, as people do, PAUSE seconds and more.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import keep
from quietline.sealed import Sealed
from quietline.testing.vault import MemoryEdge, MemoryKms
from quietline.testing.vault_house import ANA, ANA_NUMBER, PASSPHRASE, PASSWORD, STORE_NUMBER, VaultHouse
from quietline.vault.blind_index import PHONE, BlindIndex, IndexRow, normalise_phone
from quietline.vault.client import AdminVaultClient, CallVaultClient, DeskVaultClient
from quietline.vault.envelope import DataKey, Place
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.process import SWITCH_SECONDS
from quietline.vault.schema import DataClass

OWN = "field. index. round_trip session_check card reveal"  # how the names of our rows begin; others share the file
OUT = Path(__file__).with_name("out") / "vault.json"
FIELD_BYTES = 48  # a name, a number, an e-mail address
INDEXED = 20_000  # customers in the blind index
AGENTS = 16
CROWDS = (1, AGENTS, 64)
PAUSE = 0.25  # seconds between one agent's looks, at least; a person takes far longer
Row = dict[str, Any]


def per_second(work: Callable[[], object], seconds: float, batch: int = 200) -> float:
    """How often `work` runs in a second, on one core."""
    end, count, start = time.perf_counter() + seconds, 0, time.perf_counter()
    while time.perf_counter() < end:
        for _ in range(batch):
            work()
        count += batch
    return count / (time.perf_counter() - start)


def openssl(seconds: float) -> float:
    """AES-256-GCM encryptions of FIELD_BYTES a second, by `openssl speed`."""
    command = ["openssl", "speed", "-elapsed", "-seconds", str(max(1, int(seconds)))]
    done = subprocess.run(
        [*command, "-bytes", str(FIELD_BYTES), "-evp", "aes-256-gcm"], capture_output=True, text=True, check=True
    )
    found = re.search(r": (\d+) .* in ([\d.]+)s", done.stderr)
    assert found, done.stderr
    return int(found[1]) / float(found[2])


def encryption(seconds: float) -> list[Row]:
    key, place = DataKey(os.urandom(8), os.urandom(32)), Place("brand", "re_" + "0" * 32, "contact.name", "contact", 1)
    plain = os.urandom(FIELD_BYTES)
    sealed = key.seal(plain, place)
    peer = openssl(seconds)
    name = f"openssl speed aes-256-gcm, {FIELD_BYTES} B"
    return [
        row("field.seal_per_s", per_second(lambda: key.seal(plain, place), seconds), "1/s", peer, name),
        row("field.open_per_s", per_second(lambda: key.open(sealed, place), seconds), "1/s", peer, name),
        row("field.overhead_bytes", len(sealed) - FIELD_BYTES, "B"),
    ]


def index(folder: Path, seconds: float) -> list[Row]:
    database = open_keys_database(folder)
    blind = BlindIndex(database, Keyring(database, MemoryKms()))
    numbers = [f"+4420{n:08d}" for n in range(INDEXED)]
    blind.write([IndexRow("brand", f"cu_{n}", PHONE, number) for n, number in enumerate(numbers)])
    known, spoken = iter(numbers * 1_000), "020 7946 0001"
    rows = [
        row("index.find_per_s", per_second(lambda: blind.find("brand", PHONE, next(known)), seconds), "1/s"),
        row("index.miss_per_s", per_second(lambda: blind.find("brand", PHONE, "+999"), seconds), "1/s"),
        row("index.normalise_per_s", per_second(lambda: normalise_phone(spoken, "GB"), seconds, 20), "1/s"),
    ]
    database.close()
    return rows


# -- the vault process


async def serve(folder: Path) -> None:
    """The vault in a process of its own, with an edge that says every leg lives."""

    class Alive(MemoryEdge):
        async def leg_alive(self, ticket: object) -> bool:
            return True

    sys.setswitchinterval(SWITCH_SECONDS)
    house = VaultHouse(folder)
    house.config = replace(
        house.config,
        vault=replace(
            house.config.vault, opens_per_leg=10**9, opens_per_minute=10**9, opens_per_day=10**9, opens_in_all=10**9
        ),
    )
    house.leg_key = b"\x11" * 32
    house.edge = Alive(house.leg_key)
    await house.start()
    await house.serving


@contextmanager
def vault_process(folder: Path) -> Iterator[tuple[Path, int]]:
    with (folder / "vault.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, __file__, "serve", str(folder)], stdout=log, stderr=log)
    socket = folder / "run" / "vault" / "vault.sock"
    try:
        while not socket.exists() and process.poll() is None:
            time.sleep(0.05)
        yield socket, process.pid
    finally:
        process.terminate()
        process.wait(20)


class Person:
    """An agent on a live call."""

    def __init__(self, desk: DeskVaultClient, token: str, grant: str) -> None:
        self._desk, self._token, self._grant = desk, token, grant

    async def reveals(self) -> None:
        await self._desk.open(self._token, self._grant, "order.status", "order_status")

    async def looks_at_the_card(self) -> None:
        await self._desk.card(self._token, self._grant)

    async def is_still_signed_in(self) -> None:
        await self._desk.session(self._token)


async def people(socket: Path, count: int) -> list[Person]:
    admin, calls, desk = AdminVaultClient(socket), CallVaultClient(socket), DeskVaultClient(socket)
    await admin.init(PASSPHRASE)
    await admin.import_customers([ANA])
    edge, found = MemoryEdge(b"\x11" * 32), []
    for number in range(count):
        account = {"login": f"a{number}", "name": "Eva Example", "password": PASSWORD, "store": "high-street"}
        agent = str((await admin.call("staff_add", **account))["agent"])
        for data_class in DataClass:
            await admin.call("certify", agent=agent, data_class=data_class, until=time.time() + 3_600)
        at = str(int(time.time()))
        leg = edge.sign("caller", at=at, trunk="carrier-a", caller=ANA_NUMBER, dialled=STORE_NUMBER)
        match = await calls.match(leg)
        grant = await calls.connect(match.leg, edge.sign("agent", at=at, agent=agent))
        token, _ = await desk.sign_in(f"a{number}", Sealed(PASSWORD), "192.0.2.7")
        found.append(Person(DeskVaultClient(socket), token, grant))
    for client in (admin, calls, desk):
        await client.close()
    return found


async def load(asks: list[Callable[[], Awaitable[None]]], seconds: float, pause: float = 0.0) -> list[float]:
    """Milliseconds of each answer, every asker waiting for one before the next, and up to twice `pause` between."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def keep_asking(ask: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(random.random() * pause)
        while (start := time.perf_counter()) < end:
            await ask()
            taken.append((time.perf_counter() - start) * 1e3)
            await asyncio.sleep(pause * (1 + random.random()) if pause else 0)

    async with asyncio.TaskGroup() as group:
        for ask in asks:
            group.create_task(keep_asking(ask))
    return taken


def latency(name: str, taken: list[float], seconds: float) -> list[Row]:
    return [
        row(f"{name}.p50_ms", statistics.median(taken), "ms"),
        row(f"{name}.p99_ms", statistics.quantiles(taken, n=100)[98], "ms"),
        row(f"{name}.per_s", len(taken) / seconds, "1/s"),
    ]


async def over_the_socket(socket: Path, pid: int, seconds: float) -> list[Row]:
    crowd = await people(socket, max(CROWDS))
    rows: list[Row] = []
    admin = AdminVaultClient(socket)

    async def round_trip() -> None:
        await admin.call("staff_find", login="a0")

    rows += latency("round_trip", await load([round_trip], seconds), seconds)
    rows += latency("session_check", await load([crowd[0].is_still_signed_in], seconds), seconds)
    rows += latency("card", await load([crowd[0].looks_at_the_card], seconds), seconds)
    for count in CROWDS:
        used = cpu_seconds(pid)
        taken = await load([person.reveals for person in crowd[:count]], seconds)
        cpu = (cpu_seconds(pid) - used) / len(taken) * 1e3
        rows += latency(f"reveal_{count}_agent{'s' if count > 1 else ''}_saturated", taken, seconds)
        if count == AGENTS:
            rows += [row("reveal.cpu_ms", cpu, "ms"), row("reveal.per_s", rows[-1]["value"], "1/s")]
            rows.append(row("reveal.per_s_per_core", 1e3 / cpu, "1/s"))
    for count in CROWDS:
        taken = await load([person.reveals for person in crowd[:count]], 4 * seconds, PAUSE)
        paced = latency(f"reveal_{count}_agent{'s' if count > 1 else ''}", taken, 4 * seconds)
        rows += [*paced, row(f"reveal.p50_ms.{count}", paced[0]["value"], "ms")]
        rows.append(row(f"reveal.p99_ms.{count}", paced[1]["value"], "ms"))
        if count == AGENTS:
            rows.append(row("reveal.p99_ms", paced[1]["value"], "ms"))
    await admin.close()
    return rows


def cpu_seconds(pid: int) -> float:
    """User and system time of the vault process so far, by its own accounting (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- the table


def row(name: str, value: float, unit: str, peer: float | None = None, peer_name: str = "") -> Row:
    made: Row = {"name": name, "value": round(value, 3), "unit": unit}
    if peer is not None:
        made |= {"peer": round(peer, 3), "peer_name": peer_name, "ratio": round(value / peer, 3)}
    return made


def main(seconds: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ql-bench-vault-"))
    try:
        rows = encryption(seconds) + index(folder, seconds)
        with vault_process(folder) as (socket, pid):
            rows += uvloop.run(over_the_socket(socket, pid, seconds))
    finally:
        shutil.rmtree(folder)
    table = Table("row", "value", "unit", "beside", "ratio")
    for each in rows:
        beside = f"{each['peer']:,.0f} {each['peer_name']}" if "peer" in each else ""
        table.add_row(each["name"], f"{each['value']:,.2f}", each["unit"], beside, str(each.get("ratio", "")))
    Console().print(table)
    keep("vault", rows, OWN)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(Path(sys.argv[2])))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
