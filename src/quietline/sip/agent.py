"""The user agent: bytes and time in, bytes and events out. The one object that endpoints and tests hold.

    effects = agent.receive(data, source, now)
    effects = agent.tick(now)                      # when now >= agent.next_deadline()

`now` is any monotonic clock in seconds. Effects are `Send` (put these bytes on the wire) and `Event` (tell the leg's
user), in order.
"""

from __future__ import annotations

from math import inf
from typing import Any

from quietline.sip import session as sessions
from quietline.sip import uac, uas
from quietline.sip.core import Core, Extra, Ids, Settings
from quietline.sip.message import Request
from quietline.sip.parse import BadMessage, parse
from quietline.sip.session import Address, Effect, Phase, Session, Unacknowledged, What
from quietline.sip.transaction import LIFE, ClientInvite, ClientOther, ServerInvite, Transaction

TICK_LIMIT = 10_000  # steps in one tick; the rest waits for the next


class UserAgent:
    """Not safe across threads. Every method returns the effects it caused."""

    def __init__(self, settings: Settings, ids: Ids) -> None:
        self.core = Core(settings, ids)
        self.dropped = 0  # datagrams that were no answerable SIP

    @property
    def sessions(self) -> list[Session]:
        """Legs that have not ended."""
        return list(self.core.sessions.values())

    @property
    def transactions(self) -> int:
        """How many transactions live, lingering ones included."""
        return len(self.core.clients) + len(self.core.servers)

    def receive(self, data: bytes, source: Address, now: float, busy: bool = False) -> list[Effect]:
        """One message from the wire. Never raises for what it holds. While `busy` a new caller gets 503 (RFC 3261
        §21.5.4); what belongs to a leg is served as ever."""
        self.core.busy = busy
        try:
            message = parse(data, self.core.settings.limits)
        except BadMessage as bad:
            if bad.request:
                self.core.refuse(bad.request, source, bad.status)
            self.dropped += 1
            return self.core.taken()
        if isinstance(message, Request):
            uas.on_request(self.core, message, source, now)
        else:
            uac.on_response(self.core, message, now)
        return self.core.taken()

    def next_deadline(self) -> float:
        """When `tick` must run, inf for never."""
        return self.core.next_deadline()

    def tick(self, now: float) -> list[Effect]:
        """Run every timer whose time has come."""
        for _ in range(TICK_LIMIT):
            item = self.core.due(now)
            if item is None:
                break
            if isinstance(item, Session):
                self._tick_session(item, now)
            else:
                self._tick_transaction(item, now)
        return self.core.taken()

    def _tick_transaction(self, machine: Transaction, now: float) -> None:
        data, late = machine.tick(now)
        client = isinstance(machine, ClientInvite | ClientOther)
        self.core.send(data, machine.owner.peer if client else machine.owner)
        self.core.forget_if_done(machine)
        if late and client:
            uac.on_timeout(self.core, machine, now)

    def _tick_session(self, session: Session, now: float) -> None:
        if session.unacked and now >= min(session.unacked.resend_at, session.unacked.ends_at):
            self._tick_unacked(session, session.unacked, now)
        elif now >= session.give_up_at:
            self._give_up(session, now)
        elif now >= session.probe_until:
            session.probe_until = inf
            uac.lose(self.core, session, "dead peer", now)
        elif now >= session.retry_at:
            uac.reinvite(self.core, session, session.reoffer, now)
        elif session.timer.ours and session.established:
            uac.refresh(self.core, session, now)
        else:
            session.timer.deadline = inf
            uac.lose(self.core, session, "session expired", now)
        if not session.done:
            self.core.schedule(session)

    def _tick_unacked(self, session: Session, unacked: Unacknowledged, now: float) -> None:
        if now >= unacked.ends_at:
            session.unacked = None
            uac.lose(self.core, session, "no ACK", now)
        else:
            self.core.send(unacked.again(now), session.peer)

    def _give_up(self, session: Session, now: float) -> None:
        """Nobody answers: CANCEL, and when that brings no final response either, the leg is dropped (§9.1)."""
        session.give_up_at = now + LIFE
        if session.hang_up_wanted:
            self.core.tell(What.REJECTED, session, 408)
            self.core.drop(session, now)
        else:
            uac.hang_up(self.core, session, now)

    # Verbs

    def invite(
        self, uri: str, caller: str, sdp: str, to: Address, now: float, extra: Extra = ()
    ) -> tuple[Session, list[Effect]]:
        """INVITE `uri` at `to`; `caller` is the whole From value without tag, `extra` further headers."""
        session = uac.invite(self.core, uri, caller, sdp, to, now, extra)
        return session, self.core.taken()

    def ring(self, session: Session, now: float) -> list[Effect]:
        """180 (RFC 3261 §13.3.1.1)."""
        uas.ring(self.core, session, now)
        return self.core.taken()

    def answer(self, session: Session, sdp: str, now: float) -> list[Effect]:
        uas.accept(self.core, session, sdp, now)
        return self.core.taken()

    def reject(self, session: Session, code: int, now: float, reason: str = "") -> list[Effect]:
        uas.reject(self.core, session, code, reason, now)
        return self.core.taken()

    def hang_up(self, session: Session, now: float) -> list[Effect]:
        """BYE, CANCEL or final response, whichever the state asks for (RFC 3261 §15)."""
        uac.hang_up(self.core, session, now)
        return self.core.taken()

    def accept_offer(self, session: Session, sdp: str, now: float) -> list[Effect]:
        uas.accept_offer(self.core, session, sdp, now)
        return self.core.taken()

    def refuse_offer(self, session: Session, code: int, now: float) -> list[Effect]:
        uas.refuse_offer(self.core, session, code, now)
        return self.core.taken()

    def reinvite(self, session: Session, sdp: str, now: float) -> list[Effect]:
        """A new offer inside the dialog (RFC 3261 §14.1)."""
        uac.reinvite(self.core, session, sdp, now)
        return self.core.taken()

    def info(self, session: Session, kind: str, body: bytes, now: float) -> list[Effect]:
        """INFO with a body of this type (RFC 6086)."""
        uac.info(self.core, session, kind, body, now)
        return self.core.taken()

    def options(self, session: Session, now: float, wait: float = LIFE) -> list[Effect]:
        """Probe the far side; `wait` seconds without an answer end the leg."""
        uac.probe(self.core, session, now, wait)
        return self.core.taken()

    # Over a restart

    def save(self, session: Session, now: float) -> dict[str, Any]:
        """The leg as plain, JSON-able data. Personal."""
        return session.save(now)

    def restore(self, saved: dict[str, Any], now: float) -> tuple[Session, list[Effect]]:
        """A leg of an earlier life; a BYE or CANCEL that was under way is sent again. Raises ProtocolError."""
        session = sessions.load(saved, now)
        core = self.core
        if not session.done:
            core.add(session)
        if isinstance(session.invite, ClientInvite):
            session.invite.owner, session.invite.role = session, "invite"
            core.adopt_client(session.invite)
        elif isinstance(session.invite, ServerInvite):
            session.invite.owner = session.peer
            core.adopt_server(session.invite)
        if session.phase is Phase.LEAVING:
            uac.say_bye(core, session, now)
        elif session.phase is Phase.CALLING:
            session.give_up_at = now + core.settings.ring_limit
            if session.hang_up_wanted:
                session.hang_up_wanted = False
                uac.hang_up(core, session, now)
        core.schedule(session)
        return session, core.taken()
