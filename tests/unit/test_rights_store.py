"""The desk's books: sealed on the disk, bound to their place, and the same after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.errors import Denied, TamperError
from quietline.rights.books import RightsBooks, digest
from quietline.rights.erasure import Hold, HoldReason
from quietline.rights.requests import Right, State, open_request
from quietline.rights.store import HOLD, RECIPIENT, REQUEST, RightsStore, open_rights_database
from quietline.vault.database import Database
from quietline.vault.keys import Keyring, open_keys_database

NOW = 1_795_000_000.0


class PlainKms:
    """Wraps nothing."""

    key_id = "test.1"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_rights_database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path, database: Database) -> Iterator[RightsStore]:
    keys = open_keys_database(tmp_path)
    yield RightsStore(database, Keyring(keys, PlainKms()))
    keys.close()


def a_request(name: str = "rq_1", right: Right = Right.RESTRICTION, customer: str = "cu_ana", **more: object) -> object:
    about = "everything" if right is Right.OBJECTION else ""
    made = open_request(name, right, ("brand", customer), ("call-back",), "ag_1", NOW, about)
    return replace(made, **more)  # type: ignore[arg-type]


def a_hold(name: str = "lh_1", until: float = NOW + 60) -> Hold:
    return Hold(name, "cu_ana", "brand", HoldReason.DISPUTE, "ag_1", NOW, until)


# -- the file


def test_nothing_in_the_file_can_be_read(store: RightsStore, tmp_path: Path) -> None:
    store.put(REQUEST, {"rq_1": {"customer": "cu_secret_token", "why": "dispute-with-us"}})
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name.startswith("rights"))
    assert b"rq_1" in raw
    for word in (b"cu_secret_token", b"dispute-with-us"):
        assert word not in raw


def test_what_is_dropped_is_gone_from_the_log_too(store: RightsStore, database: Database, tmp_path: Path) -> None:
    store.put(HOLD, {"lh_1": {"reason": "dispute"}})
    (sealed,) = database.read("SELECT sealed FROM item")[0]
    assert sealed in b"".join(path.read_bytes() for path in tmp_path.glob("rights*"))
    store.drop(HOLD, ["lh_1"])
    assert sealed not in b"".join(path.read_bytes() for path in tmp_path.glob("rights*"))
    store.drop(HOLD, ["lh_1"])  # harmless


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE item SET name = 'rq_2'",
        "UPDATE item SET kind = 'hold'",
        "UPDATE item SET sealed = zeroblob(40)",
    ],
)
def test_a_row_that_was_moved_or_changed_is_refused(store: RightsStore, database: Database, change: str) -> None:
    store.put(REQUEST, {"rq_1": {"state": "open"}})
    database.write(lambda connection: connection.execute(change))
    with pytest.raises(TamperError):
        store.all(REQUEST), store.all(HOLD)


def test_kinds_do_not_mix(store: RightsStore) -> None:
    store.put(REQUEST, {"a": {"x": 1}})
    store.put(HOLD, {"a": {"x": 2}})
    assert (store.all(REQUEST), store.all(HOLD), store.all(RECIPIENT)) == ({"a": {"x": 1}}, {"a": {"x": 2}}, {})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.dictionaries(st.text("abc", min_size=1), st.dictionaries(st.text(max_size=5), st.integers()), max_size=4))
def test_what_is_put_is_read_back(store: RightsStore, items: dict[str, dict[str, int]]) -> None:
    store.drop("kind", store.all("kind"))
    store.put("kind", items)
    assert store.all("kind") == items


# -- the books


def test_books_are_the_same_when_opened_again(store: RightsStore) -> None:
    books = RightsBooks(store)
    books.put(a_request())  # type: ignore[arg-type]
    books.place(a_hold())
    books.recipient("courier", "parcels")
    again = RightsBooks(store)
    assert (again.requests, again.holds, again.recipients) == (books.requests, books.holds, books.recipients)


def test_what_is_not_there_is_said(store: RightsStore) -> None:
    books = RightsBooks(store)
    for asked, reason in (
        (lambda: books.request("rq_9"), "unknown-request"),
        (lambda: books.receipt("rq_9"), "unknown-request"),
        (lambda: books.lift("lh_9"), "unknown-hold"),
    ):
        with pytest.raises(Denied, match=reason):
            asked()


@pytest.mark.parametrize(
    ("right", "state", "barred"),
    [
        (Right.RESTRICTION, State.IN_FORCE, "restricted"),
        (Right.RESTRICTION, State.OPEN, ""),
        (Right.RESTRICTION, State.LIFTED, ""),
        (Right.OBJECTION, State.IN_FORCE, "restricted"),
        (Right.ERASURE, State.COOLING, ""),
        (Right.ERASURE, State.ERASING, "restricted"),
        (Right.ACCESS, State.OPEN, ""),
    ],
)
def test_what_bars_a_look(store: RightsStore, right: Right, state: State, barred: str) -> None:
    books = RightsBooks(store)
    books.put(a_request(right=right, state=state, about="everything"))  # type: ignore[arg-type]
    found = books.bar("cu_ana")
    assert (found.reason if found else "") == barred
    assert books.bar("cu_ben") is None
    assert books.bar("") is None


def test_a_narrow_objection_bars_no_look(store: RightsStore) -> None:
    books = RightsBooks(store)
    books.put(a_request(right=Right.OBJECTION, state=State.IN_FORCE, about="marketing"))  # type: ignore[arg-type]
    assert books.bar("cu_ana") is None
    assert books.objections("cu_ana") == ("marketing",)


def test_a_finished_erasure_forgets_the_token_everywhere(store: RightsStore, database: Database) -> None:
    books = RightsBooks(store)
    books.put(a_request("rq_1", Right.ERASURE))  # type: ignore[arg-type]
    books.put(a_request("rq_2", Right.ACCESS))  # type: ignore[arg-type]
    books.put(a_request("rq_3", Right.ACCESS, "cu_ben"))  # type: ignore[arg-type]
    books.place(a_hold(until=NOW - 1))
    done = a_request("rq_1", Right.ERASURE, "", state=State.DONE)
    books.finish_erasure(done, "the receipt", "cu_ana")  # type: ignore[arg-type]
    assert set(books.requests) == {"rq_1", "rq_3"}
    assert books.holds == {}
    assert books.receipt("rq_1") == "the receipt"
    for known in (books, RightsBooks(store)):
        found = known.bar("cu_ana")
        assert found is not None
        assert found.reason == "erased"
        assert "cu_ana" not in str([each.dump() for each in known.requests.values()])
    assert database.read("SELECT name FROM item WHERE kind = 'erased'") == [(digest("cu_ana"),)]


def test_what_a_finished_erasure_replaced_is_gone_from_the_log_too(
    store: RightsStore, database: Database, tmp_path: Path
) -> None:
    books = RightsBooks(store)
    books.put(a_request("rq_1", Right.ERASURE))  # type: ignore[arg-type]
    (sealed,) = database.read("SELECT sealed FROM item WHERE name = 'rq_1'")[0]
    done = a_request("rq_1", Right.ERASURE, "", state=State.DONE)
    books.finish_erasure(done, "the receipt", "cu_ana")  # type: ignore[arg-type]
    assert sealed not in b"".join(path.read_bytes() for path in tmp_path.glob("rights*"))


def test_held_are_those_whose_hold_lasts(store: RightsStore) -> None:
    books = RightsBooks(store)
    books.place(a_hold("lh_1", NOW - 1))
    assert books.held(NOW) == frozenset()
    books.place(a_hold("lh_2", NOW + 1))
    assert books.held(NOW) == {"cu_ana"}
    assert books.at(NOW).erased_today() == 0


def test_recipients_come_and_go(store: RightsStore) -> None:
    books = RightsBooks(store)
    books.recipient("courier", "parcels")
    books.recipient("courier", "")
    books.recipient("nobody", "")
    assert (books.recipients, RightsBooks(store).recipients) == ({}, {})


def test_erasures_that_were_broken_off_are_found(store: RightsStore) -> None:
    books = RightsBooks(store)
    books.put(a_request("rq_1", Right.ERASURE, state=State.ERASING))  # type: ignore[arg-type]
    books.put(a_request("rq_2", Right.ERASURE))  # type: ignore[arg-type]
    assert [each.id for each in RightsBooks(store).unfinished()] == ["rq_1"]


def test_the_file_is_for_its_owner_alone(database: Database, tmp_path: Path) -> None:
    assert (tmp_path / "rights.db").stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(tmp_path / "rights.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
