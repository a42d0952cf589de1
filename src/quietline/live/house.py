"""What every call works with: the ports, the floor, the plan in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from quietline.clock import Clock
from quietline.ledger.vocabulary import Kind
from quietline.live.company import Voice
from quietline.live.floor import Floor
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.telephony.ports import Telephony
from quietline.vault.ports import CallVault

if TYPE_CHECKING:
    from quietline.call import Call


class Journal(Protocol):
    """Remembers calls over a crash of this process. What it keeps is sealed."""

    def save(self, call: str, record: dict[str, Any]) -> None: ...

    def forget(self, call: str) -> None: ...


class Recorder(Protocol):
    """Queues ledger entries that nobody waits for."""

    def record(self, kind: Kind, leg: str, **fields: str | int | float | bool) -> None: ...


class Callbacks(Protocol):
    """Rings callers back."""

    async def promise(self, call: Call, queue: str) -> bool:
        """Keep the caller's number and their place in this queue; False where there is no number to ring."""


@dataclass(frozen=True, slots=True)
class House:
    """Shared by all calls."""

    telephony: Telephony
    vault: CallVault
    floor: Floor
    journal: Journal
    recorder: Recorder
    clock: Clock
    plans: PlanInForce
    outlook: Outlook
    voice: Voice
    callbacks: Callbacks | None = None  # who rings back; None: nobody does, and it is not promised
