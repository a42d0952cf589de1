"""Leg tickets: the edge's signed word that a leg exists.

The edge signs each leg with HMAC-SHA256 under a key that only the edge and the vault hold, so a controller gone bad can
neither invent a call nor ask about a number that did not call. The header travels on the internal listener only
(`X-QL-Leg`), never toward a phone:

    v1;kind=caller;at=1732440000;trunk=carrier-a;grade=tls-srtp;caller=%2B442079460001;privacy=0;dialled=...;
       ci=...;ft=...;identity=...;mac=<64 hex>         (one line, no spaces)
    v1;kind=agent;at=1732440009;agent=ag_7f3a;ci=...;ft=...;tt=...;mac=<64 hex>
    v1;kind=called;at=1732440031;trunk=carrier-a;grade=tls-srtp;caller=%2B442079460001;ci=...;ft=...;tt=...;mac=<64 hex>

"called" is a leg that the edge dialled out by a trunk and that was answered; its `caller` is the number it dialled.
Values are percent-encoded; `mac` covers every byte before `;mac=`. `ci`, `ft`, `tt` are the Call-ID and tags of the
dialog as the edge's dialog module knows it, so that the vault can ask `dlg.is_alive`. `identity` stands there where
the call came with a carrier's signature and there are roots to check it by: the header's value, "!several" where there
were more than one, "!too-large" for one that would not fit.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import unquote

from quietline.errors import ProtocolError
from quietline.sealed import Sealed

HEADER = "x-ql-leg"
KINDS = ("caller", "agent", "called")
MAX_LENGTH = 2_048  # bytes; the edge writes well under 1 KB

NOTHING = Sealed("")


@dataclass(frozen=True, slots=True)
class LegTicket:
    """One leg, as the edge vouched for it. `raw` is what the vault verifies; it holds the caller's number: dots."""

    id: str
    kind: str  # "caller" | "agent" | "called"
    at: int  # UTC seconds, the edge's clock
    trunk: str  # name of the trunk, "" when the source is no named trunk
    grade: str  # "tls-srtp" | "cleartext"
    caller: Sealed[str]  # the number as claimed on the wire (kind "called": as dialled), "" when withheld or unusable
    private: bool  # Privacy: id (RFC 3323) or an anonymous identity
    dialled: str  # the store's number as dialled; not personal data
    agent: str  # the agent's token, for kind "agent"
    call_id: str = field(repr=False)  # the phone's own word, which may hold its address
    from_tag: str = field(repr=False)
    to_tag: str = field(repr=False)
    raw: Sealed[str]
    identity: Sealed[str] = NOTHING  # the carrier's `Identity` header (RFC 8224), "" or the edge's word why not


def parse_leg(header: str) -> LegTicket:
    """Read an `X-QL-Leg` header without trusting it. Raises ProtocolError naming the missing part."""
    if len(header) > MAX_LENGTH:
        raise ProtocolError("leg ticket: longer than 2,048 characters")
    version, _, rest = header.partition(";")
    fields = dict(part.split("=", 1) for part in rest.split(";") if "=" in part)
    if version != "v1" or len(fields.get("mac", "")) != 64 or fields.get("kind") not in KINDS:
        raise ProtocolError("leg ticket: not a v1 ticket with kind and mac")
    plain = {key: unquote(value) if "%" in value else value for key, value in fields.items()}
    try:
        return LegTicket(
            id="leg_" + plain["mac"][:24],
            kind=plain["kind"],
            at=int(plain["at"]),
            trunk=plain.get("trunk", ""),
            grade=plain.get("grade", ""),
            caller=Sealed(plain.get("caller", "")),
            private=plain.get("privacy", "0") == "1",
            dialled=plain.get("dialled", ""),
            agent=plain.get("agent", ""),
            call_id=plain["ci"],
            from_tag=plain["ft"],
            to_tag=plain.get("tt", ""),
            raw=Sealed(header),
            identity=Sealed(plain.get("identity", "")),
        )
    except (KeyError, ValueError) as error:
        raise ProtocolError(f"leg ticket: missing or malformed {error}") from None


def verify_leg(header: str, key: bytes) -> LegTicket:
    """The ticket, if the edge signed it. Raises ProtocolError otherwise; compares in constant time."""
    ticket = parse_leg(header)
    signed, _, mac = header.rpartition(";mac=")
    expected = hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, mac):
        raise ProtocolError("leg ticket: the edge did not sign this")
    return ticket
