"""Recordings of one's own: what may be one, said before anything is made of it."""

from __future__ import annotations

from pathlib import Path

from quietline.errors import ConfigError

MAX_BYTES = 24 * 1024 * 1024  # two minutes, 48 kHz, 16 bit, two channels
MAX_SECONDS = 120.0
RATES = range(8_000, 48_001)  # Hz
PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE  # format tags (RFC 2361; Microsoft, WAVEFORMATEXTENSIBLE)


def recording(path: Path) -> bytes:
    """The file's bytes, once it is known to be a WAV file that can be played. Raises ConfigError naming what is not."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a WAV file") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 24 MiB; cut it, or save it at 16 kHz with one channel")
    wrong = _wrong(data)
    if wrong:
        raise ConfigError(f"{path}: {wrong}")
    return data


def _wrong(data: bytes) -> str:
    """What is wrong with a WAV file; "" for nothing."""
    chunks = _chunks(data) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else {}
    if not {b"fmt ", b"data"} <= chunks.keys() or len(chunks[b"fmt "]) < 16:
        return "is no WAV file; save it as WAV"
    layout = chunks[b"fmt "]
    tag, channels = int.from_bytes(layout[:2], "little"), int.from_bytes(layout[2:4], "little")
    rate, a_second = int.from_bytes(layout[4:8], "little"), int.from_bytes(layout[8:12], "little")
    if tag not in (PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE):
        return "is a WAV file of a kind that cannot be read; save it as PCM, 16 bit"
    if channels not in (1, 2) or rate not in RATES:
        return f"has {channels} channels at {rate} Hz; want one or two, at 8,000 to 48,000 Hz"
    seconds = len(chunks[b"data"]) / a_second if a_second else 0.0
    if not 0.05 <= seconds <= MAX_SECONDS:
        return f"lasts {seconds:.1f} s; want up to {MAX_SECONDS:.0f} s of sound"
    return ""


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a RIFF file; what a recorder left half written is cut off."""
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        found.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return found
