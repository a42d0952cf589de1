"""The words and the music a caller hears: made once from text, kept as 8 kHz µ-law and A-law WAV.

rtpengine sends such a file as it is: starting one costs 0.5 ms where a 16-bit file costs 5.4 ms. A file's name is the
digest of what it was made from, so a changed wording makes a new file and an unchanged one is never made again.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import subprocess
import tempfile
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quietline.config import Queue
from quietline.errors import ConfigError
from quietline.telephony.ports import Prompt

RATE = 8_000  # Hz: G.711
HEADER = 58  # bytes of sox's WAV header for G.711 (RIFF, fmt with extension, fact, data)
MAKE_SECONDS = 60.0  # the longest a tool may take for one file
LAWS = {"PCMU": "u-law", "PCMA": "a-law"}
SPEECH = ("-v", "en-gb", "-s", "150", "-g", "4", "-a", "120")  # words a minute, gap in 10 ms, amplitude of 200
VERSION = "1"  # of the recipe below: raise it to have every file made anew

WORDS: Mapping[Prompt, str] = {
    Prompt.NOTICE: (
        "Thank you for calling. Your number helps us find your order. "
        "Our colleague sees neither it nor your address unless helping you needs it, and every look is written down. "
        "This call is not recorded. The full privacy notice is on our website."
    ),
    Prompt.HOLD: "Thank you. Please hold. We are connecting you to a colleague.",
    Prompt.CODE: (
        "To protect you, we have just sent you a code. Please key in its six digits now. "
        "Our colleague cannot hear the keys."
    ),
    Prompt.CODE_OK: "Thank you. The code is right.",
    Prompt.CODE_WRONG: "Sorry. That code is not right.",
    Prompt.SORRY: "We are sorry. Nobody can take your call at the moment. Please try again later. Goodbye.",
    Prompt.CLOSED: "Thank you for calling. We are closed at the moment. Goodbye.",
    Prompt.INVALID: "Sorry, that key is not one of the choices.",
    Prompt.CALLBACK_OFFER: (
        "You may hang up and keep your place. We will call you back on the number that you are calling from. "
        "To be called back, press 1. Otherwise, press 2."
    ),
    Prompt.CALLBACK_KEPT: "Thank you. You keep your place, and we will call you back. Goodbye.",
    # Names neither the shop nor the matter: a stranger or a machine may have picked up.
    Prompt.CALLBACK: "Hello. This is the call back that was asked for. Press 1 to be connected. Press 1 now.",
}


def menu_words(queues: Iterable[Queue]) -> str:
    """The menu's text, in the order of the keys. Raises ConfigError when two queues share a key or one has none."""
    by_digit: dict[str, str] = {}
    for queue in queues:
        if len(queue.digit) != 1 or queue.digit not in "0123456789" or queue.digit in by_digit:
            raise ConfigError(f"queues: {queue.id}: digit must be one key of 0 to 9 that no other queue has")
        by_digit[queue.digit] = queue.spoken or queue.name
    choices = [f"For {by_digit[digit]}, press {digit}." for digit in sorted(by_digit)]
    return " ".join(choices) or WORDS[Prompt.HOLD]


@dataclass(frozen=True, slots=True)
class Prompts:
    """The files at hand, by prompt and law ("PCMU", "PCMA")."""

    files: Mapping[tuple[Prompt, str], Path]

    def path(self, prompt: Prompt, law: str) -> Path:
        return self.files[prompt, law]

    def seconds(self, prompt: Prompt) -> float:
        """How long it lasts, from the size of its file: one byte a sample."""
        return (self.files[prompt, "PCMU"].stat().st_size - HEADER) / RATE


def make(queues: Iterable[Queue], folder: Path, words: Mapping[Prompt, str] | None = None) -> Prompts:
    """Make whatever is missing in `folder` and say where each prompt lies. Blocking; the first run takes seconds.

    words: texts of one's own for some prompts. Raises ConfigError when espeak-ng or sox is missing or fails.
    """
    texts = {**WORDS, Prompt.MENU: menu_words(queues), **(words or {})}
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[tuple[Prompt, str], Path] = {}
    for prompt in Prompt:
        text = texts.get(prompt, "")
        digest = hashlib.sha256("\0".join((VERSION, *SPEECH, prompt if not text else "", text)).encode()).hexdigest()
        for law, path in _pair(folder, digest[:24]).items():
            files[prompt, law] = path
        if not all(files[prompt, law].exists() for law in LAWS):
            _make_one(prompt, text, _pair(folder, digest[:24]))
    return Prompts(files)


def _pair(folder: Path, name: str) -> dict[str, Path]:
    return {law: folder / f"{name}.{kind.replace('-', '')}.wav" for law, kind in LAWS.items()}


def _make_one(prompt: Prompt, text: str, targets: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="quietline-prompt-") as scratch:
        source = Path(scratch) / "source.wav"
        if text:
            _run("espeak-ng", *SPEECH, "-w", str(source), "--stdin", text=text)
        else:
            (write_ringback if prompt is Prompt.RINGBACK else write_music)(source)
        for law, target in targets.items():
            made = Path(scratch) / f"{law}.wav"
            gain = ("norm", "-6", "lowpass", "3400", "pad", "0.05", "0.15") if text else ("norm", "-20")
            _run("sox", "-D", str(source), "-r", str(RATE), "-c", "1", "-e", LAWS[law], str(made), *gain)
            _place(made, target)


def _place(made: Path, target: Path) -> None:
    """Whole or not at all: written beside its place, made readable for the relay's user, then renamed."""
    beside = target.with_suffix(f".{os.getpid()}.tmp")
    beside.write_bytes(made.read_bytes())
    beside.chmod(0o644)
    beside.replace(target)


def _run(*command: str, text: str = "") -> None:
    try:
        subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=MAKE_SECONDS)  # noqa: S603
    except FileNotFoundError:
        raise ConfigError(f"prompts: {command[0]} is missing: apt-get install espeak-ng sox") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"prompts: {command[0]} failed ({type(error).__name__})") from error


# Four slow chords (D major 7, B minor 7, G major 7, A sus 4), as MIDI note numbers: our own, so free of rights.
CHORDS = ((50, 57, 61, 66, 69), (47, 54, 57, 62, 66), (43, 50, 54, 59, 66), (45, 52, 57, 62, 64))
BAR_SECONDS = 4.0
TURNS = ((0, 2, 3, 4, 3, 2, 1, 3), (0, 3, 2, 4, 2, 3, 4, 1))  # which note of the chord each eighth of a bar plucks


def write_music(path: Path) -> None:
    """32 seconds of soft plucked chords that loop without a seam, 16-bit mono at 8 kHz."""
    bars = [(chord, turn) for turn in TURNS for chord in CHORDS]
    total = int(len(bars) * BAR_SECONDS * RATE)
    sound = [0.0] * total
    for bar, (chord, turn) in enumerate(bars):
        for step, voice in enumerate(turn):
            start = int((bar + step / len(turn)) * BAR_SECONDS * RATE)
            _pluck(sound, start, chord[voice] + (12 if voice else 0), 0.5 if voice else 0.8)
    _write_wave(path, sound)


def write_ringback(path: Path) -> None:
    """Three seconds that loop, 16-bit mono at 8 kHz: 400 and 450 Hz, 0.4 s on, 0.2 s off, 0.4 s on, 2 s off (ITU-T
    E.180 supplement 2, United Kingdom)."""
    turns = (2 * math.pi * 400 / RATE, 2 * math.pi * 450 / RATE)
    on = [at for at in range(RATE) if at < 0.4 * RATE or at >= 0.6 * RATE]
    sound = [0.0] * (3 * RATE)
    for at in on:
        sound[at] = sum(math.sin(turn * at) for turn in turns)
    _write_wave(path, sound)


def _write_wave(path: Path, sound: list[float]) -> None:
    peak = max(map(abs, sound))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(struct.pack(f"<{len(sound)}h", *(int(20_000 * value / peak) for value in sound)))


def _pluck(sound: list[float], start: int, note: int, loudness: float) -> None:
    """Add one soft note that fades over two seconds; its tail wraps round to the beginning."""
    step = 2 * math.pi * 440.0 * 2 ** ((note - 69) / 12) / RATE
    for at in range(2 * RATE):
        fade = min(1.0, at / 160) * math.exp(-at / (0.55 * RATE))
        value = math.sin(step * at) + 0.3 * math.sin(2 * step * at) * math.exp(-at / (0.2 * RATE))
        sound[(start + at) % len(sound)] += loudness * fade * value
