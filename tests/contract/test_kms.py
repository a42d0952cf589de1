"""One contract, every key service."""

from __future__ import annotations

from pathlib import Path

import pytest

from quietline.errors import TamperError
from quietline.testing.vault import MemoryKms
from quietline.vault import kms_file
from quietline.vault.ports import Kms

KEY = b"\x07" * 32


def make(kind: str, folder: Path) -> Kms:
    if kind == "memory":
        return MemoryKms()
    return kms_file.create(folder / "kms.json", b"correct horse battery", memory_kib=64, passes=1)


@pytest.fixture(params=["memory", "file"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kms(kind: str, tmp_path: Path) -> Kms:
    return make(kind, tmp_path)


def test_unwrap_undoes_wrap(kms: Kms) -> None:
    assert kms.unwrap(kms.wrap(KEY, b"here"), b"here") == KEY


def test_wrapping_hides_the_key_and_never_repeats(kms: Kms) -> None:
    one, other = kms.wrap(KEY, b"here"), kms.wrap(KEY, b"here")
    assert one != other
    assert KEY not in one
    assert one[0] == 1  # version byte


def test_another_context_does_not_open(kms: Kms) -> None:
    with pytest.raises(TamperError):
        kms.unwrap(kms.wrap(KEY, b"here"), b"there")


def test_every_flipped_byte_is_found(kms: Kms) -> None:
    wrapped = kms.wrap(KEY, b"here")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 0x80
        with pytest.raises(TamperError):
            kms.unwrap(bytes(changed), b"here")


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01" * 20, b"\x02" * 80])
def test_junk_is_refused(kms: Kms, junk: bytes) -> None:
    with pytest.raises(TamperError):
        kms.unwrap(junk, b"here")


def test_another_key_service_does_not_open(kind: str, kms: Kms, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(TamperError):
        make(kind, tmp_path / "other").unwrap(kms.wrap(KEY, b"here"), b"here")


def test_the_key_id_is_named_and_nothing_else_prints(kms: Kms) -> None:
    name, _, version = kms.key_id.rpartition(".")
    assert name
    assert version.isdecimal()
