"""The demo's claim that a customer is gone from a disk fails when they are not."""

from __future__ import annotations

from pathlib import Path

from quietline.demo.forget import Forgotten, is_gone

NEEDLES = frozenset({b"\x01wrapped key\x00", b"a sealed value"})


def a_disk(folder: Path, content: bytes) -> Path:
    deep = folder / "vault" / "deep"
    deep.mkdir(parents=True)
    (deep / "keys.db-wal").write_bytes(b"before" + content + b"after")
    (folder / "empty").write_bytes(b"")
    return folder


def test_nothing_found_is_gone(tmp_path: Path) -> None:
    gone, said = is_gone(Forgotten("020 7946 0001", NEEDLES), a_disk(tmp_path, b"noise"))
    assert gone
    assert said == "2 byte strings, 2 files, 0 found"


def test_one_key_left_in_a_log_is_not(tmp_path: Path) -> None:
    gone, said = is_gone(Forgotten("020 7946 0001", NEEDLES), a_disk(tmp_path, b"\x01wrapped key\x00"))
    assert not gone
    assert said.endswith("1 found")


def test_a_search_for_nothing_proves_nothing(tmp_path: Path) -> None:
    gone, _ = is_gone(Forgotten("020 7946 0001", frozenset()), a_disk(tmp_path, b"noise"))
    assert not gone


def test_who_it_was_is_not_printed() -> None:
    shown = repr(Forgotten("020 7946 0001", NEEDLES))
    assert "7946" not in shown
    assert "wrapped" not in shown
