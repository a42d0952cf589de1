"""The web's routes for one's own sign-in, over the real vault: who may, what is refused, which cookies come of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pyotp
import pytest
import pytest_asyncio

from quietline.clock import SystemClock
from quietline.config import Oidc
from quietline.testing.authenticator import Authenticator
from quietline.testing.desk_client import DeskClient, DeskUnderTest, page_files
from quietline.testing.fake_desk import FakeController, FakeVault
from quietline.testing.identity_provider import IdentityProvider
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import PASSWORD, VaultHouse
from quietline.web.app import build_app
from quietline.web.desk import Desk
from quietline.web.site import Limits, Site

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

SITE = Site("quietline.local", 8444, 8443, limits=Limits(heartbeat_seconds=0.05), sign_on=True)
BOARD = {
    "now": 5.0,
    "queues": [{"id": "orders", "waiting": 2}],
    "agents": [
        {"agent": "ag_1", "state": "ready"},
        {"agent": "ag_2", "state": "ready"},
        {"agent": "ag_3", "state": "away"},
    ],
    "offline": 4,
}


class RealDesk(DeskUnderTest):
    """The web application in front of a real vault; the controller is in memory."""

    def __init__(self, house: VaultHouse, provider: IdentityProvider) -> None:
        self.house, self.provider, self.site = house, provider, SITE
        self.controller = FakeController(FakeVault())
        self.controller.board = dict(BOARD)
        self.desk = Desk(SITE, house.desk, self.controller, SystemClock(), page_files(), house.people)
        self.app = build_app(self.desk)

    async def person(self, login: str, **more: Any) -> str:
        return await self.house.agent(login, certificates=(), **more)

    async def enters(self, login: str, **more: str) -> DeskClient:
        client = self.client()
        await client.visit()
        answer = await client.post("/api/session", {"login": login, "password": PASSWORD, **more})
        assert answer.status_code == 201, answer.text
        client.csrf = answer.json()["csrf"]
        return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealDesk]:
    house = VaultHouse(tmp_path_factory.mktemp("web-people"), MemoryLedger())
    async with IdentityProvider() as provider:
        house.config = replace(house.config, oidc=Oidc(issuer=provider.issuer, client_id="quietline-desk"))
        async with house:
            yield RealDesk(house, provider)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json().get("reason", answer.json()["code"]))


async def with_passkey(client: DeskClient) -> tuple[Authenticator, list[str]]:
    key = Authenticator(SITE.origin)
    options = (await client.post("/api/me/passkeys/options")).json()
    answer = await client.post("/api/me/passkeys", {"answer": key.makes(options), "label": "laptop"})
    assert answer.status_code == 201, answer.text
    return key, answer.json()["codes"]


async def test_a_passkey_signs_in_with_a_cookie_of_its_own(desk: RealDesk) -> None:
    await desk.person("ana")
    key, codes = await with_passkey(await desk.enters("ana"))
    assert len(codes) == 10
    browser = desk.client()
    await browser.visit()
    options = (await browser.post("/api/passkey/options")).json()
    answer = await browser.post("/api/passkey/session", {"answer": key.uses(options)})
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert "__Host-quietline=" in cookie
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
    assert (await browser.get("/api/me")).json()["name"] == "Eva Example"


async def test_options_of_one_visit_do_not_fit_another(desk: RealDesk) -> None:
    await desk.person("bea")
    key, _ = await with_passkey(await desk.enters("bea"))
    mine, theirs = desk.client(), desk.client()
    await mine.visit()
    await theirs.visit()
    answer = {"answer": key.uses((await mine.post("/api/passkey/options")).json())}
    await theirs.post("/api/passkey/options")
    assert problem(await theirs.post("/api/passkey/session", answer), 401) == "sign-in-refused"


@pytest.mark.parametrize("path", ["/api/passkey/options", "/api/passkey/session", "/api/sign-on"])
async def test_signing_in_asks_for_our_own_page(desk: RealDesk, path: str) -> None:
    client = desk.client()
    body = {"answer": "{}"} if path.endswith("session") else None
    assert problem(await client.post(path, body), 403) == "forged"  # no visit
    await client.visit()
    assert problem(await client.post(path, body, Origin="https://evil.example"), 403) == "forged"
    assert problem(await client.post(path, body, X_CSRF_Token="x"), 403) == "forged"


async def test_a_second_factor_goes_with_the_password(desk: RealDesk) -> None:
    await desk.person("cat")
    client = await desk.enters("cat")
    secret = (await client.post("/api/me/app")).json()["secret"]
    answer = await client.post("/api/me/app/confirm", {"code": pyotp.TOTP(secret).now()})
    assert len(answer.json()["codes"]) == 10
    browser = desk.client()
    await browser.visit()
    credentials = {"login": "cat", "password": PASSWORD}
    assert problem(await browser.post("/api/session", credentials), 403) == "second-factor"
    assert problem(await browser.post("/api/session", {**credentials, "code": "000000"}), 403) == "proof-refused"
    assert problem(await browser.post("/api/session", {**credentials, "password": "x" * 12}), 401) == "sign-in-refused"
    code = answer.json()["codes"][0]
    assert (await browser.post("/api/session", {**credentials, "code": code})).status_code == 201


async def test_one_sees_and_removes_what_is_set_up(desk: RealDesk) -> None:
    await desk.person("dan")
    client = await desk.enters("dan")
    await with_passkey(client)
    held = (await client.get("/api/me/factors")).json()
    assert (held["recovery"], held["app"], held["needed"]) == (10, 0.0, False)
    name = held["passkeys"][0]["id"]
    assert len((await client.post("/api/me/recovery")).json()["codes"]) == 10
    assert (await client.send("DELETE", f"/api/me/passkeys/{name}")).status_code == 204
    assert (await client.send("DELETE", "/api/me/app")).status_code == 204
    assert (await client.get("/api/me/factors")).json()["passkeys"] == []


async def test_proof_that_is_old_is_asked_for_again(desk: RealDesk) -> None:
    await desk.person("eli")
    client = await desk.enters("eli")
    parts = desk.house.service._open
    assert parts is not None
    sessions = parts.desk._sessions
    (row,) = [each for each in sessions.all() if each.agent == (await client.get("/api/me")).json()["agent"]]
    sessions._rows[row.digest] = replace(row, authenticated=row.authenticated - 301)
    assert problem(await client.post("/api/me/passkeys/options"), 403) == "step-up-needed"
    assert (await client.post("/api/me/step-up/options")).json() == {"passkey": {}, "code": False}
    assert problem(await client.post("/api/me/step-up", {"password": "wrong"}), 403) == "proof-refused"
    assert (await client.post("/api/me/step-up", {"password": PASSWORD})).status_code == 204
    assert (await client.post("/api/me/passkeys/options")).status_code == 200
    assert (await client.post("/api/me/password", {"password": "another long password"})).status_code == 204
    assert problem(await client.post("/api/me/password", {"password": "short"}), 403) == "choose-password"


async def test_a_session_is_ended_from_elsewhere_and_its_stream_with_it(desk: RealDesk) -> None:
    await desk.person("fay")
    here, there = await desk.enters("fay"), await desk.enters("fay")
    listed = (await here.get("/api/me/sessions")).json()["sessions"]
    (other,) = [each["id"] for each in listed if not each["own"]]
    async with there.events() as stream:
        await stream.heartbeat()
        assert (await here.send("DELETE", f"/api/me/sessions/{other}")).json() == {"ended": True}
        await stream.ended.wait()
    assert problem(await there.get("/api/me"), 401) == "signed-out"
    assert (await here.send("DELETE", f"/api/me/sessions/{other}")).json() == {"ended": False}
    await desk.enters("fay")
    assert (await here.send("DELETE", "/api/me/sessions")).json() == {"ended": 1}


async def test_an_end_of_service_is_everywhere_at_once(desk: RealDesk) -> None:
    """Web session, event stream, SIP credential and API token."""
    agent = await desk.person("gus", role="supervisor")
    client = await desk.enters("gus")
    assert (await client.get("/api/phone")).json()["user"] == agent
    made = await desk.house.admin.call("token_add", agent=agent, scopes=["floor.read"], days=1.0)
    machine = desk.client()
    assert (await machine.get("/api/v1/floor", Authorization=f"Bearer {made['token']}")).status_code == 200
    async with client.events() as stream:
        await stream.heartbeat()
        await desk.house.admin.call("end_service", agent=agent)
        await stream.ended.wait()
    assert problem(await client.get("/api/me"), 401) == "signed-out"
    assert agent not in desk.house.edge.phones
    answer = await machine.get("/api/v1/floor", Authorization=f"Bearer {made['token']}")
    assert problem(answer, 401) == "token-refused"


async def test_the_security_page_is_a_shell(desk: RealDesk) -> None:
    answer = await desk.client().get("/security")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "security.js" in answer.text


async def test_a_body_that_is_not_ours_is_refused_without_repeating_it(desk: RealDesk) -> None:
    await desk.person("hal")
    client = await desk.enters("hal")
    for path, body in [
        ("/api/me/step-up", {"password": "hunter22hunter22", "more": 1}),
        ("/api/me/passkeys", {"answer": "x" * 8_001}),
        ("/api/me/app/confirm", {"code": 123456}),
    ]:
        answer = await client.post(path, body)
        assert answer.status_code in (413, 422), path
        assert "hunter22" not in answer.text


# -- the identity provider


async def comes_back(desk: RealDesk, client: DeskClient) -> httpx.Response:
    await client.visit()
    begun = await client.post("/api/sign-on")
    assert "SameSite=lax" in begun.headers["set-cookie"]
    state, code = desk.provider.signs_on(begun.json()["address"])
    return await client.http.get("/sign-on", params={"state": state, "code": code})


async def test_a_linked_person_comes_back_signed_in(desk: RealDesk) -> None:
    agent = await desk.person("ida")
    desk.provider.subject = "sub-ida"
    await desk.house.admin.call("staff_link", agent=agent, subject="sub-ida")
    client = desk.client()
    answer = await comes_back(desk, client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/api/me")).json()["agent"] == agent
    assert "__Host-quietline-sign-on" not in client.http.cookies


async def test_a_stranger_comes_back_to_the_sign_in_page(desk: RealDesk) -> None:
    desk.provider.subject = "sub-stranger"
    client = desk.client()
    answer = await comes_back(desk, client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?sign-on=refused")
    assert (await client.get("/api/me")).status_code == 401


async def test_without_having_left_nobody_comes_back(desk: RealDesk) -> None:
    """Log-in forgery: a stranger's state and code in somebody else's browser (RFC 6749 §10.12)."""
    begun = desk.client()
    await begun.visit()
    state, code = desk.provider.signs_on((await begun.post("/api/sign-on")).json()["address"])
    victim = desk.client()
    await victim.visit()
    answer = await victim.http.get("/sign-on", params={"state": state, "code": code})
    assert answer.headers["location"] == "/?sign-on=refused"
    assert "__Host-quietline" not in victim.http.cookies


async def test_a_provider_that_is_away_is_said(desk: RealDesk) -> None:
    client = desk.client()
    await client.visit()
    state, code = desk.provider.signs_on((await client.post("/api/sign-on")).json()["address"])
    desk.provider.down = True
    answer = await client.http.get("/sign-on", params={"state": state, "code": code})
    assert answer.headers["location"] == "/?sign-on=unavailable"
    desk.provider.down = False


# -- machines


async def test_a_wallboard_gets_figures_and_nobodys_name(desk: RealDesk) -> None:
    agent = await desk.person("boss", role="supervisor", store="station")
    made = await desk.house.admin.call("token_add", agent=agent, scopes=["floor.read", "token.read"], days=1.0)
    machine = desk.client()
    bearer = f"Bearer {made['token']}"
    answer = await machine.get("/api/v1/floor", Authorization=bearer)
    assert answer.json() == {
        "now": 5.0,
        "queues": [{"id": "orders", "waiting": 2}],
        "agents": {"ready": 2, "away": 1},
        "offline": 4,
    }
    assert desk.controller.asked[-1] == ("wallboard", {"agent": agent, "store": "station"})
    assert "set-cookie" not in answer.headers
    assert (await machine.get("/api/v1/token", Authorization=bearer)).json()["id"] == made["id"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer qlt_x", "Bearer " + "x" * 300])
async def test_without_a_good_token_there_is_nothing(desk: RealDesk, header: str) -> None:
    answer = await desk.client().get("/api/v1/floor", **({"Authorization": header} if header else {}))
    assert problem(answer, 401) == "token-refused"


async def test_a_session_is_no_token_and_a_token_no_session(desk: RealDesk) -> None:
    agent = await desk.person("max", role="supervisor")
    client = await desk.enters("max")
    assert problem(await client.get("/api/v1/floor"), 401) == "token-refused"
    made = await desk.house.admin.call("token_add", agent=agent, scopes=["floor.read"], days=1.0)
    thief = desk.client()
    thief.http.cookies.set("__Host-quietline", made["token"])
    assert problem(await thief.get("/api/me"), 401) == "signed-out"
    assert problem(await thief.get("/api/floor", Authorization=f"Bearer {made['token']}"), 401) == "signed-out"
