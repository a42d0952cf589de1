"""Who calls: what the agent's page shows of it, and what the agent passes on to the vault, which alone compares."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from quietline.sealed import Sealed
from quietline.web.api.calls import CallId
from quietline.web.desk import DeskDep, Json, TokenCaller, token_of

router = APIRouter(prefix="/api/calls")


class Claim(BaseModel):
    """What the caller says, typed by the agent. May be personal, so no repr shows it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Literal["order", "loyalty"]
    value: SecretStr = Field(min_length=1, max_length=64)


class Answered(BaseModel):
    """A question's answer, typed without being shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: str = Field(pattern=r"^[a-z][a-z0-9_.]{1,60}$")
    answer: SecretStr = Field(min_length=1, max_length=128)


class Relayed(BaseModel):
    """Whether an operator of a relay service speaks for the caller."""

    model_config = ConfigDict(extra="forbid", strict=True)

    relayed: bool


@router.get("/{call}/assurance")
async def assurance(desk: DeskDep, who: TokenCaller, call: CallId) -> Json:
    """Levels, ways left to verify, and why one would not count: closed words, no value."""
    grant = await desk.floor.live_grant(who.session.agent, call)
    shown = await desk.assurance.assurance(token_of(who), grant)
    desk.floor.still_live(who.session.agent, call)
    return shown


@router.post("/{call}/claim")
async def claim(desk: DeskDep, who: TokenCaller, call: CallId, said: Claim) -> Json:
    """The caller says who they are, by an order or a loyalty number."""
    grant = await desk.floor.live_grant(who.session.agent, call)
    value = Sealed(said.value.get_secret_value())
    level = await desk.assurance.claim_caller(token_of(who), grant, said.by, value)
    return {"assurance": level}


@router.post("/{call}/answer")
async def answer(desk: DeskDep, who: TokenCaller, call: CallId, said: Answered) -> Json:
    """Right or wrong is the vault's to say; the answer on record comes to no page."""
    grant = await desk.floor.live_grant(who.session.agent, call)
    given = Sealed(said.answer.get_secret_value())
    level = await desk.assurance.answer_question(token_of(who), grant, said.question, given)
    return {"assurance": level}


@router.post("/{call}/relayed")
async def relayed(desk: DeskDep, who: TokenCaller, call: CallId, said: Relayed) -> Json:
    """Marks the call, or takes the mark back."""
    grant = await desk.floor.live_grant(who.session.agent, call)
    await desk.assurance.mark_relayed(token_of(who), grant, said.relayed)
    return {"relayed": said.relayed}
