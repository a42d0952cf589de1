"""The keys, as an administrator deals with them: rotate, see how far it is, print shares, end an old KEK.

Rotations run in the background of the open vault, a batch at a time, and go on after a restart. Lives on the event
loop; what blocks goes to threads. Every act is in the ledger before it happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from quietline.access.decide import Principal, Role
from quietline.config import Config
from quietline.errors import ConfigError, Denied, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.vault import kms_file
from quietline.vault.blind_index import EMAIL, LOYALTY, ORDER, ORDER_RECORD, PHONE, BlindIndex
from quietline.vault.database import Database
from quietline.vault.journal import Journal
from quietline.vault.kek_ends import KekEnd, approve, require_ripe
from quietline.vault.keys import Keyring
from quietline.vault.kms_open import FILE, NAME, key_house
from quietline.vault.ports import Kms
from quietline.vault.records import Records
from quietline.vault.rotate_data import DataRotation
from quietline.vault.rotate_index import IndexRotation
from quietline.vault.rotate_kek import KekRotation, wrapped_under
from quietline.vault.rotation import DATA, INDEX, KEK, SQL, Book, Progress, Rotation, State

log = structlog.get_logger()

PAUSE = 0.005  # seconds between two batches, so that a call's look-up is not held up
AGAIN = 5.0  # seconds until a batch is tried again that the disk or the key service refused


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What the desk is given. `country`: by whose rules national numbers are read (ISO 3166)."""

    config: Config
    kms: Kms
    keys: Database
    rows: Database
    keyring: Keyring
    index: BlindIndex
    records: Records
    journal: Journal
    country: str


class KeyDesk:
    """See the module."""

    def __init__(self, parts: KeyParts) -> None:
        self._parts = parts
        self._house = key_house(parts.config)
        self._book = Book(parts.keys)
        self._more = asyncio.Event()
        self._more.set()  # what an earlier life left is gone on with
        self._one = asyncio.Lock()

    # -- rotation

    async def rotate(self, what: str, passphrase: bytes = b"", fields: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Begin; the rows of `status`. what: "kek", "data" or "index" (`fields`: which; all that can, for none).

        Raises ConfigError for another word, an unknown field, or while one of them runs; Denied("passphrase").
        """
        async with self._one:
            names = self._named(what, tuple(fields))
            under_way = {each.what for each in await asyncio.to_thread(self._book.every) if each.open}
            if taken := under_way & set(names):
                raise ConfigError(
                    f"key rotate: {', '.join(sorted(taken))} is being rotated; see `quietline key status`"
                )
            await self._parts.journal.receipt(Kind.KEY_CHANGED, change="rotated", key=" ".join(names))
            if what == KEK:
                # Crash here: the ledger tells of a key that was not made.
                await asyncio.to_thread(self._house.add_kek, self._parts.kms, passphrase)
            for name in names:
                await asyncio.to_thread(self._rotation(name).start, self._parts.journal.now())
            self._more.set()
        return (await self.status())["rotations"]  # type: ignore[no-any-return]

    def _named(self, what: str, fields: tuple[str, ...]) -> list[str]:
        if what in (KEK, DATA):
            return [what]
        if what != INDEX.rstrip("/"):
            raise ConfigError('key rotate: want "kek", "data" or "index"')
        known = self._indexed()
        for field in fields:
            if field not in known:
                raise ConfigError(f"key rotate index: {field}: one of {', '.join(known)}")
        return [INDEX + field for field in fields or known]

    def _indexed(self) -> list[str]:
        own = (spec.name for spec in self._parts.records.fields.values() if spec.indexed)
        return list(dict.fromkeys((PHONE, EMAIL, LOYALTY, ORDER, ORDER_RECORD, *own)))

    def _rotation(self, what: str) -> Rotation:
        parts = self._parts
        if what == KEK:
            return KekRotation(parts.keys, parts.kms)
        if what == DATA:
            return DataRotation(parts.keys, parts.rows, parts.keyring)
        field = what.removeprefix(INDEX)
        databases = (parts.keys, parts.rows)
        return IndexRotation(databases, parts.keyring, (parts.index, parts.records), field, parts.country)

    async def background(self) -> None:
        """To be run as a task of the open vault."""
        while True:
            await self._more.wait()
            self._more.clear()
            for progress in await asyncio.to_thread(self._book.every):
                if progress.open:
                    await self._carry_on(progress)

    async def _carry_on(self, progress: Progress) -> None:
        rotation = self._rotation(progress.what)
        while progress.open:
            try:
                progress = await asyncio.to_thread(rotation.step, progress, self._parts.journal.now())
                await asyncio.sleep(PAUSE)
            except Unavailable as error:
                log.warning("a rotation waits", what=progress.what, error=str(error))
                await asyncio.sleep(AGAIN)
        done = "done" if progress.state is State.DONE else "blocked"
        self._parts.journal.soon(Kind.KEY_CHANGED, change=f"rotation-{done}", key=progress.what)
        log.info("a rotation is over", what=progress.what, state=done, done=progress.done)

    async def status(self) -> dict[str, Any]:
        """{"kek": its id, "service", "rotations": [...], "keks": [{"version", "wraps", ...}]}: nothing secret.

        `wraps`: how many keys are under it. Reads every wrapped key's first bytes: seconds for millions.
        """
        return await asyncio.to_thread(self._status)

    def _status(self) -> dict[str, Any]:
        parts = self._parts
        wrapped, ends = wrapped_under(parts.keys, parts.kms), {each.version: each for each in self._ends()}
        name = parts.kms.key_id.rpartition(".")[0]
        rotations = [asdict(each) | {"state": each.state.value} for each in self._book.every()]
        keks = [
            {
                "version": version,
                "wraps": wrapped.get(f"{name}.{version}", 0),
                "present": parts.kms.key_id == f"{name}.{version}",
                **self._end_of(ends.get(version)),
            }
            for version in self._house.versions(parts.kms)
        ]
        return {"kek": parts.kms.key_id, "service": parts.config.vault.kms, "rotations": rotations, "keks": keks}

    def _end_of(self, end: KekEnd | None) -> dict[str, Any]:
        if end is None:
            return {"end": "", "not_before": 0.0}
        state = "approved" if end.approved_by else "asked"
        return {"end": state, "not_before": end.approved + self._window if end.approved_by else 0.0}

    # -- the end of a KEK

    async def ask_end(self, who: Principal, version: int) -> None:
        """The first person's word. Raises Denied("policy") for anybody but an administrator, ConfigError."""
        _administrator(who)
        await self._require_free(version)
        await self._say("end-asked", version, who.agent)
        await self._put(KekEnd(version, who.agent, self._parts.journal.now()))

    async def approve_end(self, who: Principal, version: int) -> None:
        """Another's. The window begins. Raises Denied("policy" | "not-asked" | "second-person"), ConfigError."""
        _administrator(who)
        found = approve(await self._end(version), version, who.agent, self._parts.journal.now())
        await self._require_free(version)
        await self._say("end-approved", version, who.agent)
        await self._put(found)

    async def take_back(self, who: Principal, version: int) -> None:
        """No end after all: either says so, alone. Raises Denied("policy")."""
        _administrator(who)
        await self._say("end-taken-back", version, who.agent)
        await asyncio.to_thread(self._drop_end, version)

    async def end(self, version: int, passphrase: bytes) -> None:
        """Destroy it. Raises Denied("not-asked" | "too-early" | "passphrase"), ConfigError while it wraps anything."""
        async with self._one:
            end = require_ripe(await self._end(version), version, self._parts.journal.now(), self._window)
            await self._require_free(version)
            await self._parts.journal.receipt(
                Kind.KEY_CHANGED, change="destroyed", key=self._key(version), agent=end.asked_by, second=end.approved_by
            )
            # Crash here: the ledger tells of an end that did not come; asked again, it does.
            await asyncio.to_thread(self._house.drop_kek, self._parts.kms, passphrase, version)
            await asyncio.to_thread(self._drop_end, version)

    async def _require_free(self, version: int) -> None:
        """Raises ConfigError for the KEK that wraps now, an unknown one, and one that still wraps something."""
        parts = self._parts
        if version not in await asyncio.to_thread(self._house.versions, parts.kms):
            raise ConfigError(f"key destroy: there is no version {version}; see `quietline key status`")
        if parts.kms.key_id == self._key(version):
            raise ConfigError(f"key destroy: version {version} wraps now; `quietline key rotate kek` first")
        wrapped = await asyncio.to_thread(wrapped_under, parts.keys, parts.kms)
        if left := wrapped.get(self._key(version), 0):
            raise ConfigError(f"key destroy: {left} keys are still wrapped under version {version}; let a rotation end")

    @property
    def _window(self) -> float:
        return self._parts.config.vault.kek_window_seconds

    def _key(self, version: int) -> str:
        return f"{self._parts.kms.key_id.rpartition('.')[0]}.{version}"

    async def _say(self, change: str, version: int, agent: str) -> None:
        await self._parts.journal.receipt(Kind.KEY_CHANGED, change=change, key=self._key(version), agent=agent)

    async def _end(self, version: int) -> KekEnd | None:
        return next((each for each in await asyncio.to_thread(self._ends) if each.version == version), None)

    def _ends(self) -> list[KekEnd]:
        return [KekEnd(*row) for row in self._parts.keys.read(SQL["kek_ends"])]

    async def _put(self, end: KekEnd) -> None:
        write = self._parts.keys.write
        await asyncio.to_thread(write, lambda connection: connection.execute(SQL["put_kek_end"], end.row()))

    def _drop_end(self, version: int) -> None:
        self._parts.keys.write(lambda connection: connection.execute(SQL["drop_kek_end"], (version,)))

    # -- the sealed file

    async def shares(self, passphrase: bytes) -> list[str]:
        """Three recovery shares, given out here and never again. Raises Denied("passphrase"), ConfigError."""
        return list(await self._of_file("shares-made", kms_file.make_shares, passphrase))

    async def change_passphrase(self, old: bytes, new: bytes) -> None:
        """Raises Denied("passphrase"): the old one is wrong, or the new one weak."""
        vault = self._parts.config.vault
        cost = (vault.argon2_memory_kib, vault.argon2_passes)
        await self._of_file("passphrase", kms_file.change_passphrase, old, new, *cost)

    async def _of_file(self, change: str, work: Callable[..., Any], *given: Any) -> Any:
        config = self._parts.config
        if config.vault.kms != FILE:
            raise ConfigError("key: OpenBao keeps this vault's key-encryption key, and its recovery is OpenBao's")
        async with self._one:
            await self._parts.journal.receipt(Kind.KEY_CHANGED, change=change, key=self._parts.kms.key_id)
            return await asyncio.to_thread(work, config.paths.state / "vault" / NAME, *given)


def _administrator(who: Principal) -> None:
    if who.role is not Role.ADMINISTRATOR:
        raise Denied("policy", "keys are an administrator's")
