"""Work grants, break-glass, mistakes, logs and receipts over HTTP: what goes to the vault, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quietline.errors import Denied
from quietline.testing.desk_client import DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA, JONAS, SIGRID
from quietline.testing.fake_guards import LINK, FakeGuards
from quietline.web.api.receipts import IN_ALL, PER_MINUTE, SECONDS, Pace
from quietline.web.problems import TooMany


class Under(DeskUnderTest):
    """With the vault's other side."""

    def __init__(self) -> None:
        super().__init__()
        self.guards = FakeGuards(self.vault)
        self.desk._guards = self.guards


@pytest.fixture
def under() -> Under:
    return Under()


EMERGENCY: dict[str, Any] = {
    "field": "contact.phone",
    "value": "+442079460001",
    "controller": "brand",
    "classes": ["contact"],
    "justification": "What happened, and why it cannot wait.",
}


async def asked(under: Under, method: str, path: str, body: Any = None) -> Any:
    client = await under.signed_in()
    return await client.send(method, path, body)


async def test_a_mistake_goes_to_the_vault_with_the_calls_grant(under: Under) -> None:
    client = await under.signed_in()
    call = under.on_call()
    answer = await client.post(f"/api/calls/{call}/fields/contact.name/mistake", None)
    assert answer.status_code == 204
    (_, agent, grant, field) = under.guards.asked[-1]
    assert (agent, field) == (AMARA.agent, "contact.name")
    assert grant in under.vault.grants
    assert grant not in answer.text


async def test_somebody_elses_call_has_no_mistake_no_work_and_no_receipt(under: Under) -> None:
    client = await under.signed_in(JONAS)
    call = under.on_call(AMARA)
    wish = {"fields": ["contact.email"], "reason": "complaint", "until": 4e9}
    for path, body in (("fields/contact.name/mistake", None), ("work", wish), ("receipt", None)):
        assert (await client.post(f"/api/calls/{call}/{path}", body)).status_code == 404
    assert under.guards.asked == []


async def test_a_work_grant_is_asked_for_oneself_or_a_colleague(under: Under) -> None:
    client = await under.signed_in()
    call = under.on_call()
    wish = {"fields": ["contact.email"], "reason": "complaint", "until": 2_000_000_000.0}
    assert (await client.post(f"/api/calls/{call}/work", wish)).status_code == 201
    assert under.guards.asked[-1][3:] == (AMARA.agent, ("contact.email",), "complaint", 2_000_000_000.0)
    await client.post(f"/api/calls/{call}/work", {**wish, "assignee": "ag_noor"})
    assert under.guards.asked[-1][3] == "ag_noor"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"fields": [], "reason": "complaint", "until": 1.0},
        {"fields": ["a b"], "reason": "complaint", "until": 1.0},
        {"fields": ["contact.email"], "reason": "curiosity", "until": 1.0},
        {"fields": ["contact.email"], "reason": "complaint", "until": -1},
        {"fields": ["contact.email"], "reason": "complaint", "until": 1.0, "customer": "cu_1"},
    ],
)
async def test_a_work_grant_that_is_not_well_asked_for_is_422(under: Under, broken: dict[str, Any]) -> None:
    client = await under.signed_in()
    call = under.on_call()
    assert (await client.post(f"/api/calls/{call}/work", broken)).status_code == 422
    assert under.guards.asked == []


async def test_a_field_opens_under_a_work_grant(under: Under) -> None:
    answer = await asked(under, "POST", "/api/work/wg_1/fields/contact.email")
    assert answer.json() == {"field": "contact.email", "value": "rosa.quill@example.com"}
    assert answer.headers["cache-control"] == "no-store"


async def test_what_the_vault_refuses_is_told_with_its_advice(under: Under) -> None:
    under.guards.refusal = Denied("grant-expired", "The time for this is over. Ask for a new grant.")
    answer = await asked(under, "POST", "/api/work/wg_1/fields/contact.email")
    assert answer.status_code == 403
    assert answer.json()["reason"] == "grant-expired"
    assert answer.json()["advice"]


async def test_break_glass_travels_and_no_error_repeats_what_was_typed(under: Under) -> None:
    client = await under.signed_in()
    assert (await client.post("/api/break-glass", EMERGENCY)).status_code == 201
    assert under.guards.asked[-1][2:] == ("contact.phone", "brand", ("contact",), 0)
    bad = await client.post("/api/break-glass", {**EMERGENCY, "minutes": 999, "justification": "secret words"})
    assert bad.status_code == 422
    assert "secret" not in bad.text
    assert "7946" not in bad.text


@pytest.mark.parametrize("path", ["/api/work", "/api/break-glass", "/api/looks", "/api/alerts", "/api/stores/x/looks"])
async def test_nothing_of_it_is_for_who_is_signed_out(under: Under, path: str) -> None:
    assert (await under.client().get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/api/work/wg_1/agree", "/api/break-glass/bg_1/approve"])
async def test_a_change_needs_the_pages_token(under: Under, path: str) -> None:
    client = await under.signed_in(SIGRID)
    assert (await client.post(path, None)).status_code == 200
    client.csrf = "another"
    assert (await client.post(path, None)).status_code == 403


@pytest.mark.parametrize("since", ["-1", "soon", "nan", "1e300"])
async def test_a_time_that_is_none_is_422(under: Under, since: str) -> None:
    assert (await asked(under, "GET", f"/api/looks?since={since}")).status_code == 422


# -- receipts


async def test_a_receipt_needs_its_link_and_nothing_else(under: Under) -> None:
    client = under.client()
    answer = await client.get(f"/api/receipts/{LINK}")
    assert answer.json() == under.guards.receipt
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_its_page_is_the_same_for_every_link_and_sets_no_cookie(under: Under) -> None:
    client = under.client()
    known, guessed = await client.get(f"/r/{LINK}"), await client.get("/r/guessed")
    assert known.status_code == guessed.status_code == 200
    assert known.text == guessed.text
    assert LINK not in known.text
    assert "set-cookie" not in known.headers
    assert "noindex" in known.text


async def test_a_guessed_link_says_nothing(under: Under) -> None:
    for path in ("/api/receipts/guessed", "/api/receipts/guessed/file"):
        answer = await under.client().get(path)
        assert answer.status_code == 403
        assert answer.json()["reason"] == "receipt-unknown"
    assert (await under.client().get("/api/receipts/" + "é" * 5)).status_code == 422


async def test_the_file_is_saved_and_has_the_proofs_without_the_choices(under: Under) -> None:
    answer = await under.client().get(f"/api/receipts/{LINK}/file")
    assert answer.headers["content-disposition"] == 'attachment; filename="receipt.json"'
    whole = json.loads(answer.text)
    assert "choices" not in whole
    assert whole["lines"] == under.guards.receipt["lines"]


async def test_a_choice_is_kept_by_the_page_of_our_own_origin_only(under: Under) -> None:
    client = under.client()
    choice = {"purpose": "recording", "given": True}
    answer = await client.post(f"/api/receipts/{LINK}/choices", choice)
    assert {each["purpose"]: each["given"] for each in answer.json()["choices"]}["recording"] is True
    client.origin = "https://elsewhere.example"
    forged = await client.post(f"/api/receipts/{LINK}/choices", {**choice, "given": False})
    assert forged.status_code == 403
    assert under.guards.receipt["choices"][0]["given"] is True


@pytest.mark.parametrize(
    "broken", [{}, {"purpose": "recording"}, {"purpose": "A", "given": True}, {"purpose": "recording", "given": "yes"}]
)
async def test_a_choice_that_is_none_is_422(under: Under, broken: dict[str, Any]) -> None:
    assert (await under.client().post(f"/api/receipts/{LINK}/choices", broken)).status_code == 422


async def test_who_asks_for_many_is_slowed_down(under: Under) -> None:
    client: DeskClient = under.client()
    answers = [(await client.get("/api/receipts/guess")).status_code for _ in range(PER_MINUTE + 2)]
    assert answers.count(403) == PER_MINUTE
    last = await client.get(f"/api/receipts/{LINK}")
    assert last.status_code == 429
    assert last.headers["retry-after"]


def test_pace_by_address_and_in_all() -> None:
    pace = Pace()
    for _ in range(PER_MINUTE):
        pace.take("192.0.2.1", 0.0)
    with pytest.raises(TooMany):
        pace.take("192.0.2.1", SECONDS - 1)
    pace.take("192.0.2.2", SECONDS - 1)
    pace.take("192.0.2.1", SECONDS)
    everybody = Pace()
    for number in range(IN_ALL):
        everybody.take(f"source-{number}", 0.0)
    with pytest.raises(TooMany):
        everybody.take("another", 1.0)
