"""The tables and verbs that server side (`uas`) and client side (`uac`) share. No sockets, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2s
from math import inf

from quietline.sip.grammar import split_list
from quietline.sip.message import Request, Response, respond
from quietline.sip.parse import LIMITS, Limits
from quietline.sip.session import Address, Effect, Event, Phase, Send, Session, What
from quietline.sip.transaction import (
    ClientInvite,
    ClientOther,
    ServerInvite,
    ServerOther,
    Transaction,
    client_key,
    server_key,
)

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"
OFFERED = frozenset(ALLOW.split(", "))
ACCEPT = "application/sdp"
SUPPORTED = "timer"

OVER = 1_000  # legs that are over before their timers are looked for

Ids = Callable[[], str]
Extra = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Settings:
    """address: ours, as written in Via and Contact. Times in seconds; counts bound memory, above them 503."""

    address: Address
    transport: str = "UDP"
    max_incoming: int = 2_000
    max_transactions: int = 40_000
    retry_after: int = 5
    min_session: int = 90  # Min-SE, RFC 4028 §5
    ring_limit: float = 300.0  # an INVITE of ours without final response is cancelled then
    limits: Limits = LIMITS


class Core:
    """State of one user agent. `ids` gives fresh lower-case hex strings of at least 16 digits."""

    def __init__(self, settings: Settings, ids: Ids) -> None:
        self.settings = settings
        self.ids = ids
        self.reliable = settings.transport != "UDP"
        host = f"{settings.address[0]}:{settings.address[1]}"
        self._via = f"SIP/2.0/{settings.transport} {host};rport;branch=z9hG4bK"
        self.sent_by = host.lower()
        self.contact = f"<sip:{host}>" if settings.transport == "UDP" else f"<sip:{host};transport=tcp>"
        self.sessions: dict[tuple[str, str], Session] = {}  # by Call-ID and our own tag
        self.invited: dict[tuple[str, str], Session] = {}  # by Call-ID and the caller's tag: merged requests
        self.clients: dict[tuple[str, ...], ClientInvite | ClientOther] = {}
        self.servers: dict[tuple[str, ...], ServerInvite | ServerOther] = {}
        self.busy = False  # no new caller now
        self.effects: list[Effect] = []
        self._due: list[tuple[float, int, Session | Transaction]] = []
        self._count = 0
        self._over = 0  # legs that ended since `_due` was cleared of them

    # Effects

    def send(self, data: bytes, to: Address) -> None:
        if data:
            self.effects.append(Send(data, to))

    def tell(
        self, what: What, session: Session, code: int = 0, reason: str = "", message: Request | Response | None = None
    ) -> None:
        """An event for the leg's user; none follows the last one."""
        if not session.told:
            session.told = what in (What.ENDED, What.REJECTED, What.CANCELLED)
            self.effects.append(Event(what, session, code, reason, message))

    def taken(self) -> list[Effect]:
        """What is to be done, once."""
        effects, self.effects = self.effects, []
        return effects

    # Time

    def schedule(self, item: Session | Transaction) -> None:
        """Note a deadline that may have moved; one that moved later is noticed when its old time comes."""
        deadline = item.deadline
        if deadline < item.queued:
            item.queued = deadline
            self._count += 1
            heapq.heappush(self._due, (deadline, self._count, item))

    def next_deadline(self) -> float:
        """Absolute seconds, inf when there is nothing to wait for. May be early, never late."""
        return self._due[0][0] if self._due else inf

    def due(self, now: float) -> Session | Transaction | None:
        """The next thing whose time has come."""
        while self._due and self._due[0][0] <= now:
            queued, _, item = heapq.heappop(self._due)
            if queued != item.queued:
                continue  # a younger entry of the same item stands for it
            item.queued = inf
            if item.done:
                continue
            if item.deadline <= now:
                return item
            self.schedule(item)
        return None

    # Transactions

    def ask(self, request: Request, to: Address, now: float, owner: object, role: str) -> ClientInvite | ClientOther:
        """Send a request of ours in a transaction of its own; responses go by `role` in `uac`."""
        kind = ClientInvite if request.method == "INVITE" else ClientOther
        machine = kind(request, now, self.reliable)
        machine.owner, machine.role = owner, role
        self.adopt_client(machine)
        self.send(machine.last, to)
        return machine

    def adopt_client(self, machine: ClientInvite | ClientOther) -> None:
        """Keep a client transaction under its key (RFC 3261 §17.1.3)."""
        machine.key = client_key(machine.request)
        self.clients[machine.key] = machine
        self.schedule(machine)

    def serve(self, request: Request, source: Address, now: float) -> ServerInvite | ServerOther:
        """A server transaction for a request that is new."""
        kind = ServerInvite if request.method == "INVITE" else ServerOther
        machine = kind(request, now, self.reliable)
        machine.owner = source
        self.adopt_server(machine)
        return machine

    def adopt_server(self, machine: ServerInvite | ServerOther) -> None:
        """Keep a server transaction under its key (RFC 3261 §17.2.3)."""
        machine.key = server_key(machine.request)
        self.servers[machine.key] = machine
        self.schedule(machine)

    def answer(
        self, machine: ServerInvite | ServerOther, status: int, now: float,
        tag: str = "", extra: Extra = (), body: bytes = b"", reason: str = "",
    ) -> Response:  # fmt: skip
        """Respond in a transaction."""
        response = respond(machine.request, status, tag, extra, body, reason)
        self.send(machine.respond(response, now), machine.owner)
        self.forget_if_done(machine)
        return response

    def refuse(self, request: Request, source: Address, status: int, extra: Extra = ()) -> None:
        """Respond without keeping state (RFC 3261 §8.2.7): the same request gets the same tag again."""
        if request.method == "ACK":
            return
        made = blake2s(f"{request.call_id}\0{request.branch}\0{request.cseq}".encode("utf-8", "surrogateescape"))
        tagged = "tag=" in request.headers.get("to").lower()  # even where it could not be read
        tag = "" if tagged else made.hexdigest()[:16]
        self.send(respond(request, status, tag, extra).encode(), source)

    def forget_if_done(self, machine: Transaction) -> None:
        if not machine.done:
            self.schedule(machine)
        elif isinstance(machine, ClientInvite | ClientOther):
            self.clients.pop(machine.key, None)
        else:
            self.servers.pop(machine.key, None)

    # Legs

    def via(self) -> str:
        return self._via + self.ids()

    def add(self, session: Session) -> None:
        self.sessions[session.dialog.key] = session
        if not session.outgoing:
            self.invited[session.dialog.call_id, session.dialog.remote_tag] = session

    def drop(self, session: Session, now: float) -> None:
        """The leg is over; its transactions linger by themselves to repeat their last word."""
        if session.pending:
            self.answer(session.pending.transaction, 487, now)  # RFC 3261 §15.1.2
        session.phase = Phase.ENDED
        session.pending = session.unacked = session.reinvite = session.invite = None  # which point back here
        self.sessions.pop(session.dialog.key, None)
        self.invited.pop((session.dialog.call_id, session.dialog.remote_tag), None)
        self._over += 1
        if self._over >= OVER and 4 * self._over >= len(self._due):
            self._clear()

    def _clear(self) -> None:
        """Let go of what is over: a leg that ends soon would be kept by its longest timer, minutes away."""
        self._due = [entry for entry in self._due if not entry[2].done]
        heapq.heapify(self._due)
        self._over = 0

    def find(self, message: Request | Response) -> Session | None:
        """The leg a message in dialog belongs to (RFC 3261 §12.2.2); tags decide, both must fit."""
        ours, theirs = message.to_tag, message.from_tag
        if isinstance(message, Response):
            ours, theirs = theirs, ours
        session = self.sessions.get((message.call_id, ours))
        return session if session and session.dialog.remote_tag in ("", theirs) else None


def with_source(request: Request, source: Address) -> None:
    """Fill `received` and `rport` into the topmost Via where asked for (RFC 3581 §4)."""
    items = request.headers.items
    index = next(i for i, (name, _) in enumerate(items) if name == "via")
    value = items[index][1]
    if ";rport" not in value:
        return
    first, *rest = split_list(value)
    parts = [f"rport={source[1]}" if part.strip().lower() == "rport" else part for part in first.split(";")]
    if parts != first.split(";"):
        items[index] = ("via", ", ".join([f"{';'.join(parts)};received={source[0]}", *rest]))
