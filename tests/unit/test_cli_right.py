"""`quietline right` and `quietline breach` as a privacy officer meets them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.cli.right import FIELDS
from quietline.errors import Denied
from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.log import ORIGIN
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import Entry
from quietline.ledger.records import commitment, encode_body
from quietline.ledger.vocabulary import Kind
from quietline.rights.desk import FOUND_BY
from quietline.rights.ledger_reader import Proof
from quietline.rights.receipt import digest_of, write_receipt

Cli = Callable[..., Any]
VIEW = {
    "id": "rq_1",
    "right": "erasure",
    "state": "cooling",
    "due": "2026-12-24T18:10:00Z",
    "methods": ["call-back"],
    "told": {"courier": "told 2026-11-24T18:10:00Z"},
    "late": False,
}
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
STATEMENT: dict[str, Any] = {
    "request": "rq_1",
    "erased_at": "2026-11-24T18:10:00Z",
    "erased": ["contact", "delivery"],
    "kept": [{"class": "invoice", "basis": "GDPR 17(3)(b)", "for": "6 years"}],
    "recipients": [{"name": "courier", "purpose": "parcels", "told": "told 2026-11-24"}],
}


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIETLINE_SESSION", "the-session")
    monkeypatch.delenv("QUIETLINE_SECOND_SESSION", raising=False)


def a_receipt() -> bytes:
    """Of a log of one entry."""
    fields = {"request": "rq_1", "statement": digest_of(STATEMENT)}
    opened = bytes(32) + encode_body(Entry(Kind.RECORDS_ERASED, 1.0, "", fields))
    root = leaf_hash(commitment(opened[:32], opened[32:]))
    note = SIGNER.sign(Checkpoint(ORIGIN, 1, root).text()).decode()
    return write_receipt(STATEMENT, Proof(0, opened, (), note), SIGNER)


# -- who acts


def test_signing_in_prints_the_session_and_nothing_else(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["console_sign_in"] = {"session": "a-token", "agent": "ag_1", "role": "privacy_officer"}
    done = cli("right", "sign-in", "dora", "-c", house, stdin="the password\n")
    assert (done.code, done.out) == (0, "a-token\n")
    assert vault.asked == [{"op": "console_sign_in", "login": "dora", "password": "the password", "code": ""}]


def test_with_a_code_it_is_asked_for_too(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["console_sign_in"] = {"session": "a-token"}
    cli("right", "sign-in", "dora", "--code", "-c", house, stdin="the password\n123456\n")
    assert vault.asked[0]["code"] == "123456"


def test_nobody_acts_without_a_session(cli: Cli, house: Path, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUIETLINE_SESSION")
    done = cli("right", "list", "-c", house)
    assert done.code == 2
    assert "quietline right sign-in" in done.err
    assert vault.asked == []


def test_signing_out_ends_the_session(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["console_sign_out"] = {}
    assert cli("right", "sign-out", "-c", house).out == "Signed out.\n"
    assert vault.asked == [{"op": "console_sign_out", "session": "the-session"}]


@pytest.mark.parametrize("words", [("right", "list"), ("breach", "ag_1", "--from", "2026-11-01", "--to", "2026-11-02")])
def test_root_carries_the_question(as_nobody: Cli, house: Path, vault: Any, words: tuple[str, ...]) -> None:
    done = as_nobody(*words, "-c", house)
    assert done.code == 2
    assert "root" in done.err


# -- requests


@pytest.mark.parametrize(("by", "field"), FIELDS.items())
def test_a_request_is_opened_and_its_identifier_is_asked_for(
    cli: Cli, house: Path, vault: Any, by: str, field: str
) -> None:
    vault.answers["right_open"] = VIEW
    done = cli("right", "open", "erasure", "--by", by, "--method", "call-back", "-c", house, stdin="ana@example.com\n")
    assert done.code == 0
    assert "rq_1" in done.out
    assert "ana@example.com" not in done.out + done.err
    (asked,) = vault.asked
    assert (asked["field"], asked["value"], asked["methods"]) == (field, "ana@example.com", ["call-back"])
    assert (asked["session"], asked["controller"], asked["about"]) == ("the-session", "brand", "")


def test_every_way_to_find_somebody_is_one_the_desk_knows() -> None:
    assert set(FIELDS.values()) == set(FOUND_BY)


def test_another_way_is_refused(cli: Cli, house: Path, vault: Any) -> None:
    done = cli("right", "open", "access", "--by", "name", "-c", house, stdin="Ana\n")
    assert (done.code, vault.asked) == (2, [])
    assert "phone, email, loyalty, order" in done.err


def test_a_refusal_is_one_line_and_exit_1(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["right_open"] = Denied("not-identified", "Identify the requester in another way too.")
    done = cli("right", "open", "access", "-c", house, stdin="x\n")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("quietline: denied: not-identified")


def test_the_list_is_a_table_or_json(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["right_list"] = {"requests": [VIEW]}
    table = cli("right", "list", "-c", house).out
    assert "rq_1" in table
    assert "courier" not in table
    assert json.loads(cli("right", "list", "--all", "--json", "-c", house).out) == [VIEW]
    assert [each["everything"] for each in vault.asked] == [False, True]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("show", "rq_1"), {"op": "right_show", "request": "rq_1"}),
        (
            ("act", "rq_1", "refuse", "--why", "excessive"),
            {"op": "right_move", "request": "rq_1", "act": "refuse", "why": "excessive"},
        ),
        (("told", "rq_1", "courier"), {"op": "right_told", "request": "rq_1", "recipient": "courier", "how": "told"}),
    ],
)
def test_one_request_is_shown_after_an_act(
    cli: Cli, house: Path, vault: Any, words: tuple[str, ...], asked: dict[str, str]
) -> None:
    vault.answers[asked["op"]] = VIEW
    said = cli("right", *words, "-c", house).out
    assert "courier: told 2026-11-24" in said
    assert vault.asked == [{**asked, "session": "the-session"}]
    assert json.loads(cli("right", *words, "--json", "-c", house).out) == [VIEW]


def test_a_new_value_is_asked_for(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["right_rectify"] = VIEW
    done = cli("right", "rectify", "rq_1", "contact.email", "-c", house, stdin="new@example.com\n")
    assert "new@example.com" not in done.out
    assert vault.asked[0]["value"] == "new@example.com"


# -- the file


def test_the_file_is_written_as_it_comes_for_root_alone(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    vault.answers["right_access"] = {"file": base64.b64encode(b"age-encryption.org/v1 ...").decode()}
    out = tmp_path / "answer.age"
    done = cli("right", "access", "rq_1", "--to", "age1abc", "--withhold", "note", "-o", out, "-c", house)
    assert done.code == 0
    assert out.read_bytes() == b"age-encryption.org/v1 ..."
    assert out.stat().st_mode & 0o777 == 0o600
    assert (vault.asked[0]["to"], vault.asked[0]["passphrase"], vault.asked[0]["withhold"]) == ("age1abc", "", ["note"])


def test_without_a_key_a_passphrase_is_asked_for(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    vault.answers["right_access"] = {"file": ""}
    cli("right", "access", "rq_1", "-o", tmp_path / "a.age", "-c", house, stdin="a passphrase of theirs\n")
    assert vault.asked[0]["passphrase"] == "a passphrase of theirs"


def test_a_file_that_is_there_is_not_overwritten(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    vault.answers["right_access"] = {"file": ""}
    out = tmp_path / "a.age"
    out.write_text("something else")
    done = cli("right", "access", "rq_1", "--to", "age1abc", "-o", out, "-c", house)
    assert done.code == 2
    assert "name a new file" in done.err
    assert out.read_text() == "something else"


# -- erasure


def test_a_receipt_is_written_for_each(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    vault.answers["right_erase"] = {"receipts": {"rq_1": "one", "rq_2": "two"}}
    done = cli("right", "erase", "rq_1", "rq_2", "-o", tmp_path, "-c", house)
    assert done.code == 0
    assert [(tmp_path / f"{name}.receipt").read_text() for name in ("rq_1", "rq_2")] == ["one", "two"]
    assert (vault.asked[0]["requests"], vault.asked[0]["second"]) == (["rq_1", "rq_2"], "")


def test_a_directory_for_receipts_is_made_before_anybody_is_erased(
    cli: Cli, house: Path, vault: Any, tmp_path: Path
) -> None:
    vault.answers["right_erase"] = {"receipts": {"rq_1": "one"}}
    assert cli("right", "erase", "rq_1", "-o", tmp_path / "receipts", "-c", house).code == 0
    assert (tmp_path / "receipts" / "rq_1.receipt").read_text() == "one"
    (tmp_path / "a-file").write_text("")
    done = cli("right", "erase", "rq_1", "-o", tmp_path / "a-file", "-c", house)
    assert (done.code, len(vault.asked)) == (2, 1)


def test_the_second_person_has_a_session_of_their_own(
    cli: Cli, house: Path, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.answers["right_erase"] = {"receipts": {}}
    done = cli("right", "erase", "rq_1", "--second", "-o", tmp_path, "-c", house)
    assert done.code == 2
    assert "QUIETLINE_SECOND_SESSION" in done.err
    monkeypatch.setenv("QUIETLINE_SECOND_SESSION", "another")
    assert cli("right", "erase", "rq_1", "--second", "-o", tmp_path, "-c", house).code == 0
    assert vault.asked[0]["second"] == "another"


def test_a_receipt_is_printed_again(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["right_receipt"] = {"receipt": "the receipt\n"}
    assert cli("right", "receipt", "rq_1", "-c", house).out == "the receipt\n"


def test_a_receipt_is_verified_with_nothing_but_the_key(cli: Cli, tmp_path: Path) -> None:
    receipt = tmp_path / "r.receipt"
    receipt.write_bytes(a_receipt())
    done = cli("right", "verify", receipt, "--key", SIGNER.vkey)
    assert done.code == 0
    for said in ("Verified", "rq_1", "contact, delivery", "GDPR 17(3)(b)", "courier"):
        assert said in done.out
    key = tmp_path / "vkey"
    key.write_text(SIGNER.vkey + "\n")
    told = json.loads(cli("right", "verify", receipt, "--key", key, "--json").out)
    assert (told["verified"], told["size"], told["request"]) == (True, 1, "rq_1")


def test_a_receipt_that_was_changed_is_refused_with_exit_1(cli: Cli, tmp_path: Path) -> None:
    receipt = tmp_path / "r.receipt"
    receipt.write_bytes(a_receipt().replace(b"delivery", b"deliverX"))
    done = cli("right", "verify", receipt, "--key", SIGNER.vkey)
    assert (done.code, done.out) == (1, "")
    assert "NOT verified" in done.err
    done = cli("right", "verify", receipt, "--key", SIGNER.vkey, "--json")
    assert json.loads(done.err)["verified"] is False
    other = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    receipt.write_bytes(a_receipt())
    assert cli("right", "verify", receipt, "--key", other.vkey).code == 1
    assert cli("right", "verify", tmp_path / "none", "--key", SIGNER.vkey).code == 2
    assert cli("right", "verify", receipt, "--key", "nonsense").code == 2


# -- recipients, holds, retention


def test_recipients_are_listed_added_and_taken_off(cli: Cli, house: Path, vault: Any) -> None:
    listed = {"recipients": {"courier": "parcels"}}
    vault.answers.update(right_recipients=listed, right_recipient=listed)
    assert "parcels" in cli("right", "recipients", "-c", house).out
    cli("right", "recipients", "--add", "courier", "--for", "parcels", "-c", house)
    cli("right", "recipients", "--remove", "courier", "-c", house)
    asked = [(each["op"], each.get("name"), each.get("purpose")) for each in vault.asked]
    assert asked == [
        ("right_recipients", None, None),
        ("right_recipient", "courier", "parcels"),
        ("right_recipient", "courier", ""),
    ]


@pytest.mark.parametrize("words", [("--add", "x"), ("--for", "y"), ("--add", "x", "--for", "y", "--remove", "z")])
def test_half_an_entry_is_none(cli: Cli, house: Path, vault: Any, words: tuple[str, ...]) -> None:
    assert cli("right", "recipients", *words, "-c", house).code == 2
    assert vault.asked == []


def test_a_hold_is_placed_listed_and_lifted(cli: Cli, house: Path, vault: Any) -> None:
    hold = {"id": "lh_1", "reason": "dispute", "until": "2027-03-31T00:00:00Z"}
    vault.answers.update(right_hold=hold, right_holds={"holds": [hold]}, right_lift_hold={})
    done = cli("right", "hold", "dispute", "--until", "2027-03-31", "-c", house, stdin="020 7946 0001\n")
    assert "lh_1" in done.out
    assert vault.asked[0]["until"] == 1_806_451_200.0
    assert "dispute" in cli("right", "holds", "-c", house).out
    assert cli("right", "lift", "lh_1", "-c", house).out == "Lifted.\n"
    assert cli("right", "hold", "dispute", "--until", "soon", "-c", house, stdin="x\n").code == 2


def test_retention_shows_unless_it_is_told_to_run(cli: Cli, house: Path, vault: Any) -> None:
    report = {"customers": 2, "values": {"contact": 6}, "held": 1, "undated": 3, "dry_run": True}
    vault.answers["right_retention"] = report
    said = cli("right", "retention", "-c", house).out
    assert "contact" in said
    assert "Under a hold: 1. Without a day: 3." in said
    assert json.loads(cli("right", "retention", "--run", "--json", "-c", house).out) == [report]
    assert [each["run"] for each in vault.asked] == [False, True]


@pytest.mark.parametrize(("command", "title"), [("record", "GDPR 30"), ("assessment", "GDPR 35")])
def test_papers_need_no_vault(cli: Cli, command: str, title: str) -> None:
    assert title in cli("right", command).out
    assert isinstance(json.loads(cli("right", command, "--json").out), dict)


# -- breach

ANSWER = {
    "customers": [
        {
            "customer": "cu_1",
            "looks": 2,
            "classes": {"contact": 2},
            "first": "2026-11-01T09:00:00Z",
            "last": "2026-11-01T10:00:00Z",
        }
    ],
    "count": 1,
    "entries": 5,
    "duties": {
        "aware": "2026-11-24T18:00:00Z",
        "authority_by": "2026-11-27T18:00:00Z",
        "hours_left": 71.5,
        "authority": ["nature of the breach"],
        "customers": "tell these customers",
        "record": "Write it down",
    },
}
TIMES = ("--from", "2026-11-01", "--to", "2026-11-02T12:00:00Z")


def test_the_breach_desk_answers_by_login_or_token(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers.update(breach=ANSWER, staff_find={"agent": "ag_9"})
    said = cli("breach", "eva", *TIMES, "--aware", "2026-11-24T18:00:00Z", "-c", house).out
    for each in (
        "cu_1",
        "contact 2",
        "1 customers, 5 entries",
        "2026-11-27T18:00:00Z",
        "71.5 h",
        "tell these customers",
    ):
        assert each in said
    asked = vault.asked[-1]
    assert (asked["agent"], asked["since"], asked["until"]) == ("ag_9", 1_793_491_200.0, 1_793_620_800.0)
    assert asked["aware"] == 1_795_543_200.0
    assert json.loads(cli("breach", "ag_1", *TIMES, "--json", "-c", house).out) == ANSWER
    assert vault.asked[-1]["agent"] == "ag_1"


def test_a_time_that_is_none_is_said(cli: Cli, house: Path, vault: Any) -> None:
    done = cli("breach", "eva", "--from", "yesterday", "--to", "2026-11-02", "-c", house)
    assert (done.code, vault.asked) == (2, [])
    assert "2026-11-24" in done.err
