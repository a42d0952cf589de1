"""Do these bytes look like noise? Four tests that good ciphertext passes and audio, text and containers do not.

Passing shows that the bytes have no structure these tests see; it is no proof of encryption, and the verdict says which
test failed by how much. With the thresholds below, true noise fails about once in a million runs of each test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from quietline.testing.g711 import PCMA, PCMU, decode
from quietline.testing.tones import BLOCK, goertzel, loudest_in

ENOUGH = 256 * 8  # bytes: eight expected in each cell of the chi-square test (five is the usual least)
MOST_Z = 4.9  # standard normal, one-sided p = 5e-7
MOST_TONE = 0.10  # share of the power in one frequency; noise of 100 ms stays under 0.05, a tone is near 1
TONE_BLOCKS = 4  # of 100 ms each, spread over the bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """The figures. `verdict` is "noise", "structure" or "too little"."""

    size: int
    entropy: float  # bits a byte
    chi_z: float  # chi-square of the bytes, as a standard normal (Wilson & Hilferty 1931)
    step_z: float  # the same of the differences between neighbours: finds counters and slow waves
    repeated: int  # aligned blocks of 16 bytes that stand more than once
    tone: float  # largest share of the power in one frequency, as µ-law or A-law

    @property
    def verdict(self) -> str:
        """ "noise", "structure", or "too little" to tell."""
        if self.size < ENOUGH:
            return "too little"
        uneven = self.chi_z > MOST_Z or self.step_z > MOST_Z
        return "structure" if uneven or self.repeated or self.tone > MOST_TONE else "noise"


def measure(data: bytes, known_tones: Sequence[int] = ()) -> Noise:
    """Test some bytes. `known_tones` in hertz are looked for exactly; others on a grid of 10 Hz."""
    steps = bytes((after - before) & 0xFF for before, after in pairwise(data))
    return Noise(
        size=len(data),
        entropy=entropy(data),
        chi_z=chi_square_z(data),
        step_z=chi_square_z(steps),
        repeated=repeated_blocks(data),
        tone=tone_share(data, known_tones),
    )


def entropy(data: bytes) -> float:
    """Shannon entropy of the bytes, in bits; true noise of n bytes gives about 8 − 255 / (2 n ln 2) (Miller 1955)."""
    counts = Counter(data).values()
    return -sum(count / len(data) * math.log2(count / len(data)) for count in counts) if data else 0.0


def chi_square_z(data: bytes) -> float:
    """Pearson's test of 256 equal cells, as a standard normal; large means uneven. 0 for no bytes."""
    if not data:
        return 0.0
    expected, counts, freedom = len(data) / 256, Counter(data), 255
    statistic = sum((counts[byte] - expected) ** 2 for byte in range(256)) / expected
    spread = 2 / (9 * freedom)
    return float(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def repeated_blocks(data: bytes) -> int:
    """How many aligned 16-byte blocks came before: none in noise (2⁻¹²⁸ each), many under ECB or silence."""
    blocks = [data[at : at + 16] for at in range(0, len(data) - 15, 16)]
    return len(blocks) - len(set(blocks))


def tone_share(data: bytes, known_tones: Sequence[int] = ()) -> float:
    """The largest share of the power in one frequency over a few blocks of 100 ms; 0 for less than one block."""
    last = len(data) - BLOCK
    if last < 0:
        return 0.0
    starts = sorted({last * part // max(TONE_BLOCKS - 1, 1) for part in range(TONE_BLOCKS)})
    blocks = [decode(data[at : at + BLOCK], law) for law in (PCMU, PCMA) for at in starts]
    return max(_share(block, known_tones) for block in blocks)


def _share(samples: Sequence[int], known_tones: Sequence[int]) -> float:
    power = sum(sample * sample for sample in samples) / len(samples)
    if power < 100:  # silence, which the other tests find
        return 0.0
    amplitudes = [loudest_in(samples)[1], *(goertzel(samples, tone) for tone in known_tones)]
    return max(amplitude * amplitude / 2 for amplitude in amplitudes) / power
