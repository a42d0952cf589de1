"""What the web process may ask about who calls, and the client that carries it. `token` is the session cookie's value,
`grant` the agent's own live call. Every method raises Unavailable where the vault does not answer, and NotSignedIn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from quietline.errors import Unavailable
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.client import OPEN_SECONDS
from quietline.wire import WireClient

_SEND = Ticket("client", "send", SIGNALLING)  # the value goes to the vault, which alone compares
Plain = dict[str, Any]


class AssuranceVault(Protocol):
    """See `vault/assuring.py` for what each does and refuses."""

    async def assurance(self, token: str, grant: str) -> Plain:
        """What the page shows of it: {"assurance": 1, "known": true, "shared": false, "attestation": "A",
        "code": {"state": "possible" | "contact-new" | "nobody", "advice": ""}, "questions": [{"name", "label"}],
        "answers_left": 3, "claims_left": 0, "relayed": false, "helper": [], "failed": false, "script": []}."""

    async def claim_caller(self, token: str, grant: str, by: str, value: Sealed[str]) -> int:
        """The level, once the caller told an "order" or a "loyalty" number. Raises Denied."""

    async def answer_question(self, token: str, grant: str, question: str, answer: Sealed[str]) -> int:
        """The level after a right answer. Raises Denied("answer-wrong" | "questions-used-up" | …)."""

    async def mark_relayed(self, token: str, grant: str, relayed: bool) -> None:
        """An operator of a relay service speaks for the caller, or not after all."""


class AssuranceVaultClient:
    """The web process's side."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, OPEN_SECONDS, Unavailable)

    async def assurance(self, token: str, grant: str) -> Plain:
        return await self._wire.call("assurance", token=token, grant=grant)

    async def claim_caller(self, token: str, grant: str, by: str, value: Sealed[str]) -> int:
        said = value.open(_SEND)
        return int((await self._wire.call("claim_caller", token=token, grant=grant, by=by, value=said))["assurance"])

    async def answer_question(self, token: str, grant: str, question: str, answer: Sealed[str]) -> int:
        said = answer.open(_SEND)
        found = await self._wire.call("answer_question", token=token, grant=grant, question=question, answer=said)
        return int(found["assurance"])

    async def mark_relayed(self, token: str, grant: str, relayed: bool) -> None:
        await self._wire.call("mark_relayed", token=token, grant=grant, relayed=relayed)

    async def close(self) -> None:
        await self._wire.close()
