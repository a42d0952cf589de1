"""Looks that a call does not carry, and what is known of looks: work grants, break-glass, mistakes, one's own log.

Everything is decided in the vault with the session's token; this side keeps nothing and shows no customer's token.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from quietline.sealed import Sealed, Ticket
from quietline.vault.schema import Reason
from quietline.web.api.calls import SHOWN_BY_VAULT, CallId
from quietline.web.desk import DataCaller, DeskDep, Json, token_of

router = APIRouter(prefix="/api")

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
Since = Annotated[float, Query(ge=0, le=4e9, description="UTC seconds")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Work(_Body):
    """What is asked for after a call. `until`: UTC seconds; `assignee`: "" for oneself."""

    fields: list[Word] = Field(min_length=1, max_length=32)
    reason: Reason
    until: float = Field(ge=0, le=4e9)
    assignee: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,80}$")


class Emergency(_Body):
    """A break-glass to be asked for. What identifies the customer has its own type, so that no repr shows it."""

    field: Word
    value: SecretStr = Field(min_length=1, max_length=254)
    controller: Word
    classes: list[Word] = Field(min_length=1, max_length=8)
    justification: SecretStr = Field(min_length=1, max_length=2_000)
    minutes: int = Field(default=0, ge=0, le=60)


class Review(_Body):
    """What a review comes to."""

    finding: Word


@router.post("/calls/{call}/fields/{field}/mistake", status_code=HTTPStatus.NO_CONTENT)
async def mistaken(desk: DeskDep, who: DataCaller, call: CallId, field: Token) -> None:
    """A field was opened by mistake: written down; the page has closed it already."""
    grant = await desk.floor.closing_grant(who.session.agent, call)
    await desk.guards.mistaken(token_of(who), grant, field)


@router.post("/calls/{call}/work", status_code=HTTPStatus.CREATED)
async def work_ask(desk: DeskDep, who: DataCaller, call: CallId, wish: Work) -> Json:
    """A work grant on one's own call or its wrap-up: open at once, or waiting for a supervisor."""
    grant = await desk.floor.closing_grant(who.session.agent, call)
    assignee = wish.assignee or who.session.agent
    return await desk.guards.work_ask(token_of(who), grant, assignee, wish.fields, wish.reason, wish.until)


@router.get("/work")
async def work_list(desk: DeskDep, who: DataCaller) -> Json:
    """One's own work grants; for a supervisor also those that wait."""
    return {"work": await desk.guards.work_list(token_of(who))}


@router.post("/work/{work}/agree")
async def work_agree(desk: DeskDep, who: DataCaller, work: Token) -> Json:
    """A supervisor agrees."""
    return await desk.guards.work_agree(token_of(who), work)


@router.delete("/work/{work}")
async def work_revoke(desk: DeskDep, who: DataCaller, work: Token) -> Json:
    """It opens nothing any more."""
    return await desk.guards.work_revoke(token_of(who), work)


@router.post("/work/{work}/fields/{field}")
async def work_open(desk: DeskDep, who: DataCaller, work: Token, field: Token) -> Json:
    """One field under a work grant. The vault decides, writes it down, then opens."""
    value = await desk.guards.work_open(token_of(who), work, field)
    return {"field": field, "value": value.open(Ticket(who.session.agent, "work", SHOWN_BY_VAULT))}


@router.get("/break-glass")
async def glass_list(desk: DeskDep, who: DataCaller) -> Json:
    """One's own cases, and those one may answer or review."""
    return {"cases": await desk.guards.glass_list(token_of(who))}


@router.post("/break-glass", status_code=HTTPStatus.CREATED)
async def glass_ask(desk: DeskDep, who: DataCaller, asked: Emergency) -> Json:
    """Ask for one. Whether there is such a customer is not told."""
    value, text = Sealed(asked.value.get_secret_value()), Sealed(asked.justification.get_secret_value())
    token = token_of(who)
    return await desk.guards.glass_ask(token, asked.field, value, asked.controller, asked.classes, text, asked.minutes)


@router.post("/break-glass/{case}/approve")
async def glass_approve(desk: DeskDep, who: DataCaller, case: Token) -> Json:
    """The second person agrees."""
    return await desk.guards.glass_approve(token_of(who), case)


@router.post("/break-glass/{case}/refuse")
async def glass_refuse(desk: DeskDep, who: DataCaller, case: Token) -> Json:
    """The second person says no."""
    return await desk.guards.glass_refuse(token_of(who), case)


@router.post("/break-glass/{case}/end")
async def glass_end(desk: DeskDep, who: DataCaller, case: Token) -> Json:
    """It closes early."""
    return await desk.guards.glass_end(token_of(who), case)


@router.post("/break-glass/{case}/review")
async def glass_review(desk: DeskDep, who: DataCaller, case: Token, review: Review) -> Json:
    """A privacy officer's finding."""
    return await desk.guards.glass_review(token_of(who), case, review.finding)


@router.post("/break-glass/{case}/fields/{field}")
async def glass_open(desk: DeskDep, who: DataCaller, case: Token, field: Token) -> Json:
    """One field. The vault decides, writes it down, tells of it, then opens."""
    value = await desk.guards.glass_open(token_of(who), case, field)
    return {"field": field, "value": value.open(Ticket(who.session.agent, "break-glass", SHOWN_BY_VAULT))}


@router.get("/looks")
async def my_looks(desk: DeskDep, who: DataCaller, since: Since = 0.0) -> Json:
    """One's own looks, refusals and mistakes, newest first."""
    return await desk.guards.my_looks(token_of(who), since)


@router.get("/stores/{store}/looks")
async def store_looks(desk: DeskDep, who: DataCaller, store: Token, since: Since = 0.0) -> Json:
    """Who looked at the customers of this store's company; those from outside it are marked."""
    return await desk.guards.store_looks(token_of(who), store, since)


@router.get("/alerts")
async def alerts(desk: DeskDep, who: DataCaller, since: Since = 0.0) -> Json:
    """What was told: canaries, ceilings, break-glass, tampering. For privacy officers and auditors."""
    return await desk.guards.alerts(token_of(who), since)
