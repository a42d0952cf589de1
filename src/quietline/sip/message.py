"""SIP messages as values: requests, responses and their headers (RFC 3261 §7).

Header names are kept in their long, lower-case form; order is kept. A `repr` shows method or status and CSeq, never an
identity, address or body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quietline.sip.reasons import REASONS

# RFC 3261 §7.3.3 and §20, RFC 4028 §4 and §5, RFC 3515, RFC 3892, RFC 3841, RFC 6665, RFC 8224.
COMPACT = {
    "i": "call-id", "m": "contact", "e": "content-encoding", "l": "content-length", "c": "content-type", "f": "from",
    "s": "subject", "k": "supported", "t": "to", "v": "via", "x": "session-expires", "r": "refer-to",
    "b": "referred-by", "a": "accept-contact", "u": "allow-events", "o": "event", "y": "identity",
}  # fmt: skip

# The methods registered with IANA: an unlisted one gets 501, a listed one that we do not offer 405 (RFC 3261 §8.2.1).
METHODS = frozenset(
    ("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER")
) | {"SUBSCRIBE", "UPDATE"}

_PRETTY = {"call-id": "Call-ID", "cseq": "CSeq", "min-se": "Min-SE", "x-ql-leg": "X-QL-Leg"}


def pretty(name: str) -> str:
    """`content-type` as it is written on the wire: `Content-Type`. Our own headers only, so the cache stays small."""
    known = _PRETTY.get(name)
    return known if known else "-".join(part[:1].upper() + part[1:] for part in name.split("-"))


for _name in (
    *COMPACT.values(),
    "max-forwards",
    "route",
    "record-route",
    "allow",
    "accept",
    "require",
    "unsupported",
    "privacy",
):
    _PRETTY[_name] = pretty(_name)


class Headers:
    """An ordered list of (long lower-case name, value). Equal names may repeat."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = list(items)

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name` (long, lower case), else `default`."""
        for key, value in self.items:
            if key == name:
                return value
        return default

    def all(self, name: str) -> list[str]:
        """Every value of `name`, in order, as the lines stood: a line may still hold a list."""
        return [value for key, value in self.items if key == name]

    def add(self, name: str, value: str) -> None:
        self.items.append((name, value))

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items == other.items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Headers: {len(self.items)}>"


class Message:
    """What requests and responses share. The fields after `body` are read from the headers by `parse`.

    branch and sent_by are those of the topmost Via, in lower case; a missing tag or branch is "".
    """

    __slots__ = ("body", "branch", "call_id", "cseq", "cseq_method", "from_tag", "headers", "sent_by", "to_tag")

    def __init__(self, headers: Headers | None = None, body: bytes = b"") -> None:
        self.headers = Headers() if headers is None else headers
        self.body = body
        self.call_id = ""
        self.cseq = 0
        self.cseq_method = ""
        self.from_tag = ""
        self.to_tag = ""
        self.branch = ""
        self.sent_by = ""

    def start_line(self) -> str:
        raise TypeError("a message is a Request or a Response")

    def encode(self) -> bytes:
        """The bytes for the wire, with the Content-Length of the body whatever the headers say."""
        lines = [self.start_line()]
        known = _PRETTY.get
        lines += [
            f"{known(name) or pretty(name)}: {value}" for name, value in self.headers.items if name != "content-length"
        ]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def listed(self, name: str) -> frozenset[str]:
        """A header of comma-separated tokens (Require, Supported, Allow) as a set, options in lower case."""
        tokens = (token.strip() for value in self.headers.all(name) for token in value.split(","))
        return frozenset(token for token in tokens if token)

    def sdp(self) -> str:
        """The body as text when it is SDP, else ""."""
        kind = self.headers.get("content-type").partition(";")[0].strip().lower()
        return self.body.decode("utf-8", "replace") if self.body and kind == "application/sdp" else ""


class Request(Message):
    """A request. `uri` is the Request-URI as it stood."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def __repr__(self) -> str:
        return f"<Request {self.method if self.method in METHODS else 'other'} cseq={self.cseq}>"


class Response(Message):
    """A response. `status` is 100 to 699."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str = "", headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason or REASONS.get(status, "")

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        method = self.cseq_method if self.cseq_method in METHODS else "other"
        return f"<Response {self.status} cseq={self.cseq} {method}>"


ECHOED = ("via", "from", "to", "call-id", "cseq")  # RFC 3261 §8.2.6.2


def respond(
    request: Request,
    status: int,
    tag: str = "",
    extra: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    reason: str = "",
) -> Response:
    """The response to `request` with its Via, From, To, Call-ID and CSeq; `tag` is added to a To that has none."""
    items = []
    for name, value in request.headers.items:
        if name in ECHOED:
            items.append((name, f"{value};tag={tag}" if name == "to" and tag and not request.to_tag else value))
    items.extend(extra)
    response = Response(status, reason, Headers(items), body)
    response.call_id, response.cseq, response.cseq_method = request.call_id, request.cseq, request.cseq_method
    response.from_tag, response.to_tag = request.from_tag, request.to_tag or tag
    response.branch, response.sent_by = request.branch, request.sent_by
    return response
