"""Prompts: wording, files, recordings of one's own, and making each only once."""

from __future__ import annotations

import itertools
import os
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from quietline.chain.model import from_config
from quietline.config import Config, Queue
from quietline.errors import ConfigError
from quietline.routing import flow as f
from quietline.telephony import prompt_words as words
from quietline.telephony import prompts as made
from quietline.telephony.ports import Prompt
from quietline.telephony.prompt_scripts import Recorded, Spoken, built_in, menu_pieces, needed, spoken
from quietline.telephony.recordings import MAX_BYTES, recording
from quietline.telephony.sounds import RATE, SOUNDS, write_music, write_ringback

QUEUES = (Queue("returns", "a return", "2"), Queue("orders", "your order", "1"))
FORMATS = {"PCMU": 7, "PCMA": 6}  # WAVE format tags (RFC 2361)
SCRIPTS = {
    ("sorry", "en"): (Spoken("Sorry.", "en"),),
    ("sorry", "fr"): (Spoken("Désolé.", "fr"),),
    ("menu", "en"): (Spoken("For English, press 1.", "en"), Spoken("Pour le français, tapez 2.", "fr")),
}
KEYS = ("sorry@en", "sorry@fr", "menu@en", "music", "ringback")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def prompts(folder: Path) -> made.Prompts:
    return made.make(folder, SCRIPTS)


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Writes a WAV file of a rough tone."""

    def write(seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> Path:
        path = tmp_path / "tone.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes((b"\x00\x20" * 20 + b"\x00\xe0" * 20) * int(seconds * rate * channels / 40))
        return path

    return write


# Words


def test_the_menu_of_the_toml_file_names_the_queues_in_the_order_of_their_keys() -> None:
    chain = from_config(Config(queues=QUEUES))
    said = " ".join(piece.text for piece in chain.scripts["menu", "en"] if isinstance(piece, Spoken))
    assert said == "For your order, press 1. For a return, press 2."


def test_every_prompt_has_words_in_every_language_or_is_a_sound_or_the_menu() -> None:
    spoken_ones = {str(prompt) for prompt in Prompt} - set(SOUNDS) - {Prompt.MENU}
    for texts in (words.ENGLISH, words.FRENCH, words.GERMAN, words.SPANISH):
        assert set(texts) == spoken_ones
    assert {language for _, language in built_in()} == set(words.CHOICES) == set(words.PLACES) == set(words.WAITS)


@pytest.mark.parametrize(
    ("notice", "says"),
    [
        (words.ENGLISH["notice"], ("number", "address", "written down", "not recorded", "privacy notice")),
        (words.FRENCH["notice"], ("numéro", "adresse", "consignée", "n'est pas enregistré", "confidentialité")),
        (words.GERMAN["notice"], ("Nummer", "Adresse", "festgehalten", "nicht aufgezeichnet", "Datenschutzerklärung")),
        (words.SPANISH["notice"], ("número", "dirección", "anotada", "no se graba", "privacidad")),
    ],
)
def test_the_notice_says_what_is_used_who_sees_it_and_where_to_read_more(notice: str, says: tuple[str, ...]) -> None:
    assert [word for word in says if word not in notice] == []


@pytest.mark.parametrize(
    ("language", "place", "said"),
    [
        ("en", 1, "You are next."),
        ("en", 3, "You are number 3."),
        ("fr", 30, "Vous êtes numéro 30."),
        ("de", 31, ""),
        ("cy", 2, ""),
        ("en", 0, ""),
    ],
)
def test_a_place_in_words(language: str, place: int, said: str) -> None:
    assert words.place_words(language, place) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "The wait is about one minute."),
        (60, "The wait is about one minute."),
        (61, "The wait is about 2 minutes."),
        (301, "The wait is about 7 minutes."),
        (1_800, "The wait is about 30 minutes."),
        (1_801, "The wait is more than 30 minutes."),
    ],
)
def test_a_wait_is_rounded_up_to_what_people_say(seconds: float, said: str) -> None:
    assert words.wait_words("en", seconds) == said


def test_a_wait_in_a_language_without_words_of_ours_is_not_told() -> None:
    assert words.wait_words("cy", 90) == ""


def test_menu_pieces() -> None:
    choices = [("1", {"en": "your order"}, ""), ("*", {}, "fr")]
    assert menu_pieces(choices, "en") == (
        Spoken("For your order, press 1.", "en"),
        Spoken("Pour le français, tapez étoile.", "fr"),
    )
    with pytest.raises(ConfigError, match="key 1 has no label in `de`"):
        menu_pieces(choices, "de")
    with pytest.raises(ConfigError, match="no sentence for a menu in `cy`"):
        menu_pieces([("1", {"cy": "eich archeb"}, "")], "cy")


def test_only_what_callers_of_the_flows_may_hear_is_made() -> None:
    flow = f.Flow("shop", "a", {"a": f.Play("hello", "b"), "b": f.HangUp()}, ("fr",))
    scripts = built_in() | {("hello", "fr"): (), ("hello", "de"): (), ("other", "fr"): ()}
    found = needed(scripts, [flow])
    assert ("hello", "fr") in found
    assert ("sorry", "fr") in found
    assert ("sorry", "en") in found
    assert not {("hello", "de"), ("other", "fr"), ("sorry", "de")} & set(found)


# Files


@pytest.mark.parametrize("law", list(FORMATS))
@pytest.mark.parametrize("key", KEYS)
def test_each_file_is_8_khz_mono_in_its_law_and_readable_by_the_relay(
    prompts: made.Prompts, key: str, law: str
) -> None:
    path = prompts.path(key, law)
    data = path.read_bytes()
    assert data[:4] + data[8:16] == b"RIFFWAVEfmt "
    assert int.from_bytes(data[20:22], "little") == FORMATS[law]
    assert int.from_bytes(data[22:24], "little") == 1
    assert int.from_bytes(data[24:28], "little") == RATE
    samples = int.from_bytes(data[made.HEADER - 4 : made.HEADER], "little")
    assert samples + samples % 2 == len(data) - made.HEADER  # RIFF pads to even lengths
    assert path.stat().st_mode & 0o444 == 0o444
    assert len(set(data[made.HEADER :])) > 20, "it is silent"
    assert prompts.seconds(key) == pytest.approx((len(data) - made.HEADER) / 8_000, abs=0.01)


def test_pieces_are_heard_one_after_the_other(prompts: made.Prompts, tmp_path: Path) -> None:
    alone = made.make(tmp_path, {("menu", "en"): SCRIPTS["menu", "en"][:1]})
    assert prompts.seconds("menu@en") > alone.seconds("menu@en") + 0.8


def test_a_language_without_the_prompt_hears_english_and_sounds_need_none(prompts: made.Prompts) -> None:
    assert prompts.path("sorry@pl", "PCMU") == prompts.path("sorry", "PCMU") == prompts.path("sorry@en", "PCMU")
    assert prompts.path("sorry@fr", "PCMU") != prompts.path("sorry@en", "PCMU")
    with pytest.raises(KeyError):
        prompts.path("nothing@en", "PCMU")


def test_nothing_is_made_twice_and_a_new_wording_is_a_new_file(prompts: made.Prompts, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = made.make(folder, SCRIPTS)
    assert [again.path(key, "PCMA") for key in KEYS] == [prompts.path(key, "PCMA") for key in KEYS]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    other = made.make(folder, SCRIPTS | {("sorry", "en"): (Spoken("So sorry.", "en"),)})
    assert other.path("sorry@en", "PCMA") != prompts.path("sorry@en", "PCMA")
    assert other.path("menu@en", "PCMA") == prompts.path("menu@en", "PCMA")
    assert len(list(folder.iterdir())) == len(before) + 2


def test_the_same_text_in_another_voice_is_another_file(tmp_path: Path) -> None:
    both = made.make(tmp_path, {("a", "en"): (Spoken("Bon", "en"),), ("a", "fr"): (Spoken("Bon", "fr"),)})
    assert both.path("a@en", "PCMU") != both.path("a@fr", "PCMU")


def test_a_file_left_half_made_is_not_taken(prompts: made.Prompts, folder: Path) -> None:
    path = prompts.path("sorry@fr", "PCMU")
    whole = path.read_bytes()
    path.rename(path.with_suffix(".123.tmp"))
    assert made.make(folder, SCRIPTS).path("sorry@fr", "PCMU").read_bytes() == whole
    path.with_suffix(".123.tmp").unlink()


async def test_a_text_is_made_when_it_is_first_needed(prompts: made.Prompts, folder: Path) -> None:
    before = len(list(folder.iterdir()))
    key = await prompts.say("place 3", "en", words.place_words("en", 3))
    assert key == spoken("place 3", "en") == await prompts.say("place 3", "en", words.place_words("en", 3))
    assert prompts.seconds(key) > 0.5
    assert len(list(folder.iterdir())) == before + 2


def test_a_missing_tool_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install espeak-ng sox"):
        made.make(tmp_path / "prompts", SCRIPTS)


# Recordings of one's own


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 2), (44_100, 1), (48_000, 2)])
def test_a_recording_is_made_to_fit(tone: Callable[..., Path], tmp_path: Path, rate: int, channels: int) -> None:
    path = tone(1.0, rate, channels)
    prompts = made.make(tmp_path / "out", {("jingle", "en"): (Recorded(path),)})
    assert prompts.seconds("jingle@en") == pytest.approx(1.2, abs=0.05)  # the silence around it included


def test_a_recording_that_changed_is_made_anew(tone: Callable[..., Path], tmp_path: Path) -> None:
    scripts = {("jingle", "en"): (Recorded(tone(0.5)),)}
    first = made.make(tmp_path / "out", scripts).path("jingle@en", "PCMU")
    tone(0.7)
    assert made.make(tmp_path / "out", scripts).path("jingle@en", "PCMU") != first


@pytest.mark.parametrize(
    ("seconds", "rate", "says"),
    [
        (0.5, 4_000, "has 1 channels at 4000 Hz; want one or two, at 8,000 to 48,000 Hz"),
        (0.01, 8_000, "lasts 0.0 s; want up to 120 s of sound"),
        (121, 8_000, "lasts 121.0 s"),
    ],
)
def test_a_recording_that_cannot_be_played(tone: Callable[..., Path], seconds: float, rate: int, says: str) -> None:
    path = tone(seconds, rate)
    with pytest.raises(ConfigError) as caught:
        recording(path)
    assert str(caught.value).startswith(f"{path}: {says}")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no WAV file; save it as WAV"),
        (b"ID3" + b"\0" * 100, "is no WAV file"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + b"\0" * 8, "is no WAV file"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x55" + b"\0" * 15 + b"data\x02\0\0\0xx", "of a kind that cannot be read"),
        (b"\0" * (MAX_BYTES + 1), "is larger than 24 MiB"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=says):
        recording(path)


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.wav: cannot be read \(No such file or directory\); name a WAV file"):
        recording(tmp_path / "none.wav")


# Sounds


@pytest.mark.parametrize(("write", "seconds"), [(write_music, 32), (write_ringback, 3)])
def test_sounds_loop_without_a_seam_and_are_never_loud(
    tmp_path: Path, write: Callable[[Path], None], seconds: int
) -> None:
    path = tmp_path / "sound.wav"
    write(path)
    with wave.open(str(path)) as sound:
        frames = sound.readframes(sound.getnframes())
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (8_000, 1, seconds * 8_000)
    samples = [int.from_bytes(frames[at : at + 2], "little", signed=True) for at in range(0, len(frames), 2)]
    steps = [abs(b - a) for a, b in itertools.pairwise(samples)]
    assert abs(samples[0] - samples[-1]) <= max(steps)
    assert max(map(abs, samples)) <= 20_000
