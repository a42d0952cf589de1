"""The words and the music a caller hears: made once from text, kept as 8 kHz µ-law and A-law WAV.

rtpengine sends such a file as it is: starting one costs 0.5 ms where a 16-bit file costs 5.4 ms. A file's name is the
digest of what it was made from, so a changed wording makes a new file and an unchanged one is never made again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from quietline.errors import ConfigError
from quietline.telephony.prompt_scripts import (
    FALLBACK,
    Piece,
    Recorded,
    Scripts,
    Spoken,
    built_in,
    in_languages,
    spoken,
)
from quietline.telephony.prompt_words import voice
from quietline.telephony.recordings import recording
from quietline.telephony.sounds import RATE, SOUNDS

HEADER = 58  # bytes of sox's WAV header for G.711 (RIFF, fmt with extension, fact, data)
MAKE_SECONDS = 60.0  # the longest a tool may take for one file
LAWS = {"PCMU": "u-law", "PCMA": "a-law"}
SPEECH = ("-s", "150", "-g", "4", "-a", "120")  # words a minute, gap in 10 ms, amplitude of 200
SPOKEN = ("norm", "-6", "lowpass", "3400", "pad", "0.05", "0.15")
VERSION = "1"  # of the recipe below: raise it to have every file made anew


class Prompts:
    """The files at hand, by key and law ("PCMU", "PCMA"). A key is a prompt's name, or "name@language" (`spoken`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[str, str], Path] = {}

    def path(self, key: str, law: str) -> Path:
        """The file; in English where the language asked for has none. Raises KeyError for a prompt nobody made."""
        return self._files.get((key, law)) or self._files[spoken(key.partition("@")[0], FALLBACK), law]

    def seconds(self, key: str) -> float:
        """How long it lasts, from the size of its file: one byte a sample."""
        return (self.path(key, "PCMU").stat().st_size - HEADER) / RATE

    def known(self, pieces: tuple[Piece, ...]) -> tuple[Path, ...]:
        """Where the files of these are, or would be."""
        return tuple(_pair(self._folder, _all_described(pieces)).values())

    def add(self, scripts: Scripts) -> None:
        """Make what is missing of these. Blocking, a tenth of a second each. Raises ConfigError, and then what stood
        before still stands."""
        new: dict[tuple[str, str], Path] = {}
        for (name, language), pieces in scripts.items():
            for law, path in _made(self._folder, pieces).items():
                new[spoken(name, language), law] = path
        self._files |= new

    def add_sounds(self) -> None:
        """The music and the ringing tone, which have no language."""
        for name, write in SOUNDS.items():
            self._files |= {(name, law): path for law, path in _made_of(self._folder, name, write).items()}

    async def say(self, name: str, language: str, text: str) -> str:
        """The key of a text that is only now known to be needed, such as a place in the queue; made where missing."""
        key = spoken(name, language)
        if (key, "PCMU") not in self._files:
            await asyncio.to_thread(self.add, {(name, language): (Spoken(text, language),)})
        return key


def make(folder: Path, scripts: Scripts | None = None) -> Prompts:
    """The sounds, and these prompts, in `folder`; Quietline's own English ones unless others are given. Blocking.

    The first run takes seconds. Raises ConfigError when espeak-ng or sox is missing or fails, or for a recording that
    cannot be played.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prompts = Prompts(folder)
    prompts.add_sounds()
    prompts.add(in_languages(built_in(), {FALLBACK}) if scripts is None else scripts)
    return prompts


def _made(folder: Path, pieces: tuple[Piece, ...]) -> dict[str, Path]:
    return _made_of(folder, _all_described(pieces), lambda target: _speak(pieces, target))


def _all_described(pieces: tuple[Piece, ...]) -> str:
    return "\0".join(_described(each) for each in pieces)


def _described(piece: Piece) -> str:
    """What tells this piece from every other; of a recording, what is in it."""
    if isinstance(piece, Recorded):
        return hashlib.sha256(recording(piece.path)).hexdigest()
    return "\0".join((*SPEECH, voice(piece.language), piece.text))


def _pair(folder: Path, what: str) -> dict[str, Path]:
    name = hashlib.sha256(f"{VERSION}\0{what}".encode()).hexdigest()[:24]
    return {law: folder / f"{name}.{kind.replace('-', '')}.wav" for law, kind in LAWS.items()}


def _made_of(folder: Path, what: str, write: Callable[[Path], None]) -> dict[str, Path]:
    """The pair of files for what is described so; `write` makes the sound as a WAV file when one is missing."""
    pair = _pair(folder, what)
    if not all(path.exists() for path in pair.values()):
        with tempfile.TemporaryDirectory(prefix="quietline-prompt-") as scratch:
            source = Path(scratch) / "source.wav"
            write(source)
            for law, target in pair.items():
                made = Path(scratch) / f"{law}.wav"
                loudness = ("norm", "-20") if what in SOUNDS else SPOKEN
                _run("sox", "-D", str(source), "-r", str(RATE), "-c", "1", "-e", LAWS[law], str(made), *loudness)
                _place(made, target)
    return pair


def _speak(pieces: tuple[Piece, ...], target: Path) -> None:
    """The pieces one after the other, 16 bit at 22,050 Hz, as espeak-ng speaks."""
    parts = [target.with_name(f"{number}.wav") for number in range(len(pieces))]
    for piece, part in zip(pieces, parts, strict=True):
        if isinstance(piece, Recorded):
            _run("sox", str(piece.path), "-r", "22050", "-b", "16", "-c", "1", "-e", "signed-integer", str(part))
        else:
            _run("espeak-ng", *SPEECH, "-v", voice(piece.language), "-w", str(part), "--stdin", text=piece.text)
    if len(parts) == 1:
        parts[0].rename(target)
    else:
        _run("sox", *map(str, parts), str(target))


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
