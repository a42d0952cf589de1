"""`quietline canary`, `breakglass`, `store log` and `receipt` as their people meet them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError, Denied
from quietline.ledger.call_receipt import as_document, line_of, proven
from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import Entry
from quietline.ledger.records import SALT_BYTES, commitment, encode_body
from quietline.ledger.vocabulary import Kind
from quietline.rights.breach import classes_of

Cli = Callable[..., Any]
CASE = {
    "id": "bg_1",
    "requester": "ag_1",
    "store": "high-street",
    "classes": ["contact"],
    "minutes": 30,
    "justification": "The gate is locked and the parcel has to stay cold.",
    "stage": "over",
    "asked": 1_800_000_000.0,
    "approver": "ag_2",
    "until": 1_800_001_800.0,
    "review_by": 1_800_259_200.0,
    "late": True,
    "reviewer": "",
    "finding": "",
    "looks": 3,
}
SIGNER = NoteSigner("test/ledger", Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIETLINE_SESSION", "the-session")


# -- canaries


def test_a_canary_is_made_from_a_file_in_the_name_of_who_is_signed_in(cli: Cli, house: Path, vault: Any) -> None:
    record = {"key": "C-9", "controller": "brand", "fields": {"contact.phone": "020 7946 0777"}}
    vault.answers["canary_add"] = {"canaries": 4}
    file = house.parent / "canary.json"
    file.write_text(json.dumps(record))
    done = cli("canary", "add", file, "-c", house)
    assert (done.code, done.out) == (0, "4 canary customers are watched.\n")
    assert vault.asked == [{"op": "canary_add", "session": "the-session", "record": record}]
    assert "7946" not in done.out


def test_a_file_that_is_not_there_is_said(cli: Cli, house: Path, vault: Any) -> None:
    done = cli("canary", "add", house.parent / "nothing.json", "-c", house)
    assert done.code == 2
    assert "cannot be read" in done.err


@pytest.mark.parametrize("text", ["", "{", "not json"])
def test_a_record_that_is_no_json_is_said(cli: Cli, house: Path, vault: Any, text: str) -> None:
    file = house.parent / "canary.json"
    file.write_text(text)
    done = cli("canary", "add", file, "-c", house)
    assert done.code == 2
    assert "is not JSON" in done.err
    assert vault.asked == []


def test_how_many(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["canary_count"] = {"canaries": 7}
    assert json.loads(cli("canary", "count", "--json", "-c", house).out) == [{"canaries": 7}]


# -- break-glass


def test_cases_are_listed_with_what_is_late(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["glass_cases"] = {"cases": [CASE]}
    done = cli("breakglass", "list", "-c", house)
    assert done.code == 0
    assert "bg_1" in done.out
    assert "yes" in done.out
    assert json.loads(cli("breakglass", "list", "--json", "-c", house).out) == [CASE]


def test_no_cases(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["glass_cases"] = {"cases": []}
    assert cli("breakglass", "list", "-c", house).out == "No cases.\n"


def test_a_review(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["glass_finding"] = {"case": {**CASE, "stage": "reviewed", "finding": "breach"}}
    done = cli("breakglass", "review", "bg_1", "breach", "-c", house)
    assert done.out == "bg_1: reviewed, breach. 3 looks.\n"
    assert vault.asked[0] == {"op": "glass_finding", "session": "the-session", "case": "bg_1", "finding": "breach"}


def test_what_the_vault_finds_wrong_is_said(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["glass_finding"] = ConfigError("break-glass review: one of justified, not-justified, breach")
    done = cli("breakglass", "review", "bg_1", "fine", "-c", house)
    assert done.code == 2
    assert "not-justified" in done.err


def test_a_refusal_is_one_line(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["glass_cases"] = Denied("role-may-not", "This is not for your role.")
    done = cli("breakglass", "list", "-c", house)
    assert done.code == 1
    assert "role-may-not" in done.err


# -- logs


def test_a_stores_log(cli: Cli, house: Path, vault: Any) -> None:
    row = {"at": 1_800_000_000.0, "entry": 7, "store": "hub", "role": "agent", "field": "order.items", "outside": True}
    vault.answers["store_log"] = {"from": 1_799_999_000.0, "rows": [row]}
    done = cli("store", "log", "station", "--since", "2027-01-15", "-c", house)
    assert vault.asked[0]["store"] == "station"
    assert vault.asked[0]["since"] == 1_799_971_200.0
    assert "order.items" in done.out
    assert "Complete from 2027-01-15T07:43:20Z on." in done.out


def test_nobody_looked_and_no_alerts(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["store_log"] = vault.answers["alert_log"] = {"from": 0.0, "rows": []}
    assert cli("store", "log", "station", "-c", house).out.startswith("Nobody looked.\n")
    assert cli("breakglass", "alerts", "-c", house).out.startswith("No alerts.\n")


def test_alerts_of_different_kinds_stand_in_one_table(cli: Cli, house: Path, vault: Any) -> None:
    rows = [
        {"at": 1.0, "entry": 2, "kind": "canary.touched", "agent": "ag_1", "how": "card"},
        {"at": 0.0, "entry": 1, "kind": "tamper.found", "part": "staff"},
    ]
    vault.answers["alert_log"] = {"from": 0.0, "rows": rows}
    found = json.loads(cli("breakglass", "alerts", "--json", "-c", house).out)
    assert found[0]["rows"][1]["part"] == "staff"
    assert "canary.touched" in cli("breakglass", "alerts", "-c", house).out


def test_a_time_that_is_none_is_said(cli: Cli, house: Path, vault: Any) -> None:
    done = cli("store", "log", "station", "--since", "yesterday", "-c", house)
    assert done.code == 2
    assert "2026-11-24" in done.err


# -- receipts


def a_receipt() -> dict[str, Any]:
    """Of a log of one entry."""
    fields = {
        "role": "agent",
        "store": "high-street",
        "action": "reveal",
        "field": "contact.name",
        "reason": "complaint",
    }
    entry = Entry(Kind.LOOK_ALLOWED, 1_800_000_000.0, "cu_1", fields)
    opened = bytes(SALT_BYTES) + encode_body(entry)
    root = leaf_hash(commitment(opened[:SALT_BYTES], opened[SALT_BYTES:]))
    note = SIGNER.sign(Checkpoint("test/ledger", 1, root).text()).decode()
    return as_document({}, [proven(line_of(entry, classes_of), 0, opened, [], note)], SIGNER.vkey)


def test_a_receipt_that_is_right(cli: Cli, tmp_path: Path) -> None:
    file, key = tmp_path / "receipt.json", tmp_path / "vkey"
    file.write_text(json.dumps(a_receipt()))
    key.write_text(SIGNER.vkey + "\n")
    for given in (SIGNER.vkey, key):
        done = cli("receipt", "verify", file, "--key", given)
        assert done.code == 0
        assert "1 lines, each of them in the ledger" in done.out
    row = json.loads(cli("receipt", "verify", file, "--key", SIGNER.vkey, "--json").out)[0]
    assert (row["role"], row["kinds"], row["at"]) == ("agent", "contact", "2027-01-15T08:00:00Z")


def test_a_receipt_that_is_not_right_names_the_line(cli: Cli, tmp_path: Path) -> None:
    receipt = a_receipt()
    receipt["lines"][0]["role"] = "supervisor"
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = cli("receipt", "verify", file, "--key", SIGNER.vkey)
    assert done.code == 1
    assert "line 1" in done.err


@pytest.mark.parametrize("key", ["/nowhere", "not a key"])
def test_a_key_that_is_none_is_said(cli: Cli, tmp_path: Path, key: str) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(a_receipt()))
    done = cli("receipt", "verify", file, "--key", key)
    assert done.code == 2
    assert "--key" in done.err
