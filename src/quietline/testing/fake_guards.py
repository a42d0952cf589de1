"""`GuardsVault` in memory, for the desk: work grants, break-glass, books of looks, and one receipt.

It knows sessions and roles as the vault does, and grants the rest; what the vault refuses otherwise its own tests show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quietline.errors import Denied
from quietline.reasons import Why, denied
from quietline.sealed import Sealed
from quietline.testing.fake_desk import FakeVault
from quietline.vault.receipt_links import gone

Plain = dict[str, Any]
LINK = "A" * 54
CALL_AT = 1_764_000_000.0
OFFICERS = ("privacy_officer", "auditor")
WORK = {"id": "wg_1", "assignee": "ag_1", "fields": ["contact.email"], "reason": "complaint", "state": "open"}
CASE = {"id": "bg_1", "requester": "ag_1", "store": "high-street", "stage": "asked", "classes": ["contact"]}


def look(at: float, action: str, kinds: Sequence[str], reason: str = "", **more: Any) -> Plain:
    """One line of a receipt."""
    line = {"at": at, "role": "agent", "store": "Lantern Row", "kinds": list(kinds), "reason": reason, "action": action}
    return {**line, "index": int(at) % 10_000, "entry": "AA==", "proof": [], "checkpoint": "", **more}


def receipt(lines: Sequence[Plain] | None = None) -> Plain:
    """A receipt as the vault makes it; its proofs are not to be verified."""
    shown = [
        look(CALL_AT + 2, "card", ["invoice"]),
        look(CALL_AT + 41, "reveal", ["contact"], "delivery_change"),
        look(CALL_AT + 63, "reveal", ["delivery"], "delivery_change", role="supervisor", store="hub"),
    ]
    return {
        "receipt": "quietline call receipt v1",
        "call": {"store": "Lantern Row", "at": CALL_AT, "until": CALL_AT + 2_592_000, "stores": {"hub": "Service hub"}},
        "lines": shown if lines is None else list(lines),
        "ledger_key": "quietline.local/ledger+0a1b2c3d+AfakeKeyForTheDesk",
        "choices": [
            {"purpose": "recording", "wording": "You may record my calls.", "given": False},
            {"purpose": "follow-up", "wording": "You may ask me afterwards how the call went.", "given": True},
        ],
    }


class FakeGuards:
    """`asked` is what came, in order: the method and its plain arguments."""

    def __init__(self, vault: FakeVault) -> None:
        self._vault = vault
        self.asked: list[tuple[Any, ...]] = []
        self.receipt = receipt()
        self.refusal: Denied | None = None  # of the next question that needs a session

    async def mistaken(self, token: str, grant: str, field: str) -> None:
        await self._by(token, "mistaken", grant, field)

    async def listen(self, token: str, leg: str) -> int:
        await self._by(token, "listen", leg, roles=("supervisor",))
        return 1

    async def work_ask(
        self, token: str, grant: str, assignee: str, fields: Sequence[str], reason: str, until: float
    ) -> Plain:
        await self._by(token, "work_ask", grant, assignee, tuple(fields), str(reason), until)
        return WORK

    async def work_agree(self, token: str, work: str) -> Plain:
        await self._by(token, "work_agree", work, roles=("supervisor",))
        return WORK

    async def work_revoke(self, token: str, work: str) -> Plain:
        await self._by(token, "work_revoke", work)
        return {**WORK, "state": "over"}

    async def work_open(self, token: str, work: str, field: str) -> Sealed[str]:
        await self._by(token, "work_open", work, field, roles=("agent", "seasonal_agent", "supervisor"))
        return Sealed("rosa.quill@example.com")

    async def work_list(self, token: str) -> list[Plain]:
        await self._by(token, "work_list")
        return [WORK]

    async def glass_ask(
        self,
        token: str,
        field: str,
        value: Sealed[str],
        controller: str,
        classes: Sequence[str],
        justification: Sealed[str],
        minutes: int = 0,
    ) -> Plain:
        roles = ("agent", "supervisor", "store_manager", "privacy_officer")
        await self._by(token, "glass_ask", field, controller, tuple(classes), minutes, roles=roles)
        return CASE

    async def glass_approve(self, token: str, case: str) -> Plain:
        await self._by(token, "glass_approve", case, roles=("supervisor", "store_manager", "privacy_officer"))
        return {**CASE, "stage": "open"}

    async def glass_refuse(self, token: str, case: str) -> Plain:
        await self._by(token, "glass_refuse", case, roles=("supervisor", "store_manager", "privacy_officer"))
        return {**CASE, "stage": "refused"}

    async def glass_end(self, token: str, case: str) -> Plain:
        await self._by(token, "glass_end", case)
        return {**CASE, "stage": "over"}

    async def glass_review(self, token: str, case: str, finding: str) -> Plain:
        await self._by(token, "glass_review", case, finding, roles=("privacy_officer",))
        return {**CASE, "stage": "reviewed", "finding": finding}

    async def glass_open(self, token: str, case: str, field: str) -> Sealed[str]:
        roles = ("agent", "supervisor", "store_manager", "privacy_officer")
        await self._by(token, "glass_open", case, field, roles=roles)
        return Sealed("Rosa Quill")

    async def glass_list(self, token: str) -> list[Plain]:
        await self._by(token, "glass_list")
        return [CASE]

    async def my_looks(self, token: str, since: float) -> Plain:
        await self._by(token, "my_looks", since)
        return {"from": since, "rows": []}

    async def store_looks(self, token: str, store: str, since: float) -> Plain:
        roles = ("store_manager", "supervisor", *OFFICERS)
        await self._by(token, "store_looks", store, since, roles=roles)
        return {"from": since, "rows": []}

    async def alerts(self, token: str, since: float) -> Plain:
        await self._by(token, "alerts", since, roles=OFFICERS)
        return {"from": since, "rows": []}

    async def receipt_send(self, token: str, grant: str) -> None:
        await self._by(token, "receipt_send", grant)

    async def receipt_document(self, link: str) -> Plain:
        self._known(link, "receipt_document")
        return self.receipt

    async def receipt_choose(self, link: str, purpose: str, given: bool) -> Plain:
        self._known(link, "receipt_choose", purpose, given)
        for choice in self.receipt["choices"]:
            if choice["purpose"] == purpose:
                choice["given"] = given
        return {"choices": self.receipt["choices"]}

    async def _by(self, token: str, method: str, *given: Any, roles: Sequence[str] = ()) -> None:
        session = await self._vault.session(token)
        if roles and session.role not in roles:
            raise denied(Why.ROLE_MAY_NOT)
        if self.refusal:
            raise self.refusal
        self.asked.append((method, session.agent, *given))

    def _known(self, link: str, method: str, *given: Any) -> None:
        self.asked.append((method, *given))
        if link != LINK:
            raise gone()
