"""Sign-on by an identity provider that is real: its own keys, HTTP, one code at a time. And API tokens."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from quietline.clock import SystemClock
from quietline.config import Oidc, Store
from quietline.errors import ConfigError, Denied, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.testing.authenticator import encoded
from quietline.testing.identity_provider import IdentityProvider
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import VaultHouse

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

BACK = "https://quietline.local:8444/sign-on"


class Moved(SystemClock):
    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[IdentityProvider]:
    async with IdentityProvider() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VaultHouse]:
    made = VaultHouse(tmp_path_factory.mktemp("sign-on"), MemoryLedger())
    made.clock = Moved()
    oidc = Oidc(issuer=provider.issuer, client_id="quietline-desk")
    made.config = replace(made.config, oidc=oidc, stores=(*made.config.stores, Store("hub", "Hub")))
    async with made:
        yield made


@pytest.fixture
def fresh(provider: IdentityProvider) -> IdentityProvider:
    provider.says, provider.down, provider.algorithm = {}, False, "ES256"
    return provider


async def linked(house: VaultHouse, login: str, subject: str, **more: Any) -> str:
    agent = await house.agent(login, certificates=(), **more)
    await house.admin.call("staff_link", agent=agent, subject=subject)
    return agent


async def comes_back(house: VaultHouse, provider: IdentityProvider, visit: str = "visit") -> str:
    state, code = provider.signs_on(await house.people.sign_on_start(visit))
    return (await house.people.sign_on_finish(visit, state, code))[0]


async def refused(house: VaultHouse, provider: IdentityProvider) -> None:
    with pytest.raises(Denied, match="sign-in-refused"):
        await comes_back(house, provider)


async def test_a_linked_account_signs_on(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-ana"
    agent = await linked(house, "ana", "sub-ana")
    token = await comes_back(house, fresh)
    assert (await house.desk.session(token)).agent == agent
    (session,) = await house.people.sessions(token)
    assert session["methods"] == ["oidc"]


async def test_the_way_there_asks_for_no_more_than_who_it_is(house: VaultHouse, fresh: IdentityProvider) -> None:
    address = await house.people.sign_on_start("visit")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{fresh.issuer}/authorize?")
    assert (asked["scope"], asked["response_type"], asked["redirect_uri"]) == ("openid", "code", BACK)
    assert asked["code_challenge_method"] == "S256"
    other = parse_qs(urlsplit(await house.people.sign_on_start("visit")).query)
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & {
        other[name][0] for name in ("state", "nonce", "code_challenge")
    }


async def test_a_subject_that_nobody_linked_is_refused_whatever_its_email(
    house: VaultHouse, fresh: IdentityProvider
) -> None:
    await house.agent("bob@example.com", certificates=())
    fresh.subject = "sub-stranger"
    fresh.says = {"email": "bob@example.com", "email_verified": True, "preferred_username": "bob@example.com"}
    await refused(house, fresh)


@pytest.mark.parametrize(
    "says",
    [
        {"iss": "https://login.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["quietline-desk", "another-client"]},
        {"aud": ["quietline-desk", "another-client"], "azp": "another-client"},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_000},
        {"exp": None},
        {"iat": int(time.time()) + 86_400},
        {"iat": None},
        {"nbf": int(time.time()) + 86_400},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    house: VaultHouse, fresh: IdentityProvider, says: dict[str, Any]
) -> None:
    fresh.subject = "sub-ana"
    fresh.says = says
    await refused(house, fresh)
    fresh.says = {}
    assert await comes_back(house, fresh)


async def test_several_audiences_are_fine_where_we_are_the_party(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-ana"
    fresh.says = {"aud": ["quietline-desk", "another-client"], "azp": "quietline-desk"}
    assert await comes_back(house, fresh)


async def test_a_token_signed_with_a_shared_secret_or_nothing_is_refused(
    house: VaultHouse, fresh: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.subject = "sub-ana"
    real = fresh.token

    def forged(asked: dict[str, str]) -> str:
        """HMAC under the public key, which everybody knows (RFC 8725 §2.1)."""
        body = real(asked).split(".")[1]
        header = {"alg": "HS256", "kid": fresh.keys[0].kid}
        signed = f"{encoded(json.dumps(header).encode())}.{body}"
        mac = hmac.digest(fresh.keys[0].as_pem(private=False), signed.encode(), hashlib.sha256)
        return f"{signed}.{encoded(mac)}"

    monkeypatch.setattr(fresh, "token", forged)
    await refused(house, fresh)
    none = encoded(json.dumps({"alg": "none", "kid": fresh.keys[0].kid}).encode())
    monkeypatch.setattr(fresh, "token", lambda asked: f"{none}.{real(asked).split('.')[1]}.")
    await refused(house, fresh)
    monkeypatch.setattr(fresh, "token", lambda asked: real(asked).rsplit(".", 1)[0] + ".")
    await refused(house, fresh)


async def test_another_browser_a_used_state_and_a_used_code_are_refused(
    house: VaultHouse, fresh: IdentityProvider
) -> None:
    fresh.subject = "sub-ana"
    state, code = fresh.signs_on(await house.people.sign_on_start("mine"))
    with pytest.raises(Denied, match="sign-in-refused"):
        await house.people.sign_on_finish("theirs", state, code)
    with pytest.raises(Denied, match="sign-in-refused"):
        await house.people.sign_on_finish("mine", state, code)  # the try is over
    first, code = fresh.signs_on(await house.people.sign_on_start("mine"))
    assert await house.people.sign_on_finish("mine", first, code)
    again, _ = fresh.signs_on(await house.people.sign_on_start("mine"))
    with pytest.raises(Denied, match="sign-in-refused"):
        await house.people.sign_on_finish("mine", again, code)
    for made_up in ("", "x" * 43):
        with pytest.raises(Denied, match="sign-in-refused"):
            await house.people.sign_on_finish("mine", made_up, code)


async def test_a_code_of_another_try_does_not_fit_ours(house: VaultHouse, fresh: IdentityProvider) -> None:
    """Injection of a code (RFC 9700 §4.5): PKCE binds it to who began, the nonce binds the token."""
    fresh.subject = "sub-ana"
    _, theirs = fresh.signs_on(await house.people.sign_on_start("theirs"))
    state, _ = fresh.signs_on(await house.people.sign_on_start("mine"))
    with pytest.raises(Denied, match="sign-in-refused"):
        await house.people.sign_on_finish("mine", state, theirs)


async def test_a_try_ends_after_five_minutes(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-ana"
    state, code = fresh.signs_on(await house.people.sign_on_start("mine"))
    assert isinstance(house.clock, Moved)
    house.clock.ahead += 301
    with pytest.raises(Denied, match="sign-in-refused"):
        await house.people.sign_on_finish("mine", state, code)
    house.clock.ahead -= 301


async def test_keys_roll_over_and_nobody_makes_us_ask_on(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-ana"
    assert isinstance(house.clock, Moved)
    assert await comes_back(house, fresh)
    asked = dict(fresh.asked)
    assert await comes_back(house, fresh)
    assert {name: fresh.asked[name] - asked[name] for name in asked} == {"metadata": 0, "keys": 0, "token": 1}
    house.clock.ahead += 31
    fresh.rolls_over()
    assert await comes_back(house, fresh)
    assert fresh.asked["keys"] == asked["keys"] + 1
    fresh.rolls_over()
    await refused(house, fresh)  # within half a minute we do not ask again
    assert fresh.asked["keys"] == asked["keys"] + 1
    house.clock.ahead += 31
    assert await comes_back(house, fresh)


async def test_a_provider_that_is_away_is_said_as_that(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-ana"
    state, code = fresh.signs_on(await house.people.sign_on_start("visit"))
    fresh.down = True
    with pytest.raises(Unavailable):
        await house.people.sign_on_finish("visit", state, code)


async def test_a_second_factor_at_the_provider_counts_only_while_it_is_fresh(
    house: VaultHouse, fresh: IdentityProvider
) -> None:
    fresh.subject = "sub-cleo"
    await linked(house, "cleo", "sub-cleo", role="privacy_officer")
    parts = house.service._open
    assert parts is not None
    fresh.says = {"amr": ["pwd", "mfa"]}
    token = await comes_back(house, fresh)
    assert (await parts.desk.stepped_up(token)).role == "privacy_officer"
    fresh.says = {"amr": ["pwd", "mfa"], "auth_time": int(time.time()) - 3_600}
    with pytest.raises(Denied, match="step-up-needed"):
        await parts.desk.stepped_up(await comes_back(house, fresh))
    fresh.says = {"amr": ["pwd", "mfa"], "auth_time": None}
    with pytest.raises(Denied, match="step-up-needed"):
        await parts.desk.stepped_up(await comes_back(house, fresh))


async def test_a_link_belongs_to_one_account_and_can_be_taken_away(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-dora"
    agent, other = await linked(house, "dora", "sub-dora"), await house.agent("dirk", certificates=())
    with pytest.raises(ConfigError, match="another account has this subject"):
        await house.admin.call("staff_link", agent=other, subject="sub-dora")
    with pytest.raises(ConfigError, match="1 to 255"):
        await house.admin.call("staff_link", agent=other, subject="")
    await house.admin.call("staff_link", agent=agent, subject="sub-dora-2")
    await refused(house, fresh)  # the earlier one is replaced
    fresh.subject = "sub-dora-2"
    assert await comes_back(house, fresh)
    await house.admin.call("staff_unlink", agent=agent)
    await refused(house, fresh)


async def test_whose_contract_ended_is_refused(house: VaultHouse, fresh: IdentityProvider) -> None:
    fresh.subject = "sub-emil"
    agent = await linked(house, "emil", "sub-emil")
    token = await comes_back(house, fresh)
    await house.admin.call("end_service", agent=agent)
    await refused(house, fresh)
    with pytest.raises(Denied):
        await house.desk.session(token)


async def test_without_a_provider_there_is_no_sign_on(tmp_path: Any) -> None:
    async with VaultHouse(tmp_path, MemoryLedger()) as house:
        with pytest.raises(Denied, match="policy"):
            await house.people.sign_on_start("visit")
        agent = await house.agent(certificates=())
        with pytest.raises(ConfigError, match=r"\[oidc\] issuer"):
            await house.admin.call("staff_link", agent=agent, subject="sub-1")


# -- API tokens


async def made(
    house: VaultHouse, login: str, *scopes: str, days: float = 30.0, **more: Any
) -> tuple[str, dict[str, Any]]:
    agent = await house.agent(login, certificates=(), **more)
    return agent, await house.admin.call("token_add", agent=agent, scopes=list(scopes or ("floor.read",)), days=days)


async def test_a_token_reads_the_floor_of_its_owners_store(house: VaultHouse) -> None:
    agent, token = await made(house, "boss", role="supervisor", store="station")
    assert await house.people.token_floor(token["token"]) == {"agent": agent, "store": "station"}
    _, hub = await made(house, "hub-boss", role="store_manager", store="hub")
    assert (await house.people.token_floor(hub["token"]))["store"] == ""


async def test_a_token_is_good_for_its_scopes_alone(house: VaultHouse) -> None:
    _, floor = await made(house, "s1", "floor.read", role="supervisor")
    _, about = await made(house, "s2", "token.read", role="supervisor")
    with pytest.raises(Denied, match="token-refused"):
        await house.people.token_about(floor["token"])
    with pytest.raises(Denied, match="token-refused"):
        await house.people.token_floor(about["token"])
    told = await house.people.token_about(about["token"])
    assert (told["id"], told["scopes"]) == (about["id"], ["token.read"])
    assert "token" not in told


@pytest.mark.parametrize("role", ["agent", "auditor", "administrator", "privacy_officer"])
async def test_a_token_does_no_more_than_its_owner_may(house: VaultHouse, role: str) -> None:
    _, token = await made(house, f"owner-{role}", role=role)
    with pytest.raises(Denied, match="token-refused"):
        await house.people.token_floor(token["token"])


async def test_a_token_ends_is_revoked_and_dies_with_its_owner(house: VaultHouse) -> None:
    assert isinstance(house.clock, Moved)
    _, short = await made(house, "t1", role="supervisor", days=0.5)
    _, revoked = await made(house, "t2", role="supervisor")
    agent, orphan = await made(house, "t3", role="supervisor")
    await house.admin.call("token_revoke", api_token=revoked["id"])
    await house.admin.call("end_service", agent=agent)
    house.clock.ahead += 43_201
    for token in (short, revoked, orphan):
        with pytest.raises(Denied, match="token-refused"):
            await house.people.token_floor(token["token"])
    listed = {each["id"] for each in (await house.admin.call("token_list"))["tokens"]}
    assert not listed & {short["id"], revoked["id"], orphan["id"]}
    house.clock.ahead -= 43_201


async def test_tokens_outlive_a_restart_and_stand_nowhere(house: VaultHouse) -> None:
    _, token = await made(house, "t4", role="supervisor")
    await house.restart()
    assert await house.people.token_floor(token["token"])
    for path in (house.config.paths.state / "vault").iterdir():
        assert token["token"].encode() not in (path.read_bytes() if path.is_file() else b""), path.name
    assert token["token"] not in str((await house.admin.call("token_list"))["tokens"])


async def test_tokens_are_in_the_ledger_a_use_once_an_hour(house: VaultHouse) -> None:
    agent, token = await made(house, "t5", role="supervisor")
    for _ in range(3):
        await house.people.token_floor(token["token"])
    await house.admin.call("token_revoke", api_token=token["id"])
    assert house.ledger is not None
    kinds = [entry.kind for entry in house.ledger.entries if dict(entry.fields or {}).get("token") == token["id"]]
    assert kinds == [Kind.TOKEN_ISSUED, Kind.TOKEN_USED, Kind.TOKEN_REVOKED]
    assert token["token"] not in str(house.ledger.entries)
    assert agent


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scopes": []}, "scopes: one or more of floor.read"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"days": 0.0}, "days"),
        ({"days": 367.0}, "366"),
        ({"days": float("inf")}, "days"),
    ],
)
async def test_a_token_that_cannot_be_says_why(house: VaultHouse, fields: dict[str, Any], named: str) -> None:
    agent = (await house.admin.call("staff_find", login="boss"))["agent"]
    with pytest.raises(ConfigError, match=named):
        await house.admin.call("token_add", **{"agent": agent, "scopes": ["floor.read"], "days": 1.0, **fields})


@pytest.mark.parametrize("token", ["", "qlt_", "qlt_" + "x" * 43, "x" * 47, "qlt_" + "ä" * 43])
async def test_made_up_tokens_are_refused(house: VaultHouse, token: str) -> None:
    with pytest.raises(Denied, match="token-refused"):
        await house.people.token_floor(token)
