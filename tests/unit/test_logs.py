"""The log's last step: descriptor 2, which may be a file on a full disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

from quietline.logs import StandardError, place


def test_lines_are_written_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        log = StandardError(file.fileno())
        assert log.write("{}\n") == 3
        assert (tmp_path / "log").read_text() == "{}\n"


def test_a_full_disk_loses_lines_and_says_how_many(tmp_path: Path) -> None:
    full, good = os.open("/dev/full", os.O_WRONLY), os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    number = os.dup(full)
    log = StandardError(number)
    for _ in range(3):
        log.write('{"event": "lost"}\n')  # ENOSPC; nothing is raised
    assert log.lost == 3
    os.dup2(good, number)
    log.write('{"event": "kept"}\n')
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["log lines were lost: they could not be written", "kept"]
    assert (lines[0]["lost"], log.lost) == (3, 0)
    for each in (full, good, number):
        os.close(each)


def test_a_place_says_type_and_line_and_not_the_text() -> None:
    try:
        raise ExceptionGroup("outer", [ValueError("+447700900001")])
    except ExceptionGroup as error:
        said = place(error)
    assert said.startswith("ValueError")
    assert "+44" not in said
