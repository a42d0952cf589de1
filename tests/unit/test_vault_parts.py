"""The small parts: the vault's notes to itself, sealed bodies and names, pace, the leg book."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from quietline.clock import SystemClock
from quietline.errors import Denied, EdgeUnavailable, LedgerUnavailable, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault import MemoryEdge, MemoryKms, MemoryLedger
from quietline.vault.blind_index import BlindIndex
from quietline.vault.bodies import Bodies, body_owner
from quietline.vault.database import Database
from quietline.vault.journal import Journal
from quietline.vault.keys import KeyGoneError, Keyring, open_keys_database
from quietline.vault.leg_book import LegBook, dump, load
from quietline.vault.pace import paced
from quietline.vault.records import open_records_database
from quietline.vault.remembered import Remembered
from quietline.vault.staff_sealer import VaultStaffSealer

T = Ticket("test", "test", 1)
KEY = b"\x22" * 32


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Database]:
    database = open_keys_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Database]:
    database = open_records_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def ring(keys: Database) -> Keyring:
    return Keyring(keys, MemoryKms())


@pytest.fixture
def remembered(rows: Database, ring: Keyring) -> Remembered:
    return Remembered(rows, ring)


# -- remembered


def test_notes_are_kept_by_prefix_and_forgotten(remembered: Remembered) -> None:
    remembered.update({"leg/1": {"a": "x"}, "leg/2": {"a": "y"}, "legs": {"a": "z"}, "phone/1": {"a": "w"}})
    assert remembered.all("leg") == {"1": {"a": "x"}, "2": {"a": "y"}}
    remembered.update({"leg/1": {"a": "new"}}, forget=["leg/2"])
    assert remembered.all("leg") == {"1": {"a": "new"}}


def test_notes_are_sealed_and_cannot_be_swapped(remembered: Remembered, tmp_path: Path) -> None:
    remembered.update({"leg/1": {"a": "plain words"}, "leg/2": {"a": "other"}})
    assert b"plain words" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute("UPDATE remembered SET sealed = (SELECT sealed FROM remembered WHERE name = 'leg/2')")
    connection.commit()
    connection.close()
    with pytest.raises(TamperError):
        remembered.all("leg")


# -- bodies and names


def test_a_body_opens_for_its_subject_alone(ring: Keyring) -> None:
    bodies = Bodies(ring)
    sealed = bodies.seal_body("cu_1", b"what happened")
    assert bodies.open_body("cu_1", sealed) == b"what happened"
    bodies.seal_body("cu_2", b"else")
    with pytest.raises(TamperError):
        bodies.open_body("cu_2", sealed)


def test_erasing_the_subject_erases_its_bodies(ring: Keyring) -> None:
    bodies = Bodies(ring)
    sealed, own = bodies.seal_body("cu_1", b"x"), bodies.seal_body("", b"y")
    ring.destroy(body_owner("cu_1"))
    with pytest.raises(KeyGoneError):
        bodies.open_body("cu_1", sealed)
    assert bodies.open_body("", own) == b"y"


def test_a_name_opens_for_its_agent_alone(keys: Database, ring: Keyring) -> None:
    sealer = VaultStaffSealer(ring, BlindIndex(keys, ring))
    sealed = sealer.seal_name("ag_1", Sealed("Eva Example"))
    sealer.seal_name("ag_2", Sealed("Max Example"))
    assert sealer.open_name("ag_1", sealed).open(T) == "Eva Example"
    with pytest.raises(TamperError):
        sealer.open_name("ag_2", sealed)
    assert sealer.index("eva") != sealer.index("max")
    assert "eva" not in sealer.index("eva")


# -- pace


async def test_both_ways_out_wait_for_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0], raising=False)
    monkeypatch.setattr("quietline.vault.pace.asyncio.sleep", sleep)
    async with paced(0.010):
        now[0] += 0.003
    with suppress(Denied):
        async with paced(0.010):
            now[0] += 0.008
            raise Denied("no")
    async with paced(0.010):
        now[0] += 0.5
    assert slept == [0.007, 0.002, 0.0]


# -- journal


async def test_a_ticket_names_the_entry_that_stands() -> None:
    ledger = MemoryLedger()
    journal = Journal(ledger, SystemClock(), 1.0)
    journal.soon(Kind.CALL_ARRIVED, leg="leg_1")
    ticket = await journal.first(Kind.LOOK_ALLOWED, "ag_1", "order_status", "cu_1", field="x")
    assert ticket == Ticket("ag_1", "order_status", 1)
    assert ledger.entries[1].subject == "cu_1"


async def test_no_ticket_without_a_durable_entry() -> None:
    ledger = MemoryLedger()
    journal = Journal(ledger, SystemClock(), 0.05)
    ledger.running.clear()
    with pytest.raises(LedgerUnavailable, match="in time"):
        await journal.first(Kind.LOOK_ALLOWED, "ag_1", "x")


# -- the leg book


@pytest.fixture
def edge() -> MemoryEdge:
    return MemoryEdge(KEY)


@pytest.fixture
def book(edge: MemoryEdge) -> LegBook:
    return LegBook(KEY, edge, life=3_600, wait=0.2)


def header(edge: MemoryEdge, **fields: str) -> Sealed[str]:
    return edge.sign("caller", **{"at": "1000", "trunk": "t", "caller": "+442079460001", "dialled": "x", **fields})


def test_a_kept_leg_has_no_number(book: LegBook, edge: MemoryEdge) -> None:
    known = book.add(book.check(header(edge), "caller", 1_000), "brand", True)
    assert known.ticket.caller.open(T) == ""
    assert known.ticket.raw.open(T) == ""
    assert "7946" not in str(dump(known))
    assert load(dump(known)) == known


@pytest.mark.parametrize("now", [939, 4_601, 10**9])
def test_a_ticket_has_its_time(book: LegBook, edge: MemoryEdge, now: int) -> None:
    with pytest.raises(Denied, match="too old"):
        book.check(header(edge), "caller", now)
    book.check(header(edge), "caller", 4_600)


def test_another_key_or_kind_is_no_leg(book: LegBook, edge: MemoryEdge) -> None:
    with pytest.raises(Denied) as refusal:
        book.check(header(MemoryEdge(b"\x33" * 32)), "caller", 1_000)
    assert refusal.value.reason == "leg-unknown"
    with pytest.raises(Denied):
        book.check(header(edge), "agent", 1_000)


async def test_alive_means_all_of_them_by_the_edges_word(book: LegBook, edge: MemoryEdge) -> None:
    one, other = header(edge), header(edge)
    first = book.add(book.check(one, "caller", 1_000)).ticket.id
    second = book.add(book.check(other, "caller", 1_000)).ticket.id
    assert await book.alive(first, second)
    assert not await book.alive(first, "leg_unknown")
    edge.hang_up(other)
    assert not await book.alive(first, second)
    assert await book.alive(first)


async def test_an_edge_that_is_silent_too_long_gives_no_word(edge: MemoryEdge) -> None:
    class Slow(MemoryEdge):
        async def leg_alive(self, ticket: object) -> bool:
            await asyncio.sleep(5)
            return True

    slow = LegBook(KEY, Slow(KEY), life=3_600, wait=0.05)
    leg = slow.add(slow.check(header(edge), "caller", 1_000)).ticket.id
    with pytest.raises(EdgeUnavailable):
        await slow.alive(leg)


def test_changes_are_told(book: LegBook, edge: MemoryEdge) -> None:
    told: list[str] = []
    book.on_change = told.append
    leg = book.add(book.check(header(edge), "caller", 1_000)).ticket.id
    book.forget(leg)
    book.forget(leg)
    assert told == [leg, leg]
    assert book.get(leg) is None
