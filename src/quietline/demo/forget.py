"""Another customer asks to be forgotten: the request, the erasure, its receipt, and a thief's look at the disk."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quietline.demo.scene import Scene
from quietline.demo.tell import Teller
from quietline.ledger.store import open_reader, read_head
from quietline.testing.sample import Customer
from quietline.vault.client import AdminVaultClient

OFFICER, STORE = "dora", "north"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Who was erased, and how their keys and sealed values stood on the disk before."""

    phone: str = field(repr=False)
    before: frozenset[bytes] = field(repr=False)


async def forget(scene: Scene, teller: Teller, out: Path) -> Forgotten:
    """From the request to a receipt that verifies without us."""
    teller.chapter("Another customer asks to be forgotten")
    customer = _somebody_else(scene)
    vault = scene.site.admin()
    try:
        session = await _officer(vault)
        before = await asyncio.to_thread(_sealed, scene)
        found = {"field": "contact.phone", "value": customer.phone, "controller": customer.controller}
        asked = await vault.call("right_open", session=session, right="erasure", methods=["call-back"], **found)
        teller.happened("the privacy officer opens the request", f"identified by ringing back; due {asked['due'][:10]}")
        answer = await vault.call("right_erase", session=session, requests=[asked["id"]])
    finally:
        await vault.close()
    teller.happened("after its cooling period the customer is erased", "three days by default; none in this demo")
    receipt = out / "erasure.receipt"
    receipt.write_text(answer["receipts"][asked["id"]])
    await _verified(scene, teller, receipt)
    gone = frozenset(before - await asyncio.to_thread(_sealed, scene))
    teller.happened("keys, index rows and values are destroyed", f"{len(gone)} of them; orders stay, by law")
    return Forgotten(customer.phone, gone)


def is_gone(forgotten: Forgotten, folder: Path) -> tuple[bool, str]:
    """Whether no file below `folder` holds a key or a sealed value of theirs; what was searched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    left = sum(needle in path.read_bytes() for path in files for needle in forgotten.before)
    return not left and len(
        forgotten.before
    ) > 0, f"{len(forgotten.before)} byte strings, {len(files)} files, {left} found"


def _somebody_else(scene: Scene) -> Customer:
    brand = [each for each in scene.site.chain.customers if each.controller == "brand"]
    return secrets.choice([each for each in brand if each.phone != scene.customer.phone])


async def _officer(vault: AdminVaultClient) -> str:
    """A privacy officer, hired and signed in; the session's token."""
    password = secrets.token_urlsafe(16)
    account = {"login": OFFICER, "name": "Dora Example", "role": "privacy_officer", "store": STORE}
    await vault.call("staff_add", password=password, **account)
    return str((await vault.call("console_sign_in", login=OFFICER, password=password))["session"])


def _sealed(scene: Scene) -> set[bytes]:
    """Every wrapped key, index token and sealed value on the disk now; whose they are cannot be told from outside."""
    vault = scene.site.config.paths.state / "vault"
    return {
        *_column(vault / "keys.db", "SELECT wrapped FROM data_key UNION SELECT token FROM blind_index"),
        *_column(vault / "records.db", "SELECT sealed FROM field"),
    }


def _column(file: Path, sql: str) -> Iterable[bytes]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return [bytes(raw) for (raw,) in db.execute(sql)]


async def _verified(scene: Scene, teller: Teller, receipt: Path) -> None:
    """With the command that a customer would use, and the ledger's verifier key alone."""
    with closing(open_reader(scene.site.config.paths.state / "vault" / "ledger.db")) as db:
        key = read_head(db).vkey
    command = (sys.executable, "-m", "quietline.cli", "right", "verify", str(receipt), "--key", key, "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, _ = await process.communicate()
    good: dict[str, Any] = json.loads(said) if said else {}
    found = f"entry {good.get('index')} of {good.get('size')}; erased: {', '.join(good.get('erased', []))}; {receipt}"
    teller.check("the erasure's receipt verifies offline", good.get("verified") is True, found)
