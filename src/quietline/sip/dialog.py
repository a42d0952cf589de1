"""A dialog (RFC 3261 §12) as plain data: who, where, over which routes, and the two sequence numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from quietline.errors import ProtocolError
from quietline.plain import plain
from quietline.sip.grammar import is_loose, read_address, split_list
from quietline.sip.message import Headers, Request, Response

RESTORE_JUMP = 10_000  # a crash loses the newest CSeq: a gap is allowed (§12.2.2), going back is not
RESTORE_JUMP_PER_SECOND = 10  # so that two lives restored from one record do not meet


@dataclass(slots=True, repr=False)
class Dialog:
    """`local` and `remote` are whole From/To values, tags included; `routes` are Route values in sending order.

    remote_cseq is -1 until the far side has sent a request.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]
    local_cseq: int
    remote_cseq: int = -1

    def __repr__(self) -> str:
        return f"<Dialog cseq={self.local_cseq}/{self.remote_cseq}>"

    @property
    def key(self) -> tuple[str, str]:
        """What our table of dialogs goes by: our own tag is unique."""
        return self.call_id, self.local_tag

    def request(
        self, method: str, via: str, extra: Iterable[tuple[str, str]] = (), body: bytes = b"", cseq: int = 0
    ) -> Request:
        """The next request in this dialog (§12.2.1.1); `cseq` names the INVITE's number for ACK and CANCEL."""
        if not cseq:
            self.local_cseq += 1
        number = cseq or self.local_cseq
        uri, routes = self._way()
        items = [("via", via), *(("route", route) for route in routes), ("max-forwards", "70"), ("from", self.local)]
        items += [("to", self.remote), ("call-id", self.call_id), ("cseq", f"{number} {method}"), *extra]
        request = Request(method, uri, Headers(items), body)
        request.call_id, request.cseq, request.cseq_method = self.call_id, number, method
        request.from_tag, request.to_tag = self.local_tag, self.remote_tag
        return request

    def _way(self) -> tuple[str, tuple[str, ...]]:
        if not self.routes or is_loose(self.routes[0]):
            return self.target, self.routes
        return read_address(self.routes[0])[0], (*self.routes[1:], f"<{self.target}>")  # a strict router comes first

    def in_order(self, request: Request) -> bool:
        """Note the far side's number; False when it went back (§12.2.2: answer 500)."""
        if request.cseq <= self.remote_cseq:
            return False
        self.remote_cseq = request.cseq
        return True

    def refresh(self, message: Request | Response) -> None:
        """Take the new remote target of a target refresh request or its 2xx (§12.2)."""
        self.target = contact_uri(message) or self.target

    def save(self) -> dict[str, Any]:
        return {**plain(self), "routes": list(self.routes)}


def as_server(request: Request, tag: str) -> Dialog:
    """The dialog that our 1xx or 2xx to `request` makes (§12.1.1). RFC 2543 callers may lack tag and Contact."""
    routes = tuple(part for line in request.headers.all("record-route") for part in split_list(line))
    caller = request.headers.get("from")
    return Dialog(
        call_id=request.call_id, local_tag=tag, remote_tag=request.from_tag,
        local=request.headers.get("to") + f";tag={tag}", remote=caller,
        target=contact_uri(request) or read_address(caller)[0],
        routes=routes, local_cseq=0, remote_cseq=request.cseq,
    )  # fmt: skip


def as_client(request: Request, response: Response) -> Dialog:
    """The dialog that `response` to our INVITE makes (§12.1.2)."""
    routes = tuple(part for line in response.headers.all("record-route") for part in split_list(line))
    return Dialog(
        call_id=request.call_id, local_tag=request.from_tag, remote_tag=response.to_tag,
        local=request.headers.get("from"), remote=response.headers.get("to"),
        target=contact_uri(response) or request.uri,
        routes=routes[::-1], local_cseq=request.cseq,
    )  # fmt: skip


def contact_uri(message: Request | Response) -> str:
    """The URI of the first Contact, "" when there is none that can be read."""
    contact = message.headers.get("contact")
    try:
        return read_address(split_list(contact)[0])[0] if contact else ""
    except ValueError:
        return ""


def load(saved: dict[str, Any], idle: float) -> Dialog:
    """A dialog that was saved `idle` seconds ago; its own CSeq jumps ahead. Raises ProtocolError."""
    try:
        dialog = Dialog(**{**saved, "routes": tuple(saved["routes"])})
        dialog.local_cseq += RESTORE_JUMP + RESTORE_JUMP_PER_SECOND * int(max(0.0, idle))
    except (TypeError, KeyError):
        raise ProtocolError("SIP: a saved dialog cannot be read") from None
    return dialog
