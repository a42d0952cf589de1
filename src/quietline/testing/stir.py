"""A certificate authority and a signing carrier of the tests' own: `Identity` headers, right and wrong in one thing.

carrier = SigningCarrier()
header = carrier.identity("+442079460001", "+442079460100", at=now)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey

from quietline.stir.passport import REGISTRY
from quietline.stir.verdict import Unattested, Verdict

ADDRESS = "https://cr.example/carrier.pem"


class Authority:
    """A root or one below it."""

    def __init__(self, name: str, parent: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (parent or self).issue(self.name, self.key.public_key(), authority=True)

    def issue(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        authority: bool = False,
        days: tuple[float, float] = (-1, 30),
    ) -> x509.Certificate:
        """Valid from `days[0]` to `days[1]` from now."""
        now = datetime.now(UTC)
        maker = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key)
        maker = maker.serial_number(x509.random_serial_number())
        maker = maker.not_valid_before(now + timedelta(days=days[0])).not_valid_after(now + timedelta(days=days[1]))
        maker = maker.add_extension(x509.BasicConstraints(authority, None), critical=True)
        maker = maker.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        maker = maker.add_extension(ours, critical=False).add_extension(_usage(authority), critical=True)
        return maker.sign(self.key, SHA256())


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


class SigningCarrier:
    """A carrier that signs, its root, the authority between, and what stands at its certificate's address."""

    def __init__(self, curve: ec.EllipticCurve | None = None, days: tuple[float, float] = (-1, 30)) -> None:
        self.root = Authority("Root of a test")
        self.between = Authority("Between", self.root)
        self.key = ec.generate_private_key(curve or ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SHAKEN 1234")])
        self.certificate = self.between.issue(name, self.key.public_key(), days=days)

    @property
    def chain(self) -> bytes:
        """PEM, leaf first."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, self.between.certificate))

    @property
    def roots(self) -> bytes:
        """PEM."""
        return self.root.certificate.public_bytes(Encoding.PEM)

    def identity(
        self,
        origin: str,
        destination: str,
        at: float,
        attest: str = "A",
        *,
        head: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        address: str = ADDRESS,
        parameters: str = ";alg=ES256;ppt=shaken",
    ) -> str:
        """The value of an `Identity` header (RFC 8224 §4.1). `head` and `claims` replace or add."""
        header = {"alg": "ES256", "typ": "passport", "ppt": "shaken", "x5u": address, **(head or {})}
        payload = {
            "attest": attest,
            "dest": {"tn": [destination.removeprefix("+")]},
            "iat": int(at),
            "orig": {"tn": origin.removeprefix("+")},
            "origid": "123e4567-e89b-12d3-a456-426655440000",
            **(claims or {}),
        }
        return f"{self._sign(header, payload)};info=<{address}>{parameters}"

    def _sign(self, header: dict[str, Any], payload: dict[str, Any]) -> str:
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        text = json.dumps(payload, separators=(",", ":"), sort_keys=True)
        return jws.serialize_compact({**header}, text, ECKey.import_key(pem), registry=REGISTRY)


class MemoryCertificates:
    """A `CertificateSource` that holds what it was given. `fails` makes it answer as a host that is away."""

    def __init__(self, **held: bytes) -> None:
        self.held = dict(held)
        self.asked: list[str] = []
        self.fails = False

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.fails or url not in self.held:
            raise Unattested(Verdict.NO_CERTIFICATE)
        return self.held[url]
