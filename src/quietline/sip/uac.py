"""The client side: what we ask for, and the answers (RFC 3261 §8.1, §9.1, §12.2.1, §13.2, §14.1, §15.1.1)."""

from __future__ import annotations

from math import inf

from quietline.sip import intervals
from quietline.sip.core import ACCEPT, ALLOW, SUPPORTED, Core, Extra
from quietline.sip.dialog import Dialog, as_client
from quietline.sip.message import Headers, Request, Response
from quietline.sip.session import Address, Phase, Session, What
from quietline.sip.transaction import LIFE, ClientInvite, ServerInvite, State, Transaction, client_key

GONE = frozenset((408, 481))  # RFC 3261 §12.2.1.2: these end the dialog
DEAD = GONE | {
    430,
    477,
    478,
}  # and from the edge: it has no flow or route to the phone any more (RFC 5626 §11.5; Kamailio)
CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}
CHALLENGE = "x-ql-challenge"  # between us and the edge: "407 Digest realm=…", what a carrier asks
MADE_ANEW = ("via", "max-forwards", "from", "to", "call-id", "cseq", "route", "content-length")
REFRESH_LATER = 5.0  # seconds, when an offer is in the way of a refresh


# Verbs


def invite(
    core: Core, uri: str, caller: str, sdp: str, to: Address, now: float, extra: Extra = (), routes: Extra = ()
) -> Session:
    """INVITE `uri`. `caller` is the From value without a tag; `routes` are pre-loaded Route headers."""
    tag = core.ids()
    made = Dialog(core.ids(), tag, "", f"{caller};tag={tag}", f"<{uri}>", uri, (), 0)
    headers = [*routes, ("contact", core.contact), ("allow", ALLOW), ("supported", SUPPORTED), *extra]
    request = made.request("INVITE", core.via(), [*headers, ("content-type", ACCEPT)], sdp.encode())
    request.branch = request.headers.get("via").rpartition("branch=")[2]
    session = Session(core.ids(), True, to, Phase.CALLING, made, local_sdp=sdp)
    session.give_up_at = now + core.settings.ring_limit
    machine = core.ask(request, to, now, session, "invite")
    assert isinstance(machine, ClientInvite)
    session.invite = machine
    core.add(session)
    core.schedule(session)
    return session


def hang_up(core: Core, session: Session, now: float) -> None:
    """BYE, CANCEL or a final response, whichever the state asks for (§15)."""
    machine = session.invite
    if session.phase is Phase.CALLING and isinstance(machine, ClientInvite):
        if not session.hang_up_wanted:
            session.hang_up_wanted = True
            _cancel(core, session, machine, now)
    elif session.phase is Phase.INVITED and isinstance(machine, ServerInvite):
        core.answer(machine, 480, now, session.dialog.local_tag)
        core.drop(session, now)
    elif session.phase is Phase.ANSWERED:
        session.hang_up_wanted = True  # §15: no BYE before the ACK or its time-out
    elif session.phase is Phase.CONFIRMED:
        say_bye(core, session, now)


def say_bye(core: Core, session: Session, now: float) -> None:
    """BYE now; pending offers of the far side get 487."""
    if session.pending:
        core.answer(session.pending.transaction, 487, now)
    session.phase = Phase.LEAVING
    session.pending = session.unacked = None
    session.retry_at = session.probe_until = session.timer.deadline = inf
    _ask(core, session, "BYE", now, "bye")


def probe(core: Core, session: Session, now: float, wait: float = LIFE) -> None:
    """OPTIONS in dialog; no answer in `wait` seconds ends the leg. One at a time."""
    if session.phase is Phase.CONFIRMED and session.probe_until == inf:
        session.probe_until = now + wait
        _ask(core, session, "OPTIONS", now, "probe", [("accept", ACCEPT)])
        core.schedule(session)


def info(core: Core, session: Session, kind: str, body: bytes, now: float) -> None:
    """INFO in dialog (RFC 6086, legacy use)."""
    if session.phase is Phase.CONFIRMED:
        _ask(core, session, "INFO", now, "info", [("content-type", kind)], body)


def reinvite(core: Core, session: Session, sdp: str, now: float) -> None:
    """Offer anew in dialog. While another offer is out it is tried again a little later (§14.1)."""
    if session.phase is not Phase.CONFIRMED:
        return
    session.reoffer, session.retry_at = sdp, inf
    if session.reinvite or session.pending or session.unacked:
        session.retry_at = now + _glare_wait(core, session)
        core.schedule(session)
        return
    extra = [("contact", core.contact), ("allow", ALLOW), *intervals.for_refresh(session.timer, _least(core))]
    machine = _ask(core, session, "INVITE", now, "reinvite", [*extra, ("content-type", ACCEPT)], sdp.encode())
    assert isinstance(machine, ClientInvite)
    session.reinvite = machine


def refresh(core: Core, session: Session, now: float) -> None:
    """Our turn in RFC 4028 §7.4: UPDATE where the far side allows it, else a re-INVITE with the same SDP."""
    session.timer.deadline = now + session.timer.interval / 2  # the last moment, should no answer come
    if session.reinvite or session.pending:
        session.timer.deadline = now + REFRESH_LATER
    elif session.peer_updates:
        extra = [("contact", core.contact), *intervals.for_refresh(session.timer, _least(core))]
        _ask(core, session, "UPDATE", now, "refresh", extra)
    else:
        reinvite(core, session, session.local_sdp, now)
    core.schedule(session)


def _ask(
    core: Core, session: Session, method: str, now: float, role: str, extra: Extra = (), body: bytes = b""
) -> Transaction:
    request = session.dialog.request(method, core.via(), extra, body)
    request.branch = request.headers.get("via").rpartition("branch=")[2]
    return core.ask(request, session.peer, now, session, role)


def _cancel(core: Core, session: Session, machine: ClientInvite, now: float) -> None:
    """§9.1: only after a provisional response; gives up 64·T1 later."""
    if machine.state is not State.PROCEEDING:
        return
    names = ("via", "route", "max-forwards", "from", "to", "call-id")
    kept = [(name, value) for name, value in machine.request.headers if name in names]
    request = Request("CANCEL", machine.request.uri, Headers([*kept, ("cseq", f"{machine.request.cseq} CANCEL")]))
    request.branch, request.cseq_method = machine.request.branch, "CANCEL"
    session.cancelled = True
    core.ask(request, session.peer, now, session, "cancel")
    session.give_up_at = now + LIFE
    core.schedule(session)


# Answers


def on_response(core: Core, response: Response, now: float) -> None:
    """A response: to its transaction, and on to the leg when that has not seen it."""
    vias = response.headers.all("via")
    if len(vias) != 1 or response.sent_by != core.sent_by:
        return  # RFC 3261 §8.1.3.3, §18.1.2: not ours
    machine = core.clients.get(client_key(response))
    if not machine:
        _stray(core, response, now)
        return
    data, seen = machine.receive(response, now)
    session: Session = machine.owner
    core.send(data, session.peer)
    core.forget_if_done(machine)
    if not seen:
        return
    if machine.role == "invite":
        _on_invite(core, session, machine, response, now)
    elif response.status >= 200:
        on_final(core, session, machine, response.status, response, now)


def _stray(core: Core, response: Response, now: float) -> None:
    """A 2xx that outlived its transaction, or came after a restart: its ACK was lost, so it is sent (again)."""
    session = core.find(response)
    if session and response.cseq_method == "INVITE" and 200 <= response.status < 300 and session.established:
        _acknowledge(core, session, session.dialog, response.cseq)


def _acknowledge(core: Core, session: Session, within: Dialog, cseq: int) -> None:
    """The ACK of a 2xx (§13.2.2.4): made once, sent again for each repetition."""
    if session.ack[0] != cseq or within is not session.dialog:
        data = within.request("ACK", core.via(), cseq=cseq).encode()
        if within is not session.dialog:
            core.send(data, session.peer)
            return
        session.ack = (cseq, data)
    core.send(session.ack[1], session.peer)


def _on_invite(core: Core, session: Session, machine: Transaction, response: Response, now: float) -> None:
    if response.status in CHALLENGES and session.signs and not session.hang_up_wanted:
        _prove(core, session, machine, response, now)
    elif response.status >= 300:
        core.tell(What.REJECTED, session, response.status, message=response)
        core.drop(session, now)
    elif response.status >= 200:
        _on_accepted(core, session, machine, response, now)
    elif session.phase is Phase.CALLING:
        _on_progress(core, session, machine, response, now)


def _prove(core: Core, session: Session, machine: Transaction, response: Response, now: float) -> None:
    """The INVITE once more, in the same dialog with the next CSeq (§22.2, §8.1.3.5). We know no password: the challenge
    goes along, and the edge signs."""
    session.signs, session.cancelled = False, False
    kept = [(name, value) for name, value in machine.request.headers if name not in MADE_ANEW]
    challenge = f"{response.status} {response.headers.get(CHALLENGES[response.status])}"
    request = session.dialog.request("INVITE", core.via(), [*kept, (CHALLENGE, challenge)], machine.request.body)
    request.branch = request.headers.get("via").rpartition("branch=")[2]
    again = core.ask(request, session.peer, now, session, "invite")
    assert isinstance(again, ClientInvite)
    session.invite = again


def _on_progress(core: Core, session: Session, machine: Transaction, response: Response, now: float) -> None:
    if session.hang_up_wanted:
        if not session.cancelled and isinstance(machine, ClientInvite):
            _cancel(core, session, machine, now)
        return
    if response.status > 100 and response.to_tag:
        _take_dialog(session, machine.request, response)
        core.tell(What.RINGING, session, response.status, message=response)


def _take_dialog(session: Session, request: Request, response: Response) -> None:
    before = session.dialog
    session.dialog = as_client(request, response)
    session.dialog.local_cseq = max(before.local_cseq, session.dialog.local_cseq)
    session.dialog.remote_cseq = before.remote_cseq
    session.peer_updates = "UPDATE" in response.listed("allow")


def _on_accepted(core: Core, session: Session, machine: Transaction, response: Response, now: float) -> None:
    """The first 2xx makes the dialog. The same again is acknowledged again; another one is hung up (§13.2.2.4)."""
    if session.phase is not Phase.CALLING:
        if session.dialog.remote_tag == response.to_tag and session.ack[0] == response.cseq:
            _acknowledge(core, session, session.dialog, response.cseq)
        else:
            _end_fork(core, session, machine, response, now)
        return
    _take_dialog(session, machine.request, response)
    session.phase, session.give_up_at = Phase.CONFIRMED, inf
    _acknowledge(core, session, session.dialog, response.cseq)
    if session.hang_up_wanted:  # the CANCEL came too late
        say_bye(core, session, now)
        return
    session.timer = intervals.from_response(response)
    session.timer.restart(now)
    core.schedule(session)
    core.tell(What.ANSWERED, session, response.status, message=response)


def _end_fork(core: Core, session: Session, machine: Transaction, response: Response, now: float) -> None:
    fork = as_client(machine.request, response)
    _acknowledge(core, session, fork, response.cseq)
    if response.to_tag not in session.byes:
        session.byes |= {response.to_tag}
        request = fork.request("BYE", core.via())
        request.branch = request.headers.get("via").rpartition("branch=")[2]
        core.ask(request, session.peer, now, session, "fork")


def on_final(
    core: Core, session: Session, machine: Transaction, code: int, response: Response | None, now: float
) -> None:
    """A final answer, or none in time (`code` 408, `response` None), to anything but the first INVITE."""
    if machine.role == "reinvite":
        _on_reinvite(core, session, machine, code, response, now)
    if session.done or machine.role in ("cancel", "fork"):
        return
    if machine.role == "bye":
        core.tell(What.ENDED, session)
        core.drop(session, now)
    elif machine.role == "probe":
        session.probe_until = inf
        if code in DEAD:
            lose(core, session, "dead peer", now, bye=code != 481)
    elif code in GONE:
        lose(core, session, "dialog lost", now, bye=code != 481)
    elif machine.role in ("refresh", "reinvite") and response and code == 422:
        _longer(core, session, response, now)
    elif machine.role == "refresh" and response and code < 300:
        _refreshed(core, session, response, now)


def on_timeout(core: Core, machine: Transaction, now: float) -> None:
    """A client transaction ended without a final response."""
    if machine.role == "invite":
        core.tell(What.REJECTED, machine.owner, 408)
        core.drop(machine.owner, now)
    else:
        on_final(core, machine.owner, machine, 408, None, now)


def lose(core: Core, session: Session, reason: str, now: float, bye: bool = True) -> None:
    """The leg is over without the far side's word: say so, and BYE in case it hears."""
    core.tell(What.ENDED, session, reason=reason)
    if bye and session.established:
        say_bye(core, session, now)
    elif session.phase is not Phase.LEAVING:
        core.drop(session, now)


def _on_reinvite(
    core: Core, session: Session, machine: Transaction, code: int, response: Response | None, now: float
) -> None:
    if response and code < 300:
        _acknowledge(core, session, session.dialog, response.cseq)
    if session.reinvite is not machine:
        return
    session.reinvite = None
    if code == 491 and session.phase is Phase.CONFIRMED:
        session.retry_at = now + _glare_wait(core, session)
        core.schedule(session)
        return
    if response and code < 300:
        session.local_sdp = session.reoffer
        _refreshed(core, session, response, now)
    core.tell(What.REOFFERED, session, code, message=response)


def _refreshed(core: Core, session: Session, response: Response, now: float) -> None:
    session.dialog.refresh(response)
    session.timer = intervals.from_response(response)
    session.timer.restart(now)
    core.schedule(session)


def _longer(core: Core, session: Session, response: Response, now: float) -> None:
    """422 to a refresh: try again with the interval that the far side asks for (RFC 4028 §7.4)."""
    least = response.headers.get("min-se").partition(";")[0].strip()
    if least.isascii() and least.isdigit() and session.timer.interval < int(least[:9]) <= intervals.MAX_INTERVAL:
        session.timer.interval = int(least)
        refresh(core, session, now)


def _glare_wait(core: Core, session: Session) -> float:
    """§14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps of 10 ms."""
    draw = int(core.ids()[:8], 16)
    return 2.1 + draw % 191 / 100 if session.outgoing else draw % 201 / 100


def _least(core: Core) -> int:
    return core.settings.min_session
