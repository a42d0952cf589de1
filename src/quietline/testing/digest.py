"""HTTP digest for SIP, the client's side (RFC 2617 §3.2.2; RFC 3261 §22): MD5 with qop auth, or without qop."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from quietline.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Credentials:
    """A SIP user and its password."""

    user: str
    password: str = field(repr=False)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def authorization(challenge: str, credentials: Credentials, method: str, uri: str) -> str:
    """The Authorization value that answers a challenge. Raises ProtocolError for one that is not Digest with MD5."""
    given = {
        key.lower(): quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    }
    if not challenge.lower().startswith("digest") or given.get("algorithm", "MD5").upper() != "MD5":
        raise ProtocolError("challenge: not Digest with MD5")
    realm, nonce, user = given.get("realm", ""), given.get("nonce", ""), credentials.user
    ha1, ha2 = _md5(f"{user}:{realm}:{credentials.password}"), _md5(f"{method}:{uri}")
    fields = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "opaque" in given:
        fields += f', opaque="{given["opaque"]}"'
    if "qop" not in given:
        return f'{fields}, response="{_md5(f"{ha1}:{nonce}:{ha2}")}"'
    cnonce = secrets.token_hex(8)
    response = _md5(f"{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}")
    return f'{fields}, qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'


def expected_response(given: str, credentials: Credentials, method: str) -> bool:
    """The server's side: whether this Authorization value is right for the credentials (RFC 2617 §3.2.2, RFC 7616)."""
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', given)
    fields = {key.lower(): quoted or plain for key, quoted, plain in found}
    digest = _sha256 if fields.get("algorithm") == "SHA-256" else _md5
    ha1 = digest(f"{credentials.user}:{fields.get('realm', '')}:{credentials.password}")
    ha2 = digest(f"{method}:{fields.get('uri', '')}")
    middle = [fields.get(name, "") for name in ("nonce", "nc", "cnonce", "qop") if name in fields]
    wanted = digest(":".join([ha1, *middle, ha2]))
    return fields.get("username") == credentials.user and secrets.compare_digest(fields.get("response", ""), wanted)
