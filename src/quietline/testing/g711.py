"""G.711 in plain Python (ITU-T G.711, 1988): `audioop` left the standard library in Python 3.13.

Samples are signed 16-bit integers at 8,000 Hz; one byte per sample on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

PCMU = 0  # static payload types, RFC 3551 §6
PCMA = 8
RATE = 8_000  # samples a second
FRAME = 160  # samples in 20 ms

_BIAS = 0x84
_CLIP = 32_635


def _decode_ulaw_byte(byte: int) -> int:
    inverted = ~byte & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + _BIAS) << ((inverted & 0x70) >> 4)
    return _BIAS - magnitude if inverted & 0x80 else magnitude - _BIAS


def _decode_alaw_byte(byte: int) -> int:
    toggled = byte ^ 0x55
    exponent, mantissa = (toggled & 0x70) >> 4, (toggled & 0x0F) << 4
    magnitude = mantissa + 8 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return magnitude if toggled & 0x80 else -magnitude


ULAW = tuple(map(_decode_ulaw_byte, range(256)))
ALAW = tuple(map(_decode_alaw_byte, range(256)))


def _encode_ulaw_sample(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)) & 0xFF


def _encode_alaw_sample(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else -sample - 1, 32_767) >> 4
    exponent = max(0, magnitude.bit_length() - 4)
    mantissa = (magnitude >> max(0, exponent - 1)) & 0x0F
    return (sign | (exponent << 4) | mantissa) ^ 0x55


@cache
def _encoder(payload_type: int) -> bytes:
    """The code of every 16-bit sample, at index sample + 32,768."""
    encode = {PCMU: _encode_ulaw_sample, PCMA: _encode_alaw_sample}[payload_type]
    return bytes(encode(sample) for sample in range(-32_768, 32_768))


def encode(samples: Iterable[int], payload_type: int) -> bytes:
    """One byte per sample. Raises KeyError for a payload type that is not PCMU (0) or PCMA (8)."""
    table = _encoder(payload_type)
    return bytes(table[sample + 32_768] for sample in samples)


def decode(payload: bytes, payload_type: int) -> list[int]:
    """One sample per byte. Raises KeyError for a payload type that is not PCMU (0) or PCMA (8)."""
    table = {PCMU: ULAW, PCMA: ALAW}[payload_type]
    return [table[byte] for byte in payload]
