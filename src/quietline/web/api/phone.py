"""What the browser's softphone needs to register."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from quietline.web.desk import DataCaller, Desk, DeskDep, Json, token_of
from quietline.web.turn import ice_servers

router = APIRouter(prefix="/api")


@router.get("/phone")
async def phone(desk: DeskDep, who: DataCaller) -> Json:
    """A SIP credential that dies with the session, the signalling socket, and ICE servers where there are any."""
    return _settings(desk, await desk.vault.phone(token_of(who)))


class Choice(BaseModel):
    """Where calls ring: in this page, or at a hardware phone of one's own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ring: Literal["tab", "desk"]


@router.post("/phone")
async def choose(desk: DeskDep, who: DataCaller, choice: Choice) -> Json:
    """As GET, by the new choice. 403 "no-own-phone" for who has none."""
    return _settings(desk, await desk.vault.ring_at(token_of(who), choice.ring == "desk"))


def _settings(desk: Desk, credential: dict[str, str]) -> Json:
    """`kind` "lasting": calls ring at the hardware phone, and there is no password to register with."""
    site = desk.site
    return {
        "kind": credential.get("kind", "session"),
        "own": bool(credential.get("own")),
        "user": credential["user"],
        "password": credential["password"],
        "realm": credential.get("realm", site.host),
        "socket": site.phone_socket,
        "ice_servers": ice_servers(site.turn, site.turn_secret, desk.clock.wall(), site.limits.turn_seconds),
    }
