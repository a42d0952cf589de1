"""Factors as they are stored: sealed, vouched for, and changed one at a time. Every method blocks: call it in a thread.

The account's own row says that there is a second factor, so taking the record away does not make the password enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from quietline.access.factors import Factors, from_bytes, to_bytes
from quietline.access.identity import Identity
from quietline.access.ports import FactorRow, FactorStore
from quietline.access.vouch import Voucher
from quietline.errors import TamperError

T = TypeVar("T")


class FactorSealer(Protocol):
    """What the vault lends. `agent` is bound to the ciphertext, so that records cannot be swapped."""

    def seal_factors(self, agent: str, record: bytes) -> bytes: ...

    def open_factors(self, agent: str, sealed: bytes) -> bytes:
        """Raises TamperError when it was sealed for somebody else."""


class FactorBook:
    """Reads and changes. Safe across threads: two uses of one code find each other."""

    def __init__(self, store: FactorStore, voucher: Voucher, sealer: FactorSealer, identity: Identity) -> None:
        self._store, self._voucher, self._sealer, self._identity = store, voucher, sealer, identity
        self._lock = threading.Lock()

    def read(self, agent: str) -> Factors:
        """Raises TamperError where the record is not ours, or missing; Denied for nobody."""
        return self._read(agent)[0]

    def change(self, agent: str, how: Callable[[Factors], tuple[Factors, T]], leaf: str = "") -> T:
        """`how` takes what is stored and gives what is to be, and an answer; durable before the answer is given.

        `leaf`: of the ledger entry just made durable, where it is a change that has one. What `how` raises goes
        through, and nothing is stored.
        """
        with self._lock:
            before, row = self._read(agent)
            after, answer = how(before)
            if after != before:
                self._write(agent, after, row, leaf)
        return answer

    def reset(self, agent: str, leaf: str) -> None:
        """None any more, whatever is stored; for who lost everything, and for a record that is not ours."""
        with self._lock:
            row = self._store.factors(agent)
            self._write(agent, Factors(), row, leaf)

    def _read(self, agent: str) -> tuple[Factors, FactorRow | None]:
        row, account = self._store.factors(agent), self._identity.row(agent)
        if row is None:
            if account.second:
                raise TamperError(f"factors of {agent}: gone behind our back; reset them")
            return Factors(), None
        found = from_bytes(self._sealer.open_factors(agent, self._voucher.check_factors(row).record))
        if found.second != account.second:
            raise TamperError(f"factors of {agent}: do not fit the account; reset them")
        return found, row

    def _write(self, agent: str, factors: Factors, row: FactorRow | None, leaf: str) -> None:
        version = max(row.version if row else 0, self._voucher.newest("factors", agent)) + 1
        sealed = self._sealer.seal_factors(agent, to_bytes(factors))
        new = self._voucher.factors(FactorRow(agent, sealed, leaf or (row.leaf if row else ""), version))
        account = self._identity.row(agent)
        if account.second == factors.second:
            self._store.put_factors(new)
        else:
            changed = replace(account, second=factors.second, leaf=leaf, version=account.version + 1)
            self._store.put_factors_and_staff(new, self._voucher.staff(changed))
        self._voucher.check_factors(new)  # remembers its version: from here on, an older row is one put back
