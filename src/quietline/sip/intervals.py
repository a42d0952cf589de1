"""Session timers (RFC 4028): reading, choosing a refresher, saying so."""

from __future__ import annotations

import re

from quietline.sip.message import Message, Request, Response
from quietline.sip.session import SessionTimer

MAX_INTERVAL = 86_400  # seconds; a longer one is as good as none
_DELTA = re.compile(r"[ \t]*+([0-9]{1,9})[ \t]*+(?:;.*)?", re.S).fullmatch
_REFRESHER = re.compile(r";[ \t]*+refresher[ \t]*+=[ \t]*+(uac|uas)\b", re.I)


class TooSmall(Exception):
    """The far side's interval is below ours and it knows RFC 4028."""


def read(message: Message) -> tuple[int, str]:
    """(interval in seconds, "uac" | "uas" | ""); (0, "") when there is none or it cannot be read (§8.2.2: ignored)."""
    value = message.headers.get("session-expires")
    match = _DELTA(value) if value else None
    if not match:
        return 0, ""
    refresher = _REFRESHER.search(value)
    return min(int(match.group(1)), MAX_INTERVAL), refresher.group(1).lower() if refresher else ""


def from_request(request: Request, least: int) -> tuple[SessionTimer, list[tuple[str, str]]]:
    """Our side of §9: the timer to run and the headers for the 2xx. Raises TooSmall."""
    interval, refresher = read(request)
    if not interval:
        return SessionTimer(), []
    knows = "timer" in request.listed("supported")
    if interval < least and knows:
        raise TooSmall
    ours = refresher == "uas" or not knows
    interval = max(interval, least)
    headers = [("session-expires", f"{interval};refresher={'uas' if ours else 'uac'}")]
    return SessionTimer(interval, ours), headers if ours else [*headers, ("require", "timer")]


def from_response(response: Response) -> SessionTimer:
    """The far side's choice in its 2xx (§7.2)."""
    interval, refresher = read(response)
    return SessionTimer(interval, interval > 0 and refresher != "uas")


def for_refresh(timer: SessionTimer, least: int) -> list[tuple[str, str]]:
    """Headers of a re-INVITE or UPDATE of ours (§7.4)."""
    if not timer.interval:
        return [("supported", "timer")]
    expires = f"{timer.interval};refresher={'uac' if timer.ours else 'uas'}"
    return [("supported", "timer"), ("session-expires", expires), ("min-se", str(least))]
