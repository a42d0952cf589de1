"""What is kept of a leg: what was shown goes with it, a scope outlives a restart, a number does neither."""

from __future__ import annotations

import time

import pytest

from quietline.access.assurance import Factor
from quietline.access.grants import Grants
from quietline.errors import Denied
from quietline.legs import LegTicket, verify_leg
from quietline.sealed import SIGNALLING, Ticket
from quietline.testing.vault import MemoryEdge
from quietline.vault.leg_book import LegBook, dump, load

KEY = b"\x07" * 32
SEEN = Ticket("test", "test", SIGNALLING)
IDENTITY = "aGVhZA.cGF5.c2ln;info=<https://cr.example/a.pem>;alg=ES256"


def book_and_ticket(**fields: str) -> tuple[LegBook, LegTicket]:
    edge = MemoryEdge(KEY)
    known = {"at": str(int(time.time())), "trunk": "carrier-a", "grade": "tls-srtp", "caller": "+442079460001"}
    header = edge.sign("caller", **{**known, **fields})
    return LegBook(KEY, edge, 60.0, 1.0), verify_leg(header.open(SEEN), KEY)


def test_an_identity_header_survives_the_ticket_whole() -> None:
    _, ticket = book_and_ticket(identity=IDENTITY)
    assert ticket.identity.open(SEEN) == IDENTITY
    assert "cGF5" not in repr(ticket)
    _, bare = book_and_ticket()
    assert not bare.identity


def test_neither_number_nor_signature_is_kept_with_the_leg() -> None:
    book, ticket = book_and_ticket(identity=IDENTITY)
    known = book.add(ticket, "brand", True, "ab" * 32)
    assert (known.ticket.caller.open(SEEN), known.ticket.identity.open(SEEN), known.ticket.raw.open(SEEN)) == ("",) * 3
    assert not {"+442079460001", IDENTITY} & set(dump(known).values())


def test_what_was_shown_is_kept_until_the_leg_ends() -> None:
    book, ticket = book_and_ticket()
    book.standing(ticket.id).shown.add(Factor.QUESTION)
    assert book.standing(ticket.id).shown == set()  # of a leg that is not here nothing is kept
    book.add(ticket)
    book.standing(ticket.id).shown.add(Factor.QUESTION)
    assert book.standing(ticket.id).shown == {Factor.QUESTION}
    book.forget(ticket.id)
    book.add(ticket)
    assert book.standing(ticket.id).shown == set()


def test_a_scope_outlives_a_restart() -> None:
    book, ticket = book_and_ticket()
    book.add(ticket, "brand", False, "ab" * 32)
    changed: list[str] = []
    book.on_change = changed.append
    book.identified(ticket.id, True, "order_status complaint")
    known = book.get(ticket.id)
    assert known
    assert (known.matched, known.scope) == (True, "order_status complaint")
    assert changed == [ticket.id]
    again = load(dump(known))
    assert (again.scope, again.matched, again.number) == (known.scope, True, known.number)


def test_a_leg_that_was_stored_before_there_were_helpers_is_read() -> None:
    book, ticket = book_and_ticket()
    old = {name: value for name, value in dump(book.add(ticket)).items() if name != "scope"}
    assert load(old).scope == ""


# -- a customer found out on the call


def connected() -> tuple[Grants, str]:
    grants = Grants()
    grants.leg_arrived("leg_1", "", 0, 0.0)
    return grants, grants.connect("leg_1", "leg_a", "ag_1", 1.0).id


def test_who_is_identified_is_on_the_leg_and_its_live_grant() -> None:
    grants, grant = connected()
    grants.changes()
    assert grants.identify("leg_1", "cu_1").assurance == 0
    assert grants.find(grant, "ag_1").customer == "cu_1"
    put, _ = grants.changes()
    assert {each["customer"] for each in put} == {"cu_1"}


def test_nobody_is_identified_twice_or_after_the_call() -> None:
    grants, _ = connected()
    grants.identify("leg_1", "cu_1")
    for customer in ("cu_1", "cu_2"):
        with pytest.raises(Denied, match="not-now"):
            grants.identify("leg_1", customer)
    grants.leg_arrived("leg_2", "", 0, 0.0)
    grants.hang_up("leg_2", 1.0)
    with pytest.raises(Denied, match="call-ended"):
        grants.identify("leg_2", "cu_1")


def test_a_transfer_takes_the_identified_customer_along() -> None:
    grants, first = connected()
    grants.identify("leg_1", "cu_1")
    second = grants.connect("leg_1", "leg_b", "ag_2", 2.0)
    assert second.customer == "cu_1"
    assert grants.find(first, "ag_1").closed == 2.0
