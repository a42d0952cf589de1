"""Handing a call on: to a queue or a colleague, at once or after a word with them."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from quietline.errors import Denied, Unavailable
from quietline.web.api.calls import CallId
from quietline.web.desk import Caller, Desk, DeskDep, Json, token_of
from quietline.web.identity import SignedIn
from quietline.web.live import public_view
from quietline.web.problems import CallEnded, NotInThisState, WebError

router = APIRouter(prefix="/api/calls")

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]


class Target(BaseModel):
    """To whom: a queue's id, or a colleague's token. One of the two."""

    model_config = ConfigDict(extra="forbid", strict=True)

    queue: Word | None = None
    colleague: Word | None = None


class Colleague(BaseModel):
    """Who is asked: their token."""

    model_config = ConfigDict(extra="forbid", strict=True)

    colleague: Word


@router.get("/{call}/targets")
async def targets(desk: DeskDep, who: Caller, call: CallId) -> Json:
    """To whom the call may be handed on now. Colleagues by name, as far as the vault tells their names."""
    agent = who.session.agent
    await _talking(desk, agent, call)
    found = await desk.floor.ask("targets", agent, call=call)
    names: dict[str, str] = {}
    with suppress(Unavailable, Denied, WebError):  # without names the queues are left: a call can always go on
        grant = await desk.floor.live_grant(agent, call)
        names = await desk.vault.colleagues(token_of(who), grant, list(found["agents"]))
    ready = sorted(({"id": each, "name": name} for each, name in names.items()), key=lambda each: each["name"])
    return {"queues": found["queues"], "colleagues": ready}


@router.post("/{call}/transfer")
async def transfer(desk: DeskDep, who: Caller, call: CallId, to: Target) -> Json:
    """Hand the caller on at once. The card closes with it."""
    if (to.queue is None) is (to.colleague is None):
        raise WebError("Name a queue or a colleague, one of the two.")
    return await _ask(desk, who, "transfer", call, queue=to.queue or "", colleague=to.colleague or "")


@router.post("/{call}/consult")
async def consult(desk: DeskDep, who: Caller, call: CallId, to: Colleague) -> Json:
    """Ask a colleague first; the caller hears music meanwhile."""
    return await _ask(desk, who, "consult", call, colleague=to.colleague)


@router.post("/{call}/complete")
async def complete(desk: DeskDep, who: Caller, call: CallId) -> Json:
    """The colleague takes the caller over."""
    return await _ask(desk, who, "complete", call)


@router.post("/{call}/take-back")
async def take_back(desk: DeskDep, who: Caller, call: CallId) -> Json:
    """The caller comes back; the colleague is let go."""
    return await _ask(desk, who, "take_back", call)


async def _talking(desk: Desk, agent: str, call: str) -> None:
    """Raises NoSuchCall or CallEnded as for call control, NotInThisState while the call only rings."""
    await desk.floor.require_call(agent, call)
    try:
        desk.floor.still_live(agent, call)
    except CallEnded:
        raise NotInThisState("The call is not connected.") from None


async def _ask(desk: Desk, who: SignedIn, operation: str, call: str, **values: str) -> Json:
    await _talking(desk, who.session.agent, call)
    await desk.floor.ask(operation, who.session.agent, call=call, **values)
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())
