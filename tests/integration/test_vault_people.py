"""People who look after their own sign-in, over the real vault: factors, step-up, sessions, and who may not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyotp
import pytest
import pytest_asyncio

from quietline.clock import SystemClock
from quietline.errors import Denied, NotSignedIn
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.authenticator import Authenticator
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import PASSWORD, VaultHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "https://quietline.local:8444"  # of the configuration's realm and port
NONE = Sealed("")


class Moved(SystemClock):
    """The real clock, moved on by a test."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class House(VaultHouse):
    """A vault with people; each test has an account of its own."""

    clock: Moved

    async def person(self, login: str, **more: Any) -> str:
        return await self.agent(login, certificates=(), **more)

    async def enters(self, login: str, code: str = "", source: str = "192.0.2.7") -> str:
        token, _ = await self.desk.sign_in(login, Sealed(PASSWORD), source, code=Sealed(code))
        return token

    async def app(self, token: str) -> tuple[pyotp.TOTP, list[str]]:
        """Set an app up; its codes from now on, and the recovery codes."""
        made = pyotp.TOTP((await self.people.app_begin(token))["secret"])
        return made, await self.people.app_confirm(token, Sealed(self.code(made)))

    def code(self, app: pyotp.TOTP, steps: int = 0) -> str:
        return app.at(int(self.clock.wall()) + 30 * steps)

    async def passkey(self, token: str, **more: Any) -> tuple[Authenticator, list[str]]:
        key = Authenticator(ORIGIN, **more)
        answer = key.makes(await self.people.passkey_begin(token))
        return key, await self.people.passkey_add(token, answer, "my laptop")

    async def enters_with(self, key: Authenticator, visit: str = "visit") -> str:
        answer = key.uses(await self.people.passkey_options(visit))
        return (await self.people.passkey_sign_in(visit, answer))[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    made = House(tmp_path_factory.mktemp("people"), MemoryLedger())
    made.clock = Moved()
    async with made:
        yield made


async def refusal(asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        await asked
    return refused.value.reason


def told(house: House, kind: Kind, agent: str) -> list[dict[str, Any]]:
    assert house.ledger is not None
    return [fields for fields in house.ledger.of(kind) if fields.get("agent") == agent]


# -- an authenticator app


async def test_an_app_is_a_second_factor_from_then_on(house: House) -> None:
    agent = await house.person("ada")
    token = await house.enters("ada")
    app, codes = await house.app(token)
    assert len(set(codes)) == 10
    assert await refusal(house.enters("ada")) == "second-factor"
    again = await house.enters("ada", house.code(app, 1))
    assert (await house.people.factors(again))["app"] > 0
    assert [each["change"] for each in told(house, Kind.FACTORS_CHANGED, agent)] == ["app-added"]
    assert told(house, Kind.SIGNED_IN, agent)[-1]["methods"] == "password totp"


async def test_a_code_is_good_once_even_at_the_same_moment(house: House) -> None:
    await house.person("bea")
    app, _ = await house.app(await house.enters("bea"))
    code = house.code(app, 1)
    outcomes = await asyncio.gather(*(house.enters("bea", code) for _ in range(3)), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, str)]) == 1
    assert {each.reason for each in outcomes if isinstance(each, Denied)} == {"proof-refused"}
    assert await refusal(house.enters("bea", house.code(app))) == "proof-refused"  # the step before it, too


async def test_a_code_counts_once_across_a_restart(house: House) -> None:
    await house.person("cat")
    app, _ = await house.app(await house.enters("cat"))
    code = house.code(app, 1)
    await house.enters("cat", code)
    await house.restart()
    assert await refusal(house.enters("cat", code)) == "proof-refused"


async def test_an_app_counts_only_once_a_code_of_it_was_seen(house: House) -> None:
    await house.person("dan")
    token = await house.enters("dan")
    secret = (await house.people.app_begin(token))["secret"]
    assert await refusal(house.people.app_confirm(token, Sealed("000000"))) == "proof-refused"
    right = Sealed(house.code(pyotp.TOTP(secret)))
    assert await refusal(house.people.app_confirm(token, right)) == "proof-refused"  # that try is over
    await house.enters("dan")


async def test_a_wrong_code_is_a_failed_try_and_a_missing_one_is_none(house: House) -> None:
    await house.person("eli")
    app, _ = await house.app(await house.enters("eli"))
    for _ in range(9):
        assert await refusal(house.enters("eli")) == "second-factor"
    for _ in range(5):
        assert await refusal(house.enters("eli", "000000")) == "proof-refused"
    assert await refusal(house.enters("eli", house.code(app, 1))) == "sign-in-refused"  # waits
    assert await house.enters("eli", house.code(app, 1), source="198.51.100.9")  # from elsewhere it does not


async def test_a_recovery_code_is_good_once_and_lets_one_set_up_anew(house: House) -> None:
    await house.person("fay")
    _, codes = await house.app(await house.enters("fay"))
    token = await house.enters("fay", codes[0].lower().replace("-", " "))
    assert await refusal(house.enters("fay", codes[0])) == "proof-refused"
    await house.people.app_remove(token)
    assert await house.enters("fay")


async def test_new_recovery_codes_void_the_old_ones(house: House) -> None:
    await house.person("gus")
    token = await house.enters("gus")
    _, old = await house.app(token)
    new = await house.people.recovery_renew(token)
    assert not set(old) & set(new)
    assert await refusal(house.enters("gus", old[1])) == "proof-refused"
    assert await house.enters("gus", new[1])


# -- passkeys


async def test_a_passkey_signs_in_without_a_login_and_is_two_factors(house: House) -> None:
    agent = await house.person("hal")
    key, codes = await house.passkey(await house.enters("hal"))
    assert len(codes) == 10
    token = await house.enters_with(key)
    assert (await house.desk.session(token)).agent == agent
    assert await refusal(house.enters("hal")) == "second-factor"  # a recovery code would help
    (held,) = (await house.people.factors(token))["passkeys"]
    assert (held["label"], held["used"] > 0) == ("my laptop", True)


async def test_the_options_to_sign_in_are_the_same_for_everybody(house: House) -> None:
    before = await house.people.passkey_options("before")
    await house.person("ida")
    await house.passkey(await house.enters("ida"))
    after = await house.people.passkey_options("after")
    assert {**before, "challenge": ""} == {**after, "challenge": ""}
    assert before["challenge"] != after["challenge"]
    assert (after["allowCredentials"], after["userVerification"], after["rpId"]) == ([], "required", "quietline.local")


async def test_a_challenge_is_good_once_for_its_own_visit_and_for_five_minutes(house: House) -> None:
    await house.person("jan")
    key, _ = await house.passkey(await house.enters("jan"))
    answer = key.uses(await house.people.passkey_options("mine"))
    assert await refusal(house.people.passkey_sign_in("theirs", answer)) == "sign-in-refused"
    assert await house.people.passkey_sign_in("mine", answer)
    assert await refusal(house.people.passkey_sign_in("mine", answer)) == "sign-in-refused"
    late = key.uses(await house.people.passkey_options("mine"))
    house.clock.ahead += 301
    assert await refusal(house.people.passkey_sign_in("mine", late)) == "sign-in-refused"


@pytest.mark.parametrize(
    "fault", ["origin", "unverified", "another-key", "another-user", "nobody", "not-json", "empty", "counter"]
)
async def test_an_answer_that_is_not_right_signs_nobody_in(house: House, fault: str) -> None:
    login = f"kim-{fault}"
    await house.person(login)
    key, _ = await house.passkey(await house.enters(login))
    bad = key.copy()
    match fault:
        case "origin":
            bad.origin = "https://desk.example"
        case "unverified":
            bad.verifies = False
        case "another-key":
            bad.key = Authenticator(ORIGIN).key
        case "another-user":
            bad.user = (await house.person("lee")).encode()
        case "nobody":
            bad.user = b"ag_0000000000000000"
        case "counter":
            await house.enters_with(key)  # the copy falls behind
    answer = bad.uses(await house.people.passkey_options("visit"))
    answer = {"not-json": "{", "empty": "{}"}.get(fault, answer)
    assert await refusal(house.people.passkey_sign_in("visit", answer)) == "sign-in-refused"
    assert await house.enters_with(key)


async def test_an_authenticator_without_a_counter_is_taken(house: House) -> None:
    await house.person("mia")
    key, _ = await house.passkey(await house.enters("mia"), counts=False)
    assert await house.enters_with(key)
    assert await house.enters_with(key)


async def test_a_passkey_without_verification_is_not_registered(house: House) -> None:
    await house.person("ned")
    token = await house.enters("ned")
    assert await refusal(house.passkey(token, verifies=False)) == "proof-refused"
    assert (await house.people.factors(token))["passkeys"] == []


async def test_a_registration_belongs_to_the_session_that_began_it(house: House) -> None:
    await house.person("ola")
    await house.person("pat")
    mine, theirs = await house.enters("ola"), await house.enters("pat")
    answer = Authenticator(ORIGIN).makes(await house.people.passkey_begin(mine))
    assert await refusal(house.people.passkey_add(theirs, answer, "")) == "proof-refused"
    assert await house.people.passkey_add(mine, answer, "")
    assert await refusal(house.people.passkey_add(mine, answer, "")) == "proof-refused"


async def test_ten_passkeys_are_enough(house: House) -> None:
    await house.person("qui")
    token = await house.enters("qui")
    for _ in range(10):
        await house.passkey(token)
    assert await refusal(house.people.passkey_begin(token)) == "policy"
    (first, *_) = (await house.people.factors(token))["passkeys"]
    await house.people.passkey_remove(token, first["id"])
    assert len((await house.people.factors(token))["passkeys"]) == 9


async def test_the_last_factor_takes_the_recovery_codes_along(house: House) -> None:
    await house.person("roy")
    token = await house.enters("roy")
    key, codes = await house.passkey(token)
    name = (await house.people.factors(token))["passkeys"][0]["id"]
    await house.people.passkey_remove(token, name)
    assert (await house.people.factors(token))["recovery"] == 0
    assert await refusal(house.enters_with(key)) == "sign-in-refused"
    assert await house.enters("roy")
    assert codes


async def test_whose_contract_ended_has_no_passkey_either(house: House) -> None:
    agent = await house.person("sue")
    key, _ = await house.passkey(await house.enters("sue"))
    await house.admin.call("end_service", agent=agent)
    assert await refusal(house.enters_with(key)) == "sign-in-refused"


# -- step-up


async def test_a_sensitive_act_asks_for_proof_that_is_five_minutes_old_at_most(house: House) -> None:
    await house.person("tom")
    token = await house.enters("tom")
    house.clock.ahead += 299
    assert await house.people.passkey_begin(token)
    house.clock.ahead += 2
    assert await refusal(house.people.passkey_begin(token)) == "step-up-needed"
    assert await refusal(house.people.change_password(token, Sealed("another long password"))) == "step-up-needed"
    assert await refusal(house.people.step_up(token, Sealed("wrong password here"), NONE, "")) == "proof-refused"
    await house.people.step_up(token, Sealed(PASSWORD), NONE, "")
    assert await house.people.passkey_begin(token)


async def test_with_a_second_factor_the_password_alone_is_no_step_up(house: House) -> None:
    await house.person("una")
    token = await house.enters("una")
    app, _ = await house.app(token)
    house.clock.ahead += 301
    assert (await house.people.step_up_options(token)) == {"passkey": {}, "code": True}
    assert await refusal(house.people.step_up(token, Sealed(PASSWORD), NONE, "")) == "second-factor"
    assert await refusal(house.people.app_remove(token)) == "step-up-needed"
    await house.people.step_up(token, Sealed(PASSWORD), Sealed(house.code(app)), "")
    await house.people.app_remove(token)


async def test_a_passkey_steps_up_its_own_session_alone(house: House) -> None:
    await house.person("val")
    await house.person("wyn")
    mine, theirs = await house.enters("val"), await house.enters("wyn")
    key, _ = await house.passkey(mine)
    await house.passkey(theirs)
    house.clock.ahead += 301
    options = (await house.people.step_up_options(theirs))["passkey"]
    assert await refusal(house.people.step_up(theirs, NONE, NONE, key.uses(options))) == "proof-refused"
    options = (await house.people.step_up_options(mine))["passkey"]
    assert len(options["allowCredentials"]) == 1
    await house.people.step_up(mine, NONE, NONE, key.uses(options))
    assert await house.people.recovery_renew(mine)


async def test_a_restart_keeps_when_and_how_somebody_proved_it(house: House) -> None:
    await house.person("xia")
    token = await house.enters("xia")
    await house.app(token)
    await house.restart()
    (session,) = await house.people.sessions(token)
    assert session["methods"] == ["password", "totp"]
    assert await house.people.recovery_renew(token)


# -- sessions


async def test_one_sees_and_ends_ones_own_sessions_alone(house: House) -> None:
    agent = await house.person("yan")
    await house.person("zoe")
    here, there, stranger = await house.enters("yan"), await house.enters("yan"), await house.enters("zoe")
    listed = await house.people.sessions(here)
    assert [each["own"] for each in listed] == [True, False]
    assert here not in str(listed)
    other = listed[1]["id"]
    assert await house.people.end_session(stranger, other) is False
    assert await house.people.end_session(here, other) is True
    with pytest.raises(NotSignedIn):
        await house.desk.session(there)
    assert (await house.desk.session(here)).agent == agent
    assert told(house, Kind.SIGNED_OUT, agent)[-1] == {"agent": agent, "why": "revoked", "sessions": 1}


async def test_the_last_session_takes_the_phone_along(house: House) -> None:
    agent = await house.person("abe")
    token = await house.enters("abe")
    await house.desk.phone(token)
    assert agent in house.edge.phones
    (own,) = await house.people.sessions(token)
    await house.people.end_session(token, own["id"])
    assert agent not in house.edge.phones


async def test_a_new_password_or_a_first_factor_ends_other_sessions(house: House) -> None:
    await house.person("bob")
    here, there = await house.enters("bob"), await house.enters("bob")
    await house.people.change_password(here, Sealed("another long password"))
    with pytest.raises(NotSignedIn):
        await house.desk.session(there)
    there = (await house.desk.sign_in("bob", Sealed("another long password"), "192.0.2.7"))[0]
    await house.passkey(here)
    with pytest.raises(NotSignedIn):
        await house.desk.session(there)
    assert await refusal(house.people.change_password(here, Sealed("short"))) == "choose-password"
    assert await house.people.end_other_sessions(here) == 0


# -- what an administrator does


async def test_a_locked_account_is_listed_and_unlocked(house: House) -> None:
    agent = await house.person("cyd")
    for _ in range(5):
        with pytest.raises(Denied):
            await house.desk.sign_in("cyd", Sealed("not the password"), "192.0.2.7")
    assert await refusal(house.enters("cyd")) == "sign-in-refused"
    assert list((await house.admin.call("staff_locked"))["locked"]) == [agent]
    assert (await house.admin.call("staff_unlock", agent=agent))["was_locked"] is True
    assert await house.enters("cyd")
    assert (await house.admin.call("staff_locked"))["locked"] == {}
    assert told(house, Kind.STAFF_CHANGED, agent)[-1]["change"] == "unlocked"


async def test_who_lost_everything_is_reset(house: House) -> None:
    agent = await house.person("dee")
    token = await house.enters("dee")
    key, _ = await house.passkey(token)
    await house.admin.call("staff_reset_factors", agent=agent)
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    assert await refusal(house.enters_with(key)) == "sign-in-refused"
    assert await house.enters("dee")


async def test_a_contract_that_runs_out_ends_by_itself(house: House) -> None:
    agent = await house.person("eve", role="seasonal_agent", ends=house.clock.wall() + 50)
    token = await house.enters("eve")
    await house.desk.phone(token)
    house.clock.ahead += 60
    parts = house.service._open
    assert parts is not None
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    await parts.admin.end_contracts()
    assert agent not in house.edge.phones
    assert told(house, Kind.SIGNED_OUT, agent)


# -- rows that somebody changed


def rewrite(house: House, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(house.config.paths.state / "vault" / "staff.db")) as db:
        db.execute(sql, values)
        db.commit()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM factors WHERE agent = ?",
        "UPDATE factors SET voucher = '' WHERE agent = ?",
        "UPDATE staff SET second = 0 WHERE agent = ?",
        "UPDATE factors SET record = (SELECT record FROM factors WHERE agent != staff_factors) WHERE agent = ?",
    ],
)
async def test_taking_a_second_factor_away_behind_our_back_opens_nothing(house: House, sql: str) -> None:
    login = f"fin{abs(hash(sql)) % 10_000}"
    agent = await house.person(login)
    app, _ = await house.app(await house.enters(login))
    if "staff_factors" in sql:
        sql = sql.replace("agent != staff_factors", f"agent != '{agent}' LIMIT 1")
    rewrite(house, sql, agent)
    for code in ("", house.code(app, 1)):
        with pytest.raises(Exception, match=r"(?i)behind our back|does not|tamper|denied|fit"):
            await house.enters(login, code)
    rewrite(house, "DELETE FROM factors WHERE agent = ?", agent)
    rewrite(house, "DELETE FROM staff WHERE agent = ?", agent)


async def test_neither_secret_nor_codes_stand_in_the_files(house: House, tmp_path: Path) -> None:
    await house.person("gil")
    token = await house.enters("gil")
    secret = (await house.people.app_begin(token))["secret"]
    codes = await house.people.app_confirm(token, Sealed(house.code(pyotp.TOTP(secret))))
    for path in (house.config.paths.state / "vault").iterdir():
        stored = path.read_bytes() if path.is_file() else b""
        assert secret.encode() not in stored, path.name
        assert not [code for code in codes if code.encode() in stored], path.name


async def test_a_role_that_needs_a_second_factor_is_sent_to_set_one_up(tmp_path: Path) -> None:
    async with House(tmp_path, MemoryLedger(), second_factor_roles=("privacy_officer",)) as house:
        await house.person("hope", role="privacy_officer")
        token, session = await house.desk.sign_in("hope", Sealed(PASSWORD), "192.0.2.7")
        assert session.second == "set-up"
        parts = house.service._open
        assert parts is not None
        assert await refusal(parts.desk.stepped_up(token)) == "set-up-second-factor"
        await house.passkey(token)
        assert (await house.desk.session(token)).second == ""
        assert (await parts.desk.stepped_up(token)).role == "privacy_officer"
