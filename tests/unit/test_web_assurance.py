"""What a page may ask about who calls: strict bodies, no value in an answer, nothing without one's own live call."""

from __future__ import annotations

import pytest

from quietline.errors import Unavailable
from quietline.testing.desk_client import DeskUnderTest
from quietline.web.api.assurance import Answered, Claim


async def test_the_view_is_the_vaults() -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0), await under.signed_in()
    under.assurance.shown = {"attestation": "A", "failed": True}
    shown = (await client.get(f"/api/calls/{call}/assurance")).json()
    assert (shown["attestation"], shown["assurance"], len(shown["script"])) == ("A", 0, 3)
    assert shown["questions"] == [{"name": "contact.email", "label": "E-mail"}]


async def test_an_answer_is_passed_on_and_only_its_worth_comes_back() -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0), await under.signed_in()
    wrong = await client.post(f"/api/calls/{call}/answer", {"question": "contact.email", "answer": "x@example.com"})
    assert (wrong.status_code, wrong.json()["reason"]) == (403, "answer-wrong")
    assert "rosa.quill" not in wrong.text
    right = {"question": "contact.email", "answer": "rosa.quill@example.com"}
    assert (await client.post(f"/api/calls/{call}/answer", right)).json() == {"assurance": 1}


async def test_a_claim_finds_the_customer() -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0, known=False), await under.signed_in()
    assert (await client.get(f"/api/calls/{call}/assurance")).json()["claims_left"] == 3
    found = await client.post(f"/api/calls/{call}/claim", {"by": "order", "value": "QL-20417"})
    assert found.json() == {"assurance": 0}
    assert (await client.get(f"/api/calls/{call}/assurance")).json()["known"] is True


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("claim", {"by": "phone", "value": "1"}),
        ("claim", {"by": "order", "value": ""}),
        ("claim", {"by": "order", "value": "1" * 65}),
        ("claim", {"by": "order", "value": 1}),
        ("claim", {"by": "order", "value": "1", "more": "1"}),
        ("answer", {"question": "Not A Field", "answer": "x"}),
        ("answer", {"question": "contact.email", "answer": ""}),
        ("answer", {"question": "contact.email", "answer": "x" * 129}),
        ("relayed", {"relayed": "yes"}),
        ("relayed", {}),
    ],
)
async def test_what_does_not_fit_is_refused_and_not_repeated(route: str, body: dict[str, object]) -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0), await under.signed_in()
    answer = await client.post(f"/api/calls/{call}/{route}", body)
    assert answer.status_code == 422
    assert "1" * 65 not in answer.text
    assert under.assurance.asked == []


async def test_nothing_goes_through_without_the_pages_own_token() -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0), await under.signed_in()
    client.csrf = "forged"
    for route, body in (("relayed", {"relayed": True}), ("claim", {"by": "order", "value": "QL-20417"})):
        assert (await client.post(f"/api/calls/{call}/{route}", body)).status_code == 403
    assert (under.assurance.relayed, under.assurance.asked) == (False, [])


async def test_after_the_hang_up_there_is_nothing_to_ask() -> None:
    under = DeskUnderTest()
    call, client = under.on_call(assurance=0), await under.signed_in()
    under.controller.hangs_up("ag_4c1f")
    assert (await client.get(f"/api/calls/{call}/assurance")).status_code == 410
    assert (await client.post(f"/api/calls/{call}/relayed", {"relayed": True})).status_code == 410


def test_what_is_typed_is_in_no_repr() -> None:
    said = Claim(by="order", value="QL-20417"), Answered(question="contact.email", answer="rosa.quill@example.com")
    assert "20417" not in repr(said)
    assert "rosa" not in repr(said)


def test_a_desk_without_that_side_says_so() -> None:
    under = DeskUnderTest()
    under.desk._assurance = None
    with pytest.raises(Unavailable):
        _ = under.desk.assurance
