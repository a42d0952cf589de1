"""Sounds without words: the music of those who wait, and what an agent hears while a customer's phone rings."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

from quietline.telephony.ports import Prompt

RATE = 8_000  # Hz: G.711

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


SOUNDS: Mapping[str, Callable[[Path], None]] = {Prompt.MUSIC.value: write_music, Prompt.RINGBACK.value: write_ringback}
