"""From a signer's certificate to one of our roots (RFC 8226, ATIS-1000080). Pure: the clock is handed in.

The roots are the operator's choice and stand in a file: the list of the country's STI policy administrator. Revocation
lists are not fetched; a certificate lives a day to a few months, and attestation raises no level here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from quietline.errors import ConfigError
from quietline.stir.verdict import Unattested, Verdict

MAX_CERTIFICATES = 5  # leaf and intermediates


def read_roots(pem: bytes) -> list[x509.Certificate]:
    """The authorities we believe. Raises ConfigError where the file holds none."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigError("stir.roots: no certificate in that file; give authorities in PEM") from None


def signer_of(pem: bytes, roots: Sequence[x509.Certificate], now: float) -> x509.Certificate:
    """The first certificate of `pem`, if the others lead from it to a root.

    Raises Unattested(NO_CERTIFICATE | CERTIFICATE_EXPIRED | UNKNOWN_ROOT).
    """
    try:
        leaf, *between = x509.load_pem_x509_certificates(pem)
        authority = _is_authority(leaf)
    except ValueError:
        raise Unattested(Verdict.NO_CERTIFICATE) from None
    if len(between) >= MAX_CERTIFICATES or authority:
        raise Unattested(Verdict.NO_CERTIFICATE)
    moment = datetime.fromtimestamp(now, UTC)
    if not leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc:
        raise Unattested(Verdict.CERTIFICATE_EXPIRED)
    _lead_to_root(leaf, between, roots, moment)
    return leaf


def _is_authority(leaf: x509.Certificate) -> bool:
    """An authority signs certificates, no calls."""
    try:
        return leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _lead_to_root(
    leaf: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime
) -> None:
    """RFC 5280 §6. A signer's certificate names no host and has no TLS purpose, so the web's rules for leaves are off;
    those for authorities stand."""
    rules = PolicyBuilder().store(Store(list(roots))).time(moment).max_chain_depth(MAX_CERTIFICATES)
    rules = rules.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
    )
    try:
        rules.build_client_verifier().verify(leaf, list(between))
    except VerificationError:
        raise Unattested(Verdict.UNKNOWN_ROOT) from None
