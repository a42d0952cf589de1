"""Who calls, beyond the number, on the vault's socket: one house for all, whose customers are each one case."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.access.assurance import Factor
from quietline.config import Stir
from quietline.errors import ConfigError, Denied, QuietlineError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed, Ticket
from quietline.testing.stir import ADDRESS, SigningCarrier
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, STORE_NUMBER, Connected, VaultHouse
from quietline.vault.assurance_client import AssuranceVaultClient
from quietline.vault.records import today

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ = Ticket("test", "read", 0)


def customer(key: str, phone: str, order: str, **fields: str) -> dict[str, Any]:
    contact = {"contact.name": "Ben Example", "contact.phone": phone, "contact.email": f"{key}@example.com", **fields}
    orders = [{"order.reference": order, "order.status": "packed", "order.items": "a lamp", "order.total": "£1"}]
    return {"key": key, "controller": "brand", "fields": contact, "orders": orders}


SHARED = "+442079460031"
MOVED, MOVED_TO = "+442079460041", "+442079460042"
PEOPLE = [
    ANA,
    customer("one", SHARED, "QL-301"),
    customer("two", SHARED, "QL-302"),
    customer("moved", MOVED, "QL-401"),
    customer("fr", "+442079460051", "QL-501", **{"contact.language": "fr"}),
    customer("asked", "+442079460061", "QL-601", **{"contact.loyalty": "LOY-777"}),
    customer("once", "+442079460071", "QL-701"),
    customer("helped", "+442079460081", "QL-801"),
    customer("sworn", "+442079460091", "QL-901"),
]


class Desk:
    """The house, an agent on duty, and the web process's client."""

    def __init__(self, house: VaultHouse, ledger: MemoryLedger, agent: str, token: str) -> None:
        self.house, self.ledger, self.agent, self.token = house, ledger, agent, token
        self.web = AssuranceVaultClient(house.config.paths.vault_socket)
        self.carrier = SigningCarrier()

    @property
    def parts(self) -> Any:
        return self.house.service._open

    async def call(self, number: str, **fields: str) -> Connected:
        return await self.house.call(self.agent, number, **fields)

    async def view(self, call: Connected) -> dict[str, Any]:
        return await self.web.assurance(self.token, call.grant)

    async def claims(self, call: Connected, value: str, by: str = "order") -> int:
        return await self.web.claim_caller(self.token, call.grant, by, Sealed(value))

    async def answers(self, call: Connected, value: str, question: str = "contact.email") -> int:
        return await self.web.answer_question(self.token, call.grant, question, Sealed(value))

    async def opens(self, call: Connected, field: str, reason: str = "order_status") -> str:
        try:
            return (await self.house.desk.open(self.token, call.grant, field, reason)).open(READ)
        except Denied as refusal:
            return refusal.reason

    async def sends(self, call: Connected) -> tuple[str, str] | None:
        """To whom a code goes and with which words, None where none is sent."""
        self.house.channel.sent.clear()
        assert await self.house.calls.send_code(call.leg) is True
        return await self.sent()

    async def sent(self) -> tuple[str, str] | None:
        for _ in range(12):
            if self.house.channel.sent:
                to, text, ticket = self.house.channel.sent.pop()
                return to.open(ticket), text.open(ticket)
            await asyncio.sleep(0.01)
        return None

    async def keys(self, call: Connected) -> int:
        sent = await self.sends(call)
        assert sent
        return await self.house.calls.check_code(call.leg, Sealed(sent[1][:6]))

    def noted(self, kind: Kind, leg: str) -> list[dict[str, Any]]:
        return [each for each in self.ledger.of(kind) if each.get("leg") == leg]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    ledger = MemoryLedger()
    folder = tmp_path_factory.mktemp("assurance")
    house = VaultHouse(folder, ledger)
    carrier = SigningCarrier()
    (folder / "roots.pem").write_bytes(carrier.roots)
    house.config = replace(house.config, stir=Stir(roots=str(folder / "roots.pem"), hosts=("cr.example",)))
    house.certificates.held[ADDRESS] = carrier.chain
    async with house:
        await house.admin.import_customers(PEOPLE)
        desk = Desk(house, ledger, await house.agent(), await house.signed_in())
        desk.carrier = carrier
        yield desk
        await desk.web.close()


async def refusal(awaitable: Any) -> str:
    with pytest.raises(Denied) as error:
        await awaitable
    return error.value.reason


# -- the carrier's word


async def graded(desk: Desk, call: Connected) -> str:
    for _ in range(100):
        if desk.noted(Kind.IDENTITY_CHECKED, call.leg):
            break
        await asyncio.sleep(0.01)
    return str((await desk.view(call))["attestation"])


@pytest.mark.parametrize(("level", "assurance"), [("A", 1), ("B", 1), ("C", 1)])
async def test_a_signed_number_is_graded_and_gives_no_level(desk: Desk, level: str, assurance: int) -> None:
    header = desk.carrier.identity("+442079460001", STORE_NUMBER, time.time(), level)
    call = await desk.call("+442079460001", identity=header)
    assert await graded(desk, call) == level
    assert (await desk.view(call))["assurance"] == assurance
    assert desk.noted(Kind.IDENTITY_CHECKED, call.leg) == [{"leg": call.leg, "verdict": level}]


WRONG: dict[str, Callable[[SigningCarrier], str]] = {
    "stale": lambda carrier: carrier.identity("+442079460001", STORE_NUMBER, time.time() - 90),
    "wrong-origin": lambda carrier: carrier.identity("+442079460002", STORE_NUMBER, time.time()),
    "wrong-destination": lambda carrier: carrier.identity("+442079460001", "+442079460299", time.time()),
    "bad-signature": lambda carrier: SigningCarrier().identity("+442079460001", STORE_NUMBER, time.time()),
    "several": lambda carrier: "!several",
    "too-large": lambda carrier: "!too-large",
    "unreadable": lambda carrier: "nonsense",
}


@pytest.mark.parametrize("word", WRONG)
async def test_a_wrong_signature_takes_no_level_away(desk: Desk, word: str) -> None:
    call = await desk.call("+442079460001", identity=WRONG[word](desk.carrier))
    assert await graded(desk, call) == word
    assert (await desk.view(call))["assurance"] == 1


async def test_a_certificate_that_never_comes_holds_nothing_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()
    fetch = desk.house.certificates.fetch

    async def slow(url: str) -> bytes:
        await gate.wait()
        return await fetch(url)

    monkeypatch.setattr(desk.house.certificates, "fetch", slow)
    header = desk.carrier.identity("+442079460001", STORE_NUMBER, time.time())
    call = await desk.call("+442079460001", identity=header)  # answered and granted meanwhile
    assert (await desk.view(call))["attestation"] == "absent"
    assert await desk.opens(call, "order.reference") == "QL-10442"
    gate.set()
    assert await graded(desk, call) == "A"


async def test_a_call_without_a_header_is_not_checked_at_all(desk: Desk) -> None:
    call = await desk.call("+442079460001")
    await asyncio.sleep(0.02)
    assert desk.noted(Kind.IDENTITY_CHECKED, call.leg) == []


async def test_a_header_from_no_named_trunk_is_not_looked_at(desk: Desk) -> None:
    header = desk.carrier.identity("+442079460001", STORE_NUMBER, time.time())
    call = await desk.call("+442079460001", identity=header, trunk="")
    await asyncio.sleep(0.02)
    assert desk.noted(Kind.IDENTITY_CHECKED, call.leg) == []
    assert (await desk.view(call))["assurance"] == 0


# -- several customers on one number


async def test_a_shared_number_is_nobodys_until_the_order_picks_one(desk: Desk) -> None:
    call = await desk.call(SHARED)
    before = await desk.view(call)
    assert (before["assurance"], before["known"], before["shared"]) == (0, False, True)
    assert await desk.claims(call, "ql 302") == 1
    assert await desk.opens(call, "order.reference") == "QL-302"
    assert await desk.opens(call, "contact.email", "return_refund") == "assurance-too-low"
    assert await desk.keys(call) == 2
    assert await desk.opens(call, "contact.email", "return_refund") == "two@example.com"


async def test_an_order_of_somebody_else_is_only_a_word(desk: Desk) -> None:
    call = await desk.call(SHARED)
    assert await desk.claims(call, "QL-601") == 0
    assert await desk.opens(call, "order.reference") == "assurance-too-low"


# -- what the caller tells


@pytest.mark.parametrize("fields", [{}, {"privacy": "1"}], ids=["another number", "withheld"])
async def test_another_phone_a_word_and_a_code_to_the_number_on_record(desk: Desk, fields: dict[str, str]) -> None:
    call = await desk.call("+442079460777", **fields)
    assert (await desk.view(call))["claims_left"] == 3
    assert await desk.claims(call, "LOY-777", "loyalty") == 0
    assert await desk.opens(call, "order.reference") == "assurance-too-low"
    sent = await desk.sends(call)
    assert sent
    assert sent[0] == "+442079460061"  # the phone on record, not the one that calls
    assert await desk.house.calls.check_code(call.leg, Sealed(sent[1][:6])) == 2
    assert await desk.opens(call, "contact.email", "return_refund") == "asked@example.com"
    assert (await desk.view(call))["claims_left"] == 0


async def test_three_numbers_may_be_tried_and_say_nothing_of_themselves(desk: Desk) -> None:
    call = await desk.call("+442079460778")
    tried = [await refusal(desk.claims(call, value)) for value in ("QL-9999", "", "QL-9998", "QL-601")]
    assert tried == ["claim-unknown", "claim-unknown", "claim-unknown", "claims-used-up"]
    found = [each["found"] for each in desk.noted(Kind.CALLER_CLAIMED, call.leg)]
    assert found == [False, False, False]


async def test_who_is_known_is_not_picked_anew(desk: Desk) -> None:
    call = await desk.call("+442079460001")
    assert await refusal(desk.claims(call, "QL-601")) == "not-now"
    unknown = await desk.call("+442079460779")
    assert await refusal(desk.claims(unknown, "x", "contact.phone")) == "not-now"


async def test_from_no_named_trunk_nothing_helps(desk: Desk) -> None:
    call = await desk.call("+442079460061", trunk="")
    assert await desk.claims(call, "QL-601") == 0
    assert await desk.sends(call) is None
    assert await desk.opens(call, "order.reference") == "assurance-too-low"


# -- questions


async def test_a_question_is_worth_one_and_its_answer_goes_nowhere(desk: Desk) -> None:
    call = await desk.call("+442079460780")
    await desk.claims(call, "QL-701")
    view = await desk.view(call)
    assert {"name": "contact.email", "label": "E-mail"} in view["questions"]
    assert "once@example.com" not in str(view)
    assert not [each for each in view["questions"] if each["name"].startswith(("order.", "invoice."))]
    assert await desk.answers(call, " Once@Example.COM ") == 1
    assert await desk.opens(call, "order.reference") == "QL-701"
    assert await desk.opens(call, "contact.name") == "assurance-too-low"
    noted = desk.noted(Kind.QUESTION_ANSWERED, call.leg)
    assert [each.get("right") for each in noted] == [None, True]  # the first is durable before the comparison


async def test_three_answers_a_day_over_all_calls_then_the_holder_is_warned(desk: Desk) -> None:
    one, other = await desk.call("+442079460781"), await desk.call("+442079460782")
    for call in (one, other):
        await desk.claims(call, "QL-901")
    desk.house.channel.sent.clear()
    assert await refusal(desk.answers(one, "ben@example.com")) == "answer-wrong"
    assert await refusal(desk.answers(one, "")) == "answer-wrong"
    assert (await desk.view(other))["answers_left"] == 1
    assert (await desk.view(other))["script"] == []
    assert await refusal(desk.answers(other, "ben@example.org")) == "answer-wrong"
    assert await refusal(desk.answers(one, "sworn@example.com")) == "questions-used-up"  # right, and too late
    sent = await desk.sent()
    assert sent
    assert sent[0] == "+442079460091"
    assert sent[1].startswith("High Street: someone called about your account")
    view = await desk.view(other)
    assert view["failed"] is True
    assert "identity card" in " ".join(view["script"])


async def test_only_what_may_be_asked_is_asked(desk: Desk) -> None:
    call = await desk.call("+442079460783")
    assert await refusal(desk.answers(call, "x")) == "not-now"  # of nobody
    await desk.claims(call, "QL-501")
    for name in ("order.reference", "order.items", "contact.phone", "contact.name", "contact.language", "custom.x"):
        assert await refusal(desk.answers(call, "x", name)) == "not-now", name


# -- contacts that have just been changed


async def test_a_number_changed_lately_raises_nothing_and_the_agent_is_told_why(desk: Desk) -> None:
    await desk.house.admin.import_customers([customer("moved", MOVED_TO, "QL-401")])
    call = await desk.call(MOVED_TO)
    view = await desk.view(call)
    assert (view["assurance"], view["known"], view["code"]["state"]) == (0, True, "contact-new")
    assert "last 7 days" in view["code"]["advice"]
    assert await desk.sends(call) is None
    assert await desk.opens(call, "order.reference") == "assurance-too-low"
    assert await refusal(desk.house.calls.check_code(call.leg, Sealed("abcdef"))) == "code-wrong"  # as for anybody


async def test_after_seven_days_it_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quietline.vault.assuring.today", lambda: today() + 8)
    call = await desk.call(MOVED_TO)
    assert (await desk.view(call))["assurance"] == 1
    assert await desk.keys(call) == 2


async def test_a_code_sent_before_the_change_raises_nothing_after_it(desk: Desk) -> None:
    changing = "+442079460043"
    await desk.house.admin.import_customers([customer("later", changing, "QL-411")])
    call = await desk.call(changing)
    sent = await desk.sends(call)
    assert sent
    await desk.house.admin.import_customers([customer("later", "+442079460044", "QL-411")])
    assert await desk.house.calls.check_code(call.leg, Sealed(sent[1][:6])) == 1


async def test_an_answer_changed_lately_does_not_count_either(desk: Desk) -> None:
    await desk.house.admin.import_customers([customer("mailed", "+442079460045", "QL-421")])
    await desk.house.admin.import_customers(
        [customer("mailed", "+442079460045", "QL-421", **{"contact.email": "new@example.com"})]
    )
    call = await desk.call("+442079460784")
    await desk.claims(call, "QL-421")
    assert await refusal(desk.answers(call, "new@example.com")) == "contact-new"


# -- codes and warnings


async def test_a_code_is_written_in_the_customers_language_for_the_store(desk: Desk) -> None:
    sent = await desk.sends(await desk.call("+442079460051"))
    assert sent
    assert sent[1][6:] == (
        " est votre code pour High Street. Tapez-le sur votre téléphone."
        " Ne le lisez jamais à voix haute, à personne, même à nous."
    )


async def test_three_wrong_codes_warn_the_holder_once_a_day(desk: Desk) -> None:
    for turn in range(2):
        call = await desk.call("+442079460051")
        await desk.sends(call)
        tries = [await refusal(desk.house.calls.check_code(call.leg, Sealed("abcdef"))) for _ in range(3)]
        assert tries == ["code-wrong", "code-wrong", "code-used-up"]
        sent = await desk.sent()
        assert (sent[1][:30] if sent else "") == ("" if turn else "High Street : quelqu'un a appe")
        assert (await desk.view(call))["failed"] is True


async def test_nobody_is_warned_for_an_unknown_caller_and_the_answers_are_alike(desk: Desk) -> None:
    call = await desk.call("+442079460785")
    await desk.sends(call)
    tries = [await refusal(desk.house.calls.check_code(call.leg, Sealed("abcdef"))) for _ in range(3)]
    assert tries == ["code-wrong", "code-wrong", "code-used-up"]
    assert await desk.sent() is None
    assert desk.noted(Kind.HOLDER_WARNED, call.leg) == []


async def test_nobody_is_warned_once_contact_details_may_have_been_shown(desk: Desk) -> None:
    call = await desk.call("+442079460081")
    assert await desk.keys(call) == 2
    await desk.sends(call)
    for _ in range(3):
        await refusal(desk.house.calls.check_code(call.leg, Sealed("abcdef")))
    assert await desk.sent() is None
    assert (await desk.view(call))["failed"] is True


# -- relayed calls


async def test_a_relayed_call_is_marked_and_keeps_its_level_and_its_ways(desk: Desk) -> None:
    call = await desk.call("+442079460001")
    await desk.web.mark_relayed(desk.token, call.grant, True)
    view = await desk.view(call)
    assert (view["relayed"], view["assurance"]) == (True, 1)
    assert await desk.keys(call) == 2
    await desk.web.mark_relayed(desk.token, call.grant, False)
    assert [each["relayed"] for each in desk.noted(Kind.CALL_RELAYED, call.leg)] == [True, False]
    assert (await desk.view(call))["assurance"] == 2


# -- helpers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def officer(desk: Desk) -> str:
    await desk.house.agent("olga", role="privacy_officer", name="Olga Example")
    return await desk.house.signed_in("olga")


HELPER = "+442079460082"


async def names(desk: Desk, session: str, order: str = "QL-801", **changes: Any) -> dict[str, Any]:
    fields = {"session": session, "field": "order.reference", "value": order, "number": "020 7946 0082"}
    until = time.time() + 86_400
    return dict(
        await desk.house.admin.call("helper_name", **{**fields, "reasons": ["order_status"], "until": until, **changes})
    )


async def test_a_helper_calls_for_the_reasons_that_were_named(desk: Desk, officer: str) -> None:
    helper = await names(desk, officer)
    assert "0082" not in str(helper)
    call = await desk.call(HELPER)
    view = await desk.view(call)
    assert (view["assurance"], view["known"], view["helper"]) == (1, True, ["order_status"])
    assert await desk.opens(call, "order.reference") == "QL-801"
    sent = await desk.sends(call)
    assert sent
    assert sent[0] == HELPER  # the helper's own phone
    assert await desk.house.calls.check_code(call.leg, Sealed(sent[1][:6])) == 2
    assert await desk.opens(call, "contact.email", "return_refund") == "not-for-helper"
    assert await desk.opens(call, "contact.name") == "Ben Example"
    await desk.house.admin.call("helper_end", session=officer, helper=helper["helper"])
    after = await desk.call(HELPER)
    assert (await desk.view(after))["known"] is False


async def test_a_helper_never_passes_two_however_much_is_shown(desk: Desk, officer: str) -> None:
    helper = await names(desk, officer)
    for number, level in ((HELPER, 2), ("+442079460081", 3)):
        call = await desk.call(number)
        await desk.keys(call)
        assuring = desk.parts.calls.assuring
        assert assuring.shown(desk.parts.grants.leg(call.leg), Factor.APP) == level
    await desk.house.admin.call("helper_end", session=officer, helper=helper["helper"])


async def test_a_helper_of_two_customers_says_for_whom(desk: Desk, officer: str) -> None:
    made = [await names(desk, officer), await names(desk, officer, "QL-701", reasons=["complaint"])]
    call = await desk.call(HELPER)
    assert (await desk.view(call))["known"] is False
    assert await desk.claims(call, "QL-701") == 1
    assert (await desk.view(call))["helper"] == ["complaint"]
    for each in made:
        await desk.house.admin.call("helper_end", session=officer, helper=each["helper"])


async def test_a_helpers_scope_and_the_helpers_outlive_a_restart(tmp_path: Path) -> None:
    async with VaultHouse(tmp_path) as house:
        await house.admin.import_customers(PEOPLE)
        await house.agent("olga", role="privacy_officer")
        agent, token = await house.agent(), await house.signed_in()
        desk = Desk(house, MemoryLedger(), agent, token)
        await names(desk, await house.signed_in("olga"))
        call = await desk.call(HELPER)
        await names(desk, await house.signed_in("olga"), "QL-701", until=time.time() + 0.2)
        await asyncio.sleep(0.4)  # longer than unsealed.SAVE_SECONDS
        await house.restart()
        assert (await desk.view(call))["helper"] == ["order_status"]
        assert await desk.opens(call, "order.items", "complaint") == "not-for-helper"
        assert (await desk.view(await desk.call(HELPER)))["helper"] == ["order_status"]
        await desk.parts.calls.assuring.helpers.expire(time.time())
        assert len(desk.parts.remembered.all("helper")) == 1
        (customer,) = [each["customer"] for each in desk.parts.remembered.all("helper").values()]
        await desk.parts.calls.assuring.helpers.forget(customer)
        assert desk.parts.remembered.all("helper") == {}
        assert (await desk.view(await desk.call(HELPER)))["known"] is False
        await desk.web.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reasons": []}, "reasons"),
        ({"reasons": ["everything"]}, "reasons"),
        ({"until": 0.0}, "until"),
        ({"until": 9e9}, "until"),
        ({"number": "nobody"}, "number"),
        ({"field": "contact.name"}, "found by"),
        ({"value": "QL-0"}, "nobody-found"),
        ({"controller": "franchise-a"}, "other-store"),
    ],
)
async def test_what_is_wrong_with_a_helper_is_said(
    desk: Desk, officer: str, changes: dict[str, Any], error: str
) -> None:
    with pytest.raises((ConfigError, Denied, QuietlineError), match=error):
        await names(desk, officer, **changes)


async def test_an_agent_names_no_helper_and_five_are_the_most(desk: Desk, officer: str) -> None:
    assert await refusal(names(desk, desk.token)) == "role-may-not"
    made = [await names(desk, officer, "QL-501", number=f"+4420794605{each:02}") for each in range(5)]
    with pytest.raises(QuietlineError, match="5 at most"):
        await names(desk, officer, "QL-501")
    found = {"session": officer, "field": "order.reference", "value": "QL-501"}
    listed = (await desk.house.admin.call("helper_list", **found))["helpers"]
    assert [each["helper"] for each in listed] == [each["helper"] for each in made]
    for each in made:
        await desk.house.admin.call("helper_end", session=officer, helper=each["helper"])
    assert await refusal(desk.house.admin.call("helper_end", session=officer, helper="he_0")) == "unknown-helper"


# -- whose call it is


async def test_nothing_is_said_of_a_call_that_is_not_ones_own_or_is_over(desk: Desk) -> None:
    await desk.house.agent("fay", name="Fay Example")
    other = await desk.house.signed_in("fay")
    call = await desk.call("+442079460001")
    for asked in (
        desk.web.assurance(other, call.grant),
        desk.web.claim_caller(other, call.grant, "order", Sealed("QL-601")),
        desk.web.answer_question(other, call.grant, "contact.email", Sealed("x")),
        desk.web.mark_relayed(other, call.grant, True),
    ):
        assert await refusal(asked) == "not-your-call"
    await call.hangs_up()
    assert await refusal(desk.view(call)) == "call-ended"
    assert await refusal(desk.answers(call, "ana@example.com")) == "call-ended"
