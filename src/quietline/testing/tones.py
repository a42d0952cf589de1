"""Tones made and tones found: sine frames to send, and Goertzel's filter to measure what arrived.

Amplitudes are peaks in 16-bit units (0–32,767). Frequencies are whole hertz below 4,000.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from quietline.errors import ConfigError
from quietline.testing.g711 import FRAME, RATE, encode

BLOCK = 5 * FRAME  # 100 ms: Goertzel tells tones 10 Hz apart
LOUDEST_GRID = range(100, 3_900, 10)  # Hz
DTMF = {  # ITU-T Q.23: low and high group, hertz
    **{key: (697, high) for key, high in zip("123A", (1209, 1336, 1477, 1633), strict=True)},
    **{key: (770, high) for key, high in zip("456B", (1209, 1336, 1477, 1633), strict=True)},
    **{key: (852, high) for key, high in zip("789C", (1209, 1336, 1477, 1633), strict=True)},
    **{key: (941, high) for key, high in zip("*0#D", (1209, 1336, 1477, 1633), strict=True)},
}


def sine(frequencies: Sequence[int], amplitude: int = 8_000, samples: int = RATE) -> list[int]:
    """The sum of sines, each of `amplitude`; a whole second repeats without a click."""
    steps = [2 * math.pi * frequency / RATE for frequency in frequencies]
    return [int(sum(amplitude * math.sin(step * n) for step in steps)) for n in range(samples)]


def _frames(samples: Sequence[int], payload_type: int) -> list[bytes]:
    whole = len(samples) - len(samples) % FRAME
    return [encode(samples[at : at + FRAME], payload_type) for at in range(0, whole, FRAME)]


def tone_frames(frequency: int, payload_type: int, amplitude: int = 8_000) -> Iterator[bytes]:
    """G.711 frames of 20 ms without end. Frequency 0 is silence."""
    return cycle(_frames(sine([frequency] if frequency else [], amplitude), payload_type))


def dtmf_frames(key: str, payload_type: int, milliseconds: int = 100) -> list[bytes]:
    """In-band key tone, for a phone without telephone-event. Raises KeyError for what is no key."""
    return _frames(sine(DTMF[key], 6_000, RATE * milliseconds // 1000), payload_type)


def wav_frames(path: Path, payload_type: int) -> Iterator[bytes]:
    """A WAV file, repeated. Raises ConfigError unless it is mono, 16-bit, 8,000 Hz and at least 20 ms."""
    with wave.open(str(path), "rb") as recording:
        if (recording.getnchannels(), recording.getsampwidth(), recording.getframerate()) != (1, 2, RATE):
            raise ConfigError(f"{path}: not mono 16-bit 8,000 Hz; convert: sox IN -r 8000 -c 1 -b 16 OUT")
        data = recording.readframes(recording.getnframes())
    frames = _frames(memoryview(data).cast("h"), payload_type)
    if not frames:
        raise ConfigError(f"{path}: shorter than 20 ms")
    return cycle(frames)


def goertzel(samples: Sequence[int], frequency: float) -> float:
    """Peak amplitude of one frequency (G. Goertzel, American Mathematical Monthly 65, 1958); 0 for no samples."""
    if not samples:
        return 0.0
    omega = 2 * math.pi * frequency / RATE
    factor, before, last = 2 * math.cos(omega), 0.0, 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    power = last * last + before * before - factor * last * before
    return 2 * math.sqrt(max(power, 0.0)) / len(samples)


def amplitude_of(samples: Sequence[int], frequency: float) -> float:
    """Mean of the amplitude over blocks of 100 ms, so that a lost packet's jump of phase does not cancel the tone."""
    starts = range(0, max(len(samples) - BLOCK, 0) + 1, BLOCK)
    blocks = [goertzel(samples[at : at + BLOCK], frequency) for at in starts]
    return sum(blocks) / len(blocks)


def loudest_in(samples: Sequence[int]) -> tuple[int, float]:
    """The strongest frequency (Hz, steps of 10) of the last 100 ms, and its amplitude; (0, 0.0) for no samples."""
    block = samples[-BLOCK:]
    if not block:
        return (0, 0.0)
    amplitude, frequency = max((goertzel(block, grid), grid) for grid in LOUDEST_GRID)
    return (frequency, amplitude)
