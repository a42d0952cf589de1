"""What the browser's softphone needs to register."""

from __future__ import annotations

from fastapi import APIRouter

from quietline.web.desk import DataCaller, DeskDep, Json, token_of
from quietline.web.turn import ice_servers

router = APIRouter(prefix="/api")


@router.get("/phone")
async def phone(desk: DeskDep, who: DataCaller) -> Json:
    """A SIP credential that dies with the session, the signalling socket, and ICE servers where there are any."""
    credential = await desk.vault.phone(token_of(who))
    site = desk.site
    return {
        "user": credential["user"],
        "password": credential["password"],
        "realm": credential.get("realm", site.host),
        "socket": site.phone_socket,
        "ice_servers": ice_servers(site.turn, site.turn_secret, desk.clock.wall(), site.limits.turn_seconds),
    }
