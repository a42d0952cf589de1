"""Second factors, the pure parts: codes of an app, recovery codes, the record, challenges, step-up."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pyotp import TOTP

from quietline.access import passkeys, recovery, totp
from quietline.access.decide import Role
from quietline.access.factor_book import FactorBook
from quietline.access.factors import App, Factors, Passkey, from_bytes, to_bytes
from quietline.access.identity import Identity, NewStaff
from quietline.access.passkeys import Challenges, Party
from quietline.access.ports import SessionRow
from quietline.access.second import Proofs
from quietline.access.staff_memory import MemoryStaff
from quietline.access.step_up import Method, Needs, fresh, require_fresh, require_step_up
from quietline.access.vouch import Voucher
from quietline.errors import Denied, TamperError, Unavailable
from quietline.sealed import Sealed, Ticket
from quietline.testing.authenticator import Authenticator, decoded, encoded

NOW = 1_790_000_000.0
TICKET = Ticket("vault", "sign-in", -1)
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
KEY = b"r" * 32
SITE = Party("desk.example", ("https://desk.example", "https://other.example:8444"))


class HandClock:
    def __init__(self) -> None:
        self.now = NOW

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


# -- an app's codes


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert totp.fits(RFC_SECRET, code[-6:], at, 0) == at // 30


def code_of(step: int) -> str:
    return TOTP(RFC_SECRET).generate_otp(step)


TODAY = int(NOW) // 30


@pytest.mark.parametrize(("away", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_drift_by_one_step(away: int, good: bool) -> None:
    assert bool(totp.fits(RFC_SECRET, code_of(TODAY + away), NOW, 0)) is good


@given(last=st.integers(TODAY - 3, TODAY + 3), away=st.integers(-1, 1))
def test_only_a_later_step_counts(last: int, away: int) -> None:
    step = totp.fits(RFC_SECRET, code_of(TODAY + away), NOW, last)
    assert step == (TODAY + away if TODAY + away > last else 0)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "12345x", "١٢٣٤٥٦", "-12345", "12.345"])
def test_what_is_no_code_fits_nothing(code: str) -> None:
    assert totp.fits(RFC_SECRET, code, NOW, 0) == 0


def test_codes_may_be_typed_with_a_gap() -> None:
    code = code_of(TODAY)
    assert totp.fits(RFC_SECRET, f" {code[:3]} {code[3:]} ", NOW, 0) == TODAY


def test_a_secret_has_160_bits_and_an_address_that_apps_read() -> None:
    secret = totp.new_secret()
    assert len(secret) == 32
    assert secret != totp.new_secret()
    assert totp.address(secret, "Eva Example") == (
        f"otpauth://totp/Quietline:Eva%20Example?secret={secret}&issuer=Quietline"
    )


# -- recovery codes


def test_each_recovery_code_is_good_once() -> None:
    codes = recovery.new_codes()
    stored = recovery.kept(codes, "ag_1", KEY)
    assert len(set(codes)) == len(set(stored)) == 10
    for number, code in enumerate(codes, 1):
        left = recovery.without(stored, code, "ag_1", KEY)
        assert left is not None
        assert len(left) == 10 - number
        assert recovery.without(left, code, "ag_1", KEY) is None
        stored = left


def test_a_recovery_code_is_bound_to_account_and_vault() -> None:
    (code, *_) = codes = recovery.new_codes()
    stored = recovery.kept(codes, "ag_1", KEY)
    assert recovery.without(stored, code, "ag_2", KEY) is None
    assert recovery.without(stored, code, "ag_1", b"s" * 32) is None
    assert code.replace("-", "") not in "".join(stored)


@given(st.data())
def test_however_a_recovery_code_is_typed(data: st.DataObject) -> None:
    code = recovery.new_codes()[0]
    marks = data.draw(st.lists(st.sampled_from(["", " ", "-"]), min_size=len(code), max_size=len(code)))
    typed = "".join(mark + char for mark, char in zip(marks, code.lower(), strict=True)).replace("0", "o")
    assert recovery.looks_like(typed)
    assert recovery.without(recovery.kept([code], "ag_1", KEY), typed, "ag_1", KEY) == ()


def test_an_apps_code_is_not_taken_for_a_recovery_code() -> None:
    assert not recovery.looks_like("123456")


# -- the record

keys = st.builds(
    Passkey,
    id=st.text("abc-_", min_size=1, max_size=8),
    key=st.binary(max_size=20),
    count=st.integers(0, 2**32 - 1),
    label=st.text(max_size=10),
    made=st.floats(0, 2e9),
    used=st.floats(0, 2e9),
)
apps = st.builds(App, secret=st.text("ABC234", max_size=32), step=st.integers(0, 10**9), made=st.floats(0, 2e9))
records = st.builds(
    Factors,
    app=st.none() | apps,
    passkeys=st.lists(keys, max_size=3, unique_by=lambda key: key.id).map(tuple),
    recovery=st.lists(st.text("0123456789abcdef", max_size=8), max_size=3).map(tuple),
)


@given(records)
def test_a_record_comes_back_as_it_was(record: Factors) -> None:
    assert from_bytes(to_bytes(record)) == record


@given(records, st.text("abc", max_size=3))
def test_taking_away_leaves_the_rest(record: Factors, name: str) -> None:
    left = record.without_passkey(name)
    assert {key.id for key in left.passkeys} == {key.id for key in record.passkeys} - {name}
    assert left.second == (record.app is not None or bool(left.passkeys))
    assert left.recovery == (record.recovery if left.second else ())


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"app": 7, "passkeys": [], "recovery": []}', b"\xff"])
def test_what_is_no_record_is_tampering(raw: bytes) -> None:
    with pytest.raises(TamperError, match="reset"):
        from_bytes(raw)


def test_reprs_show_no_secret() -> None:
    held = Factors(App("SECRETSECRET", 1, NOW), (Passkey("id", b"keykeykey", 1, "mine", NOW),), ("deadbeef",))
    assert not [word for word in ("SECRET", "keykey", "deadbeef") if word in repr(held)]


# -- the book


class Sealer:
    """Bound to its agent, as the vault's is."""

    def index(self, login: str) -> str:
        return hashlib.sha256(login.encode()).hexdigest()

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes:
        return b""

    def open_name(self, agent: str, sealed: bytes) -> Sealed[str]:
        return Sealed("")

    def seal_factors(self, agent: str, record: bytes) -> bytes:
        return agent.encode() + b"|" + record

    def open_factors(self, agent: str, sealed: bytes) -> bytes:
        holder, _, record = sealed.partition(b"|")
        if holder != agent.encode():
            raise TamperError("sealed for somebody else")
        return record


class Book:
    """One account and its factors."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStaff(), HandClock()
        voucher = Voucher(b"k" * 32)
        self.identity = Identity(self.store, voucher, Sealer())
        self.agent = self.adds("nora")
        self.book = FactorBook(self.store, voucher, Sealer(), self.identity)
        self.proofs = Proofs(self.book, SITE, KEY, self.clock)

    def adds(self, login: str) -> str:
        return self.identity.add(NewStaff(Sealed(login), Sealed(""), "$hash", Role.AGENT, "store-1"), "leaf", TICKET)

    def sets(self, factors: Factors) -> None:
        self.book.change(self.agent, lambda held: (factors, None), "leaf-2")


@pytest.fixture
def book() -> Book:
    return Book()


WITH_APP = Factors(App(RFC_SECRET, 0, NOW))


def test_the_account_says_that_there_is_a_second_factor(book: Book) -> None:
    assert not book.identity.row(book.agent).second
    book.sets(WITH_APP)
    assert book.identity.row(book.agent).second
    assert book.identity.row(book.agent).leaf == "leaf-2"
    book.sets(Factors())
    assert not book.identity.row(book.agent).second


def test_a_record_that_is_gone_moved_or_older_counts_for_nothing(book: Book) -> None:
    book.sets(WITH_APP)
    first = book.store.factors(book.agent)
    book.sets(replace(WITH_APP, recovery=("aa",)))
    newest = book.store.factors(book.agent)
    assert first
    assert newest
    for row in (first, replace(newest, voucher=""), replace(newest, record=newest.record + b" ")):
        book.store.put_factors(row)
        with pytest.raises(TamperError):
            book.book.read(book.agent)
    book.store._factors.clear()
    with pytest.raises(TamperError, match="gone behind our back"):
        book.book.read(book.agent)
    book.book.reset(book.agent, "leaf-3")
    assert book.book.read(book.agent) == Factors()


def test_somebody_elses_record_does_not_fit(book: Book) -> None:
    other = book.adds("olaf")
    book.sets(WITH_APP)
    row = book.store.factors(book.agent)
    assert row
    book.store.put_factors(replace(row, agent=other))
    with pytest.raises(TamperError):
        book.book.read(other)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_code_whose_use_could_not_be_stored_proves_nothing(book: Book, fault: str) -> None:
    book.sets(WITH_APP)
    book.store.fault = fault
    with pytest.raises(Unavailable):
        book.proofs._code(book.agent, code_of(TODAY))


async def test_what_is_asked_for_fits_what_is_there(book: Book) -> None:
    book.sets(WITH_APP)
    with pytest.raises(Denied, match="second-factor"):
        await book.proofs.code(book.agent, Sealed(" "), TICKET)
    book.sets(Factors(passkeys=(Passkey("id", b"", 0, "mine", NOW),)))
    with pytest.raises(Denied, match="use-passkey"):
        await book.proofs.code(book.agent, Sealed(""), TICKET)
    with pytest.raises(Denied, match="proof-refused"):
        await book.proofs.code(book.agent, Sealed(code_of(TODAY)), TICKET)


# -- passkeys and challenges


def test_a_challenge_is_good_once_for_its_holder_and_purpose() -> None:
    clock = HandClock()
    challenges = Challenges(clock, seconds=10.0)
    value = challenges.make("sign-in", "a")
    for purpose, holder in (("sign-in", "b"), ("step-up", "a")):
        with pytest.raises(Denied):
            challenges.take(purpose, holder)
    assert challenges.take("sign-in", "a") == value
    with pytest.raises(Denied):
        challenges.take("sign-in", "a")
    challenges.make("sign-in", "a")
    clock.now += 10.0
    with pytest.raises(Denied, match="proof-refused"):
        challenges.take("sign-in", "a")


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_challenges_are_bounded_and_the_newest_stays(holders: list[str]) -> None:
    challenges = Challenges(HandClock(), remembered=3)
    made = {holder: challenges.make("sign-in", holder) for holder in holders}
    assert len(challenges._kept) <= 3
    if holders:
        assert challenges.take("sign-in", holders[-1]) == made[holders[-1]]


@pytest.mark.parametrize("origin", SITE.origins)
def test_each_origin_of_ours_may_make_and_use_a_passkey(origin: str) -> None:
    authenticator, challenge = Authenticator(origin), b"c" * 32
    options = passkeys.registration(SITE, "ag_1", "Eva Example", (), challenge)
    key = passkeys.registered(SITE, authenticator.makes(options), challenge, "mine", NOW)
    answer = authenticator.uses(passkeys.request(SITE, (key,), challenge))
    assert passkeys.holder(answer) == ("ag_1", key.id)
    assert passkeys.used(SITE, answer, challenge, key, NOW + 5).used == NOW + 5
    with pytest.raises(Denied):
        passkeys.used(SITE, answer, b"d" * 32, key, NOW)
    with pytest.raises(Denied):
        passkeys.used(replace(SITE, id="evil.example"), answer, challenge, key, NOW)


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_made_up_answers_are_refused_and_nothing_else(answer: str) -> None:
    key = Passkey("id", b"", 0, "mine", NOW)
    for check in (
        lambda: passkeys.holder(answer),
        lambda: passkeys.used(SITE, answer, b"c" * 32, key, NOW),
        lambda: passkeys.registered(SITE, answer, b"c" * 32, "mine", NOW),
    ):
        with pytest.raises(Denied, match="proof-refused"):
            check()


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
def test_an_answer_with_one_byte_changed_is_refused(part: str) -> None:
    authenticator, challenge = Authenticator(SITE.origins[0], counts=False), b"c" * 32
    options = passkeys.registration(SITE, "ag_1", "Eva", (), challenge)
    key = passkeys.registered(SITE, authenticator.makes(options), challenge, "mine", NOW)
    answer = json.loads(authenticator.uses(passkeys.request(SITE, (), challenge)))
    raw = decoded(answer["response"][part])
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :]
        response = {**answer["response"], part: encoded(changed)}
        with pytest.raises(Denied, match="proof-refused"):
            passkeys.used(SITE, json.dumps({**answer, "response": response}), challenge, key, NOW)


# -- step-up


def session(age: float = 0.0, *methods: Method) -> SessionRow:
    return SessionRow("d", "ag_1", NOW - 5_000, NOW, authenticated=NOW - age, methods=methods or (Method.PASSWORD,))


PLAIN, SECOND, MISSING = Needs(second=False), Needs(second=True), Needs(second=False, role=True)


@pytest.mark.parametrize(
    ("row", "needs", "refusal"),
    [
        (session(), PLAIN, ""),
        (session(300), PLAIN, ""),
        (session(301), PLAIN, "step-up-needed"),
        (session(-1), PLAIN, "step-up-needed"),  # the clock was set back
        (session(), SECOND, "step-up-needed"),
        (session(0, Method.PASSWORD, Method.TOTP), SECOND, ""),
        (session(0, Method.PASSKEY), SECOND, ""),
        (session(0, Method.OIDC), SECOND, "step-up-needed"),
        (session(0, Method.OIDC, Method.OIDC_SECOND), SECOND, ""),
        (session(0, Method.PASSWORD, Method.RECOVERY), SECOND, "step-up-needed"),
        (session(301, Method.PASSKEY), SECOND, "step-up-needed"),
        (session(), MISSING, "set-up-second-factor"),
        (session(0, Method.PASSKEY), Needs(second=True, role=True), ""),
    ],
)
def test_what_is_proof_enough(row: SessionRow, needs: Needs, refusal: str) -> None:
    with pytest.raises(Denied, match=refusal) if refusal else nullcontext():
        require_step_up(row, NOW, needs)


def test_ones_own_factors_may_be_set_up_with_less() -> None:
    require_fresh(session(), NOW, MISSING)
    require_fresh(session(0, Method.PASSWORD, Method.RECOVERY), NOW, SECOND)
    for row, needs in ((session(), SECOND), (session(301), PLAIN), (session(301, Method.RECOVERY), SECOND)):
        with pytest.raises(Denied, match="step-up-needed"):
            require_fresh(row, NOW, needs)


@given(age=st.floats(-1_000, 1_000), most=st.floats(0, 1_000))
def test_fresh_is_between_now_and_then(age: float, most: float) -> None:
    row = session(age)
    assert fresh(row, NOW, most) == (0 <= NOW - row.authenticated <= most)
