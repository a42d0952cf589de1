"""`quietline helper` as a privacy officer meets it: what is asked for, what is sent, what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import Denied

Cli = Callable[..., Any]
HELPER = {"helper": "he_1", "reasons": ["order_status", "complaint"], "until": 1_806_451_200.0}


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIETLINE_SESSION", "the-session")


def test_a_helper_is_named_by_what_is_asked_for(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["helper_name"] = HELPER
    given = ("helper", "add", "2027-03-31", "--reason", "order_status", "--reason", "complaint")
    done = cli(*given, "-c", house, stdin="QL-801\n020 7946 0082\n")
    assert done.code == 0, done
    assert vault.asked == [
        {
            "op": "helper_name",
            "session": "the-session",
            "field": "order.reference",
            "value": "QL-801",
            "controller": "brand",
            "number": "020 7946 0082",
            "reasons": ["order_status", "complaint"],
            "until": HELPER["until"],
        }
    ]
    assert "he_1" in done.out
    assert "2027-03-31T00:00:00Z" in done.out
    assert "0082" not in done.out


def test_the_list_as_json(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["helper_list"] = {"helpers": [HELPER]}
    done = cli("helper", "list", "--by", "email", "--json", "-c", house, stdin="ana@example.com\n")
    assert json.loads(done.out) == [HELPER]
    assert vault.asked[0]["field"] == "contact.email"


def test_ending_one(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["helper_end"] = {}
    assert cli("helper", "end", "he_1", "-c", house).out == "Ended.\n"
    assert vault.asked == [{"op": "helper_end", "session": "the-session", "helper": "he_1"}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("add", "next spring", "--reason", "order_status"), "2026-11-24"),
        (("add", "2027-03-31"), "--reason"),
        (("list", "--by", "name"), "one of phone, email, loyalty, order"),
        (("end",), "helper"),
    ],
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    cli: Cli, house: Path, vault: Any, given: tuple[str, ...], said: str
) -> None:
    done = cli("helper", *given, "-c", house, stdin="x\n")
    assert done.code != 0
    assert said in done.out + done.err
    assert vault.asked == []


def test_a_refusal_is_one_line(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["helper_end"] = Denied("role-may-not", "This is not for your role. Ask somebody whose job it is.")
    done = cli("helper", "end", "he_1", "-c", house)
    assert done.code != 0
    assert "not for your role" in done.err


def test_without_a_session_nothing_is_asked(cli: Cli, house: Path, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUIETLINE_SESSION")
    done = cli("helper", "end", "he_1", "-c", house)
    assert done.code != 0
    assert "quietline right sign-in" in done.err
    assert vault.asked == []
