"""The event stream of one page (Server-Sent Events, HTML standard §9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from quietline import errors
from quietline.web.desk import Caller, Desk, DeskDep, token_of
from quietline.web.identity import SignedIn
from quietline.web.live import Stream, public_view

router = APIRouter(prefix="/api")

HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
RETRY = b"retry: 2000\n\n"  # milliseconds before a browser comes back
HEARTBEAT = b": still here\n\n"


def encode_event(name: str, data: dict[str, Any]) -> bytes:
    """JSON has no bare line break, so one data line is enough."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@router.get("/events")
async def events(desk: DeskDep, who: Caller) -> StreamingResponse:
    """`state` events, each the whole view; `fault` when a part is away; `end` when the session has ended.

    Every view is whole, so a Last-Event-ID says nothing and is ignored.
    """
    stream = desk.floor.open_stream(who.session.agent, who.key)
    return StreamingResponse(_lines(desk, who, stream), media_type="text/event-stream", headers=HEADERS)


async def _lines(desk: Desk, who: SignedIn, stream: Stream) -> AsyncIterator[bytes]:
    try:
        yield RETRY + await _first(desk, who, stream)
        loop, pause = asyncio.get_running_loop(), desk.site.limits.heartbeat_seconds
        ask_at = loop.time() + pause
        while not stream.closed:
            message = await stream.next(pause)
            if message is None or loop.time() >= ask_at:  # a busy stream is asked about as well
                if stream.closed or not await _session_lives(desk, who):
                    break
                ask_at = loop.time() + pause
            yield HEARTBEAT if message is None else _event_of(desk, message)
        yield encode_event("end", {"reason": "signed-out"})
    finally:
        desk.floor.drop_stream(stream)


async def _first(desk: Desk, who: SignedIn, stream: Stream) -> bytes:
    try:
        view = await desk.floor.view(who.session.agent)
        if not stream.closed:
            stream.skip()
    except (errors.Unavailable, errors.ProtocolError):
        return encode_event("fault", {"part": "controller"})
    return encode_event("state", public_view(view, desk.clock.wall()))


def _event_of(desk: Desk, message: dict[str, Any]) -> bytes:
    if message["event"] == "state":
        return encode_event("state", public_view(message["view"], desk.clock.wall()))
    return encode_event("fault", {"part": message["part"]})


async def _session_lives(desk: Desk, who: SignedIn) -> bool:
    """Asked at every heartbeat; through a vault's absence the short memory answers."""
    try:
        await desk.sessions.check(token_of(who))
    except (errors.NotSignedIn, errors.Unavailable):
        return False
    return True
