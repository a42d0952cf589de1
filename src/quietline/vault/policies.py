"""The vault's policies: loaded at the start, taken in anew while calls go on, and written down each time.

(1) The folder is read, and must load, answer every question and keep the promises; (2) the ledger entry with its hash
is durable; (3) from one assignment on the new set decides. A set that fails (1) is refused, written down as refused,
and the old one stays. One that fails (2) is not taken in.

The hash that somebody reviewed may be handed in: then only that very text is taken in, and the entry says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from quietline.access.cedar import POLICIES, Policies
from quietline.access.in_force import PoliciesInForce, load_policies, zone_called
from quietline.access.lint import misfits, needed, rules_of
from quietline.access.minimum import By, Minimum, Score
from quietline.access.promises import broken_by
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import LedgerReader
from quietline.vault.bodies import Bodies
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.remembered import Remembered
from quietline.vault.schema import FieldSpec, Reason

REVIEWED = "policy/reviewed"  # the hash that was last handed in as reviewed, and when
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What decides now. `reviewed`: this very text was handed in as reviewed. `folder`: "" for the shipped rules."""

    digest: str
    rules: int
    folder: str
    reviewed: bool
    changed: bool = False  # by the question that this answers


class VaultPolicies:
    """Lives on the event loop; what blocks goes to threads. `in_force` is what everybody asks."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        remembered: Remembered,
        fields: Sequence[FieldSpec],
        reader: LedgerReader,
        first: Policies,
    ) -> None:
        self._config, self._journal, self._remembered, self._fields = config, journal, remembered, fields
        self._reader = reader
        self._one_at_a_time = asyncio.Lock()
        self._checked = {first.digest}
        self.in_force = PoliciesInForce(first)

    async def state(self, *, changed: bool = False) -> PolicyState:
        """What is in force."""
        kept = await asyncio.to_thread(self._remembered.get, REVIEWED)
        digest = self.in_force.digest
        reviewed = (kept or {}).get("digest") == digest
        return PolicyState(digest, len(self.in_force.ids), self._config.vault.policies, reviewed, changed)

    async def reload(self, reviewed: str = "") -> PolicyState:
        """Take the folder in. `reviewed`: the hash somebody has read; then another text is refused.

        Raises ConfigError for a set that is not right or not that one, LedgerUnavailable; the old one stays.
        """
        if reviewed and not HASH.fullmatch(reviewed):
            raise ConfigError("policy reload: reviewed: the hash that `quietline policy review` prints")
        async with self._one_at_a_time:
            new = await self._read(reviewed)
            changed = new.digest != self.in_force.digest
            self._checked.add(new.digest)
            if changed or reviewed:
                await self._written_down(new, reviewed)
                self.in_force.take(new)
            return await self.state(changed=changed)

    async def minimum(self, by: By, since: float, until: float) -> tuple[dict[str, Score], Score]:
        """How much was opened for how much was needed (access/minimum.py): the scores, and all in one."""

        def work() -> tuple[dict[str, Score], Score]:
            needs = {reason.value: needed(reason, self._fields) for reason in Reason}
            minimum = Minimum(needs, since, until)
            minimum.take(placed.entry for placed in self._reader.all())
            return minimum.scores(by), minimum.total()

        return await asyncio.to_thread(work)

    async def _read(self, reviewed: str) -> Policies:
        try:
            new = await asyncio.to_thread(load, self._config, self._fields, frozenset(self._checked))
            if reviewed and new.digest != reviewed:
                raise ConfigError("policy reload: the folder is not what was reviewed; review it again")
        except ConfigError:
            self._journal.soon(Kind.POLICY_REFUSED, digest=self.in_force.digest)
            raise
        return new

    async def _written_down(self, new: Policies, reviewed: str) -> None:
        before = self.in_force.digest
        receipt = await self._journal.receipt(
            Kind.POLICY_LOADED, digest=new.digest, before=before, reviewed=bool(reviewed)
        )
        if reviewed:
            kept = {"digest": reviewed, "leaf": receipt.leaf}
            await asyncio.to_thread(self._remembered.put, REVIEWED, kept)


def load(config: Config, fields: Sequence[FieldSpec], checked: Collection[str] = ()) -> Policies:
    """The configured set. Blocking. Raises ConfigError: it does not load, or it allows what no set may.

    `checked`: hashes of texts that were checked over these fields already.
    """
    folder = Path(config.vault.policies) if config.vault.policies else POLICIES
    policies = load_policies(folder, fields, zone=zone_called(config.vault.policy_zone))
    if config.vault.policies and policies.digest not in checked:
        wrong = [f"rule {each.rule}: {each.what}" for each in misfits(rules_of(policies.text))]
        for each in (*wrong, *(broken.told() for broken in broken_by(policies, fields))):
            raise ConfigError(f"policies: {folder}: {each}; nothing was loaded")
    return policies


async def open_policies(
    config: Config, journal: Journal, remembered: Remembered, fields: Sequence[FieldSpec], keyring: Keyring
) -> VaultPolicies:
    """At the start of the vault; in the ledger before anything is decided. Raises ConfigError, LedgerUnavailable."""
    reader = LedgerReader(config.paths.state / "vault" / "ledger.db", Bodies(keyring))
    first = await asyncio.to_thread(load, config, fields)
    made = VaultPolicies(config, journal, remembered, fields, reader, first)
    state = await made.state()
    await journal.receipt(Kind.POLICY_LOADED, digest=state.digest, reviewed=state.reviewed)
    return made
