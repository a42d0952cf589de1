"""One contract, every adapter: what `access/ports.py` promises of accounts, certificates, sessions and grants."""

from __future__ import annotations

import hmac
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.access.ports import CertificateRow, FactorRow, LinkRow, SessionRow, StaffRow, TokenRow
from quietline.access.staff_memory import MemoryStaff
from quietline.access.staff_sqlite import SqliteStaff
from quietline.access.vouch import Voucher
from quietline.errors import ConfigError, Unavailable

ANN = StaffRow(
    agent="ag_1",
    login="ix_ann",
    name=b"\x01\x00sealed",
    role="agent",
    store="store-1",
    skills=("orders", "fran\u00e7ais"),
    starts=1_790_000_000.25,
    ends=0.0,
    password="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    leaf="aa" * 32,
    version=1,
    voucher="bb" * 32,
)
BEN = replace(ANN, agent="ag_2", login="ix_ben", skills=())
SESSION = SessionRow("d1", "ag_1", 10.0, 20.5, "mac")

Store = MemoryStaff | SqliteStaff


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStaff() if request.param == "memory" else SqliteStaff(tmp_path / "staff.db")
    yield made
    made.close()


def test_an_account_comes_back_as_it_was_put(store: Store) -> None:
    store.put_staff(ANN)
    assert store.by_agent("ag_1") == store.by_login("ix_ann") == ANN
    assert (store.by_agent("ag_9"), store.by_login("ix_nobody")) == (None, None)


def test_accounts_come_in_the_order_of_their_tokens(store: Store) -> None:
    store.put_staff(BEN)
    store.put_staff(ANN)
    assert store.all_staff() == [ANN, BEN]


def test_putting_an_account_again_replaces_it(store: Store) -> None:
    store.put_staff(ANN)
    store.put_certificate(CertificateRow("ag_1", "invoice", 5.0, "leaf"))
    changed = replace(ANN, login="ix_new", role="supervisor", version=2)
    store.put_staff(changed)
    assert store.all_staff() == [changed]
    assert store.by_login("ix_ann") is None
    assert len(store.certificates("ag_1")) == 1


def test_a_login_belongs_to_one_account(store: Store) -> None:
    store.put_staff(ANN)
    store.put_staff(BEN)
    with pytest.raises(ConfigError, match="ag_2"):
        store.put_staff(replace(BEN, login="ix_ann"))
    assert store.all_staff() == [ANN, BEN]


def test_certificates_are_one_for_each_agent_and_class(store: Store) -> None:
    rows = [CertificateRow("ag_1", each, 7.5, "leaf", 1, "mac") for each in ("contact", "invoice")]
    for row in (*rows, replace(rows[0], agent="ag_2")):
        store.put_certificate(row)
    renewed = replace(rows[1], expires=9.0, version=2)
    store.put_certificate(renewed)
    assert store.certificates("ag_1") == [rows[0], renewed]
    assert [row.agent for row in store.all_certificates()] == ["ag_1", "ag_1", "ag_2"]
    assert store.certificates("ag_9") == []


def test_sessions_are_put_touched_and_dropped(store: Store) -> None:
    store.put_session(SESSION)
    store.put_session(replace(SESSION, digest="d2", opened=5.0))
    store.touch_sessions([("d1", 99.0), ("d9", 99.0)])
    assert [(row.digest, row.seen) for row in store.sessions()] == [("d2", 20.5), ("d1", 99.0)]
    store.drop_sessions(["d1", "d9"])
    assert [row.digest for row in store.sessions()] == ["d2"]


def test_grants_are_put_and_dropped_together(store: Store) -> None:
    records = [{"kind": "leg", "id": f"leg_{number}", "looks": number, "ended": None} for number in range(3)]
    store.write_grants(records, [])
    store.write_grants([{**records[0], "looks": 9}], ["leg_1", "leg_9"])
    assert store.grants() == [{**records[0], "looks": 9}, records[2]]


def test_a_record_both_dropped_and_put_is_kept(store: Store) -> None:
    store.write_grants([{"id": "leg_1", "looks": 1}], ["leg_1"])
    assert store.grants() == [{"id": "leg_1", "looks": 1}]


def test_several_threads_may_write_at_once(store: Store) -> None:
    def work(number: int) -> None:
        for each in range(10):
            store.put_session(SessionRow(f"d{number}-{each}", "ag_1", 0.0, 0.0))
            store.touch_sessions([(f"d{number}-{each}", 1.0)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(store.sessions()) == 40
    assert {row.seen for row in store.sessions()} == {1.0}


WRITES: list[Callable[[Store], None]] = [
    lambda store: store.put_staff(ANN),
    lambda store: store.put_certificate(CertificateRow("ag_1", "invoice", 5.0, "leaf")),
    lambda store: store.put_session(SESSION),
    lambda store: store.touch_sessions([("d1", 1.0)]),
    lambda store: store.drop_sessions(["d1"]),
    lambda store: store.write_grants([{"id": "leg_1"}], []),
]


# -- SQLite alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "staff.db"


def test_everything_outlives_the_process(path: Path) -> None:
    first = SqliteStaff(path)
    for write in WRITES[:3] + WRITES[5:]:
        write(first)
    first.close()
    second = SqliteStaff(path)
    assert (second.all_staff(), second.sessions(), second.grants()) == ([ANN], [SESSION], [{"id": "leg_1"}])
    assert len(second.all_certificates()) == 1
    second.close()


def test_the_file_is_its_owners_alone(path: Path) -> None:
    SqliteStaff(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_write_is_durable_when_it_returns(path: Path) -> None:
    store = SqliteStaff(path)
    modes = [
        store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    assert modes == ["wal", 2, 1]
    store.put_session(SESSION)
    other = sqlite3.connect(path)
    assert other.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    other.close()
    store.close()


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_is_committed(path: Path) -> None:
    store = SqliteStaff(path)
    store.put_session(SESSION)
    with store._writing() as db:
        db.execute("DELETE FROM sessions")
        assert store.sessions() == [SESSION]  # would hang here if reading took the writer's lock
    assert store.sessions() == []
    store.close()


def test_a_write_that_fails_half_way_leaves_nothing(path: Path) -> None:
    store = SqliteStaff(path)
    store.write_grants([{"id": "leg_1"}], [])
    with pytest.raises(TypeError):
        store.write_grants([{"id": "leg_2"}, {"id": "leg_3", "bad": object()}], ["leg_1"])
    assert store.grants() == [{"id": "leg_1"}]
    store.close()


@pytest.mark.parametrize("write", WRITES)
def test_a_file_that_cannot_be_used_is_unavailable(path: Path, write: Callable[[Store], None]) -> None:
    store = SqliteStaff(path)
    store.close()
    with pytest.raises(Unavailable, match=r"staff\.db"):
        write(store)


def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(Unavailable, match=r"staff\.db"):
        SqliteStaff(path)


def test_a_file_of_another_version_is_not_touched(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 7")
    other.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="layout 7"):
        SqliteStaff(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"staff\.db"):
        SqliteStaff(tmp_path / "missing" / "staff.db")


def test_a_dropped_session_leaves_no_trace_once_the_log_is_folded_in(path: Path) -> None:
    store = SqliteStaff(path)
    digest = "5e55" * 16
    store.put_session(SessionRow(digest, "ag_1", 0.0, 0.0))
    store.drop_sessions([digest])
    store.close()  # folds the write-ahead log into the file
    assert digest.encode() not in b"".join(each.read_bytes() for each in path.parent.iterdir())


# -- memory alone: it fails like a disk


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", ["before", "after"])
def test_the_memory_store_fails_on_demand(write: Callable[[Store], None], fault: str) -> None:
    store = MemoryStaff()
    store.fault = fault
    with pytest.raises(Unavailable):
        write(store)


def test_a_fault_after_writing_has_written() -> None:
    store = MemoryStaff()
    store.fault = "after"
    with pytest.raises(Unavailable):
        store.put_staff(ANN)
    assert store.all_staff() == [ANN]


def test_many_accounts_are_put_together(store: Store) -> None:
    store.put_all([BEN, ANN])
    assert store.all_staff() == [ANN, BEN]
    swapped = [replace(ANN, login="ix_third"), replace(BEN, login="ix_ann")]
    store.put_all(swapped)
    assert store.all_staff() == swapped


def test_of_many_accounts_all_are_put_or_none(store: Store) -> None:
    store.put_staff(ANN)
    with pytest.raises(ConfigError, match="ag_3"):
        store.put_all([replace(ANN, role="supervisor", version=2), BEN, replace(BEN, agent="ag_3", login="ix_ann")])
    assert store.all_staff() == [ANN]


def test_every_write_makes_another_version(store: Store) -> None:
    versions = [store.version()]
    writes: list[Callable[[], None]] = [
        lambda: store.put_staff(ANN),
        lambda: store.put_certificate(CertificateRow("ag_1", "invoice", 5.0, "leaf")),
        lambda: store.put_staff(replace(ANN, version=2)),
    ]
    for write in writes:
        write()
        versions.append(store.version())
    assert len(set(versions)) == 4
    store.by_agent("ag_1")
    assert store.version() == versions[-1]


def test_somebody_elses_write_makes_another_version(tmp_path: Path) -> None:
    store = SqliteStaff(tmp_path / "staff.db")
    store.put_staff(ANN)
    before = store.version()
    other = sqlite3.connect(tmp_path / "staff.db")
    other.execute("UPDATE staff SET role = 'administrator'")
    other.commit()
    other.close()
    assert store.version() != before
    store.close()


# -- factors, links, tokens

FACTORS = FactorRow("ag_1", b"\x01sealed", "leaf", 1, "mac")
TOKEN = TokenRow("d1", "tk_1", "ag_1", ("floor.read", "token.read"), 10.0, 20.5, "leaf", "mac")


def test_how_somebody_signed_in_comes_back(store: Store) -> None:
    row = replace(SESSION, authenticated=12.5, methods=("password", "totp"))
    store.put_session(row)
    store.put_session(replace(row, digest="d2", methods=()))
    assert store.sessions() == [row, replace(row, digest="d2", methods=())]


def test_factors_are_one_record_for_each_account(store: Store) -> None:
    assert store.factors("ag_1") is None
    store.put_factors(FACTORS)
    store.put_factors(replace(FACTORS, record=b"other", version=2))
    assert store.factors("ag_1") == replace(FACTORS, record=b"other", version=2)
    assert store.factors("ag_2") is None


def test_factors_and_account_change_in_one_step(store: Store) -> None:
    store.put_staff(ANN)
    store.put_factors_and_staff(FACTORS, replace(ANN, second=True, version=2))
    assert store.factors("ag_1") == FACTORS
    assert store.by_agent("ag_1") == replace(ANN, second=True, version=2)


def test_a_link_is_one_for_each_account(store: Store) -> None:
    store.put_link(LinkRow("s1", "ag_1", "leaf", "mac"))
    store.put_link(LinkRow("s2", "ag_2", "leaf", "mac"))
    store.put_link(LinkRow("s3", "ag_1", "leaf", "mac"))
    assert [(row.subject, row.agent) for row in store.links()] == [("s3", "ag_1"), ("s2", "ag_2")]
    store.drop_links("ag_1")
    store.drop_links("ag_9")
    assert [row.subject for row in store.links()] == ["s2"]


def test_tokens_come_back_in_the_order_they_were_made(store: Store) -> None:
    later = replace(TOKEN, digest="d0", id="tk_2", made=11.0)
    store.put_token(later)
    store.put_token(TOKEN)
    assert store.tokens() == [TOKEN, later]
    store.drop_tokens(["d1", "unknown"])
    assert store.tokens() == [later]


LAYOUT_1 = """
CREATE TABLE staff (agent TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, name BLOB NOT NULL, role TEXT NOT NULL,
    store TEXT NOT NULL, skills TEXT NOT NULL, starts REAL NOT NULL, ends REAL NOT NULL, password TEXT NOT NULL,
    leaf TEXT NOT NULL, version INTEGER NOT NULL, voucher TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (digest TEXT PRIMARY KEY, agent TEXT NOT NULL, opened REAL NOT NULL, seen REAL NOT NULL,
    voucher TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE grants (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO sessions VALUES ('d1', 'ag_1', 1.0, 2.0, 'mac');
INSERT INTO grants VALUES ('g1', '{"kind": "grant"}');
PRAGMA user_version = 1;
"""
# HMAC-SHA256 under 32 bytes of "k", over what the version before second factors vouched for.
VOUCHED_1 = '["staff","ag_1","ix_ann","0100","hash","agent","store-1",["orders"],0.0,0.0,"leaf",3]'


def layout_1(path: Path) -> None:
    """A file as the version before second factors made it."""
    voucher = hmac.digest(b"k" * 32, VOUCHED_1.encode(), "sha256").hex()
    row = ("ag_1", "ix_ann", b"\x01\x00", "agent", "store-1", '["orders"]', 0.0, 0.0, "hash", "leaf", 3, voucher)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(LAYOUT_1)
        db.execute("INSERT INTO staff VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.commit()


def test_a_file_of_the_first_layout_is_taken_on_and_its_vouchers_hold(tmp_path: Path) -> None:
    layout_1(tmp_path / "staff.db")
    for _ in range(2):  # the second time there is nothing left to do
        store = SqliteStaff(tmp_path / "staff.db")
        (row,) = store.all_staff()
        assert Voucher(b"k" * 32).check_staff(row) == row
        assert row.second is False
        assert store.sessions() == []  # everybody signs in again
        assert [each["id"] for each in store.grants()] == ["g1"]
        store.put_session(SESSION)
        assert store.sessions() == [SESSION]
        store.drop_sessions([SESSION.digest])
        store.close()
