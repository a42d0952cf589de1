"""The desk as one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from quietline.web import problems
from quietline.web.api import (
    assurance,
    calls,
    events,
    floor,
    grants,
    handover,
    health,
    machines,
    page,
    people,
    phone,
    receipts,
    session,
    state,
)
from quietline.web.desk import Desk
from quietline.web.guard import Guard

ROUTERS = (
    page.router,
    session.router,
    people.router,
    machines.router,
    phone.router,
    state.router,
    events.router,
    calls.router,
    assurance.router,
    grants.router,
    receipts.router,
    handover.router,
    floor.router,
    health.router,
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The subscription to the controller lives as long as the application, in a task group of its own."""
    desk: Desk = app.state.desk
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(desk.run())
        yield
        desk.floor.close_all()
        following.cancel()


def build_routes(desk: Desk) -> FastAPI:
    """The routes without their guard. No interactive documentation: it would need inline scripts."""
    app = FastAPI(
        title="Quietline desk",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.desk = desk
    app.state.templates = page.load_templates()
    app.state.rosters = floor.Rosters()
    app.state.receipts = receipts.Pace()
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    return app


def build_app(desk: Desk) -> Guard:
    """What uvicorn serves."""
    return Guard(build_routes(desk), desk.site)
