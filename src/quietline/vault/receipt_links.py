"""The link of a receipt: `id ‖ expiry ‖ HMAC-SHA256`, base64url; at rest lies the SHA-256 of it. Pure.

A link that was guessed, altered or has expired fails before anything is looked up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from typing import Final

from quietline.errors import Denied

ID_BYTES: Final = 16
MAC_BYTES: Final = 16  # 128 bits; a try costs one question over the network
_EXPIRY = struct.Struct(">Q")  # UTC seconds
LENGTH: Final = 54  # characters


def gone() -> Denied:
    """One word for all of: never was, altered, expired, erased."""
    return Denied("receipt-unknown", "This receipt has expired, or there never was one under this link.")


def make_link(key: bytes, until: float) -> str:
    """A new link, good before `until` (UTC seconds)."""
    body = secrets.token_bytes(ID_BYTES) + _EXPIRY.pack(int(until))
    return base64.urlsafe_b64encode(body + _mac(key, body)).rstrip(b"=").decode()


def check_link(key: bytes, link: str, now: float) -> str:
    """The name under which its receipt is kept. Raises Denied("receipt-unknown")."""
    try:
        raw = base64.b64decode(link.encode("ascii") + b"==", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise gone() from None
    body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if len(link) != LENGTH or len(body) != ID_BYTES + _EXPIRY.size or not hmac.compare_digest(mac, _mac(key, body)):
        raise gone()
    (until,) = _EXPIRY.unpack(body[ID_BYTES:])
    if now >= until:
        raise gone()
    return name_of(link)


def name_of(link: str) -> str:
    """What is kept of a link: it leads back to none."""
    return hashlib.sha256(link.encode()).hexdigest()


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"receipt\0" + body, hashlib.sha256)[:MAC_BYTES]
