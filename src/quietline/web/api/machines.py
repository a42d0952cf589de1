"""What machines may ask with an API token: `Authorization: Bearer qlt_…` (RFC 6750). No cookie, GET alone."""

from __future__ import annotations

from fastapi import APIRouter, Request

from quietline.reasons import Why, denied
from quietline.web.desk import DeskDep, Json

router = APIRouter(prefix="/api/v1")

BEARER = "bearer "
LONGEST = 200  # characters


def bearer_of(request: Request) -> str:
    """The token. Raises Denied("token-refused") for none."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(BEARER) or len(header) > LONGEST:
        raise denied(Why.TOKEN_REFUSED)
    return header[len(BEARER) :].strip()


@router.get("/floor")
async def floor(request: Request, desk: DeskDep) -> Json:
    """The floor's figures for a wallboard: queues, and how many people are in each state; nobody's name.

    Scope floor.read. 401 for a token that is not good for this, 503 while the controller or the vault does not answer.
    """
    seen = await desk.people.token_floor(bearer_of(request))
    board = await desk.floor.ask("wallboard", seen["agent"], store=seen["store"])
    states: dict[str, int] = {}
    for each in board["agents"]:
        states[str(each["state"])] = states.get(str(each["state"]), 0) + 1
    return {"now": board["now"], "queues": board["queues"], "agents": states, "offline": board["offline"]}


@router.get("/token")
async def token(request: Request, desk: DeskDep) -> Json:
    """What this token is: id, owner, scopes, times. Scope token.read."""
    return await desk.people.token_about(bearer_of(request))
