"""Requests in the real vault: who may, what is opened, what is written down, and what a customer gets."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyrage
import pytest
import pytest_asyncio
from rights_parts import EMAIL, PHONE, RightsHouse, files_with, rights_house

from quietline.errors import ConfigError, Denied, NotSignedIn
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed
from quietline.testing.canaries import scan, scan_bytes
from quietline.testing.vault_house import ANA_NUMBER

WORD = "a passphrase of the requester"
KEY = pyrage.x25519.Identity.generate()
NOTE = "Ana rang; her sister Joy (020 7946 0999, joy@example.com) fetches the kettle. Told by Eva Example."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RightsHouse]:
    """One for the module: nothing here erases."""
    async with rights_house(tmp_path_factory.mktemp("rights")) as house:
        yield house


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refusal(asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        await asked
    return refused.value.reason


async def file_of(desk: RightsHouse, request: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """The HTML and the JSON that the requester opens."""
    answer = await desk.asks("right_access", request=request, to=str(KEY.to_public()), **more)
    packed = pyrage.decrypt(base64.b64decode(answer["file"]), [KEY])
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read("about-you.html").decode(), json.loads(archive.read("about-you.json"))


# -- opening


async def test_a_request_is_opened_for_whom_an_identifier_finds(desk: RightsHouse) -> None:
    for field, value in (
        ("contact.phone", "+44 20 7946 0001"),
        ("contact.email", "ANA@example.com"),
        ("order.reference", "ql-10441"),
    ):
        opened = await desk.asks("right_open", right="access", field=field, value=value, methods=["one-time-code"])
        assert (opened["state"], opened["level"]) == ("open", 2)
        assert (await desk.asks("right_show", request=opened["id"]))["due"] == opened["due"]


async def test_nobody_is_found_by_a_name_and_nobody_is_listed(desk: RightsHouse) -> None:
    asked: dict[str, Any] = {"right": "access", "methods": ["call-back"]}
    stranger = desk.asks("right_open", field="contact.phone", value="020 7946 0777", **asked)
    assert await refusal(stranger) == "nobody-found"
    with pytest.raises(ConfigError, match="found by"):
        await desk.asks("right_open", field="contact.name", value="Ana Example", **asked)


async def test_below_the_level_it_is_refused_and_the_refusal_is_written_down(desk: RightsHouse) -> None:
    before = len(desk.entries(Kind.RIGHT_REFUSED))
    asked = desk.opens("rectification", methods=["call-back"])
    assert await refusal(asked) == "not-identified"
    (entry,) = desk.entries(Kind.RIGHT_REFUSED)[before:]
    assert (entry.fields or {})["why"] == "not-identified"
    assert entry.subject == ""


async def test_a_franchisees_customer_is_another_companys(desk: RightsHouse) -> None:
    found = {"field": "contact.phone", "value": "020 7946 0003", "methods": ["call-back"]}
    assert await refusal(desk.asks("right_open", right="access", controller="franchise-a", **found)) == "other-store"
    assert await refusal(desk.asks("right_open", right="access", **found)) == "nobody-found"


@pytest.mark.parametrize("login", ["eve", "adam", "una"])
async def test_nobody_but_a_privacy_officer_opens_one(desk: RightsHouse, login: str) -> None:
    asked = desk.asks("right_open", login, right="access", field="contact.phone", value=PHONE, methods=["call-back"])
    assert await refusal(asked) == "policy"


async def test_root_alone_is_nobody(desk: RightsHouse) -> None:
    with pytest.raises(NotSignedIn):
        await desk.house.admin.call("right_list", session="root says so")


async def test_the_ledger_tells_of_the_request_by_token_alone(desk: RightsHouse) -> None:
    request = await desk.opens("access")
    (entry,) = [each for each in desk.entries(Kind.RIGHT_OPENED) if each.subject == request]
    fields = entry.fields or {}
    assert (fields["right"], fields["request"], fields["level"]) == ("access", request, 3)
    assert "7946" not in str(fields)
    assert files_with(desk.folder, b"+442079460001") == []


async def test_an_auditor_reads_the_list_and_changes_nothing(desk: RightsHouse) -> None:
    request = await desk.opens("access")
    listed = (await desk.asks("right_list", "una"))["requests"]
    assert request in {each["id"] for each in listed}
    assert not any(each["late"] for each in listed)
    assert "customer" not in listed[0]
    assert await refusal(desk.asks("right_move", "una", request=request, act="complete")) == "policy"


async def test_what_is_ended_is_listed_when_asked_for(desk: RightsHouse) -> None:
    request = await desk.opens("access")
    await desk.asks("right_move", request=request, act="refuse", why="excessive")
    assert request not in {each["id"] for each in (await desk.asks("right_list"))["requests"]}
    every = (await desk.asks("right_list", everything=True))["requests"]
    assert [each["why"] for each in every if each["id"] == request] == ["excessive"]


async def test_an_unknown_request_is_refused(desk: RightsHouse) -> None:
    assert await refusal(desk.asks("right_show", request="rq_none")) == "unknown-request"
    with pytest.raises(ConfigError, match="act: one of"):
        await desk.asks("right_move", request=await desk.opens("access"), act="burn")


# -- access


async def test_the_file_has_what_is_kept_and_who_looked(desk: RightsHouse) -> None:
    agent, eva = await desk.eva()
    call = await desk.house.call(agent)
    await desk.house.desk.card(eva, call.grant)
    await desk.house.desk.write_note(eva, call.grant, Sealed(NOTE))
    await call.hangs_up()
    html, plain = await file_of(desk, await desk.opens("access"))
    values = {value["name"]: value["value"] for record in plain["records"] for value in record["values"]}
    assert values["contact.name"] == "Ana Example"
    assert values["contact.email"] == EMAIL
    assert {"QL-10441", "QL-10442"} <= {
        value["value"] for record in plain["records"] if record["kind"] == "order" for value in record["values"]
    }
    looks = [each for each in plain["who_looked"] if each["reason"] == "card"]
    assert [(each["role"], each["store"]) for each in looks] == [("agent", "high-street")]
    assert any(each["reason"] == "subject_access" for each in plain["who_looked"]), "this very answer is a look"
    assert any("recognised by your number" in each["what"] for each in plain["calls"])
    assert "Ana Example" in html
    assert "GDPR 15" in html


async def test_others_in_it_are_taken_out(desk: RightsHouse) -> None:
    html, plain = await file_of(desk, await desk.opens("access"))
    text = html + json.dumps(plain)
    for others in ("7946 0999", "joy@example.com", "Eva Example", "Dora Example", "ag_"):
        assert others not in text, others
    assert "[someone else's contact]" in text
    assert "[a member of staff]" in text


async def test_a_kind_of_record_can_be_withheld_and_the_file_says_so(desk: RightsHouse) -> None:
    html, plain = await file_of(desk, await desk.opens("access"), withhold=["note"])
    assert plain["withheld"] == ["note"]
    assert "fetches the kettle" not in html
    assert "other people stand in them" in html
    with pytest.raises(ConfigError, match="withhold"):
        await desk.asks("right_access", request=await desk.opens("access"), passphrase=WORD, withhold=["gossip"])


async def test_it_is_encrypted_to_the_requesters_own_key(desk: RightsHouse) -> None:
    answer = await desk.asks("right_access", request=await desk.opens("access"), to=str(KEY.to_public()))
    sealed = base64.b64decode(answer["file"])
    assert sealed.startswith(b"age-encryption.org/v1")
    assert zipfile.is_zipfile(io.BytesIO(pyrage.decrypt(sealed, [KEY])))
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])


async def test_no_plaintext_of_it_is_on_any_disk(desk: RightsHouse, tmp_path: Path) -> None:
    """Promise 1: canaries in every form, in the vault's folder and in the file that is sent."""
    answer = await desk.asks("right_access", request=await desk.opens("access"), to=str(KEY.to_public()))
    sealed = base64.b64decode(answer["file"])
    values = ("Ana Example", "020 7946 0001", EMAIL, "1 Test Lane, London", "fetches the kettle")
    canaries = {f"value {place}": value for place, value in enumerate(values)}
    assert scan_bytes(sealed, canaries, "the file") == []
    assert scan([desk.house.config.paths.state], canaries) == []
    assert scan_bytes(b"a leak: Ana Example", canaries, "a planted leak")


async def test_a_poor_passphrase_or_key_is_refused_before_anything_is_opened(desk: RightsHouse) -> None:
    request = await desk.opens("access")
    before = len(desk.entries(Kind.LOOK_ALLOWED))
    with pytest.raises(ConfigError, match="at least 12"):
        await desk.asks("right_access", request=request, passphrase="short")
    with pytest.raises(ConfigError, match="age1"):
        await desk.asks("right_access", request=request, to="ssh-rsa AAAA")
    assert len(desk.entries(Kind.LOOK_ALLOWED)) == before


async def test_only_an_open_request_for_access_is_answered_with_a_file(desk: RightsHouse) -> None:
    other = await desk.opens("restriction")
    assert await refusal(desk.asks("right_access", request=other, passphrase=WORD)) == "not-in-this-state"
    done = await desk.opens("access")
    await desk.asks("right_move", request=done, act="complete")
    assert await refusal(desk.asks("right_access", request=done, passphrase=WORD)) == "not-in-this-state"


# -- rectification


async def test_a_value_is_replaced_and_the_old_one_is_gone(desk: RightsHouse) -> None:
    old = "contact.email", "ben@example.com"
    request = await desk.opens("rectification", "020 7946 0002")
    before = set_of_sealed(desk)
    done = await desk.asks("right_rectify", request=request, field="contact.email", value="ben.new@example.com")
    assert done["state"] == "done"
    assert await desk.customer("ben.new@example.com", "contact.email")
    assert await desk.customer(old[1], old[0]) == ""
    gone = before - set_of_sealed(desk)
    assert len(gone) == 1
    assert files_with(desk.folder, gone.pop()) == []
    (entry,) = desk.entries(Kind.RECORDS_CORRECTED)
    assert (entry.fields or {})["field"] == "contact.email"
    assert "example.com" not in str(entry.fields)


def set_of_sealed(desk: RightsHouse) -> set[bytes]:
    with closing(sqlite3.connect(f"file:{desk.folder / 'records.db'}?mode=ro", uri=True)) as db:
        return {raw for (raw,) in db.execute("SELECT sealed FROM field WHERE name = 'contact.email'")}


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("order.total", "£1", "corrected in the shop"),
        ("contact.shoe", "44", "one of the customer's own"),
        ("contact.name", " ", "1 to 2000"),
        ("contact.phone", "call me", "of no form"),
    ],
)
async def test_what_cannot_be_right_is_refused(desk: RightsHouse, field: str, value: str, why: str) -> None:
    request = await desk.opens("rectification", "020 7946 0002")
    with pytest.raises(ConfigError, match=why):
        await desk.asks("right_rectify", request=request, field=field, value=value)
    assert (await desk.asks("right_show", request=request))["state"] == "open"


async def test_a_card_number_is_no_correction(desk: RightsHouse) -> None:
    request = await desk.opens("rectification", "020 7946 0002")
    asked = desk.asks("right_rectify", request=request, field="delivery.address", value="4111 1111 1111 1111")
    assert await refusal(asked) == "card-number"
    other = await desk.opens("access", "020 7946 0002")
    asked = desk.asks("right_rectify", request=other, field="contact.name", value="Ben")
    assert await refusal(asked) == "not-in-this-state"


# -- restriction and objection


async def test_nothing_of_a_restricted_customer_opens_until_it_is_lifted(desk: RightsHouse) -> None:
    agent, eva = await desk.eva()
    call = await desk.house.call(agent, ANA_NUMBER)
    request = await desk.opens("restriction")
    await desk.asks("right_move", request=request, act="enforce")
    card = await desk.house.desk.card(eva, call.grant)
    states = {(each["state"], each["reason"]) for each in card["fields"]}  # type: ignore[attr-defined]
    assert states == {("refused", "restricted")}
    asked = desk.house.desk.open(eva, call.grant, "order.total", "order_status")
    assert await refusal(asked) == "restricted"
    assert await refusal(desk.house.desk.write_note(eva, call.grant, Sealed("x"))) == "restricted"
    _, plain = await file_of(desk, await desk.opens("access"))
    assert plain["records"], "their own rights are served meanwhile (GDPR 18(2))"
    await desk.asks("right_move", request=request, act="lift")
    card = await desk.house.desk.card(eva, call.grant)
    assert "shown" in {each["state"] for each in card["fields"]}  # type: ignore[attr-defined]
    await call.hangs_up()
    refused = [each.fields or {} for each in desk.entries(Kind.LOOK_REFUSED)]  # durable by now: later ones were awaited
    assert [each["why"] for each in refused if each.get("agent") == agent].count("restricted") >= 2


async def test_an_objection_stands_against_what_it_names(desk: RightsHouse) -> None:
    ana = await desk.customer()
    marketing = await desk.opens("objection", about="marketing")
    assert desk.parts.books.objections(ana) == ()
    await desk.asks("right_move", request=marketing, act="enforce")
    assert desk.parts.books.objections(ana) == ("marketing",)
    assert desk.parts.books.bar(ana) is None
    everything = await desk.opens("objection", about="everything")
    await desk.asks("right_move", request=everything, act="enforce")
    assert desk.parts.books.bar(ana) is not None
    for request in (marketing, everything):
        await desk.asks("right_move", request=request, act="lift")
    assert desk.parts.books.objections(ana) == ()


# -- holds and recipients


async def test_a_hold_has_a_reason_and_an_end(desk: RightsHouse) -> None:
    now = desk.parts.eraser._parts.now()
    found = {"field": "contact.phone", "value": "020 7946 0002"}
    hold = await desk.asks("right_hold", reason="court-order", until=now + 3_600, **found)
    listed = (await desk.asks("right_holds", "una"))["holds"]
    assert [(each["id"], each["reason"]) for each in listed] == [(hold["id"], "court-order")]
    for until in (now - 1, now + 10 * 366 * 86_400):
        with pytest.raises(ConfigError, match="within two years"):
            await desk.asks("right_hold", reason="court-order", until=until, **found)
    with pytest.raises(ConfigError, match="tax-audit"):
        await desk.asks("right_hold", reason="because", until=now + 3_600, **found)
    await desk.asks("right_lift_hold", hold=hold["id"])
    assert await refusal(desk.asks("right_lift_hold", hold=hold["id"])) == "unknown-hold"
    entries = [each.fields or {} for each in desk.entries(Kind.HOLD_CHANGED)]
    changes = [each for each in entries if each.get("hold") == hold["id"]]
    assert [each["change"] for each in changes] == ["placed", "lifted"]


async def test_the_list_of_recipients_is_kept(desk: RightsHouse) -> None:
    await desk.asks("right_recipient", name="courier", purpose="parcels")
    assert (await desk.asks("right_recipients", "una"))["recipients"] == {"courier": "parcels"}
    request = await desk.opens("erasure", "020 7946 0002")
    with pytest.raises(ConfigError, match="none of this name"):
        await desk.asks("right_told", request=request, recipient="nobody", how="told")
    with pytest.raises(ConfigError, match="disproportionate"):
        await desk.asks("right_told", request=request, recipient="courier", how="later")
    with pytest.raises(ConfigError, match="80 characters"):
        await desk.asks("right_recipient", name="", purpose="parcels")
    assert (await desk.asks("right_recipient", name="courier", purpose=""))["recipients"] == {}


# -- the breach desk


async def test_whom_did_an_account_see(desk: RightsHouse) -> None:
    agent, eva = await desk.eva()
    call = await desk.house.call(agent)
    await desk.house.step_up(call.leg)
    await desk.house.desk.open(eva, call.grant, "contact.phone", "delivery_change")
    await call.hangs_up()
    now = desk.parts.eraser._parts.now()
    asked = {"agent": agent, "since": now - 3_600, "until": now + 3_600, "aware": now}
    answer = await desk.asks("breach", "una", **asked)
    ana = await desk.customer()
    (seen,) = [each for each in answer["customers"] if each["customer"] == ana]
    assert seen["classes"]["contact"] >= 1
    assert seen["reasons"]["delivery_change"] >= 1
    assert "without undue delay" in answer["duties"]["customers"]
    assert 71.9 < answer["duties"]["hours_left"] <= 72.1
    assert (await desk.asks("breach", **{**asked, "until": now - 3_000}))["count"] == 0
    with pytest.raises(ConfigError, match="from"):
        await desk.asks("breach", **{**asked, "until": now - 9_000})
    assert await refusal(desk.asks("breach", "eva", **asked)) == "policy"
    assert {(each.fields or {})["account"] for each in desk.entries(Kind.BREACH_ASKED)} == {agent}


async def test_a_privacy_officer_who_looks_is_seen_too(desk: RightsHouse) -> None:
    await file_of(desk, await desk.opens("access"))
    dora = str((await desk.house.admin.call("staff_find", login="dora"))["agent"])
    now = desk.parts.eraser._parts.now()
    answer = await desk.asks("breach", "una", agent=dora, since=now - 3_600, until=now + 1, aware=now)
    assert answer["count"] >= 1
    assert "recording" in answer["classes"]


# -- kept over a restart


async def test_requests_holds_and_recipients_outlive_a_restart(tmp_path: Path) -> None:
    async with rights_house(tmp_path) as desk:
        request = await desk.opens("restriction")
        await desk.asks("right_move", request=request, act="enforce")
        await desk.asks("right_recipient", name="courier", purpose="parcels")
        ana = await desk.customer()
        await desk.restarts()
        assert (await desk.asks("right_show", request=request))["state"] == "in_force"
        assert (await desk.asks("right_recipients"))["recipients"] == {"courier": "parcels"}
        refused = desk.parts.books.bar(ana)
        assert refused is not None
        assert refused.reason == "restricted"
