"""Reading and checking a PASSporT (RFC 8225) in its full form, as an `Identity` header carries it (RFC 8224 §4.1).

Pure: the clock and the certificate are handed in. The compact form (RFC 8225 §7) is not read: SHAKEN always sends the
full one (ATIS-1000074), and what is left out of it would have to be guessed. A TNAuthList in the certificate (RFC 8226
§9) is not asked for: SHAKEN's certificates name a service provider, not numbers.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from quietline.stir.verdict import Unattested, Verdict

FRESH_SECONDS = 60  # RFC 8224 §6.2.3 step 4, as ATIS-1000074 §5.3.1 sets it: an older `iat` is stale
MAX_IDENTITY = 1_200  # characters of the header's value; a SHAKEN one has about 600
MAX_DESTINATIONS = 20
REGISTRY = jws.JWSRegistry({"ppt": HeaderParameter("PASSporT extension", "str")}, ["ES256"])  # RFC 8225 §8.1
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")  # ES256: 64 bytes (RFC 7518 §3.4)
_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*(<[^<>\s]*>|\"[^\"]*\"|[A-Za-z0-9._-]+)\s*")


@dataclass(frozen=True, slots=True)
class Passport:
    """One, read but not believed. Numbers are digits without "+" (RFC 8224 §8.3); `at` is its `iat`, UTC seconds."""

    token: str = field(repr=False)  # header.payload.signature
    certificate: str  # x5u: where the signer's certificate is
    attestation: Verdict
    origin: str = field(repr=False)
    destinations: tuple[str, ...] = field(repr=False)
    at: int

    @property
    def signature(self) -> str:
        """The last part, which is another one in every genuine header."""
        return self.token.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Claim:
    """The call as the edge saw it: numbers in E.164 with "+", "" for none usable."""

    origin: str = field(repr=False)
    destination: str


def read(header: str) -> Passport:
    """The header's PASSporT. Raises Unattested(TOO_LARGE | UNREADABLE)."""
    if len(header) > MAX_IDENTITY:
        raise Unattested(Verdict.TOO_LARGE)
    token, _, rest = header.strip().partition(";")
    parts, parameters = _TOKEN.fullmatch(token), _parameters(";" + rest)
    if parts is None:
        raise Unattested(Verdict.UNREADABLE)
    head, claims = _object(parts[1]), _object(parts[2])
    _check_head(head, parameters)
    return _passport(token, head, claims)


def _parameters(rest: str) -> dict[str, str]:
    """`;info=<https://...>;alg=ES256;ppt=shaken` (RFC 8224 §4.1)."""
    found = {name: value.strip('<>"') for name, value in _PARAMETER.findall(rest)}
    if _PARAMETER.sub("", rest).strip() or "info" not in found:
        raise Unattested(Verdict.UNREADABLE)
    return found


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, BadBase64, RecursionError):
        raise Unattested(Verdict.UNREADABLE) from None
    if not isinstance(value, dict):
        raise Unattested(Verdict.UNREADABLE)
    return value


def _check_head(head: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
    """RFC 8588 §3 fixes type and extension, RFC 8225 §4 the algorithm; `info` and `x5u` are one (RFC 8224 §4.1)."""
    fixed = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": parameters["info"]}
    said = {"alg": parameters.get("alg", "ES256"), "ppt": parameters.get("ppt", "shaken")}
    if any(head.get(name) != value for name, value in fixed.items()) or said != {"alg": "ES256", "ppt": "shaken"}:
        raise Unattested(Verdict.UNREADABLE)


def _passport(token: str, head: Mapping[str, Any], claims: Mapping[str, Any]) -> Passport:
    try:
        destinations = claims["dest"]["tn"]
        if not isinstance(destinations, list) or len(destinations) > MAX_DESTINATIONS:
            raise Unattested(Verdict.UNREADABLE)
        return Passport(
            token, head["x5u"], _level(claims["attest"]), _digits(claims["orig"]["tn"]),
            tuple(_digits(each) for each in destinations), _whole(claims["iat"]),
        )  # fmt: skip
    except (KeyError, TypeError):
        raise Unattested(Verdict.UNREADABLE) from None


def _level(value: object) -> Verdict:
    if value not in ("A", "B", "C"):
        raise Unattested(Verdict.UNREADABLE)
    return Verdict(str(value))


def _digits(value: object) -> str:
    """RFC 8224 §8.3, step 1: of a telephone number only its digits count."""
    text = value.removeprefix("+") if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Unattested(Verdict.UNREADABLE)
    return text


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unattested(Verdict.UNREADABLE)
    return value


def check_claim(passport: Passport, claim: Claim, now: float, fresh: float = FRESH_SECONDS) -> None:
    """Whether it was signed for this very call, just now. Raises Unattested(STALE | WRONG_ORIGIN | WRONG_DESTINATION).

    Before any certificate is fetched: what a stranger sends costs us no request to anybody.
    """
    if abs(now - passport.at) > fresh:
        raise Unattested(Verdict.STALE)
    if not claim.origin or passport.origin != claim.origin.removeprefix("+"):
        raise Unattested(Verdict.WRONG_ORIGIN)
    if claim.destination.removeprefix("+") not in passport.destinations:
        raise Unattested(Verdict.WRONG_DESTINATION)


def check_signature(passport: Passport, signer: Certificate) -> None:
    """ES256 over header and payload (RFC 8225 §6), under the signer's P-256 key. Raises Unattested(BAD_SIGNATURE)."""
    key = signer.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise Unattested(Verdict.BAD_SIGNATURE)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        jws.deserialize_compact(passport.token, ECKey.import_key(pem), registry=REGISTRY)
    except (JoseError, ValueError):
        raise Unattested(Verdict.BAD_SIGNATURE) from None
