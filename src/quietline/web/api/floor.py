"""The supervisor's live view: queues and people of the floor, by the controller's word. Nothing of a customer.

Who may see it is decided twice: by the session's role here, and by the vault, which gives out names and says whose
people they are (store walls). An agent gets 403.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from quietline.reasons import Why, denied
from quietline.vault.ports import Roster
from quietline.web.api.page import render
from quietline.web.desk import DataCaller, Desk, DeskDep, Json, token_of
from quietline.web.identity import SignedIn

router = APIRouter()

SUPERVISOR = "supervisor"
ROSTER_FOR = 30.0  # seconds for which names are kept: who is hired or moved appears after that


@dataclass(frozen=True, slots=True)
class Kept:
    """A roster and when it was asked for, monotonic seconds."""

    at: float
    roster: Roster


class Rosters:
    """The vault's answers, by session: pages ask once a second."""

    MOST = 256  # sessions

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    async def of(self, desk: Desk, who: SignedIn) -> Roster:
        """Raises Denied("policy") for whom the vault does not take for a supervisor, Unavailable without the vault."""
        now, kept = desk.clock.monotonic(), self._kept.get(who.key)
        if kept is None or now - kept.at > ROSTER_FOR:
            kept = Kept(now, await desk.vault.roster(token_of(who)))
            while len(self._kept) >= self.MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[who.key] = kept
        return kept.roster


@router.get("/floor")
async def page(request: Request, desk: DeskDep) -> HTMLResponse:
    """The same for everybody: a shell without data."""
    return render(request, desk, "floor.html")


@router.get("/api/floor")
async def floor(request: Request, desk: DeskDep, who: DataCaller) -> Json:
    """The board as it is now. 403 for all but supervisors, 503 while the controller or the vault does not answer."""
    if who.session.role != SUPERVISOR:
        raise denied(Why.POLICY)
    roster = await request.app.state.rosters.of(desk, who)
    board = await desk.floor.ask("wallboard", who.session.agent, store=roster.store)
    return {
        "now": board["now"],
        "queues": board["queues"],
        "agents": [_named(each, roster) for each in board["agents"] if each["agent"] in roster.names],
        "offline": board["offline"],
    }


def _named(row: Json, roster: Roster) -> Json:
    shown = {name: value for name, value in row.items() if name != "agent"}
    return {"name": roster.names[row["agent"]], **shown}
