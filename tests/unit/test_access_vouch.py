"""Rows that somebody changed behind our back: each column, each table, older states, planted sessions and grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quietline.access.grants import Grants
from quietline.access.ports import CertificateRow, SessionRow, StaffRow
from quietline.access.sessions import Sessions, digest_of
from quietline.access.staff_memory import MemoryStaff
from quietline.access.vouch import LeftOut, VouchedState, Voucher
from quietline.clock import SystemClock
from quietline.errors import NotSignedIn, TamperError

KEY = b"k" * 32
STAFF = StaffRow(
    "ag_1", "ix_1", b"sealed", "agent", "store-1", ("orders",), 5.0, 9.0, "$argon2id$", "leaf-1", version=3
)
CERTIFICATE = CertificateRow("ag_1", "contact", 99.0, "leaf-2", version=3)


@pytest.fixture
def voucher() -> Voucher:
    return Voucher(KEY)


def test_what_we_wrote_passes(voucher: Voucher) -> None:
    row, certificate = voucher.staff(STAFF), voucher.certificate(CERTIFICATE)
    assert voucher.check_staff(row) is row
    assert voucher.check_certificate(certificate) is certificate
    assert Voucher(KEY).check_staff(row) is row


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "ag_2"},
        {"login": "ix_2"},
        {"name": b"other"},
        {"role": "supervisor"},
        {"store": "hub"},
        {"skills": ("orders", "vip")},
        {"skills": ()},
        {"starts": 4.0},
        {"ends": 0.0},
        {"password": "$argon2id$other"},
        {"leaf": "leaf-9"},
        {"version": 4},
        {"voucher": ""},
        {"voucher": "ü"},
    ],
    ids=str,
)
def test_any_column_of_an_account(voucher: Voucher, change: dict[str, Any]) -> None:
    with pytest.raises(TamperError, match="staff of ag_"):
        voucher.check_staff(replace(voucher.staff(STAFF), **change))


@pytest.mark.parametrize(
    "change",
    [{"agent": "ag_2"}, {"data_class": "delivery"}, {"expires": 1e9}, {"leaf": "x"}, {"version": 9}, {"voucher": ""}],
    ids=str,
)
def test_any_column_of_a_certificate(voucher: Voucher, change: dict[str, Any]) -> None:
    with pytest.raises(TamperError, match="certificate of ag_"):
        voucher.check_certificate(replace(voucher.certificate(CERTIFICATE), **change))


def test_another_key_vouches_for_nothing(voucher: Voucher) -> None:
    with pytest.raises(TamperError):
        Voucher(b"x" * 32).check_staff(voucher.staff(STAFF))
    with pytest.raises(ValueError, match="32 bytes"):
        Voucher(b"short")


def test_parts_cannot_be_moved_between_columns(voucher: Voucher) -> None:
    one = voucher.certificate(CertificateRow("ag_1", "contact", 1.0, "leaf"))
    with pytest.raises(TamperError):
        voucher.check_certificate(replace(one, agent="ag_1contact", data_class=""))


def test_an_older_state_put_back_is_refused_while_we_live(voucher: Voucher) -> None:
    old, new = voucher.certificate(CERTIFICATE), voucher.certificate(replace(CERTIFICATE, expires=0.0, version=4))
    voucher.check_certificate(old)
    voucher.check_certificate(new)
    with pytest.raises(TamperError, match="older state"):
        voucher.check_certificate(old)
    voucher.check_certificate(new)
    voucher.check_certificate(replace(voucher.certificate(replace(CERTIFICATE, data_class="invoice", version=1))))


def test_two_states_of_one_version_cannot_both_be_ours(voucher: Voucher) -> None:
    voucher.check_certificate(voucher.certificate(CERTIFICATE))
    with pytest.raises(TamperError, match="older state"):
        voucher.check_certificate(voucher.certificate(replace(CERTIFICATE, expires=1.0)))


def test_errors_name_tokens_and_nothing_else(voucher: Voucher) -> None:
    with pytest.raises(TamperError) as error:
        voucher.check_staff(replace(voucher.staff(STAFF), role="x"))
    assert str(error.value) == "staff of ag_1: changed behind our back; set it anew"
    assert "argon2" not in repr(STAFF)
    assert "sealed" not in repr(STAFF)


# -- sessions and grants


def test_sessions_of_ours_pass_and_are_touched_and_dropped(voucher: Voucher) -> None:
    state = VouchedState(MemoryStaff(), voucher)
    sessions = Sessions(state, SystemClock())
    token, _ = sessions.open("ag_1")
    sessions.check(token)
    sessions.flush()
    again = Sessions(state, SystemClock())
    assert again.load() == 1
    assert again.check(token).agent == "ag_1"
    again.revoke(token)
    assert (state.sessions(), state.tampered) == ([], [])


def test_a_planted_session_signs_nobody_in(voucher: Voucher) -> None:
    store = MemoryStaff()
    now = SystemClock().wall()
    store.put_session(SessionRow(digest_of("known to the thief"), "ag_1", now, now))
    state = VouchedState(store, voucher)
    sessions = Sessions(state, SystemClock())
    assert sessions.load() == 0
    assert state.tampered == [LeftOut("session", digest_of("known to the thief"))]
    with pytest.raises(NotSignedIn):
        sessions.check("known to the thief")


@pytest.mark.parametrize("change", [{"agent": "ag_2"}, {"opened": 9e9}, {"digest": "other"}])
def test_a_session_moved_to_somebody_else_or_prolonged_is_left_out(voucher: Voucher, change: dict[str, Any]) -> None:
    store = MemoryStaff()
    state = VouchedState(store, voucher)
    state.put_session(SessionRow("d1", "ag_1", 1.0, 1.0))
    (row,) = store.sessions()
    store.drop_sessions(["d1"])
    store.put_session(replace(row, **change))
    assert state.sessions() == []
    assert len(state.tampered) == 1


def test_grants_of_ours_come_back_and_others_are_left_out(voucher: Voucher) -> None:
    store = MemoryStaff()
    state = VouchedState(store, voucher)
    grants = Grants()
    grants.leg_arrived("leg_1", "cust_1", 1, 5.0)
    grant = grants.connect("leg_1", "leg_2", "ag_1", 5.0)
    state.write_grants(*grants.changes())
    later = Grants()
    later.restore(state.grants())
    assert later.find(grant.id, "ag_1") == grant
    stored = next(record for record in store.grants() if record["kind"] == "leg")
    store.write_grants([{**stored, "assurance": 3}, {"kind": "grant", "id": "gr_planted"}], [])
    assert [record["id"] for record in state.grants()] == [grant.id]
    assert set(state.tampered) == {LeftOut("grant", "leg_1"), LeftOut("grant", "gr_planted")}
    state.write_grants([], ["leg_1", grant.id, "gr_planted"])
    assert store.grants() == []
