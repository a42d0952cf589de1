"""Afterwards: what was left behind on wires, disk and in the ledger, looked at as a thief and as an auditor would."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.clock import SystemClock
from quietline.demo.forget import Forgotten, is_gone
from quietline.demo.scene import Scene
from quietline.demo.story import Memory
from quietline.demo.tell import Teller
from quietline.ledger.log import open_log
from quietline.sealed import Ticket
from quietline.testing.canaries import Finding, scan, scan_bytes, scan_text
from quietline.testing.remote_desk import RemoteDesk
from quietline.vault import kms_file
from quietline.vault.blind_index import PHONE, BlindIndex
from quietline.vault.bodies import Bodies
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import Records, open_records_database

OPENED_BY_US = Ticket("demo", "copy-opens-with-the-key", 0)


async def look_around(scene: Scene, teller: Teller, memory: Memory, forgotten: Forgotten) -> None:
    """Wires first, then everything that lies around while the product still runs, then the ledger, then the disk."""
    teller.chapter("What was left behind")
    await _wires(scene, teller)
    await asyncio.to_thread(_traces, scene, teller, memory)
    await _metrics(scene, teller)
    await _ledger(scene, teller)
    await scene.site.stop()
    await asyncio.to_thread(_disk, scene, teller, forgotten)


async def _wires(scene: Scene, teller: Teller) -> None:
    for name, capture in scene.captures.items():
        await capture.stop()
        report = await asyncio.to_thread(capture.report, scene.tones)
        found = report.findings(scene.canaries)
        leaks = report.leaks()
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds().items()))
        secret = {"srtp", "tls"} <= set(report.kinds())
        teller.check(f"{name} carries noise only", not leaks and not found and secret, kinds)


def _traces(scene: Scene, teller: Teller, memory: Memory) -> None:
    """Logs, databases, process arguments and environments, SIP toward the agent, the browser's profile."""
    paths = scene.site.config.paths
    shown = scene.canaries
    _nowhere(teller, "in logs of ours, the edge's and the relay's", scan([paths.log], shown), _size(paths.log))
    _nowhere(teller, "in databases and their write-ahead logs", scan([paths.state], shown), _size(paths.state))
    _nowhere(teller, "in files of the running product", scan(_readable(paths.run), shown), _size(paths.run))
    _nowhere(teller, "in process arguments and environments", list(_processes(scene)), "every process of the machine")
    _nowhere(
        teller,
        "in SIP toward the agent",
        scan_text("\n".join(memory.to_agent), shown, "SIP"),
        f"{len(memory.to_agent)} messages",
    )
    profile = scan([scene.folder / "agent" / "profile"], shown)
    _nowhere(teller, "in the browser's profile on disk", profile, _size(scene.folder / "agent" / "profile"))


async def _metrics(scene: Scene, teller: Teller) -> None:
    """What a monitoring system would read, on loopback; an answer without our counters proves nothing."""
    async with RemoteDesk(scene.site.url, scene.site.ca) as desk:
        status, text = await desk.get("/metrics")
    found = scan_text(text, scene.canaries, "metrics")
    read = status == 200 and "quietline_web_requests_total{" in text
    teller.check("no planted value in the metrics", read and not found, f"{status}, {len(text.splitlines())} lines")


def _nowhere(teller: Teller, where: str, findings: list[Finding], looked_at: str) -> None:
    found = "; ".join(f"{each.canary} ({each.encoding}) in {Path(each.path).name}" for each in findings[:3])
    teller.check(f"no planted value {where}", not findings, found or f"searched {looked_at}, every encoding")


def _readable(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _size(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB"


def _processes(scene: Scene) -> Iterable[Finding]:
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue  # ended meanwhile
            yield from scan_bytes(content, scene.canaries, f"{process.name}/{name}")


async def _ledger(scene: Scene, teller: Teller) -> None:
    """Export, verify with the command an auditor would use, flip one byte in a copy, verify again."""
    exported, forged = scene.folder / "ledger-copy", scene.folder / "ledger-forged"
    vault = scene.site.admin()
    await vault.call("ledger_export", directory=str(_writable(scene, exported)))
    await vault.close()
    good = await _verify(exported)
    teller.check(
        "the ledger verifies offline",
        bool(good.get("verified")),
        f"{good.get('size')} entries, root {str(good.get('root'))[:16]}…",
    )
    _nowhere(teller, "in the exported ledger", scan([exported], scene.canaries), _size(exported))
    shutil.copytree(exported, forged)
    victim = max(
        (path for path in (forged / "tile" / "entries").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    bad = await _verify(forged)
    teller.check(
        "a copy with one flipped byte does not", bad.get("verified") is False, f"{bad.get('what')}: {bad.get('where')}"
    )


def _writable(scene: Scene, folder: Path) -> Path:
    """The vault writes the export itself, so the folder is its user's."""
    folder.mkdir()
    if scene.site.config.users.vault:
        shutil.chown(folder, scene.site.config.users.vault)
    return folder


async def _verify(folder: Path) -> dict[str, object]:
    command = (sys.executable, "-m", "quietline.cli", "ledger", "verify", str(folder), "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, _ = await process.communicate()
    try:
        return dict(json.loads(said))
    except ValueError:
        return {"what": said.decode()[:200]}


def _disk(scene: Scene, teller: Teller, forgotten: Forgotten) -> None:
    """A copy of the whole state, first without the key, then with it."""
    copy = scene.folder / "stolen-disk"
    shutil.copytree(scene.site.config.paths.state, copy)
    found = scan([copy], scene.canaries)
    teller.check("a copied disk shows noise", not found, f"searched {_size(copy)}")
    teller.check("no key or value of the forgotten customer is on it", *is_gone(forgotten, copy))
    kms = kms_file.unseal(copy / "vault" / "kms.json", scene.site.passphrase.encode())
    with closing(open_keys_database(copy / "vault")) as keys, closing(open_records_database(copy / "vault")) as rows:
        keyring = Keyring(keys, kms)
        customer = BlindIndex(keys, keyring).find("brand", PHONE, scene.customer.phone)
        name = Records(rows, keyring).open(customer, "contact.name", OPENED_BY_US)
        opens = name is not None and name.open(OPENED_BY_US) == scene.customer.fields["contact.name"]
        teller.check("the same copy opens with the key", opens, "the customer's name, by their number")
        nobody = BlindIndex(keys, keyring).find("brand", PHONE, forgotten.phone)
        teller.check("their number finds nobody, even with the key", nobody == "", "the index rows are gone too")
        _what_the_ledger_says(scene, teller, keyring, copy)


def _what_the_ledger_says(scene: Scene, teller: Teller, keyring: Keyring, copy: Path) -> None:
    kinds = asyncio.run(_kinds(keyring, copy))
    teller.chapter("What the ledger says")
    for kind, count in sorted(kinds.items()):
        teller.console.print(f"           {count:3d} × {kind}")
    looks = kinds.get("look.allowed", 0) >= 2 and kinds.get("look.refused", 0) >= 1
    whole = all(
        kinds.get(kind) for kind in ("call.arrived", "call.connected", "call.ended", "code.passed", "grant.closed")
    )
    teller.check(
        "every look is written, allowed and refused",
        looks and whole,
        f"{sum(kinds.values())} entries read with the key",
    )


async def _kinds(keyring: Keyring, copy: Path) -> Counter[str]:
    key = Ed25519PrivateKey.from_private_bytes(keyring.secret("ledger/signing"))
    log = await open_log(copy / "vault" / "ledger.db", signer=key, sealer=Bodies(keyring), clock=SystemClock())
    try:
        entries = [await log.read(index) for index in range(log.size)]
    finally:
        await log.close()
    return Counter(entry.entry.kind.value for entry in entries if entry.entry)
