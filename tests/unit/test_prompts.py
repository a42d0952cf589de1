"""Prompts: wording, files, and making each only once."""

from __future__ import annotations

import itertools
import os
import wave
from pathlib import Path

import pytest

from quietline.config import Queue
from quietline.errors import ConfigError
from quietline.telephony import prompts as made
from quietline.telephony.ports import Prompt

QUEUES = [Queue("returns", "a return", "2"), Queue("orders", "your order", "1")]
FORMATS = {"PCMU": 7, "PCMA": 6}  # WAVE format tags (RFC 2361)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def prompts(folder: Path) -> made.Prompts:
    return made.make(QUEUES, folder)


def test_the_menu_names_the_queues_in_the_order_of_their_keys() -> None:
    assert made.menu_words(QUEUES) == "For your order, press 1. For a return, press 2."


@pytest.mark.parametrize("digit", ["", "12", "#", "x", "1"])
def test_a_queue_needs_a_key_of_its_own(digit: str) -> None:
    with pytest.raises(ConfigError, match="queues: twin: digit"):
        made.menu_words([QUEUES[1], Queue("twin", "a twin", digit)])


def test_every_prompt_has_words_or_is_the_music_or_the_menu() -> None:
    assert set(Prompt) == {*made.WORDS, Prompt.MENU, Prompt.MUSIC, Prompt.RINGBACK}


def test_the_notice_says_what_is_used_who_sees_it_and_where_to_read_more() -> None:
    notice = made.WORDS[Prompt.NOTICE]
    for said in ("number", "address", "written down", "not recorded", "privacy notice"):
        assert said in notice


@pytest.mark.parametrize("law", list(FORMATS))
@pytest.mark.parametrize("prompt", list(Prompt))
def test_each_file_is_8_khz_mono_in_its_law_and_readable_by_the_relay(
    prompts: made.Prompts, prompt: Prompt, law: str
) -> None:
    path = prompts.path(prompt, law)
    data = path.read_bytes()
    assert data[:4] + data[8:16] == b"RIFFWAVEfmt "
    assert int.from_bytes(data[20:22], "little") == FORMATS[law]
    assert int.from_bytes(data[22:24], "little") == 1
    assert int.from_bytes(data[24:28], "little") == made.RATE
    samples = int.from_bytes(data[made.HEADER - 4 : made.HEADER], "little")
    assert samples + samples % 2 == len(data) - made.HEADER  # RIFF pads to even lengths
    assert path.stat().st_mode & 0o444 == 0o444
    assert len(set(data[made.HEADER :])) > 20, "it is silent"
    assert prompts.seconds(prompt) == pytest.approx((len(data) - made.HEADER) / 8_000, abs=0.01)


def test_nothing_is_made_twice_and_a_new_wording_is_a_new_file(prompts: made.Prompts, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert made.make(QUEUES, folder) == prompts
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    other = made.make(QUEUES, folder, {Prompt.SORRY: "Sorry."})
    assert other.path(Prompt.SORRY, "PCMA") != prompts.path(Prompt.SORRY, "PCMA")
    assert other.path(Prompt.NOTICE, "PCMA") == prompts.path(Prompt.NOTICE, "PCMA")
    assert len(list(folder.iterdir())) == len(before) + 2


def test_a_file_left_half_made_is_not_taken(prompts: made.Prompts, folder: Path) -> None:
    path = prompts.path(Prompt.CODE_OK, "PCMU")
    whole = path.read_bytes()
    path.rename(path.with_suffix(".123.tmp"))
    assert made.make(QUEUES, folder).path(Prompt.CODE_OK, "PCMU").read_bytes() == whole
    path.with_suffix(".123.tmp").unlink()


def test_a_missing_tool_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install espeak-ng sox"):
        made.make(QUEUES, tmp_path / "prompts")


def test_the_music_loops_without_a_seam_and_is_never_loud(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    made.write_music(path)
    with wave.open(str(path)) as music:
        frames = music.readframes(music.getnframes())
        assert (music.getframerate(), music.getnchannels(), music.getnframes()) == (8_000, 1, 256_000)
    samples = [int.from_bytes(frames[at : at + 2], "little", signed=True) for at in range(0, len(frames), 2)]
    steps = [abs(b - a) for a, b in itertools.pairwise(samples)]
    assert abs(samples[0] - samples[-1]) <= max(steps)
    assert max(map(abs, samples)) <= 20_000
