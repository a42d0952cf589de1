"""A call's receipt, for who has its link: no sign-in, nothing kept in the browser, nothing in an index or a cache.

The link is the right. It stands in the path, which our log never has; asking for many of them is slowed down.
"""

from __future__ import annotations

import json
from collections import deque
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from quietline.web.api.calls import CallId
from quietline.web.desk import DataCaller, Desk, DeskDep, Json, token_of
from quietline.web.problems import TooMany

router = APIRouter()

Link = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
PER_MINUTE: Final = 30  # questions from one address
IN_ALL: Final = 300  # and from everybody: the vault opens a ledger's proofs for each
SECONDS: Final = 60.0


class Pace:
    """So many in a minute, by address and in all. `take` raises TooMany."""

    def __init__(self, per_minute: int = PER_MINUTE, in_all: int = IN_ALL) -> None:
        self._per_minute, self._in_all = per_minute, in_all
        self._asked: deque[tuple[float, str]] = deque()

    def take(self, source: str, now: float) -> None:
        """Count one question. `now`: monotonic seconds."""
        while self._asked and self._asked[0][0] <= now - SECONDS:
            self._asked.popleft()
        theirs = sum(each == source for _, each in self._asked)
        if theirs >= self._per_minute or len(self._asked) >= self._in_all:
            raise TooMany("Too many questions in one minute. Wait a moment.")
        self._asked.append((now, source))


class Choice(BaseModel):
    """What somebody chooses on the page."""

    model_config = ConfigDict(extra="forbid", strict=True)

    purpose: str = Field(pattern=r"^[a-z-]{1,40}$")
    given: bool


def _slow(request: Request, desk: Desk) -> None:
    source = request.client.host if request.client else ""
    request.app.state.receipts.take(source, desk.clock.monotonic())


@router.post("/api/calls/{call}/receipt", status_code=HTTPStatus.NO_CONTENT)
async def send(desk: DeskDep, who: DataCaller, call: CallId) -> None:
    """Send the customer the receipt of one's own call, in its wrap-up."""
    grant = await desk.floor.closing_grant(who.session.agent, call)
    await desk.guards.receipt_send(token_of(who), grant)


@router.get("/r/{link}")
async def page(request: Request, desk: DeskDep, link: Link) -> HTMLResponse:
    """The same for every link: a shell without data, and without a cookie."""
    base = f"/static/{desk.assets.version}"
    html = request.app.state.templates["receipt.html"].render(base=base)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.get("/api/receipts/{link}")
async def document(request: Request, desk: DeskDep, link: Link) -> Json:
    """What the page shows. 403 "receipt-unknown" for an expired, altered or guessed link."""
    _slow(request, desk)
    return await desk.guards.receipt_document(link)


@router.get("/api/receipts/{link}/file")
async def file(request: Request, desk: DeskDep, link: Link) -> Response:
    """The same as a file, which `quietline receipt verify` holds against the ledger's key."""
    _slow(request, desk)
    found = await desk.guards.receipt_document(link)
    body = json.dumps({name: value for name, value in found.items() if name != "choices"}, indent=1)
    headers = {"Content-Disposition": 'attachment; filename="receipt.json"', "Cache-Control": "no-store"}
    return Response(body, media_type="application/json", headers=headers)


@router.post("/api/receipts/{link}/choices")
async def choose(request: Request, desk: DeskDep, link: Link, choice: Choice) -> Json:
    """Keep a choice; the choices as they stand. The Origin of the page is asked of every such request (guard.py)."""
    _slow(request, desk)
    return await desk.guards.receipt_choose(link, choice.purpose, choice.given)
