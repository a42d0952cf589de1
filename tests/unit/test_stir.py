"""STIR/SHAKEN: every way a header can be wrong, and the three in which it is right. The certificates are made here."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.util import urlsafe_b64decode

from quietline.errors import ConfigError
from quietline.stir.chain import read_roots, signer_of
from quietline.stir.passport import MAX_IDENTITY, Claim, Passport, check_claim, read
from quietline.stir.replay import Replays
from quietline.stir.verdict import ATTESTED, Unattested, Verdict
from quietline.stir.verify import SEVERAL, TOO_LARGE, Verifier
from quietline.testing.stir import ADDRESS, Authority, MemoryCertificates, SigningCarrier

ORIGIN, STORE = "+442079460001", "+442079460100"
CLAIM = Claim(ORIGIN, STORE)


@pytest.fixture(scope="module")
def carrier() -> SigningCarrier:
    return SigningCarrier()


@pytest.fixture
def now() -> float:
    import time

    return time.time()


def verifier(carrier: SigningCarrier, now: float, source: MemoryCertificates | None = None) -> Verifier:
    held = source or MemoryCertificates(**{ADDRESS: carrier.chain})
    return Verifier(held, read_roots(carrier.roots), lambda: now)


async def verdict(carrier: SigningCarrier, now: float, header: str, claim: Claim = CLAIM) -> Verdict:
    return await verifier(carrier, now).verify(header, claim)


@pytest.mark.parametrize("level", ["A", "B", "C"])
async def test_each_attestation_is_kept_as_its_grade(carrier: SigningCarrier, now: float, level: str) -> None:
    found = await verdict(carrier, now, carrier.identity(ORIGIN, STORE, now, level))
    assert found == level
    assert found in ATTESTED


@pytest.mark.parametrize(
    ("age", "word"), [(0, "A"), (59, "A"), (-59, "A"), (62, "stale"), (-62, "stale"), (9e8, "stale")]
)
async def test_a_header_is_fresh_for_a_minute_either_way(
    carrier: SigningCarrier, now: float, age: float, word: str
) -> None:
    assert await verdict(carrier, now, carrier.identity(ORIGIN, STORE, now - age)) == word


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        (Claim("+442079460002", STORE), "wrong-origin"),
        (Claim("", STORE), "wrong-origin"),
        (Claim(ORIGIN, "+442079460101"), "wrong-destination"),
        (Claim(ORIGIN, ""), "wrong-destination"),
    ],
)
async def test_it_is_for_this_caller_and_this_store(
    carrier: SigningCarrier, now: float, claim: Claim, word: str
) -> None:
    assert await verdict(carrier, now, carrier.identity(ORIGIN, STORE, now), claim) == word


async def test_one_of_several_destinations_will_do(carrier: SigningCarrier, now: float) -> None:
    called = {"dest": {"tn": ["442079460999", STORE]}}
    assert await verdict(carrier, now, carrier.identity(ORIGIN, STORE, now, claims=called)) == "A"


async def test_a_header_works_once(carrier: SigningCarrier, now: float) -> None:
    checking, header = verifier(carrier, now), carrier.identity(ORIGIN, STORE, now)
    assert await checking.verify(header, CLAIM) == "A"
    assert await checking.verify(header, CLAIM) == "replayed"
    assert await checking.verify(_twin(header), CLAIM) == "replayed"
    second = carrier.identity(ORIGIN, STORE, now, claims={"origid": "9"})  # another call of the same second
    assert await checking.verify(second, CLAIM) == "A"
    assert await checking.verify(carrier.identity(ORIGIN, STORE, now - 1), CLAIM) == "A"


def _twin(header: str) -> str:
    """The other signature that anybody can make of an ECDSA signature: (r, n - s)."""
    token, _, rest = header.partition(";")
    signed, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature.encode())
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = int.from_bytes(raw[:32], "big"), order - int.from_bytes(raw[32:], "big")
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    other = urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    return f"{signed}.{other};{rest}"


async def test_a_forgery_does_not_use_up_the_genuine_header(carrier: SigningCarrier, now: float) -> None:
    checking, header = verifier(carrier, now), carrier.identity(ORIGIN, STORE, now)
    signed, _, rest = header.partition(";")
    forged = f"{signed.rpartition('.')[0]}.{'A' * 86};{rest}"
    assert await checking.verify(forged, CLAIM) == "bad-signature"
    assert await checking.verify(header, CLAIM) == "A"


async def test_another_carriers_key_signs_nothing(carrier: SigningCarrier, now: float) -> None:
    other = SigningCarrier()
    assert await verdict(carrier, now, other.identity(ORIGIN, STORE, now)) == "bad-signature"


async def test_an_unknown_root(carrier: SigningCarrier, now: float) -> None:
    other = SigningCarrier()
    source = MemoryCertificates(**{ADDRESS: other.chain})
    found = await verifier(carrier, now, source).verify(other.identity(ORIGIN, STORE, now), CLAIM)
    assert found == "unknown-root"


async def test_a_chain_with_a_gap_leads_to_no_root(carrier: SigningCarrier, now: float) -> None:
    source = MemoryCertificates(**{ADDRESS: carrier.certificate.public_bytes(Encoding.PEM)})
    assert await verifier(carrier, now, source).verify(carrier.identity(ORIGIN, STORE, now), CLAIM) == "unknown-root"


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["expired", "not yet"])
async def test_a_certificate_has_its_time(now: float, days: tuple[float, float]) -> None:
    old = SigningCarrier(days=days)
    assert await verdict(old, now, old.identity(ORIGIN, STORE, now)) == "certificate-expired"


async def test_another_curve_is_not_es256(now: float) -> None:
    strange = SigningCarrier(ec.SECP384R1())
    plain = SigningCarrier()
    source = MemoryCertificates(**{ADDRESS: strange.chain})
    checking = Verifier(source, read_roots(strange.roots), lambda: now)
    assert await checking.verify(plain.identity(ORIGIN, STORE, now), CLAIM) == "bad-signature"


async def test_an_authority_signs_no_calls(carrier: SigningCarrier, now: float) -> None:
    source = MemoryCertificates(**{ADDRESS: carrier.between.certificate.public_bytes(Encoding.PEM)})
    carrier_key, carrier.key = carrier.key, carrier.between.key
    try:
        header = carrier.identity(ORIGIN, STORE, now)
    finally:
        carrier.key = carrier_key
    assert await verifier(carrier, now, source).verify(header, CLAIM) == "no-certificate"


@pytest.mark.parametrize(
    "held", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
async def test_what_is_no_certificate(carrier: SigningCarrier, now: float, held: bytes) -> None:
    source = MemoryCertificates(**{ADDRESS: held})
    assert await verifier(carrier, now, source).verify(carrier.identity(ORIGIN, STORE, now), CLAIM) == "no-certificate"


async def test_a_certificate_out_of_reach_leaves_the_call_unattested(carrier: SigningCarrier, now: float) -> None:
    source = MemoryCertificates(**{ADDRESS: carrier.chain})
    source.fails = True
    assert await verifier(carrier, now, source).verify(carrier.identity(ORIGIN, STORE, now), CLAIM) == "no-certificate"


async def test_nothing_is_fetched_for_what_is_wrong_by_itself(carrier: SigningCarrier, now: float) -> None:
    source = MemoryCertificates(**{ADDRESS: carrier.chain})
    checking = verifier(carrier, now, source)
    for header in ("", "x", carrier.identity(ORIGIN, STORE, now - 99), carrier.identity("+442079460009", STORE, now)):
        assert await checking.verify(header, CLAIM) not in ATTESTED
    assert source.asked == []


@pytest.mark.parametrize(
    ("header", "word"),
    [("", "absent"), (SEVERAL, "several"), (TOO_LARGE, "too-large"), ("x" * (MAX_IDENTITY + 1), "too-large")],
)
async def test_the_edges_own_words(carrier: SigningCarrier, now: float, header: str, word: str) -> None:
    assert await verdict(carrier, now, header) == word


SIGNED = "A" * 86
WRONG: dict[str, Callable[[SigningCarrier, float], str]] = {
    "no text": lambda c, now: " ",
    "compact form": lambda c, now: "..c2ln;info=<https://cr.example/a.pem>",
    "no info": lambda c, now: c.identity(ORIGIN, STORE, now).partition(";")[0],
    "something after": lambda c, now: c.identity(ORIGIN, STORE, now) + ";;x",
    "no base64": lambda c, now: "a.b.c;info=<https://cr.example/a.pem>",
    "not JSON": lambda c, now: f"{_part(b'{')}.{_part(b'{')}.{SIGNED};info=<https://cr.example/a.pem>",
    "a list": lambda c, now: f"{_part(b'[]')}.{_part(b'[]')}.{SIGNED};info=<https://cr.example/a.pem>",
    "deep": lambda c, now: f"{_part(b'[' * 400)}.{_part(b'{}')}.{SIGNED};info=<https://cr.example/a.pem>",
    "other address in the header": lambda c, now: c.identity(ORIGIN, STORE, now, head={"x5u": "https://b.example/"}),
    "another kind": lambda c, now: c.identity(ORIGIN, STORE, now, head={"ppt": "div"}),
    "another type": lambda c, now: c.identity(ORIGIN, STORE, now, head={"typ": "JWT"}),
    "parameter says otherwise": lambda c, now: c.identity(ORIGIN, STORE, now, parameters=";alg=HS256"),
    "attest D": lambda c, now: c.identity(ORIGIN, STORE, now, "D"),
    "attest unhashable": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"attest": ["A"]}),
    "no orig": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"orig": {"uri": "sip:a@b.example"}}),
    "orig a number": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"orig": {"tn": 442079460001}}),
    "dest no list": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"dest": {"tn": STORE}}),
    "dest too many": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"dest": {"tn": ["1"] * 21}}),
    "iat a text": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"iat": str(int(now))}),
    "iat true": lambda c, now: c.identity(ORIGIN, STORE, now, claims={"iat": True}),
}


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("how", WRONG)
async def test_what_cannot_be_read_is_said_so(carrier: SigningCarrier, now: float, how: str) -> None:
    assert await verdict(carrier, now, WRONG[how](carrier, now)) == "unreadable"


async def test_no_algorithm_but_es256(carrier: SigningCarrier, now: float) -> None:
    header = carrier.identity(ORIGIN, STORE, now)
    signed = header.partition(";")[0].split(".")
    for alg in ("none", "HS256", "ES384"):
        head = {"alg": alg, "typ": "passport", "ppt": "shaken", "x5u": ADDRESS}
        forged = ".".join([_part(json.dumps(head).encode()), *signed[1:]])
        assert await verdict(carrier, now, f"{forged};info=<{ADDRESS}>;alg=ES256;ppt=shaken") == "unreadable"


@settings(max_examples=40)
@given(
    st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{86};info=<[a-z:/.]{0,20}>")
)
def test_no_header_makes_reading_fail_otherwise(text: str) -> None:
    with pytest.raises(Unattested) as refusal:
        read(text)
    assert refusal.value.verdict in (Verdict.UNREADABLE, Verdict.TOO_LARGE)


def passport(at: int, token: str = "a", **more: Any) -> Passport:
    return Passport(f"{token}.p.{'A' * 86}", ADDRESS, Verdict.FULL, "442079460001", ("442079460100",), at, **more)


@given(st.integers(0, 10**10), st.floats(-200, 200))
def test_freshness_is_one_window(now: int, drift: float) -> None:
    if abs(now - int(now + drift)) <= 60:
        return check_claim(passport(int(now + drift)), CLAIM, now)
    with pytest.raises(Unattested, match="stale"):
        check_claim(passport(int(now + drift)), CLAIM, now)
    return None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 120)), max_size=30))
def test_no_fresh_header_passes_twice_whatever_came_between(steps: list[tuple[int, int]]) -> None:
    """As the verifier does it: whatever passes as fresh and is not refused passes for the first time."""
    book, used, now = Replays(60), set(), 1_000
    for which, wait in steps:
        now += wait
        one = passport(1_000 + which * 60, f"h{which}")
        if abs(now - one.at) > 60:
            continue
        try:
            book.use(one, now)
            assert which not in used
            used.add(which)
        except Unattested:
            assert which in used


def test_what_is_remembered_is_bounded_and_let_go_of() -> None:
    book = Replays(60, remembered=3)
    for each in range(5):
        book.use(passport(1_000, str(each)), 1_000)
    assert len(book._seen) == 3
    book.use(passport(2_000, "z"), 2_000)
    assert len(book._seen) == 1


def test_numbers_are_in_no_repr() -> None:
    assert "4420" not in repr(passport(1)) + repr(Claim(ORIGIN, ""))


def test_roots_that_cannot_be_read_are_named() -> None:
    with pytest.raises(ConfigError, match=r"stir\.roots"):
        read_roots(b"nothing here")


def test_a_chain_longer_than_five_is_refused(carrier: SigningCarrier, now: float) -> None:
    above = carrier.root
    chain: list[x509.Certificate] = []
    for depth in range(5):
        above = Authority(f"Between {depth}", above)
        chain.insert(0, above.certificate)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "far")])
    leaf = above.issue(name, carrier.key.public_key())
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in (leaf, *chain))
    with pytest.raises(Unattested, match="no-certificate"):
        signer_of(pem, [carrier.root.certificate], now)
