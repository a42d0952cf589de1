"""`quietline policy` as a user meets it. Over few fields where the whole matrix is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.access.cedar import POLICIES
from quietline.access.in_force import load_policies
from quietline.cli import policy
from quietline.errors import ConfigError
from quietline.vault.custom import catalogue
from quietline.vault.schema import FIELDS, Reason

Cli = Callable[..., Any]
STATE = {"digest": "a" * 64, "rules": 28, "folder": "", "reviewed": True, "changed": False}
FEW = {name: FIELDS[name] for name in ("order.reference", "delivery.address")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    shutil.copytree(POLICIES, own)
    return own


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "catalogue", lambda own: FEW)


def add(folder: Path, rule: str) -> None:
    (folder / "own.cedar").write_text(rule)


# check


def test_a_right_set_is_said_to_be_right_with_its_hash(cli: Cli, folder: Path, few: None, tmp_path: Path) -> None:
    told = cli("policy", "check", folder, "-c", tmp_path / "none.toml")
    assert told.code == 0
    assert "28 rules are right. SHA-256 " in told.out


def test_errors_are_listed_and_the_exit_says_so(cli: Cli, folder: Path, few: None, tmp_path: Path) -> None:
    add(folder, '@id("never") permit (principal in Role::"auditor", action == Action::"note", resource);')
    told = cli("policy", "check", folder, "-c", tmp_path / "none.toml", "--json")
    assert told.code == 1
    assert f"1 errors in {folder}" in told.err
    found = [each for each in json.loads(told.out) if each["severity"] == "error"]
    assert [each["rule"] for each in found] == ["never"]


def test_a_set_that_breaks_a_promise_is_an_error(cli: Cli, folder: Path, few: None, tmp_path: Path) -> None:
    guards = (folder / "guards.cedar").read_text()
    (folder / "guards.cedar").write_text(guards.replace("context.now < context.certifiedUntil", "true"))
    told = cli("policy", "check", folder, "-c", tmp_path / "none.toml", columns=300)
    assert told.code == 1
    assert "promise 5: trained people only: it allows lapsed card order.reference at 3 live" in told.out


def test_a_set_that_does_not_load_says_why(cli: Cli, folder: Path, tmp_path: Path) -> None:
    add(folder, '@id("x") permit (principal, action, resource) when { resource.nope == 1 };')
    told = cli("policy", "check", folder, "-c", tmp_path / "none.toml")
    assert told.code == 2
    assert "nope" in told.err


# test


def test_the_shipped_cases_pass(cli: Cli, tmp_path: Path) -> None:
    told = cli("policy", "test", "-c", tmp_path / "none.toml")
    assert (told.code, "all as" in told.out) == (0, True)


def test_a_case_that_comes_out_otherwise_is_told(cli: Cli, folder: Path, tmp_path: Path) -> None:
    lines = "- about: Ours.\n  cases: |\n    agent reveal contact.phone order_status 3 live allowed\n"
    (folder / "cases.yaml").write_text(lines)
    told = cli("policy", "test", folder, "-c", tmp_path / "none.toml", "--json")
    assert told.code == 1
    assert "1 of 1 questions" in told.err
    assert json.loads(told.out) == [
        {
            "case": "agent reveal contact.phone for order_status at 3 live",
            "expected": "allowed",
            "is": "reason-does-not-need-it",
            "about": "Ours.",
        }
    ]


def test_a_folder_without_cases_is_held_to_the_shipped_ones(cli: Cli, folder: Path, tmp_path: Path) -> None:
    (folder / "cases.yaml").unlink()
    add(folder, '@id("x") permit (principal, action == Action::"reveal", resource == Field::"contact.phone");')
    told = cli("policy", "test", folder, "-c", tmp_path / "none.toml", columns=300)
    assert told.code == 1
    assert "agent reveal contact.phone for order_status at 3 live" in told.out


# explain


def test_a_refusal_in_words(cli: Cli, tmp_path: Path) -> None:
    asked = ("agent", "reveal", "contact.name", "--reason", "order_status", "--assurance", "1")
    told = cli("policy", "explain", *asked, "-c", tmp_path / "none.toml").out
    assert "agent reveal contact.name for order_status at 1 live: denied." in told
    assert "Taken away by: assurance-too-low, assurance-too-low/contact." in told
    assert "The page says: Verify the caller first." in told
    assert "This reason needs order.reference" in told


def test_what_no_rule_permits_is_said_so(cli: Cli, tmp_path: Path) -> None:
    asked = ("agent", "reveal", "contact.phone", "--reason", "order_status", "--assurance", "3")
    assert "No rule permits it." in cli("policy", "explain", *asked, "-c", tmp_path / "none.toml").out


def test_what_is_allowed_names_its_rule(cli: Cli, tmp_path: Path) -> None:
    asked = ("supervisor", "listen", "--json", "-c", tmp_path / "none.toml")
    (answer,) = json.loads(cli("policy", "explain", *asked).out)
    assert (answer["allowed"], answer["rules"], answer["page"]) == (True, ["supervisor-listens"], "")


def test_a_deadline_and_a_moment_are_asked_for(cli: Cli, folder: Path, tmp_path: Path) -> None:
    night = '@id("role-may-not/night") forbid (principal, action == Action::"break_glass", resource) '
    add(folder, night + "when { context.minuteOfDay >= 1320 };")
    base = (
        "policy",
        "explain",
        "agent",
        "break_glass",
        "contact.name",
        "--rules",
        folder,
        "-c",
        tmp_path / "none.toml",
    )
    assert "in time: allowed." in cli(*base).out
    assert "grant-expired" in cli(*base, "--late").out
    assert "Taken away by: role-may-not/night." in cli(*base, "--at", "22:30").out


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (("nobody", "listen"), "who: one of"),
        (("agent", "card", "order.gift"), "field: card is about one of"),
        (("agent", "card"), "field: card is about one of"),
        (("agent", "reveal", "order.status"), "--reason: reveal is for one of"),
        (("agent", "listen", "order.status"), "leave out field"),
        (("agent", "card", "order.status", "--reason", "complaint"), "leave out field"),
        (("agent", "listen", "--at", "26:00"), "give HH:MM"),
    ],
)
def test_a_question_that_is_none_says_what_to_ask(cli: Cli, tmp_path: Path, asked: Any, complaint: str) -> None:
    told = cli("policy", "explain", *asked, "-c", tmp_path / "none.toml")
    assert told.code == 2
    assert complaint in told.err


# diff and review


def test_what_opens_is_listed_first_and_counted(cli: Cli, folder: Path, few: None, tmp_path: Path) -> None:
    add(folder, '@id("x") permit (principal, action == Action::"reveal", resource == Field::"delivery.address");')
    told = cli("policy", "diff", POLICIES, folder, "-c", tmp_path / "none.toml", columns=200)
    assert "agent reveal delivery.address for order_status at 2 live" in told.out
    assert "0 close, 0 say another reason." in told.out
    rows = json.loads(cli("policy", "diff", POLICIES, folder, "-c", tmp_path / "none.toml", "--json").out)
    assert {row["change"] for row in rows} == {"opens"}
    assert len(rows) == (len(Reason) - 1) * 2 * 4  # not for another delivery; levels 2 and 3; four who take calls


def test_a_set_does_not_differ_from_its_copy(cli: Cli, folder: Path, few: None, tmp_path: Path) -> None:
    told = cli("policy", "diff", POLICIES, folder, "-c", tmp_path / "none.toml")
    assert told.out == "0 open, 0 close, 0 say another reason.\n"


def test_a_review_prints_the_text_and_the_hash_that_the_vault_computes(cli: Cli, folder: Path, tmp_path: Path) -> None:
    told = cli("policy", "review", folder, "-c", tmp_path / "none.toml").out
    assert '@id("training-lapsed")' in told
    assert told.rstrip().endswith(load_policies(folder).digest)
    (row,) = json.loads(cli("policy", "review", folder, "-c", tmp_path / "none.toml", "--json").out)
    assert (row["digest"], len(row["rules"])) == (load_policies(folder).digest, 28)


# the configuration


def test_the_configured_folder_and_the_houses_own_fields_are_used(cli: Cli, house: Path, folder: Path) -> None:
    add(folder, '@id("x") permit (principal, action == Action::"note", resource);')
    text = house.read_text() + f'\n[vault]\npolicies = "{folder}"\n'
    text += '\n[[field]]\nname = "custom.size"\nlabel = "Size"\ndata_class = "service"\nreasons = ["product_advice"]\n'
    house.write_text(text)
    (row,) = json.loads(cli("policy", "review", "-c", house, "--json").out)
    assert (row["folder"], "x" in row["rules"]) == (str(folder), True)
    asked = ("agent", "reveal", "custom.size", "--reason", "product_advice", "--assurance", "3", "-c", house, "--json")
    (answer,) = json.loads(cli("policy", "explain", *asked).out)
    assert answer["rules"] == ["custom-field-needs"]
    assert "custom.size" not in catalogue(())


# asking the vault


def test_status_says_what_is_in_force(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["policy_status"] = STATE
    assert json.loads(cli("policy", "status", "-c", house, "--json").out) == [STATE]
    assert "reviewed" in cli("policy", "status", "-c", house).out


def test_reload_hands_the_reviewed_hash_on(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["policy_reload"] = {**STATE, "changed": True}
    assert "changed" in cli("policy", "reload", "--reviewed", "a" * 64, "-c", house).out
    assert vault.asked == [{"op": "policy_reload", "reviewed": "a" * 64}]


def test_a_refused_reload_is_one_line_and_exit_2(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["policy_reload"] = ConfigError("policies: own: promise 5: trained people only; nothing was loaded")
    told = cli("policy", "reload", "-c", house)
    assert told.code == 2
    assert "nothing was loaded" in told.err


def test_the_score_is_asked_for_a_time_and_shown(cli: Cli, house: Path, vault: Any) -> None:
    row = {"queue": "orders", "calls": 2, "revealed": 7, "needed": 8, "score": 0.88, "beyond": 0, "by mistake": 0}
    vault.answers["policy_minimum"] = {"rows": [row]}
    told = cli("policy", "minimum", "--by", "queue", "--from", "2026-11-24T00:00+00:00", "-c", house, "--json")
    assert json.loads(told.out) == [row]
    assert (vault.asked[0]["by"], vault.asked[0]["since"]) == ("queue", 1_795_478_400.0)


def test_no_look_is_said_and_a_wrong_time_is_refused(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["policy_minimum"] = {"rows": []}
    assert cli("policy", "minimum", "-c", house).out == "No look in this time.\n"
    assert "give a time such as" in cli("policy", "minimum", "--from", "yesterday", "-c", house).err


@pytest.mark.parametrize("word", ["status", "reload", "minimum"])
def test_what_asks_the_vault_is_roots(as_nobody: Cli, house: Path, word: str) -> None:
    told = as_nobody("policy", word, "-c", house)
    assert told.code == 2
    assert "root is needed" in told.err
