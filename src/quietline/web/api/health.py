"""For the machine itself: answers on loopback only, and says nothing of a person."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from quietline.web.desk import Desk, DeskDep
from quietline.web.guard import LOOPBACK, Guard

router = APIRouter()


def _loopback_only(request: Request) -> None:
    if request.client is None or request.client.host not in LOOPBACK:
        raise HTTPException(404)


@router.get("/healthz")
async def healthz(request: Request, desk: DeskDep) -> PlainTextResponse:
    """200 while this process serves. The parts behind it have health checks of their own."""
    _loopback_only(request)
    return PlainTextResponse(f"ok\ncontroller {'ok' if desk.floor.connected else 'unavailable'}\n")


@router.get("/metrics")
async def metrics(request: Request, desk: DeskDep) -> PlainTextResponse:
    """Answers by route template and status, in Prometheus' text format 0.0.4."""
    _loopback_only(request)
    return PlainTextResponse(_exposition(request.scope["state"]["guard"], desk))


def _exposition(guard: Guard, desk: Desk) -> str:
    lines = ["# TYPE quietline_web_requests_total counter"]
    for (route, status), count in sorted(guard.counts.items()):
        lines.append(f'quietline_web_requests_total{{route="{route}",status="{status}"}} {count}')
    lines += ["# TYPE quietline_web_streams gauge", f"quietline_web_streams {desk.floor.stream_count()}"]
    lines += ["# TYPE quietline_web_controller_up gauge", f"quietline_web_controller_up {int(desk.floor.connected)}"]
    return "\n".join(lines) + "\n"
