"""The customer's file: complete, readable by a person and by a machine, sealed to who asked, without anybody else."""

from __future__ import annotations

import io
import json
import zipfile
from html.parser import HTMLParser
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.rights.access_file import (
    AccessFile,
    Look,
    Record,
    Value,
    as_html,
    calls_of,
    day_text,
    encryption,
    label_of,
    looks_of,
    pack,
)
from quietline.rights.ledger_reader import Placed
from quietline.rights.redact import CONTACT, PERSON, redact
from quietline.sealed import Sealed

T0 = 1_795_000_000.0
KEY = pyrage.x25519.Identity.generate()


def a_file(**more: Any) -> AccessFile:
    values = (Value("contact.name", "Name", "contact", "Ana Example"),)
    note = (Value("service.note", "Last note", "service", "<script>alert(1)</script> & more"),)
    known: dict[str, Any] = {
        "request": "rq_1",
        "controller": "brand",
        "made": T0,
        "records": (Record("customer", 20_000, values), Record("note", 0, note)),
        "calls": ((T0 - 60, "you called"),),
        "looks": (Look(T0 - 30, "agent", "high-street", ("contact",), ("contact.name",), "complaint"),),
        "recipients": {"courier": "parcels"},
    }
    return AccessFile(**{**known, **more})


class Tags(HTMLParser):
    """Every tag and what it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def tags(html: str) -> Tags:
    read = Tags()
    read.feed(html)
    return read


# -- the page


def test_the_page_stands_on_its_own() -> None:
    read = tags(as_html(a_file()))
    assert read.references == []
    assert "script" not in read.tags
    assert read.tags.count("table") >= 5


def test_a_value_cannot_become_markup() -> None:
    html = as_html(a_file())
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


@given(st.text(max_size=60))
def test_whatever_a_note_says_the_page_has_no_tag_of_its_making(text: str) -> None:
    record = Record("note", 0, (Value("service.note", "Last note", "service", text),))
    plain = Record("note", 0, (Value("service.note", "Last note", "service", "x"),))
    assert tags(as_html(a_file(records=(record,)))).tags == tags(as_html(a_file(records=(plain,)))).tags


@pytest.mark.parametrize(
    "said",
    [
        "Ana Example",
        "2024-10-04",
        "you called",
        "high-street",
        "complaint",
        "courier",
        "parcels",
        "supervisory authority",
    ],
)
def test_the_page_says(said: str) -> None:
    assert said in as_html(a_file())


def test_the_page_says_nothing_of_a_kind_where_there_is_nothing() -> None:
    html = as_html(a_file(records=(), calls=(), looks=(), recipients={}))
    assert html.count("<p>Nothing.</p>") == 3
    assert "Left out" not in html


def test_what_is_withheld_is_said() -> None:
    html = as_html(a_file(withheld=("note",)))
    assert "Left out" in html
    assert "GDPR 15(4)" in html


def test_the_machines_form_has_the_same() -> None:
    plain = json.loads(a_file().as_json())
    assert plain["records"][0]["day"] == "2024-10-04"
    assert plain["records"][1]["day"] == ""
    assert plain["records"][0]["values"][0]["value"] == "Ana Example"
    assert plain["who_looked"] == [
        {
            "at": "2026-11-18T11:06:10Z",
            "role": "agent",
            "store": "high-street",
            "classes": ["contact"],
            "fields": ["contact.name"],
            "reason": "complaint",
        }
    ]
    assert plain["kept"]["invoice"]["basis"].startswith("contract; law")


# -- what the ledger tells


def placed(kind: Kind, **fields: Any) -> Placed:
    return Placed(0, Entry(kind, T0, "cu_1", fields))


def test_looks_are_told_by_role_and_store() -> None:
    entries = [
        placed(Kind.LOOK_ALLOWED, agent="ag_1", field="order.reference order.status", action="card"),
        placed(Kind.LOOK_ALLOWED, agent="ag_gone", field="contact.name", reason="complaint", action="reveal"),
        placed(Kind.LOOK_REFUSED, agent="ag_1", field="contact.name", why="policy"),
    ]
    known = {"ag_1": ("agent", "high-street")}
    first, second = looks_of(entries, lambda agent: known.get(agent, ("former staff", "")))
    assert (first.role, first.store, first.classes, first.reason) == ("agent", "high-street", ("invoice",), "card")
    assert (second.role, second.reason) == ("former staff", "complaint")
    assert "ag_" not in json.dumps([first.role, second.role])


def test_calls_are_told_in_words() -> None:
    told = calls_of([placed(Kind.CALL_MATCHED), placed(Kind.LOOK_ALLOWED), placed(Kind.NOTE_WRITTEN)])
    assert [what for _, what in told] == ["you called, and were recognised by your number", "a note was written"]


def test_labels_and_days() -> None:
    assert label_of("contact.phone") == "Phone"
    assert label_of("all") == "all"
    assert day_text(0) == ""


# -- sealed to who asked


def test_it_is_packed_in_memory_and_opens_with_the_requesters_key() -> None:
    sealed = encryption(str(KEY.to_public()), Sealed(""))(pack(a_file()))
    assert b"Ana" not in sealed
    with zipfile.ZipFile(io.BytesIO(pyrage.decrypt(sealed, [KEY]))) as archive:
        assert archive.namelist() == ["about-you.html", "about-you.json"]
        assert json.loads(archive.read("about-you.json"))["request"] == "rq_1"


def test_it_opens_with_the_requesters_passphrase_and_no_other() -> None:
    """One try each: age makes a passphrase slow on purpose."""
    sealed = encryption("", Sealed("twelve chars"))(b"packed")
    assert pyrage.passphrase.decrypt(sealed, "twelve chars") == b"packed"


@pytest.mark.parametrize(
    ("to", "word", "why"),
    [
        ("", "", "12 characters"),
        ("", "eleven char", "12 characters"),
        ("age1nonsense", "", "age1"),
        ("ssh-rsa A", "", "age1"),
    ],
)
def test_what_protects_nothing_is_refused(to: str, word: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        encryption(to, Sealed(word))
    assert not word or word not in str(refused.value)


def test_two_files_of_the_same_are_packed_alike() -> None:
    assert pack(a_file()) == pack(a_file())


# -- what is somebody else's

OWN = ("020 7946 0001", "Ana@example.com")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ring 020 7946 0999 instead", f"ring {CONTACT} instead"),
        ("ring +44 20 7946-0999", f"ring {CONTACT}"),
        ("ring her on 020 7946 0001", "ring her on 020 7946 0001"),
        ("ring +442079460001", "ring +442079460001"),
        ("mail joy@example.com.", f"mail {CONTACT}."),
        ("mail ana@EXAMPLE.com", "mail ana@EXAMPLE.com"),
        ("order QL-10442, 2 kettles, £31", "order QL-10442, 2 kettles, £31"),
        ("came on 2026-11-24", "came on 2026-11-24"),
        ("Eva Example and eva example said", f"{PERSON} and {PERSON} said"),
        ("Evangeline Example said", "Evangeline Example said"),
        ("", ""),
    ],
)
def test_others_contacts_and_staff_are_taken_out(text: str, left: str) -> None:
    assert redact(text, OWN, ["Eva Example", "Eva", ""]) == left


@given(
    st.integers(0, 999),
    st.sampled_from(["020 7946 0{:03}", "+44 20 7946 0{:03}", "+4420 7946-0{:03}", "(020) 79460{:03}"]),
)
def test_no_number_but_ones_own_is_left(last: int, form: str) -> None:
    number = form.format(last)
    left = redact(f"call {number} now", OWN, [])
    assert (number in left) == (last == 1)
