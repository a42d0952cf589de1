"""Dialogs (RFC 3261 §12): route sets both ways, strict routers, targets, numbers, and over JSON."""

from __future__ import annotations

import json

import pytest

from quietline.errors import ProtocolError
from quietline.sip import dialog
from quietline.sip.dialog import RESTORE_JUMP, Dialog, as_client, as_server, contact_uri
from quietline.sip.message import Request, respond
from quietline.sip.parse import parse
from quietline.testing.sip_network import request

ROUTES = {"record_route": "<sip:p1.example;lr>, <sip:p2.example;lr>"}


def invite(**headers: str) -> Request:
    message = parse(request(**headers))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def called(**headers: str) -> Dialog:
    return as_server(invite(**headers), "ours")


def calling(routes: str = "<sip:p1.example;lr>, <sip:p2.example;lr>") -> Dialog:
    asked = invite()
    return as_client(asked, respond(asked, 200, "theirs", [("record-route", routes), ("contact", "<sip:b@192.0.2.7>")]))


def test_the_called_side_keeps_the_routes_as_they_came() -> None:
    one = called(**ROUTES)
    assert one.routes == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
    assert (one.local_tag, one.remote_tag, one.target, one.remote_cseq) == ("ours", "far", "sip:far@192.0.2.9:5060", 1)


def test_the_calling_side_turns_them_round() -> None:
    one = calling()
    assert one.routes == ("<sip:p2.example;lr>", "<sip:p1.example;lr>")
    assert (one.local_tag, one.remote_tag, one.target, one.local_cseq) == ("far", "theirs", "sip:b@192.0.2.7", 1)


def test_a_request_in_dialog() -> None:
    one = called(**ROUTES)
    bye = one.request("BYE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK9")
    back = parse(bye.encode())
    assert isinstance(back, Request)
    assert (back.uri, back.cseq, back.from_tag, back.to_tag) == ("sip:far@192.0.2.9:5060", 1, "ours", "far")
    assert back.headers.all("route") == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    assert one.request("INFO", "v").cseq == 2
    assert one.request("ACK", "v", cseq=1).cseq == 1
    assert one.local_cseq == 2


def test_a_strict_router_gets_the_request_uri() -> None:
    one = calling("<sip:strict.example>, <sip:p1.example;lr>")
    one.routes = ("<sip:strict.example;x=y>", "<sip:p2.example;lr>")
    bye = one.request("BYE", "v")
    assert bye.uri == "sip:strict.example;x=y"
    assert bye.headers.all("route") == ["<sip:p2.example;lr>", "<sip:b@192.0.2.7>"]


def test_an_rfc_2543_caller_has_neither_tag_nor_contact() -> None:
    data = request().replace(b";tag=far", b"").replace(b"Contact: <sip:far@192.0.2.9:5060>\r\n", b"")
    message = parse(data)
    assert isinstance(message, Request)
    one = as_server(message, "ours")
    assert (one.remote_tag, one.target) == ("", "sip:+442079460001@192.0.2.9")


def test_numbers_only_grow() -> None:
    one = called()
    assert [one.in_order(invite_with(cseq)) for cseq in (2, 2, 1, 9, 8)] == [True, False, False, True, False]


def invite_with(cseq: int) -> Request:
    message = parse(request(cseq=cseq))
    assert isinstance(message, Request)
    return message


def test_a_refresh_without_contact_keeps_the_target() -> None:
    one = called()
    one.refresh(respond(invite(), 200))
    assert one.target == "sip:far@192.0.2.9:5060"
    one.refresh(respond(invite(), 200, extra=[("contact", "<sip:new@192.0.2.8>")]))
    assert one.target == "sip:new@192.0.2.8"


def test_an_unreadable_contact_is_no_target() -> None:
    assert contact_uri(respond(invite(), 200, extra=[("contact", "<oops")])) == ""


def test_a_dialog_survives_json_and_its_number_jumps() -> None:
    one = called(**ROUTES)
    back = dialog.load(json.loads(json.dumps(one.save())), idle=0.0)
    assert back.local_cseq == RESTORE_JUMP
    back.local_cseq = one.local_cseq
    assert back == one
    assert dialog.load(one.save(), idle=60.0).local_cseq > RESTORE_JUMP
    assert dialog.load(one.save(), idle=-9e9).local_cseq == RESTORE_JUMP  # after a reboot


@pytest.mark.parametrize("saved", [{}, {"routes": []}, {"routes": 5}, {"routes": [], "extra": 1}])
def test_a_damaged_record(saved: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        dialog.load(saved, 0.0)
