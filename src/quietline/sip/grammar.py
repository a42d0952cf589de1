"""The pieces of RFC 3261 §25 that a user agent must read: URIs, name-addrs, Via, parameters.

Every pattern is linear in its input: repeated parts are possessive or begin with a character of their own.
"""

from __future__ import annotations

import re

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]"  # noqa: S105 - a grammar rule's name
QUOTED = r'"(?:[^"\\]|\\.)*+"'
HOST = r"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++)"

IS_TOKEN = re.compile(rf"{TOKEN}+").fullmatch
_NAME_ADDR = re.compile(rf'[ \t]*+(?:{QUOTED}|[^"<>,;:@\\]*+)[ \t]*+<([A-Za-z][A-Za-z0-9+.\-]*+:[^<>"\s]++)>(.*)', re.S)
_ADDR_SPEC = re.compile(r'[ \t]*+([A-Za-z][A-Za-z0-9+.\-]*+:[^<>",;?\s]++)(.*)', re.S)
_PARAMS = re.compile(rf"(?:[ \t]*+;[ \t]*+{TOKEN}++(?:[ \t]*+=[ \t]*+(?:{QUOTED}|[^\s;,\"]++))?)*+[ \t]*+", re.S)
_QUOTED = re.compile(QUOTED, re.S)
_TAG = re.compile(rf";[ \t]*+tag[ \t]*+=[ \t]*+({TOKEN}+)", re.I)
_VIA = re.compile(
    rf"[ \t]*+SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+({TOKEN}++)[ \t]++({HOST}(?:[ \t]*+:[ \t]*+[0-9]{{1,5}})?)(.*)",
    re.S | re.I,
)
_BRANCH = re.compile(rf";[ \t]*+branch[ \t]*+=[ \t]*+({TOKEN}+)", re.I)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+:[^\s<>\"]++").fullmatch
_SIP_URI = re.compile(rf"sips?:(?:[^@\s<>\"]++@)?{HOST}(?::[0-9]{{1,5}})?(?:;[^?\s<>\",@;]++)*+", re.I).fullmatch
_LOOSE = re.compile(r";[ \t]*+lr(?:[ \t]*+=|[ \t]*+;|[ \t]*+>|[ \t]*+$)", re.I)


def read_address(value: str) -> tuple[str, str]:
    """(URI, tag) of a From, To, Contact or Route value; tag "" when absent. Raises ValueError naming what is wrong."""
    match = _NAME_ADDR.match(value) or _ADDR_SPEC.match(value)
    if not match:
        raise ValueError("not a name-addr or addr-spec")
    uri, params = match.groups()
    if not params:
        return uri, ""
    if not _PARAMS.fullmatch(params):
        raise ValueError("malformed parameters")
    if '"' in params:
        params = _QUOTED.sub('""', params)
    tag = _TAG.search(params)
    return uri, tag.group(1) if tag else ""


def read_via(value: str) -> tuple[str, str, str]:
    """(transport, sent-by in lower case, branch) of the first value of a Via header. Raises ValueError."""
    first = value if "," not in value else split_list(value)[0]
    match = _VIA.match(first)
    if not match or not _PARAMS.fullmatch(match.group(3)):
        raise ValueError("malformed Via")
    branch = _BRANCH.search(match.group(3))
    return match.group(1).upper(), match.group(2).lower(), branch.group(1) if branch else ""


def split_list(value: str) -> list[str]:
    """A comma-separated header value, cut outside of quotes and angle brackets (RFC 3261 §7.3.1)."""
    if "," not in value:
        return [value.strip()]
    parts, start, quoted, angle, skip = [], 0, False, False, False
    for index, char in enumerate(value):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            angle = char == "<"
        elif char == "," and not angle:
            parts.append(value[start:index].strip())
            start = index + 1
    return [*parts, value[start:].strip()]


def is_uri(value: str) -> bool:
    """True for an absolute URI that may stand in a request line; a SIP URI must be whole and carry no headers."""
    if value[:4].lower() in ("sip:", "sips"):
        return bool(_SIP_URI(value))
    return bool(_URI(value))


def is_loose(route: str) -> bool:
    """True when a route's URI has `lr` (RFC 3261 §19.1.1)."""
    return bool(_LOOSE.search(read_address(route)[0]))
