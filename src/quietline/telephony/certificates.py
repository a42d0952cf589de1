"""Certificates: a local CA, the edge's certificate and carriers' client certificates; or your own, by configuration.

Keys are P-256 (RFC 8422; what every phone and browser speaks). The CA lives below `paths.state`/ca:

    ca.pem  ca.key    public; 0400, the user who runs us (root: the supervisor)
    edge.pem edge.key public; 0400, the edge's user
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quietline.config import Config
from quietline.errors import ConfigError
from quietline.telephony.private_files import owner_ids, write_private

CA_DAYS = 3_650
LEAF_DAYS = 397  # the CA/Browser Forum's longest, which browsers enforce even for some private roots
RENEW_DAYS = 30
_BACKDATE = timedelta(hours=1)  # phones' clocks are late


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of PEM files. `trunk_ca` signs carriers' certificates; `ca` is what people must trust (None: your own)."""

    certificate: Path
    key: Path
    trunk_ca: Path
    ca: Path | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def certificate_paths(config: Config) -> CertificateFiles:
    """Where the edge's certificate is. Raises ConfigError when only one of certificate and key is configured."""
    own, folder = config.certificates, config.paths.state / "ca"
    if bool(own.certificate) != bool(own.key):
        raise ConfigError("certificates: set both certificate and key, or neither for the local CA")
    local = folder / "ca.pem"
    return CertificateFiles(
        certificate=Path(own.certificate) if own.certificate else folder / "edge.pem",
        key=Path(own.key) if own.key else folder / "edge.key",
        trunk_ca=Path(own.trunk_ca) if own.trunk_ca else local,
        ca=None if own.certificate else local,
    )


def ensure_certificates(config: Config, now: datetime | None = None) -> CertificateFiles:
    """Make what is missing or has less than 30 days left, and say where it is. Blocks; run at start and once a day.

    Raises ConfigError when a configured file is missing, expired or does not fit its key.
    """
    moment = now or datetime.now(UTC)
    paths = certificate_paths(config)
    if paths.ca is None or paths.trunk_ca == config.paths.state / "ca" / "ca.pem":
        _ensure_ca(config, moment)
    if paths.ca is None:
        _check_own(paths, moment)
    elif not _good_for(paths, names_of(config), moment):
        _write_edge(config, paths, moment)
    return paths


def names_of(config: Config) -> list[str]:
    """Every name and address of the edge: the realm, localhost, listening and advertised addresses."""
    edge = config.edge
    names = [
        edge.realm,
        "localhost",
        "127.0.0.1",
        "::1",
        *edge.addresses,
        *([edge.advertised] if edge.advertised else []),
    ]
    return list(dict.fromkeys(names))


def issue_trunk(config: Config, name: str, now: datetime | None = None) -> Issued:
    """A client certificate for a carrier on the mutual-TLS port; `name` is its Trunk.certificate_name.

    The key is for handing over and is not kept. Raises ConfigError when another CA signs carriers' certificates.
    """
    if config.certificates.trunk_ca:
        raise ConfigError("certificates.trunk_ca: another CA signs carriers' certificates; ask there, or unset it")
    moment = now or datetime.now(UTC)
    return issue(_ensure_ca(config, moment), name, [name], moment, client=True)


def make_ca(now: datetime) -> Issued:
    """A new root, allowed to sign leaf certificates only (path length 0)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Quietline local CA")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(ca: Issued, common_name: str, names: list[str], now: datetime, *, client: bool = False) -> Issued:
    """A leaf signed by `ca` with subject alternative names (RFC 5280 §4.2.1.6); for servers, or for clients only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        _builder(subject, ca.certificate.subject, key, now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    return Issued(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ensure_ca(config: Config, now: datetime) -> Issued:
    folder = config.paths.state / "ca"
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if certificate.exists() and key.exists():
        ca = _load(certificate, key)
        if ca.certificate.not_valid_after_utc - now > timedelta(days=LEAF_DAYS + RENEW_DAYS):
            return ca
    ca = make_ca(now)
    write_private(key, ca.key_pem, 0o400)
    write_private(certificate, ca.certificate_pem, 0o444)
    return ca


def _write_edge(config: Config, paths: CertificateFiles, now: datetime) -> None:
    leaf = issue(_ensure_ca(config, now), config.edge.realm, names_of(config), now)
    owner = owner_ids(config.users.edge)
    write_private(paths.key, leaf.key_pem, 0o400, owner)
    write_private(paths.certificate, leaf.certificate_pem, 0o444, owner)


def _good_for(paths: CertificateFiles, names: list[str], now: datetime) -> bool:
    """Whether the edge's certificate fits its key and CA, carries these names and has 30 days left."""
    if paths.ca is None or not (paths.certificate.exists() and paths.key.exists()):
        return False
    leaf, ca = _load(paths.certificate, paths.key), x509.load_pem_x509_certificate(paths.ca.read_bytes())
    alternatives = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fits = leaf.certificate.public_key() == leaf.key.public_key() and set(alternatives) == set(
        map(_general_name, names)
    )
    return fits and _signed_by(leaf.certificate, ca) and _days_left(leaf.certificate, now) >= RENEW_DAYS


def _signed_by(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    wanted = x509.SubjectKeyIdentifier.from_public_key(ca.public_key()).digest
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return found == wanted


def _days_left(certificate: x509.Certificate, now: datetime) -> float:
    return (certificate.not_valid_after_utc - now) / timedelta(days=1)


def _check_own(paths: CertificateFiles, now: datetime) -> None:
    for name, path in (("certificate", paths.certificate), ("key", paths.key), ("trunk_ca", paths.trunk_ca)):
        if not path.is_file():
            raise ConfigError(f"certificates.{name}: no file at {path}; give the path of a PEM file")
    certificate = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
    key = serialization.load_pem_private_key(paths.key.read_bytes(), password=None)
    if certificate.public_key() != key.public_key():
        raise ConfigError(f"certificates.key: {paths.key} is not the key of {paths.certificate}")
    if _days_left(certificate, now) <= 0:
        raise ConfigError(f"certificates.certificate: {paths.certificate} has expired; renew it")


def _load(certificate: Path, key: Path) -> Issued:
    loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ConfigError(
            f"certificates: {key} is not an elliptic-curve key; remove it and its certificate to renew both"
        )
    return Issued(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
