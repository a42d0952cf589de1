"""The vault's word on who calls, for a desk under test: scripted, and as strict about sessions and calls."""

from __future__ import annotations

from typing import Any

from quietline.reasons import FAILED_SCRIPT, Why, denied
from quietline.sealed import Sealed, Ticket
from quietline.testing.fake_desk import FakeVault

RIGHT = {"contact.email": "rosa.quill@example.com", "order": "QL-20417"}


class FakeAssurance:
    """An `AssuranceVault` beside a `FakeVault`. `shown` replaces what the next views say."""

    def __init__(self, vault: FakeVault) -> None:
        self._vault = vault
        self.shown: dict[str, Any] = {}
        self.relayed = False
        self.asked: list[tuple[str, ...]] = []

    async def assurance(self, token: str, grant: str) -> dict[str, Any]:
        held = await self._vault._held(token, grant)
        base = {"assurance": held.assurance, "known": held.known, "shared": False, "attestation": "absent"}
        code = {"state": "possible" if held.known else "nobody", "advice": ""}
        questions = [{"name": "contact.email", "label": "E-mail"}] if held.known and not held.assurance else []
        left = {"answers_left": 3, "claims_left": 0 if held.known else 3}
        rest = {"relayed": self.relayed, "helper": [], "failed": False, "script": []}
        found = {**base, "code": code, "questions": questions, **left, **rest, **self.shown}
        return {**found, "script": list(FAILED_SCRIPT) if found["failed"] else []}

    async def claim_caller(self, token: str, grant: str, by: str, value: Sealed[str]) -> int:
        held = await self._vault._held(token, grant)
        self.asked.append(("claim", by))
        if value.open(Ticket(held.agent, "claim", -1)) != RIGHT.get(by):
            raise denied(Why.CLAIM_UNKNOWN)
        held.known = True
        return held.assurance

    async def answer_question(self, token: str, grant: str, question: str, answer: Sealed[str]) -> int:
        held = await self._vault._held(token, grant)
        self.asked.append(("answer", question))
        if answer.open(Ticket(held.agent, "answer", -1)) != RIGHT.get(question):
            raise denied(Why.ANSWER_WRONG)
        held.assurance = max(held.assurance, 1)
        return held.assurance

    async def mark_relayed(self, token: str, grant: str, relayed: bool) -> None:
        await self._vault._held(token, grant)
        self.relayed = relayed
