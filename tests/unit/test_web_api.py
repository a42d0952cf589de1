"""Every route: who may use it, what it refuses, and what it answers."""

from __future__ import annotations

import asyncio

import pytest

from quietline import errors
from quietline.desk_protocol import AgentState
from quietline.reasons import NEEDS
from quietline.testing.desk_client import DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA, CUSTOMER, JONAS
from quietline.vault.schema import FIELDS

SECRETS = [CUSTOMER[name] for name in CUSTOMER if name.startswith(("contact", "delivery", "service"))]
OPEN = {"reason": "complaint"}

# method, path, body, status for an agent on a verified call
ROUTES = [
    ("GET", "/api/me", None, 200),
    ("GET", "/api/phone", None, 200),
    ("POST", "/api/phone", {"ring": "desk"}, 403),  # who has no phone of their own
    ("GET", "/api/state", None, 200),
    ("POST", "/api/state", {"state": "away"}, 200),
    ("GET", "/api/calls/{call}/card", None, 200),
    ("POST", "/api/calls/{call}/fields/contact.name", OPEN, 200),
    ("POST", "/api/calls/{call}/verify", None, 200),
    ("POST", "/api/calls/{call}/note", {"text": "Called about the lamp."}, 204),
    ("GET", "/api/calls/{call}/wrap-up", None, 200),
    ("POST", "/api/calls/{call}/hang-up", None, 200),
    ("POST", "/api/calls/{call}/wrap-up", None, 409),  # the call still lives
    ("GET", "/api/calls/{call}/targets", None, 200),
    ("POST", "/api/calls/{call}/transfer", {"queue": "returns"}, 200),
    ("POST", "/api/calls/{call}/consult", {"colleague": "ag_noor"}, 200),
    ("POST", "/api/calls/{call}/complete", None, 200),
    ("POST", "/api/calls/{call}/take-back", None, 200),
    ("DELETE", "/api/session", None, 204),
]
CHANGES = [route for route in ROUTES if route[0] != "GET"]
ids = [f"{method} {path}" for method, path, _, _ in ROUTES]
change_ids = [f"{method} {path}" for method, path, _, _ in CHANGES]


@pytest.fixture
def under() -> DeskUnderTest:
    return DeskUnderTest()


@pytest.fixture
async def amara(under: DeskUnderTest) -> DeskClient:
    return await under.signed_in()


async def send(client: DeskClient, method: str, path: str, body: object, call: str, **headers: str):
    return await client.send(method, path.format(call=call), body, **headers)


def problem(response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:quietline:problem:{body['code']}"
    return body


# -- the table


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=ids)
async def test_an_agent_on_a_call(under, amara, method: str, path: str, body: object, status: int) -> None:
    call = under.on_call(assurance=2)
    response = await send(amara, method, path, body, call)
    assert response.status_code == status
    assert "no-store" in response.headers["cache-control"]
    assert "gr_" not in response.text  # the grant stays on the server


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=ids)
async def test_signed_out(under, method: str, path: str, body: object, status: int) -> None:
    call = under.on_call()
    client = under.client()
    await client.visit()
    response = await send(client, method, path, body, call)
    assert response.status_code == 401
    assert problem(response)["code"] == "signed-out"
    assert not under.vault.ledger


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=ids)
async def test_an_ended_session(under, amara, method: str, path: str, body: object, status: int) -> None:
    call = under.on_call(assurance=2)
    under.vault.sessions.clear()
    assert (await send(amara, method, path, body, call)).status_code == 401


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES, ids=change_ids)
@pytest.mark.parametrize("forgery", [{"X_CSRF_Token": ""}, {"X_CSRF_Token": "guess"}, {"X_CSRF_Token": "é"}])
async def test_no_csrf_token(under, amara, method: str, path: str, body: object, status: int, forgery) -> None:
    call = under.on_call(assurance=2)
    forgery = {name: value.encode() if not value.isascii() else value for name, value in forgery.items()}
    response = await send(amara, method, path, body, call, **forgery)
    assert response.status_code == 403
    assert problem(response)["code"] == "forged"
    assert not under.vault.ledger
    assert under.controller.view(AMARA.agent).state is AgentState.ON_CALL


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES, ids=change_ids)
@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://desk.test", "https://desk.test.evil.example"]
)
async def test_another_origin(under, amara, method: str, path: str, body: object, status: int, origin: str) -> None:
    call = under.on_call(assurance=2)
    response = await send(amara, method, path, body, call, Origin=origin)
    assert response.status_code == 403
    assert not under.vault.ledger


CALL_ROUTES = [route for route in ROUTES if "{call}" in route[1]]
DATA_ROUTES = [route for route in CALL_ROUTES if "wrap-up" not in route[1] and "note" not in route[1]]
call_ids = [f"{method} {path}" for method, path, _, _ in CALL_ROUTES]
data_ids = [f"{method} {path}" for method, path, _, _ in DATA_ROUTES]


@pytest.mark.parametrize(("method", "path", "body", "status"), CALL_ROUTES, ids=call_ids)
async def test_somebody_elses_call(under, amara, method: str, path: str, body: object, status: int) -> None:
    under.on_call(AMARA, assurance=2)
    theirs = under.on_call(JONAS, assurance=2)
    response = await send(amara, method, path, body, theirs)
    assert response.status_code == 404
    assert problem(response)["code"] == "no-such-call"
    assert under.controller.view(JONAS.agent).state is AgentState.ON_CALL


@pytest.mark.parametrize(("method", "path", "body", "status"), CALL_ROUTES, ids=call_ids)
async def test_no_call_at_all(amara, method: str, path: str, body: object, status: int) -> None:
    assert (await send(amara, method, path, body, "call_none")).status_code == 404


@pytest.mark.parametrize(("method", "path", "body", "status"), DATA_ROUTES, ids=data_ids)
async def test_after_the_hang_up(under, amara, method: str, path: str, body: object, status: int) -> None:
    call = under.on_call(assurance=2)
    under.controller.hangs_up(AMARA.agent)
    response = await send(amara, method, path, body, call)
    assert response.status_code == 410
    assert problem(response)["code"] == "call-ended"


@pytest.mark.parametrize(("method", "path", "body", "status"), CALL_ROUTES, ids=call_ids)
async def test_after_the_wrap_up(under, amara, method: str, path: str, body: object, status: int) -> None:
    """An old address, from a back button or another tab, opens nothing: not even the wrap-up."""
    call = under.on_call(assurance=2)
    await amara.get(f"/api/calls/{call}/card")
    under.controller.hangs_up(AMARA.agent)
    await amara.post(f"/api/calls/{call}/wrap-up")
    assert (await send(amara, method, path, body, call)).status_code == 410


@pytest.mark.parametrize(("method", "path", "body", "status"), DATA_ROUTES, ids=data_ids)
async def test_while_it_rings(under, amara, method: str, path: str, body: object, status: int) -> None:
    """Nothing of the customer's before the answer."""
    call = under.controller.offers(AMARA.agent)
    response = await send(amara, method, path, body, call)
    assert response.status_code == (200 if "hang-up" in path else 409)


# -- sessions


async def test_sign_in_sets_a_host_cookie(under) -> None:
    client = under.client()
    response = await client.sign_in()
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-quietline=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert "Max-Age" not in cookie  # ends with the browser
    assert response.json()["name"] == AMARA.name


@pytest.mark.parametrize(("login", "password"), [("amara", "wrong"), ("nobody", "wrong"), ("amara", JONAS.password)])
async def test_sign_in_does_not_say_which_was_wrong(under, login: str, password: str) -> None:
    client = under.client()
    await client.visit()
    response = await client.post("/api/session", {"login": login, "password": password})
    assert response.status_code == 401
    assert problem(response)["reason"] == "sign-in-refused"
    assert "set-cookie" not in response.headers


async def test_a_one_time_word_is_taken_with_a_new_password(under) -> None:
    under.vault.words[AMARA.login] = "7KQF-M2XT"
    client = under.client()
    await client.visit()
    given = {"login": AMARA.login, "password": "7KQF-M2XT"}
    response = await client.post("/api/session", given)
    assert (response.status_code, problem(response)["reason"]) == (403, "choose-password")
    assert "set-cookie" not in response.headers
    response = await client.post("/api/session", {**given, "new_password": "a password of my own"})
    assert response.status_code == 201


async def test_sign_in_needs_the_page_first(under) -> None:
    client = under.client()
    response = await client.post("/api/session", {"login": AMARA.login, "password": AMARA.password})
    assert response.status_code == 403


async def test_a_visit_token_fits_its_own_browser_only(under) -> None:
    first, second = under.client(), under.client()
    await first.visit()
    await second.visit()
    second.csrf = first.csrf
    response = await second.post("/api/session", {"login": AMARA.login, "password": AMARA.password})
    assert response.status_code == 403


async def test_sign_in_without_the_vault(under) -> None:
    under.vault.down = True
    response = await under.client().sign_in()
    assert response.status_code == 503
    assert problem(response)["code"] == "unavailable"
    assert response.headers["retry-after"] == "2"


async def test_sign_ins_are_bounded(under) -> None:
    """More than may wait are told so, rather than queued without end."""
    limits = under.site.limits
    async with under.desk.sign_in_slot():
        under.desk._waiting = limits.sign_ins_waiting
        response = await under.client().sign_in()
    assert response.status_code == 503
    assert problem(response)["code"] == "busy"


async def test_sign_out_ends_the_session_everywhere(under, amara) -> None:
    token = amara.http.cookies["__Host-quietline"]
    response = await amara.send("DELETE", "/api/session")
    assert response.status_code == 204
    assert '__Host-quietline=""' in response.headers["set-cookie"]
    assert token not in under.vault.sessions
    assert under.controller.view(AMARA.agent).state is AgentState.OFFLINE
    amara.http.cookies.set("__Host-quietline", token)
    assert (await amara.get("/api/me")).status_code == 401


async def test_sign_out_without_the_vault_still_ends_it_here(under, amara) -> None:
    token = amara.http.cookies["__Host-quietline"]
    await amara.get("/api/me")
    under.vault.down = True
    response = await amara.send("DELETE", "/api/session")
    assert response.status_code == 503
    assert '__Host-quietline=""' in response.headers["set-cookie"]
    under.vault.down = False
    amara.http.cookies.set("__Host-quietline", token)
    assert (await amara.get("/api/me")).status_code == 401


async def test_phone_credential(under, amara) -> None:
    body = (await amara.get("/api/phone")).json()
    assert body["user"] == AMARA.agent
    assert body["socket"] == "wss://desk.test:8443"
    assert body["ice_servers"] == []


async def test_calls_ring_where_the_agent_chose(under, amara) -> None:
    """With the hardware phone chosen, the page gets no password to register with."""
    assert (await amara.get("/api/phone")).json()["own"] is False
    under.vault.own_phones[AMARA.agent] = False
    assert [(await amara.get("/api/phone")).json()[name] for name in ("kind", "own")] == ["session", True]
    chosen = (await amara.send("POST", "/api/phone", {"ring": "desk"})).json()
    assert (chosen["kind"], chosen["own"]) == ("lasting", True)
    assert (await amara.send("POST", "/api/phone", {"ring": "tab"})).json()["kind"] == "session"
    assert (await amara.send("POST", "/api/phone", {"ring": "anywhere"})).status_code == 422


# -- the card and its fields


async def test_the_card_holds_the_minimum_only(under, amara) -> None:
    call = under.on_call(assurance=1)
    response = await amara.get(f"/api/calls/{call}/card")
    assert CUSTOMER["order.reference"] in response.text
    assert not [value for value in SECRETS if value in response.text]


async def test_once_a_reason_is_chosen_the_card_holds_only_what_it_needs(under, amara) -> None:
    call = under.on_call(assurance=2)
    for reason, need in NEEDS.items():
        card = (await amara.get(f"/api/calls/{call}/card?reason={reason}")).json()
        assert {field["name"] for field in card["fields"]} == set(need.fields) & set(CUSTOMER)
    response = await amara.get(f"/api/calls/{call}/card?reason=curiosity")
    assert response.status_code == 422
    assert "curiosity" not in response.text


async def test_masked_fields_carry_no_value(under, amara) -> None:
    call = under.on_call(assurance=2)
    fields = (await amara.get(f"/api/calls/{call}/card")).json()["fields"]
    masked = [field for field in fields if field["state"] == "masked"]
    assert {field["name"] for field in masked} == {name for name in CUSTOMER if FIELDS[name].assurance == 2}
    assert not [field for field in masked if "value" in field]


async def test_a_field_opens_for_a_reason(under, amara) -> None:
    call = under.on_call(assurance=2)
    response = await amara.post(f"/api/calls/{call}/fields/contact.phone", {"reason": "delivery_change"})
    assert response.json() == {
        "field": "contact.phone",
        "value": CUSTOMER["contact.phone"],
        "reason": "delivery_change",
    }
    assert under.vault.ledger == [("look.allowed", AMARA.agent, "contact.phone", "delivery_change")]


async def test_refused_below_the_assurance_then_opened_above_it(under, amara) -> None:
    call = under.on_call(assurance=1)
    refused = await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN)
    assert refused.status_code == 403
    assert problem(refused)["reason"] == "assurance-too-low"
    assert problem(refused)["advice"] == "Verify the caller first."
    await amara.post(f"/api/calls/{call}/verify")
    under.controller.verifies(AMARA.agent, passed=True)
    assert (await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN)).status_code == 200


async def test_a_reason_that_does_not_need_it(under, amara) -> None:
    call = under.on_call(assurance=2)
    response = await amara.post(f"/api/calls/{call}/fields/contact.phone", {"reason": "product_advice"})
    assert response.status_code == 403
    assert problem(response)["reason"] == "reason-does-not-need-it"


async def test_a_look_asks_the_vault_once(under, amara, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault checks the token that comes with the look; asking it about the session first would be a second wait."""
    call, asked = under.on_call(assurance=2), []
    session = under.vault.session

    async def counted(token: str) -> object:
        asked.append(token)
        return await session(token)

    monkeypatch.setattr(under.vault, "session", counted)
    assert (await amara.get(f"/api/calls/{call}/card")).status_code == 200
    assert (await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN)).status_code == 200
    before = len(asked)
    await amara.get("/api/me")
    assert len(asked) == before + 1, "whatever is not about a customer asks"


async def test_a_look_with_a_session_that_ended_elsewhere_shows_nothing(under, amara) -> None:
    call = under.on_call(assurance=2)
    under.vault.sessions.clear()
    for response in (
        await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN),
        await amara.get(f"/api/calls/{call}/card"),
        await amara.post(f"/api/calls/{call}/note", {"text": "hello"}),
        await amara.get(f"/api/calls/{call}/wrap-up"),
    ):
        assert response.status_code == 401
        assert CUSTOMER["contact.phone"] not in response.text


async def test_a_look_needs_the_pages_token(under, amara) -> None:
    call = under.on_call(assurance=2)
    amara.csrf = "another page's"
    assert (await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN)).status_code == 403


async def test_a_hang_up_while_the_vault_opens_keeps_the_value_back(under, amara) -> None:
    """The vault has opened it already; it must not leave the web process."""
    call = under.on_call(assurance=2)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(under.desk.run())
        await amara.get("/api/state")
        under.vault.open_gate = asyncio.Event()
        asking = tasks.create_task(amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN))
        while not under.vault.ledger:
            await asyncio.sleep(0)
        under.controller.hangs_up(AMARA.agent)
        await asyncio.sleep(0.01)
        under.vault.open_gate.set()
        response = await asking
        following.cancel()
    assert response.status_code == 410
    assert CUSTOMER["contact.phone"] not in response.text


async def test_a_ledger_that_fails_shows_nothing(under, amara) -> None:
    call = under.on_call(assurance=2)
    under.vault.ledger_fails = True
    response = await amara.post(f"/api/calls/{call}/fields/contact.phone", OPEN)
    assert response.status_code == 503
    assert problem(response)["code"] == "ledger-unavailable"
    assert CUSTOMER["contact.phone"] not in response.text


async def test_an_unknown_field(under, amara) -> None:
    call = under.on_call(assurance=2)
    response = await amara.post(f"/api/calls/{call}/fields/contact.shoe_size", OPEN)
    assert response.status_code == 404
    assert problem(response)["code"] == "no-such-field"


# -- notes and wrap-up


async def test_a_note_stays_through_the_wrap_up(under, amara) -> None:
    call = under.on_call(assurance=1)
    assert (await amara.post(f"/api/calls/{call}/note", {"text": "Wants Friday."})).status_code == 204
    under.controller.hangs_up(AMARA.agent)
    kept = (await amara.get(f"/api/calls/{call}/wrap-up")).json()
    assert kept == {"order_reference": CUSTOMER["order.reference"], "note": "Wants Friday."}
    assert (await amara.post(f"/api/calls/{call}/note", {"text": "Wants Saturday."})).status_code == 204
    assert (await amara.post(f"/api/calls/{call}/wrap-up")).json()["state"] == "ready"


async def test_a_note_with_a_card_number(under, amara) -> None:
    call = under.on_call()
    response = await amara.post(f"/api/calls/{call}/note", {"text": "4111 1111 1111 1111"})
    assert response.status_code == 403
    assert problem(response)["reason"] == "card-number"
    assert "4111" not in response.text


async def test_a_note_too_long(under, amara) -> None:
    call = under.on_call()
    response = await amara.post(f"/api/calls/{call}/note", {"text": "x" * 2_001})
    assert response.status_code == 400
    assert "2000" in problem(response)["detail"]


# -- parts that are away


async def test_without_the_vault_the_call_goes_on(under, amara) -> None:
    call = under.on_call(assurance=2)
    await amara.get("/api/me")
    under.vault.down = True
    assert (await amara.get("/api/state")).status_code == 200
    for path in (f"/api/calls/{call}/card", "/api/phone"):
        response = await amara.get(path)
        assert response.status_code == 503
        assert problem(response)["code"] == "unavailable"
    assert (await amara.post(f"/api/calls/{call}/fields/contact.name", OPEN)).status_code == 503
    assert (await amara.post(f"/api/calls/{call}/note", {"text": "x"})).status_code == 503
    assert (await amara.post(f"/api/calls/{call}/verify")).status_code == 503
    assert (await amara.post(f"/api/calls/{call}/hang-up")).json()["state"] == "wrap_up"
    assert (await amara.post(f"/api/calls/{call}/wrap-up")).json()["state"] == "ready"
    assert (await amara.post("/api/state", {"state": "away"})).json()["state"] == "away"


async def test_without_the_controller_nothing_is_shown(under, amara) -> None:
    call = under.on_call(assurance=2)
    under.controller.goes_away()
    for path in ("/api/state", f"/api/calls/{call}/card"):
        assert (await amara.get(path)).status_code == 503
    assert (await amara.post(f"/api/calls/{call}/fields/contact.name", OPEN)).status_code == 503
    assert not under.vault.ledger


async def test_a_locked_vault_says_so(under, amara) -> None:
    call = under.on_call(assurance=2)

    async def locked(*_: object) -> dict[str, object]:
        raise errors.VaultLocked("vault: locked")

    under.vault.card = locked  # type: ignore[method-assign]
    assert problem(await amara.get(f"/api/calls/{call}/card"))["code"] == "vault-locked"
