"""Any canary, in any encoding, at any offset in random bytes, is found; a clean file finds nothing."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.testing.canaries import Canaries, Finding, scan, scan_bytes, scan_text

# Written here by other means than in `canary_forms`: each is what some program would really produce.
TEXT_FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper": lambda text: text.upper().encode() if text.isascii() else text.encode(),
    "percent": lambda text: quote(text, safe="").encode(),
    "form": lambda text: quote_plus(text).encode(),
    "every byte percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "json": lambda text: json.dumps({"v": text}).encode(),
    "json, every character": lambda text: "".join(f"\\u{ord(c):04x}" for c in text).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "utf-16 le": lambda text: text.encode("utf-16-le"),
    "utf-16 be": lambda text: text.encode("utf-16-be"),
    "base64 alone": lambda text: base64.b64encode(text.encode()),
    "base64 after 1": lambda text: base64.b64encode(b"x" + text.encode() + b"tail"),
    "base64 after 2": lambda text: base64.b64encode(b"xy" + text.encode() + b"tai"),
    "base64 after 3": lambda text: base64.b64encode(b"xyz" + text.encode() + b"ta"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode() + b"tail"),
    "base64 of utf-16": lambda text: base64.b64encode(b"x" + text.encode("utf-16-le")),
    "gzip": lambda text: gzip.compress(b"before " + text.encode() + b" after"),
    "zlib": lambda text: zlib.compress(text.encode(), 9),
    "gzip in gzip": lambda text: gzip.compress(gzip.compress(text.encode())),
    "pdf": lambda text: (
        b"%PDF-1.7\n1 0 obj\n<</Filter/FlateDecode>>\nstream\n"
        + zlib.compress(b"BT (" + text.encode() + b") Tj ET")
        + b"\nendstream"
    ),
    "gzip cut short": lambda text: gzip.compress(text.encode() + bytes(range(256)) * 40)[:-200],
}
NUMBER_FORMS: dict[str, Callable[[str], str]] = {
    "E.164": lambda n: f"+44{n}",
    "digits": lambda n: f"44{n}",
    "00": lambda n: f"0044{n}",
    "national": lambda n: f"0{n}",
    "spaced national": lambda n: f"0{n[:2]} {n[2:6]} {n[6:]}",
    "dashes": lambda n: f"+44-{n[:2]}-{n[2:6]}-{n[6:]}",
    "dots": lambda n: f"0{n[:2]}.{n[2:6]}.{n[6:]}",
    "parentheses": lambda n: f"(0{n[:2]}) {n[2:6]} {n[6:]}",
    "(0)": lambda n: f"+44 (0){n[:2]} {n[2:6]} {n[6:]}",
    "digit by digit": lambda n: " ".join(f"0{n}"),
    "spaces for URLs": lambda n: quote(f"+44 {n[:4]} {n[4:]}"),
    "tel": lambda n: f"tel:+44-{n[:4]}-{n[4:]}",
}

names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '@.-+/é€", min_size=10, max_size=30)
plantable = names.map(str.strip).filter(lambda text: len(text) >= 9)
numbers = st.integers(0, 999).map(lambda n: f"2079460{n:03d}")
noise = st.binary(max_size=2_000)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("form", TEXT_FORMS)
@settings(max_examples=15, deadline=None)
@given(value=plantable, before=noise, after=noise)
def test_a_text_in_any_form_is_found(form: str, value: str, before: bytes, after: bytes) -> None:
    data = before + TEXT_FORMS[form](value) + after
    assert {finding.canary for finding in scan_bytes(data, {"planted": value})} == {"planted"}


@pytest.mark.parametrize("form", NUMBER_FORMS)
@settings(max_examples=10, deadline=None)
@given(
    number=numbers, before=noise, after=noise, wrap=st.sampled_from([str.encode, lambda t: gzip.compress(t.encode())])
)
def test_a_number_however_written_is_found(
    form: str, number: str, before: bytes, after: bytes, wrap: Callable[[str], bytes]
) -> None:
    data = before + wrap(NUMBER_FORMS[form](number)) + after
    assert scan_bytes(data, {"planted": f"+44{number}"})


@MANY
@given(data=st.binary(max_size=20_000), value=plantable, number=numbers)
def test_a_clean_file_finds_nothing(data: bytes, value: str, number: str) -> None:
    assert scan_bytes(data, {"name": value, "number": f"+44{number}"}) == []


@MANY
@given(number=numbers, other=numbers)
def test_another_number_is_not_a_finding(number: str, other: str) -> None:
    if number != other:
        assert scan_text(f"call from +44{other}, 0{other}", {"planted": f"+44{number}"}) == []


@MANY
@given(value=plantable, before=noise)
def test_the_offset_is_where_it_lies(value: str, before: bytes) -> None:
    first = min(scan_bytes(before + value.encode(), {"planted": value}), key=lambda finding: finding.offset)
    assert first.offset == len(before)


def test_canaries_that_overlap_are_both_named() -> None:
    found = scan_text("Ivy Canary Road", {"name": "Ivy Canary", "street": "Canary Road"})
    assert [finding.canary for finding in found] == ["name", "street"]


def test_an_american_number() -> None:
    assert scan_text("(202) 555-0123", {"planted": "+12025550123"})
    assert scan_text("1-202-555-0123", {"planted": "+12025550123"})
    assert not scan_text("(202) 555-0124", {"planted": "+12025550123"})


def test_a_finding_never_shows_the_value() -> None:
    finding = scan_text("secret: Ivy Canary", {"name": "Ivy Canary"}, "log")[0]
    assert finding == Finding("log", 8, "name", "plain")
    assert "Ivy" not in repr(finding)


def test_files_folders_and_file_names(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "log").write_text("x" * 5_000 + "Ivy Canary")
    (tmp_path / "+447700900555.wav").write_bytes(b"")
    (tmp_path / "clean").write_bytes(bytes(10_000))
    found = scan([tmp_path], {"name": "Ivy Canary", "number": "+447700900555"})
    assert sorted((Path(finding.path).name, finding.canary) for finding in found) == [
        (" (a file's name)", "number"),
        ("log", "name"),
    ]
    assert next(f for f in found if f.canary == "name").offset == 5_000


def _database(path: Path, value: str | int | bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute('CREATE TABLE "odd ""name" (a, b)')
    connection.execute('INSERT INTO "odd ""name" VALUES (?, ?)', ("x", value))
    connection.commit()
    return connection


@pytest.mark.parametrize("value", ["Ivy Canary", b"Ivy Canary", "z" * 4_085 + "Ivy Canary" + "z" * 9_000])
def test_a_database_with_its_write_ahead_log(tmp_path: Path, value: str | bytes) -> None:
    connection = _database(tmp_path / "db", value)
    found = scan([tmp_path], {"name": "Ivy Canary"})
    assert any(finding.path.endswith('db#odd "name') for finding in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "db-shm", "db-wal"]
    connection.close()


def test_a_number_stored_as_an_integer(tmp_path: Path) -> None:
    _database(tmp_path / "db", 447700900555).close()
    assert scan([tmp_path / "db"], {"number": "+447700900555"})


def test_a_broken_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"SQLite format 3\0" + bytes(4_000))
    with pytest.raises(ConfigError, match="does not read as a database"):
        scan([tmp_path], {"name": "Ivy Canary"})


def test_a_process_file_without_a_size(tmp_path: Path) -> None:
    assert scan([Path("/proc/self/cmdline")], {"our own name": "pytest"})


def test_what_would_prove_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        scan([tmp_path / "missing"], {"name": "Ivy Canary"})
    with pytest.raises(ConfigError, match="none given"):
        Canaries({})
    with pytest.raises(ConfigError, match="at least 6"):
        Canaries({"name": "Ivy"})
