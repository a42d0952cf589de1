"""The agent's current call: its controls, its card, its fields, its note. The grant never leaves this side."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from quietline.sealed import Sealed, Ticket
from quietline.vault.custom import PREFIX
from quietline.vault.schema import FIELDS, Reason
from quietline.web.desk import Caller, DataCaller, DeskDep, Json, TokenCaller, token_of
from quietline.web.live import public_view
from quietline.web.problems import NoSuchField, WebError

router = APIRouter(prefix="/api/calls")

CallId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
SHOWN_BY_VAULT = -2  # the vault wrote the entry before it opened the value; its index stays there


class Look(BaseModel):
    """Why a field is opened: closed words, an input of policy."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Note(BaseModel):
    """What the agent writes down. May be personal, so no repr shows it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: SecretStr = Field(min_length=1, max_length=100_000)


@router.post("/{call}/hang-up")
async def hang_up(desk: DeskDep, who: Caller, call: CallId) -> Json:
    """End the call. Works without the vault."""
    await desk.floor.require_call(who.session.agent, call)
    await desk.floor.ask("hang_up", who.session.agent, call=call)
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())


@router.post("/{call}/verify")
async def verify(desk: DeskDep, who: DataCaller, call: CallId) -> Json:
    """Send the caller the keyed one-time code; what becomes of it comes as `state` events (`verifying`)."""
    await desk.floor.live_grant(who.session.agent, call)
    await desk.floor.ask("verify", who.session.agent, call=call)
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())


@router.get("/{call}/card")
async def card(desk: DeskDep, who: TokenCaller, call: CallId, reason: Reason | None = None) -> Json:
    """The minimum, as the vault masked it; with a reason, only what that reason needs."""
    grant = await desk.floor.live_grant(who.session.agent, call)
    shown = await desk.vault.card(token_of(who), grant, reason or "")
    desk.floor.still_live(who.session.agent, call)
    return dict(shown)


@router.post("/{call}/fields/{field}")
async def open_field(desk: DeskDep, who: TokenCaller, call: CallId, field: str, look: Look) -> Json:
    """One field, for a reason. The vault decides, writes it down, then opens; a hang-up meanwhile keeps it closed."""
    if field not in FIELDS and not field.startswith(PREFIX):
        raise NoSuchField("There is no such field.")
    agent = who.session.agent
    grant = await desk.floor.live_grant(agent, call)
    value = await desk.vault.open(token_of(who), grant, field, look.reason)
    desk.floor.still_live(agent, call)
    return {"field": field, "value": value.open(Ticket(agent, look.reason, SHOWN_BY_VAULT)), "reason": look.reason}


@router.post("/{call}/note", status_code=HTTPStatus.NO_CONTENT)
async def note(desk: DeskDep, who: TokenCaller, call: CallId, given: Note) -> None:
    """Seal a note with the customer, during the call or its wrap-up."""
    text = given.text.get_secret_value()
    if len(text) > desk.site.limits.note_characters:
        raise WebError(f"The note is longer than {desk.site.limits.note_characters} characters. Shorten it.")
    grant = await desk.floor.closing_grant(who.session.agent, call)
    await desk.vault.write_note(token_of(who), grant, Sealed(text))


@router.get("/{call}/wrap-up")
async def wrap_up(desk: DeskDep, who: TokenCaller, call: CallId) -> Json:
    """What stays after the hang-up: the order reference and the note."""
    grant = await desk.floor.closing_grant(who.session.agent, call)
    return dict(await desk.vault.wrap_up(token_of(who), grant))


@router.post("/{call}/wrap-up")
async def wrap_up_done(desk: DeskDep, who: Caller, call: CallId) -> Json:
    """Done; ready for the next call. Works without the vault."""
    await desk.floor.require_call(who.session.agent, call, ended=True)
    await desk.floor.ask("wrap_up_done", who.session.agent, call=call)
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())
