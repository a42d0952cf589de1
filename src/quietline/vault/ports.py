"""What the controller and the desk may ask of the vault. `vault/client.py` carries it over the socket.

Every method raises Unavailable (VaultLocked, LedgerUnavailable, EdgeUnavailable) when a part that is needed does not
answer, and then nothing was shown. `leg` is the raw ticket the edge signed (a `Sealed` header), `grant` an opaque id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quietline.sealed import Sealed


@dataclass(frozen=True, slots=True)
class Match:
    """What the controller learns about a caller: a token, never a number. Unknown and withheld look alike: token ""."""

    leg: str  # LegTicket.id
    customer: str  # random per call, good for this leg only; "" when nobody matched
    assurance: int  # 0..3 (product.md, promise 6)


@dataclass(frozen=True, slots=True)
class StaffMember:
    """What routing needs of an agent."""

    agent: str  # token, also the user part at the edge
    skills: tuple[str, ...]
    certificates: dict[str, float]  # data class -> expiry, UTC seconds; only those the ledger vouches for
    store: str


class CallVault(Protocol):
    """Asked by the controller's user id only."""

    async def arrive(self, leg: Sealed[str]) -> None:
        """Queue CALL_ARRIVED; never waits for the disk (corrections, Processes)."""

    async def match(self, leg: Sealed[str]) -> Match:
        """Look the number up by blind index. Only a number that the edge signed, on a named trunk, can match."""

    async def connect(self, leg: str, agent_leg: Sealed[str]) -> str:
        """A grant for the agent who answered, bound to both legs, which the vault checks with the edge."""

    async def send_code(self, leg: str) -> bool:
        """Send a one-time code to the contact on record. Answers alike, with the same delay, for known and unknown."""

    async def check_code(self, leg: str, digits: Sealed[str]) -> int:
        """The assurance after this try. Raises Denied("code-wrong" | "code-expired" | "code-used-up")."""

    async def hang_up(self, leg: str) -> None:
        """Close every grant of this leg."""

    async def staff(self) -> list[StaffMember]:
        """Agents in service, with current certificates."""

    async def note_event(self, kind: str, leg: str, fields: dict[str, str | int | float | bool]) -> None:
        """Queue a ledger entry of the controller's (offers, faults)."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in."""

    agent: str
    name: str  # the display name, for the person's own page
    role: str
    csrf: str
    expires: float


class DeskVault(Protocol):
    """Asked by the web process's user id only; `token` is the session cookie's value."""

    async def sign_in(self, login: str, password: Sealed[str], source: str) -> tuple[str, Session]: ...

    async def session(self, token: str) -> Session: ...

    async def sign_out(self, token: str) -> None: ...

    async def phone(self, token: str) -> dict[str, str]:
        """A SIP credential for this session: user, password, realm. Dies with the session."""

    async def card(self, token: str, grant: str) -> dict[str, object]:
        """The minimum, masked on the server: alias, assurance, order status (assurance >= 1), field list with state."""

    async def open(self, token: str, grant: str, field: str, reason: str) -> Sealed[str]:
        """One field, decided by policy and durable in the ledger before it is opened."""

    async def write_note(self, token: str, grant: str, text: Sealed[str]) -> None:
        """Seal a note with the customer. Refuses card numbers (Luhn) with Denied("card-number")."""

    async def wrap_up(self, token: str, grant: str) -> dict[str, object]:
        """After the hang-up: the order reference and the note, nothing else."""
