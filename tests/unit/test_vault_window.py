"""The published erasure window, and which copies have expired by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.config import Config, Vault
from quietline.errors import ConfigError
from quietline.vault.backup_set import (
    DATA,
    KEYS,
    MANIFEST,
    BackupSet,
    Stored,
    begin,
    expired,
    finish,
    made_at,
    remove,
    sets_in,
    stamp_of,
)
from quietline.vault.window import DAY, page, rows_of, window_of

NOW = 1_764_000_000.0
FILE = Stored("00", 1, "11")


def test_the_window_is_what_backups_keep_and_how_often_they_are_cleared() -> None:
    vault = Vault(backup_keys_days=3.0, backup_every_days=0.5, erasure_cooling_seconds=60.0)
    window = window_of(vault)
    assert window.window == 3.5 * DAY
    assert window.closes(NOW) == NOW + 3.5 * DAY
    assert window.as_dict() == {"cooling": 60.0, "live": 0.0, "backups": 3 * DAY, "prune": DAY / 2, "window": 3.5 * DAY}


def test_without_backups_of_keys_nothing_is_left_at_once() -> None:
    assert window_of(Vault(backup_keys_days=0.0, backup_every_days=0.0)).window == 0.0


def test_people_read_the_same_days() -> None:
    rows = rows_of(window_of(Vault()))
    assert rows[-1] == {"what": "erasure window", "days": 8.0, "why": "from the receipt until no copy of a key is left"}


def test_the_page_is_made_from_the_source() -> None:
    stored = Path(__file__).parents[2] / "docs" / "reference" / "erasure-window.md"
    assert stored.read_text() == page(), "run python -m quietline.vault.window > docs/reference/erasure-window.md"
    assert "| erasure window | 8 |" in page(Config())


@given(st.integers(0, 4_000_000_000))
def test_a_stamp_is_its_time_to_the_second(now: int) -> None:
    assert made_at(stamp_of(float(now))) == now


@pytest.mark.parametrize("name", ["", "x", "20261124", "20261124T185612Z.partial", "20261324T185612Z"])
def test_what_is_no_stamp_is_no_set(name: str) -> None:
    assert made_at(name) is None


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 30), st.integers(0, 40))
def test_a_copy_expires_exactly_when_its_days_are_over(made: list[int], keep: int, now: int) -> None:
    sets = [BackupSet(Path(str(day)), day * DAY, {}) for day in made]
    gone = expired(sets, keep * DAY, now * DAY)
    assert [each.made / DAY for each in gone] == [day for day in made if day + keep <= now]


def finished(folder: Path, kind: str, now: float) -> Path:
    return finish(begin(folder, kind, stamp_of(now)), {"keys.db": FILE})


def test_only_finished_sets_count_oldest_first(tmp_path: Path) -> None:
    for at in (NOW + 60, NOW):
        finished(tmp_path, KEYS, at)
    begin(tmp_path, KEYS, stamp_of(NOW + 120))
    (tmp_path / KEYS / stamp_of(NOW + 180)).mkdir()
    (tmp_path / KEYS / "notes").mkdir()
    assert [each.made for each in sets_in(tmp_path, KEYS)] == [NOW, NOW + 60]
    assert sets_in(tmp_path, DATA) == []
    assert sets_in(tmp_path, KEYS)[0].files == {"keys.db": FILE}


def test_what_a_crash_left_half_done_is_cleared_by_the_next_run(tmp_path: Path) -> None:
    half = begin(tmp_path, DATA, stamp_of(NOW))
    (half / "records.db.age").write_text("half")
    begin(tmp_path, DATA, stamp_of(NOW + 1))
    assert not half.exists()


def test_two_runs_in_one_second_do_not_mix(tmp_path: Path) -> None:
    finished(tmp_path, DATA, NOW)
    with pytest.raises(ConfigError, match="wait a second"):
        begin(tmp_path, DATA, stamp_of(NOW))


def test_a_set_is_for_its_owner_alone_and_goes_whole(tmp_path: Path) -> None:
    made = finished(tmp_path, DATA, NOW)
    assert made.stat().st_mode & 0o777 == 0o700
    remove(made)
    assert not made.exists()


@pytest.mark.parametrize("change", [{"format": 2}, {"files": []}, {"files": {"a": {"size": 1}}}, []])
def test_a_damaged_manifest_names_itself(tmp_path: Path, change: object) -> None:
    made = finished(tmp_path, DATA, NOW)
    good = json.loads((made / MANIFEST).read_text())
    (made / MANIFEST).write_text(json.dumps(good | change if isinstance(change, dict) else change))
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        sets_in(tmp_path, DATA)


def test_the_window_follows_the_configuration_alone() -> None:
    vault = Vault()
    assert window_of(vault) == window_of(replace(vault, backup_days=400.0))
