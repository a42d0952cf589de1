"""Signing in: one answer for every refusal, the same work, a back-off that hits the right one, hashes in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP, random_base32

from quietline.access.decide import Role
from quietline.access.factor_book import FactorBook
from quietline.access.factors import App, Factors
from quietline.access.identity import Identity, NewStaff
from quietline.access.lockout import Backoff, BackoffLimits, Lockout
from quietline.access.passkeys import Party
from quietline.access.passwords import PasswordLimits, Passwords
from quietline.access.second import Proofs
from quietline.access.sign_in import SignIn
from quietline.access.staff_memory import MemoryStaff
from quietline.access.step_up import Method
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


# -- a second factor


class Guarded(House):
    """An account with an authenticator app."""

    async def enrol(self, ends: float = 0.0) -> None:
        await super().enrol(ends)
        self.app = TOTP(random_base32())
        self.proofs = self.sign_in._proofs
        self.codes, kept = self.proofs.new_codes(self.agent)
        held = Factors(App(self.app.secret, 0, 0.0), (), kept)
        self.proofs.book.change(self.agent, lambda before: (held, None), "leaf-2")

    def code(self) -> str:
        return self.app.at(int(self.sign_in._clock.wall()))

    async def proves(self, code: str = "", password: Sealed[str] = RIGHT, source: str = HOME) -> str:
        try:
            proven = await self.sign_in.check(Sealed("nora"), password, source, TICKET, Sealed(code))
        except Denied as denial:
            return denial.reason
        return " ".join(proven.methods)


@pytest.fixture
async def guarded(passwords: Passwords, clock: HandClock) -> Guarded:
    made = Guarded(passwords, clock)
    await made.enrol()
    return made


async def test_password_and_code_sign_in_together(guarded: Guarded) -> None:
    assert await guarded.proves() == "second-factor"
    assert await guarded.proves(guarded.code()) == "password totp"
    assert await guarded.proves(guarded.codes[0]) == "password recovery"


async def test_that_there_is_a_second_factor_is_said_to_nobody_without_the_password(guarded: Guarded) -> None:
    answers = {await guarded.proves(code, WRONG) for code in ("", "000000", guarded.codes[0])}
    assert answers == {"sign-in-refused"}
    assert len(guarded.proofs.book.read(guarded.agent).recovery) == 10  # and no code was used up


async def test_wrong_codes_make_one_wait_and_asking_for_one_does_not(guarded: Guarded, clock: HandClock) -> None:
    for _ in range(9):
        assert await guarded.proves() == "second-factor"
    for _ in range(3):
        assert await guarded.proves("000000") == "proof-refused"
    assert await guarded.proves(guarded.code()) == "sign-in-refused"
    clock.now += 2.0
    assert await guarded.proves(guarded.code()) == "password totp"


async def test_asking_for_a_code_forgives_no_wrong_ones(guarded: Guarded) -> None:
    """Or a thief of the password would ask between two guesses."""
    for _ in range(3):
        await guarded.proves("000000")
        assert await guarded.proves() in ("second-factor", "sign-in-refused")
    assert await guarded.proves(guarded.code()) == "sign-in-refused"


async def test_a_code_of_this_moment_is_good_once(guarded: Guarded) -> None:
    code = guarded.code()
    outcomes = await asyncio.gather(*(guarded.proves(code) for _ in range(3)))
    assert sorted(outcomes) == ["password totp", "proof-refused", "proof-refused"]


async def test_proving_it_again_takes_password_and_code(guarded: Guarded) -> None:
    sign_in = guarded.sign_in
    with pytest.raises(Denied, match="second-factor"):
        await sign_in.proves(guarded.agent, RIGHT, Sealed(""), TICKET)
    with pytest.raises(Denied, match="proof-refused"):
        await sign_in.proves(guarded.agent, WRONG, Sealed(guarded.code()), TICKET)
    methods = await sign_in.proves(guarded.agent, RIGHT, Sealed(guarded.code()), TICKET)
    assert methods == (Method.PASSWORD, Method.TOTP)


async def test_guesses_in_a_stolen_session_are_slowed_and_lock_nobody_out(guarded: Guarded) -> None:
    for _ in range(3):
        with pytest.raises(Denied, match="proof-refused"):
            await guarded.sign_in.proves(guarded.agent, WRONG, Sealed(""), TICKET)
    with pytest.raises(Denied, match="sign-in-refused"):
        await guarded.sign_in.proves(guarded.agent, RIGHT, Sealed(guarded.code()), TICKET)
    assert await guarded.proves(guarded.code()) == "password totp"


async def test_nobody_steps_up_with_a_one_time_word(house: House) -> None:
    word = new_word()
    house.identity.set_password(house.agent, stored_word(word, house.sign_in._clock.wall() + 60), "leaf")
    with pytest.raises(Denied, match="proof-refused"):
        await house.sign_in.proves(house.agent, Sealed(word), Sealed(""), TICKET)
