"""TURN credentials that expire, for agents whose network blocks UDP.

The scheme is coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00): the user name is an expiry time, the
password its HMAC-SHA1 under a secret shared with the TURN server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

IceServer = dict[str, str]


def ice_servers(url: str, secret: bytes, now: float, seconds: int) -> list[IceServer]:
    """What a browser's `RTCPeerConnection` takes as iceServers; empty without a TURN server. `now`: UTC seconds."""
    if not url:
        return []
    if not secret:
        return [{"urls": url}]
    user = f"{int(now) + seconds}:quietline"
    mac = hmac.new(secret, user.encode(), hashlib.sha1).digest()
    return [{"urls": url, "username": user, "credential": base64.b64encode(mac).decode()}]
