"""Signing in: one answer for every refusal, the same work, a back-off that hits the right one, hashes in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.decide import Role
from quietline.access.factor_book import FactorBook
from quietline.access.identity import Identity, NewStaff
from quietline.access.lockout import Backoff, BackoffLimits, Lockout
from quietline.access.passkeys import Party
from quietline.access.passwords import PasswordLimits, Passwords
from quietline.access.second import Proofs
from quietline.access.sign_in import SignIn
from quietline.access.staff_memory import MemoryStaff
from quietline.access.vouch import Voucher
from quietline.access.words import new_word, stored_word
from quietline.errors import ConfigError, Denied, TamperError
from quietline.sealed import Sealed, Ticket

TICKET = Ticket("web", "sign-in", -1)
LEAST = PasswordLimits(memory_kib=19_456, passes=2, workers=2, waiting=2)
RIGHT = Sealed("four plain words here")
WRONG = Sealed("four other words here")
HOME, OFFICE = "192.0.2.1", "198.51.100.7"


class HandClock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Sealer:
    def index(self, login: str) -> str:
        return login[::-1]

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes:
        return b""

    def open_name(self, agent: str, sealed: bytes) -> Sealed[str]:
        return Sealed("")

    def seal_factors(self, agent: str, record: bytes) -> bytes:
        return record

    def open_factors(self, agent: str, sealed: bytes) -> bytes:
        return sealed


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    made = Passwords(LEAST)
    yield made
    made.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


class House:
    """One account, and the sign-in that guards it."""

    def __init__(self, passwords: Passwords, clock: HandClock) -> None:
        self.store = MemoryStaff()
        self.identity = Identity(self.store, Voucher(b"k" * 32), Sealer())
        self.passwords = passwords
        book = FactorBook(self.store, self.identity._voucher, Sealer(), self.identity)
        proofs = Proofs(book, Party("desk.example", ("https://desk.example",)), b"r" * 32, clock)
        lockout = Lockout(BackoffLimits(free=3, first=2.0, most=60.0))
        self.sign_in = SignIn(self.identity, passwords, clock, proofs, lockout)
        self.agent = ""
        self.word = False

    async def enrol(self, ends: float = 0.0) -> None:
        stored = await self.passwords.hash(RIGHT, TICKET)
        new = NewStaff(Sealed("nora"), Sealed("Nora Quill"), stored, Role.AGENT, "store-1", ends=ends)
        self.agent = self.identity.add(new, "leaf", TICKET)

    async def tries(self, login: str = "nora", password: Sealed[str] = RIGHT, source: str = HOME) -> str:
        try:
            agent, self.word, _ = await self.sign_in.check(Sealed(login), password, source, TICKET)
        except Denied as denial:
            return f"{denial.reason}: {denial.advice}"
        return agent


@pytest.fixture
async def house(passwords: Passwords, clock: HandClock) -> House:
    made = House(passwords, clock)
    await made.enrol()
    return made


REFUSED = "sign-in-refused: The login or the password is wrong, or there were too many tries. Wait, then try again."


async def test_the_right_password_signs_in(house: House) -> None:
    assert await house.tries() == await house.tries(" NORA ") == house.agent


async def test_every_refusal_reads_alike(house: House, clock: HandClock) -> None:
    refusals = [
        await house.tries(password=WRONG),
        await house.tries("nobody"),
        await house.tries(""),
        await house.tries("x" * 300),
        await house.tries(password=Sealed("")),
    ]
    house.identity.set_service(house.agent, 0.0, clock.now, "leaf")
    refusals.append(await house.tries(source=OFFICE))
    assert refusals == [REFUSED] * 6


async def test_an_unknown_login_costs_the_same_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by timing: the same number of argon2 runs with the same parameters."""
    verified: list[str] = []
    real = house.passwords._hasher.verify

    def counting(stored: str, plain: str) -> bool:
        verified.append(stored.rsplit("$", 2)[0])
        return real(stored, plain)

    monkeypatch.setattr(type(house.passwords._hasher), "verify", lambda self, stored, plain: counting(stored, plain))
    await house.tries(password=WRONG)
    await house.tries("nobody", WRONG)
    assert verified == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_too_many_tries_are_refused_even_with_the_right_password(house: House, clock: HandClock) -> None:
    for _ in range(3):
        await house.tries(password=WRONG)
    assert await house.tries() == REFUSED
    clock.now += 1.9
    assert await house.tries() == REFUSED
    clock.now += 0.1
    assert await house.tries() == house.agent
    assert await house.tries() == house.agent


async def test_nobody_locks_out_anybody_else(house: House) -> None:
    """By login and source: a stranger elsewhere, or a colleague at the same address, changes nothing for Nora."""
    for _ in range(9):
        await house.tries(password=WRONG, source=OFFICE)
        await house.tries("colleague", WRONG, HOME)
    assert await house.tries(source=HOME) == house.agent
    assert await house.tries(source=OFFICE) == REFUSED


async def test_a_burst_at_once_gains_nothing(house: House) -> None:
    outcomes = await asyncio.gather(*(house.tries(password=WRONG) for _ in range(4)))
    assert set(outcomes) == {REFUSED}
    assert await house.tries() == REFUSED


async def test_a_login_that_nobody_has_is_locked_just_the_same(house: House) -> None:
    lockout = house.sign_in.lockout
    for _ in range(3):
        await house.tries("nobody", WRONG)
        await house.tries("nora", WRONG)
    now = house.sign_in._clock.monotonic()
    assert lockout.wait("nobody"[::-1], HOME, now) == lockout.wait("nora"[::-1], HOME, now) == 2.0


async def test_a_password_hash_changed_behind_our_back_opens_nothing(house: House) -> None:
    other = await house.passwords.hash(WRONG, TICKET)
    row = house.store.all_staff()[0]
    house.store.put_staff(type(row)(**{**{name: getattr(row, name) for name in row.__slots__}, "password": other}))
    with pytest.raises(TamperError):
        await house.sign_in.check(Sealed("nora"), WRONG, HOME, TICKET)


# -- the back-off alone


def test_the_wait_doubles_to_its_most_and_is_forgiven() -> None:
    backoff = Backoff(BackoffLimits(free=2, first=2.0, most=10.0, forget=100.0))
    waits = []
    for _ in range(6):
        backoff.failed("a", HOME, now=0.0)
        waits.append(backoff.wait("a", HOME, now=0.0))
    assert waits == [0.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.wait("a", HOME, now=10.0) == 0.0
    assert backoff.failed("a", HOME, now=101.0) == 1
    backoff.passed("a", HOME)
    backoff.passed("a", HOME)
    assert backoff.failed("a", HOME, now=101.0) == 1


def test_a_million_failures_do_not_overflow() -> None:
    backoff = Backoff(BackoffLimits(free=0, first=2.0, most=900.0))
    for _ in range(3_000):
        backoff.failed("a", HOME, now=0.0)
    assert backoff.wait("a", HOME, now=0.0) == 900.0


@given(pairs=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123")), max_size=60))
def test_the_memory_is_bounded_and_keeps_the_newest(pairs: list[tuple[str, str]]) -> None:
    backoff = Backoff(BackoffLimits(free=1, remembered=4))
    for login, source in pairs:
        backoff.failed(login, source, now=0.0)
    assert len(backoff._failures) <= 4
    assert all(backoff.wait(*pair, now=0.0) > 0 for pair in pairs[-1:])


# -- the hashes


async def test_hashes_are_argon2id_salted_and_verify(passwords: Passwords) -> None:
    one, two = await passwords.hash(RIGHT, TICKET), await passwords.hash(RIGHT, TICKET)
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != two
    assert [await passwords.verify(one, each, TICKET) for each in (RIGHT, WRONG)] == [True, False]
    assert await passwords.verify(None, RIGHT, TICKET) is False


async def test_a_hash_made_with_other_parameters_is_outdated(passwords: Passwords) -> None:
    stored = await passwords.hash(RIGHT, TICKET)
    assert not passwords.outdated(stored)
    assert passwords.outdated(stored.replace("t=2", "t=9"))


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1_025])
async def test_a_new_password_has_a_length(passwords: Passwords, password: str) -> None:
    with pytest.raises(ConfigError, match="12 to 1024") as error:
        await passwords.hash(Sealed(password), TICKET)
    assert password == "" or password not in str(error.value)


async def test_what_is_no_hash_is_tampering(passwords: Passwords) -> None:
    with pytest.raises(TamperError):
        await passwords.verify("plain text", RIGHT, TICKET)


@pytest.mark.parametrize("limits", [PasswordLimits(memory_kib=19_455), PasswordLimits(passes=1)])
def test_weak_parameters_are_refused(limits: PasswordLimits) -> None:
    with pytest.raises(ConfigError, match="OWASP"):
        Passwords(limits)


async def test_too_many_at_once_are_told_to_wait(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(passwords, "_fits", lambda stored, plain: held.wait(30))
    under_way = [asyncio.create_task(passwords.verify("x", RIGHT, TICKET)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Denied, match="sign-in-busy"):
        await passwords.verify("x", RIGHT, TICKET)
    held.set()
    assert await asyncio.gather(*under_way) == [True] * 4
    assert await passwords.verify("x", RIGHT, TICKET)


async def test_hashing_leaves_the_event_loop_free(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    monkeypatch.setattr(passwords, "_fits", lambda stored, plain: bool(threads.append(threading.current_thread().name)))
    await passwords.verify("x", RIGHT, TICKET)
    assert threads[0].startswith("argon2")


# -- one-time words


async def with_word(house: House, clock: HandClock, seconds: float = 60.0) -> Sealed[str]:
    word = new_word()
    house.identity.set_password(house.agent, stored_word(word, clock.wall() + seconds), "leaf")
    return Sealed(word)


async def test_a_word_fits_and_is_told_apart_from_a_password(house: House, clock: HandClock) -> None:
    assert (await house.tries(), house.word) == (house.agent, False)
    word = await with_word(house, clock)
    assert (await house.tries(password=word), house.word) == (house.agent, True)
    assert await house.tries() == REFUSED, "the password before it is gone"


async def test_a_wrong_or_late_word_is_refused_like_a_password(house: House, clock: HandClock) -> None:
    word = await with_word(house, clock)
    assert await house.tries(password=WRONG) == REFUSED
    clock.now += 61.0
    assert await house.tries(password=word) == REFUSED
