"""The server side: requests that reach us (RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §14.2, §15.1.2)."""

from __future__ import annotations

from quietline.sip import dialog, intervals
from quietline.sip.core import ACCEPT, ALLOW, OFFERED, SUPPORTED, Core, Extra, with_source
from quietline.sip.message import METHODS, Request
from quietline.sip.session import Address, Pending, Phase, Session, What
from quietline.sip.session import Unacknowledged as Unacked
from quietline.sip.transaction import LIFE, T1, ServerInvite, ServerOther, server_key
from quietline.sip.uac import hang_up, say_bye

UNANSWERED = (("retry-after", "3"),)  # RFC 3261 §14.2: 0 to 10 s


def on_request(core: Core, request: Request, source: Address, now: float) -> None:
    """Whatever a request asks: a retransmission, an ACK, a CANCEL, one in dialog or a new one."""
    machine = core.servers.get(server_key(request))
    if request.method == "ACK":
        _on_ack(core, request, machine, now)
    elif machine:
        core.send(machine.repeat(), source)
    else:
        with_source(request, source)
        if request.method == "CANCEL":
            _on_cancel(core, request, source, now)
        elif request.to_tag:
            _in_dialog(core, request, source, now)
        elif not _refused(core, request, source):
            _out_of_dialog(core, request, source, now)


# Admission


def _refused(core: Core, request: Request, source: Address) -> bool:
    """The checks of §8.2.1 to §8.2.3 in their order; True when one has answered."""
    unknown = request.listed("require") - {SUPPORTED}
    if request.method not in OFFERED:
        core.refuse(request, source, 405 if request.method in METHODS else 501, [("allow", ALLOW)])
    elif request.uri.partition(":")[0].lower() not in ("sip", "sips", "tel"):
        core.refuse(request, source, 416)
    elif unknown:
        core.refuse(request, source, 420, [("unsupported", ", ".join(sorted(unknown)))])
    else:
        return False
    return True


def _out_of_dialog(core: Core, request: Request, source: Address, now: float) -> None:
    if request.method == "OPTIONS":
        core.refuse(request, source, 200, [("allow", ALLOW), ("accept", ACCEPT), ("supported", SUPPORTED)])
    elif request.method != "INVITE":
        core.refuse(request, source, 481)
    elif status := _bad_invite(core, request):
        core.refuse(request, source, status, _advice(core, status))
    else:
        _invited(core, request, source, now)


def _bad_invite(core: Core, request: Request) -> int:
    """The status that refuses this INVITE, 0 when it may become a leg."""
    if core.busy:
        return 503
    merged = core.invited.get((request.call_id, request.from_tag)) if request.from_tag else None
    if merged:
        return 482  # §8.2.2.2: it came to us twice, over two ways
    if len(core.invited) >= core.settings.max_incoming or len(core.servers) >= core.settings.max_transactions:
        return 503
    status = _bad_body(request)
    if not status and not request.body:
        return 488  # late offer: documented, we answer offers only
    return status or _bad_interval(core, request)


def _bad_body(request: Request) -> int:
    kind = request.headers.get("content-type").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if request.body and (kind != ACCEPT or coding != "identity"):
        return 415
    accepted = {kind.partition(";")[0].strip().lower() for kind in request.listed("accept")}
    if "accept" in request.headers and not accepted & {ACCEPT, "application/*", "*/*"}:
        return 406  # §21.4.7: our answer is SDP and nothing else
    return 0


def _bad_interval(core: Core, request: Request) -> int:
    try:
        intervals.from_request(request, core.settings.min_session)
    except intervals.TooSmall:
        return 422
    return 0


def _advice(core: Core, status: int) -> Extra:
    """What a refusal must tell (§21.4, RFC 4028 §6)."""
    if status == 415:
        return [("accept", ACCEPT), ("accept-encoding", "identity")]
    if status == 422:
        return [("min-se", str(core.settings.min_session))]
    return [("retry-after", str(core.settings.retry_after))] if status == 503 else []


def _invited(core: Core, request: Request, source: Address, now: float) -> None:
    machine = core.serve(request, source, now)
    core.answer(machine, 100, now)
    assert isinstance(machine, ServerInvite)
    made = dialog.as_server(request, core.ids())
    session = Session(core.ids(), False, source, Phase.INVITED, made, machine)
    session.peer_updates = "UPDATE" in request.listed("allow")
    core.add(session)
    core.tell(What.INVITED, session, message=request)


# Our user's answer to an INVITE


def ring(core: Core, session: Session, now: float) -> None:
    """180 Ringing."""
    if session.phase is Phase.INVITED and session.invite:
        _answer_invite(core, session, session.invite, 180, now)


def accept(core: Core, session: Session, sdp: str, now: float) -> None:
    """200 with our SDP, repeated until the ACK comes."""
    machine = session.invite
    if session.phase is not Phase.INVITED or not isinstance(machine, ServerInvite):
        return
    session.phase = Phase.ANSWERED
    _accept_invite(core, session, machine, sdp, now)


def reject(core: Core, session: Session, code: int, reason: str, now: float) -> None:
    """A final response of 300 or more; the leg is over."""
    machine = session.invite
    if session.phase is not Phase.INVITED or not isinstance(machine, ServerInvite):
        return
    core.answer(machine, code, now, session.dialog.local_tag, _advice(core, code), reason=reason)
    core.drop(session, now)


def _answer_invite(
    core: Core, session: Session, machine: object, status: int, now: float, extra: Extra = (), body: bytes = b""
) -> None:
    """A response that makes or keeps the dialog: with Record-Route and Contact (§12.1.1)."""
    assert isinstance(machine, ServerInvite | ServerOther)
    headers = [("record-route", line) for line in machine.request.headers.all("record-route")]
    headers += [("contact", core.contact), ("allow", ALLOW), ("supported", SUPPORTED), *extra]
    core.answer(machine, status, now, session.dialog.local_tag, headers, body)


def _accept_invite(core: Core, session: Session, machine: ServerInvite | ServerOther, sdp: str, now: float) -> None:
    """The 2xx to an INVITE, re-INVITE or UPDATE, with SDP when there is one to give."""
    session.timer, extra = intervals.from_request(machine.request, 0)  # what is too small was refused before
    session.timer.restart(now)
    session.local_sdp = sdp or session.local_sdp
    session.dialog.refresh(machine.request)
    typed = [*extra, ("content-type", ACCEPT)] if sdp else extra
    _answer_invite(core, session, machine, 200, now, typed, sdp.encode())
    if isinstance(machine, ServerInvite):
        session.unacked = Unacked(machine.request.cseq, machine.last, now + T1, now + LIFE)
    core.schedule(session)


# ACK and CANCEL


def _on_ack(core: Core, request: Request, machine: ServerInvite | ServerOther | None, now: float) -> None:
    if isinstance(machine, ServerInvite) and not machine.ack(now):
        core.forget_if_done(machine)
        return
    session = core.find(request)
    if not session or not session.unacked or session.unacked.cseq != request.cseq:
        return
    session.unacked = None
    if session.phase is Phase.ANSWERED:
        session.phase = Phase.CONFIRMED
        core.tell(What.CONFIRMED, session, message=request)
    if session.hang_up_wanted:
        say_bye(core, session, now)


def _on_cancel(core: Core, request: Request, source: Address, now: float) -> None:
    """§9.2: the CANCEL itself is answered 200; the INVITE 487 if it has no final response yet."""
    *rest, _ = server_key(request)
    invite = core.servers.get((*rest, "INVITE"))
    if not invite:
        core.refuse(request, source, 481)
        return
    session = core.invited.get((request.call_id, request.from_tag))
    if session and session.invite is not invite:
        session = None
    tag = session.dialog.local_tag if session else ""
    core.answer(core.serve(request, source, now), 200, now, tag)
    if session and session.phase is Phase.INVITED:
        core.answer(invite, 487, now, tag)
        core.tell(What.CANCELLED, session, message=request)
        core.drop(session, now)


# In dialog


def _in_dialog(core: Core, request: Request, source: Address, now: float) -> None:
    session = core.find(request)
    if not session:
        core.refuse(request, source, 481)
    elif not _refused(core, request, source):
        machine = core.serve(request, source, now)
        if not session.dialog.in_order(request):
            core.answer(machine, 500, now, extra=UNANSWERED)
        elif session.phase is Phase.LEAVING and request.method != "BYE":
            core.answer(machine, 481, now)
        else:
            _HANDLERS[request.method](core, session, machine, now)


def _on_bye(core: Core, session: Session, machine: ServerInvite | ServerOther, now: float) -> None:
    """§15.1.2: answered at once; what still waits for an answer gets 487."""
    core.answer(machine, 200, now)
    if session.phase is Phase.CALLING:  # it overtook its own 200, which then gets ACK and BYE
        core.tell(What.ENDED, session, message=machine.request)
        hang_up(core, session, now)
        return
    if session.phase is Phase.INVITED and session.invite:
        core.answer(session.invite, 487, now, session.dialog.local_tag)  # type: ignore[arg-type]
    core.tell(What.ENDED, session, message=machine.request)
    core.drop(session, now)


def _on_options(core: Core, session: Session, machine: ServerInvite | ServerOther, now: float) -> None:
    core.answer(machine, 200, now, extra=[("allow", ALLOW), ("accept", ACCEPT), ("supported", SUPPORTED)])


def _on_info(core: Core, session: Session, machine: ServerInvite | ServerOther, now: float) -> None:
    core.answer(machine, 200, now)
    core.tell(What.INFO, session, message=machine.request)


def _on_offer(core: Core, session: Session, machine: ServerInvite | ServerOther, now: float) -> None:
    """re-INVITE (§14.2) or UPDATE (RFC 3311 §5.2)."""
    request = machine.request
    status = _bad_body(request) or _bad_interval(core, request) or _glare(session, request)
    if status:
        extra = UNANSWERED if status == 500 else _advice(core, status)
        core.answer(machine, status, now, extra=extra)
    elif request.body:
        if isinstance(machine, ServerInvite):
            core.answer(machine, 100, now)
        session.pending = Pending(machine, request)
        core.tell(What.OFFER, session, message=request)
    else:  # a refresh; a re-INVITE without an offer is offered what stands already
        _accept_invite(core, session, machine, session.local_sdp if request.method == "INVITE" else "", now)


def _glare(session: Session, request: Request) -> int:
    """491 when an offer of ours is out, 500 when one of theirs waits for our answer."""
    if not request.body and request.method == "UPDATE":
        return 0
    if session.reinvite or session.phase is Phase.CALLING:
        return 491
    waits = session.pending or session.unacked or session.phase is Phase.INVITED
    return 500 if waits else 0


def accept_offer(core: Core, session: Session, sdp: str, now: float) -> None:
    """200 to the offer that waits."""
    pending, session.pending = session.pending, None
    if pending:
        _accept_invite(core, session, pending.transaction, sdp, now)


def refuse_offer(core: Core, session: Session, code: int, now: float) -> None:
    """The offer is refused; the session stays as it was (§14.2)."""
    pending, session.pending = session.pending, None
    if pending:
        core.answer(pending.transaction, code, now)


_HANDLERS = {
    "BYE": _on_bye,
    "OPTIONS": _on_options,
    "INFO": _on_info,
    "INVITE": _on_offer,
    "UPDATE": _on_offer,
}
