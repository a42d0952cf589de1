"""The sealed file: wrong passphrase, damage, crashes and permissions."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import ConfigError, Denied, TamperError
from quietline.vault import kms_file

PASS = b"correct horse battery"
KEY = b"\x01" * 32


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
    assert set(json.loads(text)) == {"format", "id", "version", "memory_kib", "passes", "salt", "sealed", "keks"}


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
        {"format": 3},
        {"keks": ""},
        {"keks": "AAAA"},
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


def test_a_new_kek_wraps_and_the_old_one_still_opens(path: Path) -> None:
    first = kms_file.unseal(path, PASS)
    old = first.wrap(KEY, b"c")
    second = kms_file.add_kek(path, PASS)
    assert (second.versions, second.key_id) == ((1, 2), first.key_id[:-1] + "2")
    for kms in (second, kms_file.unseal(path, PASS)):
        assert kms.unwrap(old, b"c") == KEY
        assert kms.wrapped_by(old) == first.key_id
        assert kms.wrapped_by(kms.wrap(KEY, b"c")) == second.key_id
    with pytest.raises(TamperError):
        first.unwrap(second.wrap(KEY, b"c"), b"c")


def test_a_running_kms_takes_on_what_its_file_holds_now(path: Path) -> None:
    running = kms_file.unseal(path, PASS)
    old = running.wrap(KEY, b"c")
    running.adopt(kms_file.add_kek(path, PASS))
    new = running.wrap(KEY, b"c")
    running.adopt(kms_file.drop_kek(path, PASS, 1))
    assert running.unwrap(new, b"c") == KEY
    with pytest.raises(TamperError, match="no more"):
        running.unwrap(old, b"c")
    with pytest.raises(ValueError, match="another file"):
        running.adopt(kms_file.create(path.with_name("other.json"), PASS, memory_kib=64, passes=1))


def test_a_destroyed_kek_is_in_no_file(path: Path) -> None:
    old = kms_file.unseal(path, PASS).wrap(KEY, b"c")
    kms_file.add_kek(path, PASS)
    after = kms_file.drop_kek(path, PASS, 1)
    assert after.versions == kms_file.unseal(path, PASS).versions == (2,)
    with pytest.raises(TamperError):
        kms_file.unseal(path, PASS).unwrap(old, b"c")


@pytest.mark.parametrize("version", [0, 2, 3])
def test_the_kek_that_wraps_and_unknown_ones_are_not_destroyed(path: Path, version: int) -> None:
    kms_file.add_kek(path, PASS)
    with pytest.raises(ConfigError, match=f"version {version}"):
        kms_file.drop_kek(path, PASS, version)


def test_numbers_of_keks_are_not_used_twice(path: Path) -> None:
    kms_file.add_kek(path, PASS)
    kms_file.drop_kek(path, PASS, 1)
    assert kms_file.add_kek(path, PASS).versions == (2, 3)


@pytest.mark.parametrize("two", [(0, 1), (0, 2), (2, 1)])
def test_two_shares_give_a_forgotten_passphrase_a_successor(path: Path, two: tuple[int, int]) -> None:
    wrapped = kms_file.unseal(path, PASS).wrap(KEY, b"c")
    shares = kms_file.make_shares(path, PASS)
    kms_file.recover(path, [shares[each] for each in two], b"another long one", memory_kib=64, passes=1)
    assert kms_file.unseal(path, b"another long one").unwrap(wrapped, b"c") == KEY
    with pytest.raises(Denied):
        kms_file.unseal(path, PASS)


def test_shares_hold_through_a_new_passphrase_and_a_new_kek(path: Path) -> None:
    shares = kms_file.make_shares(path, PASS)
    kms_file.change_passphrase(path, PASS, b"another long one", memory_kib=64, passes=1)
    wrapped = kms_file.add_kek(path, b"another long one").wrap(KEY, b"c")
    kms_file.recover(path, shares[:2], PASS, memory_kib=64, passes=1)
    assert kms_file.unseal(path, PASS).unwrap(wrapped, b"c") == KEY


def test_new_shares_end_the_old_ones(path: Path) -> None:
    old = kms_file.make_shares(path, PASS)
    kms_file.make_shares(path, PASS)
    with pytest.raises(ConfigError, match="newer ones"):
        kms_file.recover(path, old[:2], PASS, memory_kib=64, passes=1)


def test_shares_need_the_passphrase_and_a_good_new_one(path: Path) -> None:
    with pytest.raises(Denied):
        kms_file.make_shares(path, b"wrong horse battery")
    shares = kms_file.make_shares(path, PASS)
    with pytest.raises(Denied, match="at least 8"):
        kms_file.recover(path, shares[:2], b"short", memory_kib=64, passes=1)
    kms_file.unseal(path, PASS)


def first_format(path: Path, kek: bytes) -> None:
    """A file as Quietline first wrote it: the KEK itself under the passphrase."""
    file = {"format": 1, "id": "3f2a90c1d4e5b607", "version": 1, "memory_kib": 64, "passes": 1, "salt": "ab" * 16}
    header = json.dumps({**file, "sealed": ""}, sort_keys=True).encode()
    stretched = hash_secret_raw(PASS, bytes.fromhex("ab" * 16), 1, 64, 1, 32, Type.ID)
    sealed = b"\x01" * 12 + AESGCM(stretched).encrypt(b"\x01" * 12, kek, header)
    path.write_text(json.dumps({**file, "sealed": b64encode(sealed).decode()}))


def test_a_file_of_the_first_format_opens_and_is_written_anew_at_the_next_change(path: Path) -> None:
    first_format(path, b"\x05" * 32)
    kms = kms_file.unseal(path, PASS)
    assert kms.key_id == "3f2a90c1d4e5b607.1"
    wrapped = kms.wrap(KEY, b"c")
    with pytest.raises(Denied):
        kms_file.unseal(path, b"wrong horse battery")
    shares = kms_file.make_shares(path, PASS)
    assert json.loads(path.read_text())["format"] == 2
    assert kms_file.unseal(path, PASS).unwrap(wrapped, b"c") == KEY
    kms_file.recover(path, shares[1:], b"another long one", memory_kib=64, passes=1)
    assert kms_file.unseal(path, b"another long one").unwrap(wrapped, b"c") == KEY


def test_shares_do_not_open_a_file_of_the_first_format(path: Path) -> None:
    shares = kms_file.make_shares(path, PASS)
    first_format(path, b"\x05" * 32)
    with pytest.raises(ConfigError, match="do not open"):
        kms_file.recover(path, shares[:2], PASS, memory_kib=64, passes=1)
