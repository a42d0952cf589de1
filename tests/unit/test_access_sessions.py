"""Sessions: opaque, hashed, bounded, revocable, and still there after a restart."""

from __future__ import annotations

import threading

import pytest

from quietline.access.ports import SessionRow
from quietline.access.sessions import SessionLimits, Sessions, csrf_of, digest_of, public_id, random_token
from quietline.access.staff_memory import MemoryStaff
from quietline.errors import Denied, NotSignedIn, Unavailable

START = 1_790_000_000.0
LIMITS = SessionLimits(absolute=1_000.0, idle=100.0, touch=10.0)


class HandClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = START

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store() -> MemoryStaff:
    return MemoryStaff()


@pytest.fixture
def sessions(store: MemoryStaff, clock: HandClock) -> Sessions:
    return Sessions(store, clock, LIMITS)


def gone(sessions: Sessions, token: str) -> bool:
    try:
        sessions.check(token)
    except NotSignedIn:
        return True
    return False


def test_a_session_is_known_by_its_token_alone(sessions: Sessions) -> None:
    token, row = sessions.open("ag_1")
    assert sessions.check(token).agent == "ag_1"
    for other in ("", token[:-1], token + "x", row.digest, random_token()):
        with pytest.raises(NotSignedIn, match="signed-out"):
            sessions.check(other)


def test_tokens_have_256_bits_and_differ() -> None:
    made = {random_token() for _ in range(50)}
    assert len(made) == 50
    assert {len(token) for token in made} == {43}  # 32 bytes in URL-safe base64


def test_the_store_never_sees_the_token(sessions: Sessions, store: MemoryStaff) -> None:
    token, _ = sessions.open("ag_1")
    stored = store.sessions()
    assert [row.digest for row in stored] == [digest_of(token)]
    assert token not in repr(stored)
    assert csrf_of(token) not in repr(stored)


def test_idle_and_absolute_expiry(sessions: Sessions, clock: HandClock) -> None:
    token, _ = sessions.open("ag_1")
    clock.now = START + 99.9
    assert sessions.expires(sessions.check(token)) == clock.now + 100
    for _ in range(9):
        clock.now += 99.9
        sessions.check(token)
    assert sessions.expires(sessions.check(token)) == START + 1_000
    clock.now = START + 1_000
    assert gone(sessions, token)
    idle, _ = sessions.open("ag_1")
    clock.now += 100
    assert gone(sessions, idle)
    assert (sessions.all(), sessions.of_agent("ag_1")) == ([], [])


def test_an_expired_session_does_not_come_back_when_the_clock_is_set_back(sessions: Sessions, clock: HandClock) -> None:
    token, _ = sessions.open("ag_1")
    clock.now = START + 100
    assert [row.agent for row in sessions.flush()] == ["ag_1"]
    clock.now = START + 1
    assert gone(sessions, token)


def test_the_page_token_belongs_to_one_session(sessions: Sessions) -> None:
    token, _ = sessions.open("ag_1")
    other, _ = sessions.open("ag_1")
    sessions.check_csrf(token, csrf_of(token))
    for wrong in ("", csrf_of(other), token, csrf_of(token)[:-1], "ü"):
        with pytest.raises(Denied, match="page-token-wrong"):
            sessions.check_csrf(token, wrong)


def test_signing_out_ends_one_session(sessions: Sessions, store: MemoryStaff) -> None:
    first, _ = sessions.open("ag_1")
    second, _ = sessions.open("ag_1")
    assert sessions.revoke(first) == "ag_1"
    assert sessions.revoke(first) == ""
    assert (gone(sessions, first), gone(sessions, second)) == (True, False)
    assert len(store.sessions()) == 1


def test_all_sessions_of_an_agent_end_at_once(sessions: Sessions, store: MemoryStaff) -> None:
    mine = [sessions.open("ag_1")[0] for _ in range(3)]
    other, _ = sessions.open("ag_2")
    assert sessions.revoke_agent("ag_1") == 3
    assert [gone(sessions, token) for token in (*mine, other)] == [True, True, True, False]
    assert [row.agent for row in store.sessions()] == ["ag_2"]


def test_a_listed_session_can_be_ended_by_its_digest(sessions: Sessions, clock: HandClock) -> None:
    first, _ = sessions.open("ag_1")
    clock.now += 1
    second, _ = sessions.open("ag_1")
    listed = sessions.of_agent("ag_1")
    assert [row.opened for row in listed] == [START, START + 1]
    sessions.revoke_digest(listed[0].digest)
    assert (gone(sessions, first), gone(sessions, second)) == (True, False)
    assert sessions.all() == listed[1:]


def test_sessions_survive_a_restart_and_revocations_do_too(
    sessions: Sessions, store: MemoryStaff, clock: HandClock
) -> None:
    kept, _ = sessions.open("ag_1")
    ended, _ = sessions.open("ag_1")
    sessions.revoke(ended)
    later = Sessions(store, clock, LIMITS)
    assert gone(later, kept)  # nothing is believed before it is loaded
    assert later.load() == 1
    assert (gone(later, kept), gone(later, ended)) == (False, True)
    later.check_csrf(kept, csrf_of(kept))


def test_a_restart_takes_up_nothing_that_has_expired(sessions: Sessions, store: MemoryStaff, clock: HandClock) -> None:
    sessions.open("ag_1")
    clock.now += 100
    assert Sessions(store, clock, LIMITS).load() == 0


def test_being_seen_is_written_down_by_flush(sessions: Sessions, store: MemoryStaff, clock: HandClock) -> None:
    token, _ = sessions.open("ag_1")
    clock.now += 60
    sessions.check(token)
    assert store.sessions()[0].seen == START
    assert sessions.flush() == []
    assert store.sessions()[0].seen == START + 60
    clock.now += 60
    later = Sessions(store, clock, LIMITS)
    assert later.load() == 1


def test_a_session_that_cannot_be_stored_is_not_opened(sessions: Sessions, store: MemoryStaff) -> None:
    store.fault = "before"
    with pytest.raises(Unavailable):
        sessions.open("ag_1")
    assert sessions.all() == []


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_revocation_counts_even_if_the_disk_fails_and_says_so(
    sessions: Sessions, store: MemoryStaff, fault: str
) -> None:
    token, _ = sessions.open("ag_1")
    store.fault = fault
    with pytest.raises(Unavailable):
        sessions.revoke_agent("ag_1")
    assert gone(sessions, token)


class SlowStore(MemoryStaff):
    """Says when it is about to keep a session, and waits to be told to return."""

    def __init__(self) -> None:
        super().__init__()
        self.stored, self.go_on = threading.Event(), threading.Event()

    def put_session(self, row: SessionRow) -> None:
        super().put_session(row)
        self.stored.set()
        assert self.go_on.wait(10)


def test_a_session_that_is_being_opened_does_not_slip_through_a_revocation(clock: HandClock) -> None:
    store = SlowStore()
    sessions = Sessions(store, clock, LIMITS)
    ended: list[int] = []
    opener = threading.Thread(target=sessions.open, args=("ag_1",))
    revoker = threading.Thread(target=lambda: ended.append(sessions.revoke_agent("ag_1")))
    opener.start()
    assert store.stored.wait(10)
    revoker.start()
    revoker.join(0.05)  # it must wait for the opening to end; were it not to, it would find nothing to revoke
    store.go_on.set()
    opener.join(10)
    revoker.join(10)
    assert (ended, sessions.all(), store.sessions()) == ([1], [], [])


def test_a_row_planted_in_the_store_opens_nothing_without_its_token(store: MemoryStaff, clock: HandClock) -> None:
    store.put_session(SessionRow("00" * 32, "ag_1", START, START))
    sessions = Sessions(store, clock, LIMITS)
    assert sessions.load() == 1
    assert gone(sessions, "00" * 32)


# -- how somebody proved it, and a person's own list


def test_a_session_says_how_and_when_somebody_proved_it(sessions: Sessions, clock: HandClock) -> None:
    token, row = sessions.open("ag_1", ("password", "totp"))
    assert (row.authenticated, row.methods) == (START, ("password", "totp"))
    clock.now = START + 50
    assert sessions.check(token).authenticated == START  # being seen proves nothing
    raised = sessions.stepped_up(token, ("passkey",))
    assert (raised.authenticated, raised.methods, raised.opened) == (START + 50, ("passkey",), START)
    assert sessions.check(token) == raised


def test_an_old_sign_on_stays_old(sessions: Sessions) -> None:
    _, row = sessions.open("ag_1", ("oidc",), START - 3_600)
    assert (row.authenticated, row.opened) == (START - 3_600, START)


def test_a_step_up_outlives_a_restart(sessions: Sessions, store: MemoryStaff, clock: HandClock) -> None:
    token, _ = sessions.open("ag_1")
    clock.now = START + 20
    sessions.stepped_up(token, ("passkey",))
    again = Sessions(store, clock, LIMITS)
    again.load()
    assert (again.check(token).authenticated, again.check(token).methods) == (START + 20, ("passkey",))


def test_nobody_steps_up_a_session_that_ended(sessions: Sessions, store: MemoryStaff) -> None:
    token, _ = sessions.open("ag_1")
    sessions.revoke(token)
    with pytest.raises(NotSignedIn):
        sessions.stepped_up(token, ("passkey",))
    assert store.sessions() == []


def test_a_session_has_a_public_name_that_is_no_key(sessions: Sessions) -> None:
    token, row = sessions.open("ag_1")
    name = public_id(row)
    assert len(name) == 16
    assert name not in row.digest
    assert name not in token
    assert gone(sessions, name)


def test_one_ends_ones_own_by_its_name_alone(sessions: Sessions) -> None:
    mine, row = sessions.open("ag_1")
    assert sessions.revoke_id("ag_2", public_id(row)) is False
    assert sessions.revoke_id("ag_1", "x" * 16) is False
    assert not gone(sessions, mine)
    assert sessions.revoke_id("ag_1", public_id(row)) is True
    assert gone(sessions, mine)
    assert sessions.revoke_id("ag_1", public_id(row)) is False


def test_all_but_this_one_end(sessions: Sessions, store: MemoryStaff) -> None:
    kept, _ = sessions.open("ag_1")
    others = [sessions.open("ag_1")[0] for _ in range(3)]
    stranger, _ = sessions.open("ag_2")
    assert sessions.revoke_others(kept) == 3
    assert [gone(sessions, token) for token in (kept, *others, stranger)] == [False, True, True, True, False]
    assert len(store.sessions()) == 2
    assert sessions.revoke_others(kept) == 0
