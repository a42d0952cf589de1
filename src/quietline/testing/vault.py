"""Stand-ins for what the vault talks to: a key service in memory, an edge that vouches for legs, a code channel."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from pathlib import Path
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import EdgeUnavailable, LedgerUnavailable, TamperError, Unavailable
from quietline.ledger.ports import BodySealer, Entry, Field, Receipt
from quietline.ledger.vocabulary import Kind
from quietline.legs import LegTicket, parse_leg
from quietline.sealed import SIGNALLING, Sealed, Ticket


class MemoryKms:
    """A `Kms` that lives as long as the process. `fault` is raised by every call while it is set."""

    def __init__(self, name: str = "memory") -> None:
        self._aead = AESGCM(os.urandom(32))
        self._name = name
        self.fault: Unavailable | None = None

    @property
    def key_id(self) -> str:
        return f"{self._name}.1"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        self._check()
        nonce = os.urandom(12)
        return b"\x01" + nonce + self._aead.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        self._check()
        try:
            if wrapped[:1] != b"\x01":
                raise TamperError("kms: not wrapped by this key service")
            return self._aead.decrypt(wrapped[1:13], wrapped[13:], context)
        except (InvalidTag, ValueError):
            raise TamperError("kms: the wrapped key does not belong here") from None

    def wrapped_by(self, wrapped: bytes) -> str:
        if wrapped[:1] != b"\x01":
            raise TamperError("kms: not wrapped by this key service")
        return self.key_id

    def _check(self) -> None:
        if self.fault:
            raise self.fault


class MemoryEdge:
    """The edge as the vault sees it: signs legs, knows which are up, keeps credentials until it "restarts"."""

    def __init__(self, leg_key: bytes) -> None:
        self.leg_key = leg_key
        self.up: set[str] = set()
        self.phones: dict[str, str] = {}
        self.trunks: dict[str, str] = {}
        self.down = False
        self._life = 1

    def sign(self, kind: str, **given: str) -> Sealed[str]:
        """A ticket as the edge's header carries it (legs.py), of a dialog that lives."""
        fields = {"ci": os.urandom(6).hex(), "ft": os.urandom(4).hex(), **given}
        self.up.add(fields["ci"])
        signed = f"v1;kind={kind};" + ";".join(f"{key}={quote(value, safe='')}" for key, value in fields.items())
        return Sealed(f"{signed};mac={hmac.new(self.leg_key, signed.encode(), hashlib.sha256).hexdigest()}")

    def called(self, number: str, trunk: str = "carrier-a", **given: str) -> Sealed[str]:
        """The ticket of a leg dialled out that was answered."""
        known = {"at": str(int(time.time())), "trunk": trunk, "grade": "tls-srtp", "caller": number, "tt": "t1"}
        return self.sign("called", **{**known, **given})

    def hang_up(self, header: Sealed[str]) -> None:
        """The dialog of this ticket ends."""
        self.up.discard(parse_leg(header.open(Ticket("edge", "end", SIGNALLING))).call_id)

    async def leg_alive(self, ticket: LegTicket) -> bool:
        self._check()
        return ticket.call_id in self.up

    async def add(self, user: str, ha1: str) -> None:
        self._check()
        self.phones[user] = ha1

    async def remove(self, user: str) -> None:
        self._check()
        self.phones.pop(user, None)

    async def put_trunk_credential(self, user: str, ha1: str) -> None:
        self._check()
        self.trunks[user] = ha1

    async def remove_trunk_credential(self, user: str) -> None:
        self._check()
        self.trunks.pop(user, None)

    async def instance(self) -> str:
        self._check()
        return f"life-{self._life}"

    def restart(self) -> None:
        """Forget every credential, as Kamailio's memory does."""
        self._life += 1
        self.phones.clear()
        self.trunks.clear()

    def _check(self) -> None:
        if self.down:
            raise EdgeUnavailable("edge: no answer")


class MemoryCodeChannel:
    """A `CodeChannel` that keeps what it was given. `fault` is raised by the next sends while it is set."""

    def __init__(self) -> None:
        self.sent: list[tuple[Sealed[str], Sealed[str], Ticket]] = []
        self.fault: Unavailable | None = None

    async def send(self, to: Sealed[str], text: Sealed[str], ticket: Ticket) -> None:
        if self.fault:
            raise self.fault
        self.sent.append((to, text, ticket))


class MemoryLedger:
    """A `Ledger` in memory. `fault` is raised by appends while it is set; `stalled` holds them up while it is clear.

    `sealer`, if given, seals every body, so that a missing or erased key is noticed.
    """

    def __init__(self, sealer: BodySealer | None = None) -> None:
        self.entries: list[Entry] = []
        self.fault: LedgerUnavailable | None = None
        self.running = asyncio.Event()
        self.running.set()
        self._sealer = sealer

    async def append(self, entry: Entry) -> Receipt:
        await self.running.wait()
        if self.fault:
            raise self.fault
        if self._sealer:
            await asyncio.to_thread(self._sealer.seal_body, entry.subject, repr(entry.fields).encode())
        return self._keep(entry)

    def append_soon(self, entry: Entry) -> None:
        self._keep(entry)

    def state(self) -> str:
        return "failing" if self.fault else "ok"

    async def erase(self, subject: str) -> int:
        """Forget the entries about this subject; how many."""
        kept = [entry for entry in self.entries if entry.subject != subject]
        gone, self.entries = len(self.entries) - len(kept), kept
        return gone

    async def export(self, directory: Path) -> int:
        (directory / "entries").write_text("\n".join(entry.kind for entry in self.entries))
        return len(self.entries)

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries]

    def of(self, kind: Kind) -> list[dict[str, Field]]:
        """The fields of all entries of a kind, oldest first."""
        return [dict(entry.fields or {}) for entry in self.entries if entry.kind is kind]

    def _keep(self, entry: Entry) -> Receipt:
        self.entries.append(entry)
        index = len(self.entries) - 1
        return Receipt(index, hashlib.sha256(str(index).encode()).hexdigest())
