"""The desk's far sides in memory: a vault that polices the contract, and a controller that a test drives.

Both can be taken away (`down`), and the vault can fail before or after its ledger entry. Everybody here is fictional.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from quietline import errors
from quietline.clock import Clock, SystemClock
from quietline.desk_protocol import AgentState, AgentView, Event
from quietline.reasons import NEEDS, Why, denied
from quietline.sealed import DOTS, Sealed, Ticket
from quietline.vault.ports import NONE_CHOSEN, Roster, Session
from quietline.vault.schema import FIELDS, MINIMUM, Reason

ADVICE = {
    "assurance-too-low": "Verify the caller first.",
    "reason-does-not-need-it": "This reason does not need that field. Choose the reason that fits the call.",
    "training-lapsed": "Your certificate for this kind of data is not current. Ask your supervisor for the course.",
    "call-ended": "The call has ended. What is left to do needs a work grant.",
    "card-number": "A note must not hold a card number. Take it out.",
    "sign-in-refused": "The login or the password is wrong, or there were too many tries. Wait, then try again.",
}
CUSTOMER = {
    "order.reference": "QL-20417",
    "order.status": "Out for delivery, due today by 18:00",
    "order.items": "Wool throw, slate ×1\nReading lamp, brass ×1\nLinen cushion cover ×2",
    "order.total": "£148.00",
    "contact.name": "Rosa Quill",
    "contact.phone": "+44 20 7946 0142",
    "contact.email": "rosa.quill@example.com",
    "delivery.address": "14 Lantern Row, Wexcombe WX1 4QL",
    "service.note": "Prefers the parcel left with the neighbour at number 12.",
}
PRODUCT_ADVICE_NEEDS = frozenset({*MINIMUM, "contact.name"})
GATE_WAIT = 10.0  # seconds at most that a held-up ledger holds an open


def _reasons(name: str) -> list[str]:
    return [each for each in Reason if each is not Reason.PRODUCT_ADVICE or name in PRODUCT_ADVICE_NEEDS]


def _denied(reason: str) -> errors.Denied:
    return errors.Denied(reason, ADVICE.get(reason, ""))


@dataclass
class FakeAgent:
    """Somebody who may sign in."""

    agent: str
    name: str
    login: str
    password: str
    role: str = "agent"


@dataclass
class FakeGrant:
    """One connected call in the vault."""

    agent: str
    assurance: int = 1
    known: bool = True
    live: bool = True
    note: str = ""


AMARA = FakeAgent("ag_4c1f", "Amara Okafor", "amara", "correct horse battery")
JONAS = FakeAgent("ag_9b2e", "Jonas Lindqvist", "jonas", "staple rainbow lantern")
SIGRID = FakeAgent("ag_77d0", "Sigrid Voss", "sigrid", "anchor velvet harvest", role="supervisor")


@dataclass
class FakeVault:
    """`DeskVault` in memory. `ledger` is what was written down, in order; `open_gate` holds an open up after that."""

    agents: tuple[FakeAgent, ...] = (AMARA, JONAS, SIGRID)
    clock: Clock = field(default_factory=SystemClock)
    down: bool = False
    ledger_fails: bool = False
    ledger: list[tuple[str, ...]] = field(default_factory=list)
    grants: dict[str, FakeGrant] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    open_gate: asyncio.Event | None = None
    words: dict[str, str] = field(default_factory=dict)  # login -> a one-time word that is good for it
    own_phones: dict[str, bool] = field(default_factory=dict)  # agent with a hardware phone -> whether calls ring there

    async def sign_in(
        self,
        login: str,
        password: Sealed[str],
        source: str,
        new_password: Sealed[str] = NONE_CHOSEN,
        code: Sealed[str] = NONE_CHOSEN,
    ) -> tuple[str, Session]:
        self._up()
        known = next((agent for agent in self.agents if agent.login == login), None)
        given = password.open(Ticket("vault", "sign-in", -1))
        if known and given == self.words.get(login) and not new_password:
            raise denied(Why.CHOOSE_PASSWORD)
        if known is None or given not in (known.password, self.words.pop(login, None)):
            raise _denied("sign-in-refused")
        token = secrets.token_urlsafe(32)
        expires = self.clock.wall() + 36_000
        self.sessions[token] = Session(known.agent, known.name, known.role, secrets.token_urlsafe(24), expires)
        return token, self.sessions[token]

    async def session(self, token: str) -> Session:
        self._up()
        found = self.sessions.get(token)
        if found is None or self.clock.wall() >= found.expires:
            raise errors.NotSignedIn("signed-out", "Sign in again.")
        return found

    async def sign_out(self, token: str) -> None:
        self._up()
        self.sessions.pop(token, None)

    async def phone(self, token: str) -> dict[str, str]:
        session = await self.session(token)
        if session.role not in ("agent", "seasonal_agent", "supervisor"):
            raise denied(Why.ROLE_TAKES_NO_CALLS)
        credential = {"user": session.agent, "password": "phone-" + session.csrf, "realm": "localhost"}
        if session.agent not in self.own_phones:
            return {**credential, "kind": "session", "own": ""}
        at_desk = self.own_phones[session.agent]
        return {**credential, "kind": "lasting" if at_desk else "session", "own": "yes"}

    async def ring_at(self, token: str, own: bool) -> dict[str, str]:
        session = await self.session(token)
        if session.agent not in self.own_phones:
            raise errors.Denied("no-own-phone", "You have no phone of your own. Ask your administrator to issue one.")
        self.own_phones[session.agent] = own
        return await self.phone(token)

    async def card(self, token: str, grant: str, reason: str = "") -> dict[str, object]:
        held = await self._held(token, grant)
        about = NEEDS[reason].fields if reason else tuple(CUSTOMER)
        rows = [self._row(held, name) for name in CUSTOMER if name in about] if held.known else []
        return {"assurance": held.assurance, "known": held.known, "fields": rows}

    async def open(self, token: str, grant: str, field: str, reason: str) -> Sealed[str]:
        held = await self._held(token, grant)
        self._require(held, field, reason)
        if self.ledger_fails:
            raise errors.LedgerUnavailable("ledger: not writable")
        self.ledger.append(("look.allowed", held.agent, field, reason))
        if self.open_gate:
            await asyncio.wait_for(self.open_gate.wait(), GATE_WAIT)
        return Sealed(CUSTOMER[field])

    async def write_note(self, token: str, grant: str, text: Sealed[str]) -> None:
        held = await self._held(token, grant, closing=True)
        plain = text.open(Ticket(held.agent, "note", len(self.ledger)))
        if sum(character.isdigit() for character in plain) >= 13:
            raise _denied("card-number")
        self.ledger.append(("note.written", held.agent))
        held.note = plain

    async def roster(self, token: str) -> Roster:
        session = await self.session(token)
        if session.role != "supervisor":
            raise _denied("policy")
        return Roster("", {each.agent: each.name for each in self.agents})

    async def wrap_up(self, token: str, grant: str) -> dict[str, object]:
        held = await self._held(token, grant, closing=True)
        return {"order_reference": CUSTOMER["order.reference"] if held.known else "", "note": held.note}

    async def colleagues(self, token: str, grant: str, agents: list[str]) -> dict[str, str]:
        await self._held(token, grant)
        return {agent: f"Colleague {number}" for number, agent in enumerate(sorted(agents), 1)}

    def _up(self) -> None:
        if self.down:
            raise errors.Unavailable("vault.sock: cannot connect")

    async def _held(self, token: str, grant: str, closing: bool = False) -> FakeGrant:
        session = await self.session(token)
        held = self.grants.get(grant)
        if held is None or held.agent != session.agent:
            raise _denied("not-your-call")
        if not held.live and not closing:
            raise _denied("call-ended")
        return held

    def _require(self, held: FakeGrant, name: str, reason: str) -> None:
        refusal = self._refusal(held, name)
        if not refusal and reason not in _reasons(name):
            refusal = "reason-does-not-need-it"
        if refusal:
            self.ledger.append(("look.refused", held.agent, name, refusal))
            raise _denied(refusal)

    def _refusal(self, held: FakeGrant, name: str) -> str:
        return "assurance-too-low" if held.assurance < FIELDS[name].assurance else ""

    def _row(self, held: FakeGrant, name: str) -> dict[str, object]:
        row: dict[str, object] = {"name": name, "label": FIELDS[name].label}
        if refusal := self._refusal(held, name):
            return {**row, "state": "refused", "reason": refusal, "advice": ADVICE[refusal]}
        if name in MINIMUM:
            return {**row, "state": "shown", "value": CUSTOMER[name]}
        return {**row, "state": "masked", "mask": DOTS, "reasons": _reasons(name)}


class FakeController:
    """The controller's socket in memory: answers the desk's operations, and a test moves its calls along."""

    def __init__(self, vault: FakeVault, clock: Clock | None = None) -> None:
        self.vault = vault
        self.clock = clock or SystemClock()
        self.down = False
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.board: dict[str, Any] = {"now": 0.0, "queues": [], "agents": [], "offline": 0}
        self._views: dict[str, AgentView] = {}
        self._subscribers: set[asyncio.Queue[dict[str, Any] | None]] = set()

    # -- what the web process sees

    async def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """One operation of `desk_protocol`."""
        if self.down:
            raise errors.Unavailable("controller.sock: cannot connect")
        self.asked.append((op, fields))
        agent = fields["agent"]
        if op in ("snapshot", "targets", "wallboard"):
            return self._tells(op, agent)
        if op in ("transfer", "consult", "complete", "take_back"):
            self._hands_on(op, agent, str(fields.get("colleague", "")))
        else:
            self._does(op, agent, fields)
        return {}

    def _tells(self, op: str, agent: str) -> dict[str, Any]:
        if op == "snapshot":
            return asdict(self.view(agent))
        if op == "wallboard":
            return dict(self.board)
        ready = [each for each, view in self._views.items() if view.state is AgentState.READY and each != agent]
        return {"queues": [{"id": "returns", "name": "Returns"}], "agents": ready}

    def _hands_on(self, op: str, agent: str, colleague: str) -> None:
        if op == "consult":
            self.set(agent, consult="talking", colleague=colleague)
            return
        self.set(agent, consult="", colleague="")
        if op != "take_back":
            self.hangs_up(agent)

    def _does(self, op: str, agent: str, fields: dict[str, Any]) -> None:
        match op:
            case "state":
                reason = fields.get("reason", "chosen") if fields["state"] == "away" else ""
                self.set(agent, state=AgentState(fields["state"]), reason=reason)
            case "hang_up":
                self.hangs_up(agent)
            case "verify":
                self.set(agent, verifying="sent")
            case "wrap_up_done":
                self.set(agent, state=AgentState.READY, call="", alias="", queue="", topic="", grant="", deadline=0.0)
            case _:
                raise errors.ProtocolError("controller.sock: unknown operation")

    async def events(self, **_: Any) -> AsyncIterator[dict[str, Any]]:
        """Every agent's changes, until the controller goes away."""
        if self.down:
            raise errors.Unavailable("controller.sock: cannot connect")
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(256)
        self._subscribers.add(queue)
        try:
            while (frame := await queue.get()) is not None:
                yield frame
        finally:
            self._subscribers.discard(queue)
        raise errors.Unavailable("controller.sock: the event stream ended")

    # -- what a test does

    def view(self, agent: str) -> AgentView:
        return self._views.get(agent) or AgentView(agent, AgentState.OFFLINE, 0.0)

    def set(self, agent: str, **changes: Any) -> AgentView:
        """Change an agent's view and tell everybody."""
        old = self.view(agent)
        if changes.get("state", old.state) is not old.state:
            changes.setdefault("since", self.clock.wall())
        view = self._views[agent] = replace(old, revision=old.revision + 1, **changes)
        for queue in self._subscribers:
            queue.put_nowait(Event("state", agent, view).as_frame())
        return view

    def offers(self, agent: str, seconds: float = 15.0, topic: str = "order_status") -> str:
        """A caller is offered to this agent; the call's id."""
        call = "call_" + secrets.token_hex(6)
        self.set(
            agent,
            state=AgentState.RINGING,
            call=call,
            alias="Caller 4821",
            queue="Orders and delivery",
            topic=topic,
            verifying="",
            assurance=1,
            deadline=self.clock.wall() + seconds,
        )
        return call

    def connects(self, agent: str, assurance: int = 1, known: bool = True) -> str:
        """The agent's phone answered: the vault has a grant, and the agent is on the call. The grant's id."""
        grant = "gr_" + secrets.token_hex(8)
        self.vault.grants[grant] = FakeGrant(agent, assurance, known)
        deadline = self.clock.wall() + 14_400
        self.set(agent, state=AgentState.ON_CALL, grant=grant, assurance=assurance, deadline=deadline)
        return grant

    def verifies(self, agent: str, passed: bool) -> None:
        """The caller keyed in the code."""
        held = self.vault.grants[self.view(agent).grant]
        held.assurance = 2 if passed else held.assurance
        self.set(agent, verifying="passed" if passed else "failed", assurance=held.assurance)

    def hangs_up(self, agent: str, wrap_up: float = 30.0) -> None:
        """The call ends: the grant closes, and wrap-up begins."""
        grant = self.view(agent).grant
        if grant in self.vault.grants:
            self.vault.grants[grant].live = False
        self.set(agent, state=AgentState.WRAP_UP, grant="", verifying="", deadline=self.clock.wall() + wrap_up)

    def forgets(self, agent: str) -> None:
        """As a controller that came back without its journal."""
        self._views.pop(agent, None)

    def goes_away(self) -> None:
        """The controller dies: subscriptions end, calls fail."""
        self.down = True
        for queue in tuple(self._subscribers):
            queue.put_nowait(None)
