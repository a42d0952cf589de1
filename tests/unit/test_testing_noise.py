"""Noise passes, and everything that only looks busy does not."""

from __future__ import annotations

import secrets
import zlib
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from quietline.testing.g711 import PCMA, PCMU, encode
from quietline.testing.noise import chi_square_z, entropy, measure, repeated_blocks, tone_share
from quietline.testing.tones import sine

SIZE = 40_000


def _speechlike(random: Random) -> list[int]:
    """Loud, broad-band audio: many tones of changing loudness and hiss."""
    tones = [sine([random.randrange(150, 3_500)], 600, SIZE) for _ in range(12)]
    return [sum(parts) + random.randrange(-300, 300) for parts in zip(*tones, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_noise(seed: int) -> None:
    assert measure(Random(seed).randbytes(SIZE), [700, 1_000]).verdict == "noise"


def test_counter_mode_over_a_tone_is_noise() -> None:
    cipher = Cipher(algorithms.AES(secrets.token_bytes(16)), modes.CTR(secrets.token_bytes(16))).encryptor()
    tone = encode(sine([700]), PCMU) * 5
    assert measure(cipher.update(tone), [700]).verdict == "noise"


def test_a_block_cipher_without_chaining_shows_its_blocks() -> None:
    cipher = Cipher(algorithms.AES(secrets.token_bytes(16)), modes.ECB()).encryptor()
    found = measure(cipher.update(encode(sine([700]), PCMU) * 5))
    assert found.repeated > 0
    assert found.verdict == "structure"


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_audio_has_structure(law: int) -> None:
    assert measure(encode(sine([700], samples=SIZE), law)).verdict == "structure"
    assert measure(encode(sine([], samples=SIZE), law)).verdict == "structure"
    assert measure(encode(_speechlike(Random(1)), law)).verdict == "structure"


def test_a_tone_hidden_in_noise_is_seen_by_its_share() -> None:
    random = Random(3)
    mixed = [tone + random.randrange(-6_000, 6_000) for tone in sine([737], 4_000, 8_000)]
    assert tone_share(encode(mixed, PCMU), [737]) > 0.10
    assert tone_share(random.randbytes(8_000), [737]) < 0.06


def test_text_counters_and_containers_have_structure() -> None:
    text = b"INVITE sip:+442079460101@example.com SIP/2.0\r\n" * 900
    assert measure(text).verdict == "structure"
    assert measure(bytes(range(256)) * 160).verdict == "structure"  # each byte equally often
    assert measure(b"".join(zlib.compress(b"%06d" % n) for n in range(3_000))).verdict == "structure"


def test_too_little_is_said() -> None:
    assert measure(secrets.token_bytes(1_000)).verdict == "too little"
    assert measure(b"").verdict == "too little"


def test_the_figures() -> None:
    assert entropy(b"") == 0.0
    assert entropy(b"aaaa") == 0.0
    assert entropy(bytes(range(256))) == 8.0
    assert chi_square_z(b"") == 0.0
    assert chi_square_z(bytes(4_096)) > 100
    assert chi_square_z(bytes(range(256)) * 16) < -5  # too even, which one-sided tests let pass
    assert repeated_blocks(b"0123456789abcdef" * 3) == 2
    assert tone_share(bytes(10)) == 0.0


def test_a_single_repeated_block_is_enough() -> None:
    data = Random(6).randbytes(SIZE)
    again = measure(data[:-16] + data[:16])
    assert (again.repeated, again.verdict) == (1, "structure")
    assert max(again.chi_z, again.step_z) < 4.9
