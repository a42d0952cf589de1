"""`quietline customer import` as it runs: a file, read and mapped here, sealed and indexed by a vault process.

Run: python -m bench.customer_import [rows, default 20000]. Prints a table, adds its rows to bench/out/vault.json.

Every row is a customer with name, phone, e-mail, address and one order: 10 fields under 3 data keys, 5 index rows.
The vault has its real files and ledger. "again" imports the same file once more: nothing is written.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.vault import OUT, vault_process
from quietline.customers.batches import batches
from quietline.customers.mapping import read_mapping
from quietline.customers.position import Position
from quietline.customers.rows import CsvRows
from quietline.customers.running import ImportRun, RejectFile
from quietline.files.marked_yaml import parse
from quietline.testing.vault_house import PASSPHRASE
from quietline.vault.client import AdminVaultClient
from quietline.vault.schema import FIELDS

MAPPING = """
key: id
fields:
  contact.name: {columns: [first, last]}
  contact.phone: phone
  contact.email: email
  delivery.address: {columns: [street, town, postcode], join: ", "}
order: {order.reference: order, order.status: status, order.items: items, order.total: total, order.placed: placed}
"""
HEADER = "id,first,last,phone,email,street,town,postcode,order,status,items,total,placed"
Row = dict[str, Any]


def lines(count: int) -> Iterator[str]:
    """Made-up customers, each with a number of its own."""
    yield HEADER
    for number in range(count):
        phone = f"+4420{number:08d}"
        yield (
            f"C-{number},Ana,Example{number},{phone},ana{number}@example.com,{number % 140} Test Lane,Sampleton,"
            f"ZZ{number % 90} 1AA,QL-{number},delivered,a kettle ×1,£31.00,2026-11-{number % 28 + 1:02d}"
        )


async def run(socket: Path, file: Path, rejects: Path) -> tuple[Position, float]:
    """The counts, and the seconds it took."""
    vault, mapping = AdminVaultClient(socket), read_mapping(parse(MAPPING, "mapping.yaml"), FIELDS)

    async def store(customers: list[dict[str, Any]]) -> dict[str, Any]:
        return await vault.call("customers_import", customers=customers)

    rejected = RejectFile(rejects, 0)
    with file.open("rb") as opened:
        rows = CsvRows(opened, file.name)
        start = time.perf_counter()
        end = await ImportRun(store, rejected, None).run(batches(rows, mapping), Position("bench"))
        seconds = time.perf_counter() - start
    rejected.close()
    await vault.close()
    return end, seconds


def resident(pid: int) -> float:
    """MiB of a process in memory."""
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu(pid: int) -> float:
    """Seconds a process has computed."""
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / 100


def measure(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as name:
        folder = Path(name)
        file = folder / "customers.csv"
        file.write_text("\n".join(lines(count)) + "\n")
        with vault_process(folder) as (socket, pid):
            asyncio.run(_init(socket))
            before, used = resident(pid), cpu(pid)
            end, seconds = asyncio.run(run(socket, file, folder / "rejects.csv"))
            assert (end.counts["new"], end.counts["rejected"]) == (count, 0), end.counts
            busy, grown = cpu(pid) - used, resident(pid) - before
            again, seconds_again = asyncio.run(run(socket, file, folder / "rejects.csv"))
            assert again.counts["unchanged"] == count, again.counts
            size = sum(each.stat().st_size for each in (folder / "state" / "vault").iterdir() if each.is_file())
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {"name": "import.rows", "value": count, "unit": "rows"},
        {"name": "import.rows_per_s", "value": count / seconds, "unit": "1/s"},
        {"name": "import.again_per_s", "value": count / seconds_again, "unit": "1/s"},
        {"name": "import.vault_cpu_us", "value": busy / count * 1e6, "unit": "µs/row"},
        {"name": "import.vault_grew_mib", "value": grown, "unit": "MiB"},
        {"name": "import.reader_peak_mib", "value": own, "unit": "MiB"},
        {"name": "import.disk_bytes", "value": size / count, "unit": "B/row"},
    ]


async def _init(socket: Path) -> None:
    vault = AdminVaultClient(socket)
    await vault.init(PASSPHRASE)
    await vault.close()


def keep(rows: list[Row], out: Path = OUT) -> None:
    """Put the rows beside the others of the file, in place of older ones of their names."""
    document = json.loads(out.read_text()) if out.exists() else []
    others = document["rows"] if isinstance(document, dict) else document
    names = {row["name"] for row in rows}
    merged = [row for row in others if row["name"] not in names] + rows
    out.write_text(json.dumps({**document, "rows": merged} if isinstance(document, dict) else merged, indent=2) + "\n")


def main() -> None:
    rows = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    table = Table("row", "value", "unit")
    for row in rows:
        table.add_row(row["name"], f"{row['value']:,.1f}", row["unit"])
    Console().print(table)
    if "--dry" not in sys.argv:
        keep(rows)


if __name__ == "__main__":
    main()
