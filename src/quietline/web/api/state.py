"""The agent's own state: ready or away."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from quietline.reasons import Why, denied
from quietline.web.desk import Caller, DeskDep, Json
from quietline.web.live import public_view

router = APIRouter(prefix="/api")

TAKE_CALLS = frozenset({"agent", "seasonal_agent", "supervisor"})  # as access/decide.py, which this side cannot reach


class Wish(BaseModel):
    """What the agent wants to be. The controller decides what becomes of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    state: Literal["ready", "away"]
    phone: Literal["browser", "sip"] = "browser"
    reason: Literal["chosen", "break", "meal", "training", "desk_work"] = "chosen"  # why away


@router.get("/state")
async def state(desk: DeskDep, who: Caller) -> Json:
    """All a page needs to draw itself. 503 while the controller does not answer."""
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())


@router.post("/state")
async def set_state(desk: DeskDep, who: Caller, wish: Wish) -> Json:
    """Works without the vault: a call that cannot show data is still a call. 403 for whose job is not calls."""
    if who.session.role not in TAKE_CALLS:
        raise denied(Why.ROLE_TAKES_NO_CALLS)
    await desk.floor.ask("state", who.session.agent, state=wish.state, phone=wish.phone, reason=wish.reason)
    return public_view(await desk.floor.view(who.session.agent), desk.clock.wall())
