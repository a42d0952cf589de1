"""The sealed file: wrong passphrase, damage, crashes and permissions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quietline.errors import ConfigError, Denied
from quietline.vault import kms_file

PASS = b"correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    kms_file.create(tmp_path / "kms.json", PASS, memory_kib=64, passes=1)
    return tmp_path / "kms.json"


def test_the_same_key_after_a_restart(path: Path) -> None:
    wrapped = kms_file.unseal(path, PASS).wrap(b"\x01" * 32, b"c")
    assert kms_file.unseal(path, PASS).unwrap(wrapped, b"c") == b"\x01" * 32


def test_a_wrong_passphrase_says_so_and_shows_neither(path: Path) -> None:
    with pytest.raises(Denied) as refusal:
        kms_file.unseal(path, b"wrong horse battery")
    assert refusal.value.reason == "passphrase"
    assert "horse" not in str(refusal.value)


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_holds_no_key_and_no_passphrase(path: Path) -> None:
    text = path.read_text()
    assert PASS.decode() not in text
    assert set(json.loads(text)) == {"format", "id", "version", "memory_kib", "passes", "salt", "sealed"}


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        kms_file.create(path, PASS, memory_kib=64, passes=1)
    assert path.read_bytes() == before


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="init"):
        kms_file.unseal(tmp_path / "kms.json", PASS)


def test_a_weak_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Denied, match="at least 8"):
        kms_file.create(tmp_path / "kms.json", b"short", memory_kib=64, passes=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"id": "zz"},
        {"version": 0},
        {"memory_kib": 1 << 40},
        {"memory_kib": "64"},
        {"passes": 0},
        {"salt": ""},
        {"sealed": "AAAA"},
        {"sealed": "!"},
        {"extra": 1},
    ],
)
def test_a_damaged_file_names_itself(path: Path, change: dict[str, object]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError, match=r"kms\.json"):
        kms_file.unseal(path, PASS)


@pytest.mark.parametrize("junk", ["", "[]", "null", "{}", "{"])
def test_what_is_no_key_file_names_itself(path: Path, junk: str) -> None:
    path.write_text(junk)
    with pytest.raises(ConfigError, match=r"kms\.json"):
        kms_file.unseal(path, PASS)


@pytest.mark.parametrize("change", [{"passes": 2}, {"memory_kib": 65}, {"version": 2}, {"id": "00" * 8}])
def test_a_changed_header_does_not_open(path: Path, change: dict[str, object]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Denied):
        kms_file.unseal(path, PASS)


def test_another_passphrase_keeps_the_key(path: Path) -> None:
    wrapped = kms_file.unseal(path, PASS).wrap(b"\x01" * 32, b"c")
    kms_file.change_passphrase(path, PASS, b"another long one", memory_kib=128, passes=1)
    assert kms_file.unseal(path, b"another long one").unwrap(wrapped, b"c") == b"\x01" * 32
    with pytest.raises(Denied):
        kms_file.unseal(path, PASS)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_crash_before_the_rename_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> Path:
        raise OSError("power cut")

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(OSError, match="power cut"):
        kms_file.change_passphrase(path, PASS, b"another long one", memory_kib=64, passes=1)
    monkeypatch.undo()
    kms_file.unseal(path, PASS)
    kms_file.change_passphrase(path, PASS, b"another long one", memory_kib=64, passes=1)
    kms_file.unseal(path, b"another long one")
