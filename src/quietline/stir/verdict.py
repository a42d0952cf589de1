"""What came of an `Identity` header: one closed word. The ledger keeps it, the desk's page shows its grade."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from quietline.errors import ProtocolError


class Verdict(StrEnum):
    """A, B and C are the attestation levels of RFC 8588 §4; every other word means "unattested", and why."""

    FULL = "A"  # the carrier knows the customer and their right to the number
    PARTIAL = "B"  # it knows the customer, not their right to the number
    GATEWAY = "C"  # it knows where the call came in
    ABSENT = "absent"
    SEVERAL = "several"
    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    STALE = "stale"
    WRONG_ORIGIN = "wrong-origin"
    WRONG_DESTINATION = "wrong-destination"
    REPLAYED = "replayed"
    HOST_NOT_ALLOWED = "host-not-allowed"
    NO_CERTIFICATE = "no-certificate"
    CERTIFICATE_EXPIRED = "certificate-expired"
    UNKNOWN_ROOT = "unknown-root"
    BAD_SIGNATURE = "bad-signature"


ATTESTED: Final = frozenset({Verdict.FULL, Verdict.PARTIAL, Verdict.GATEWAY})


class Unattested(ProtocolError):
    """The header vouches for nothing. `verdict` says why; no text of the header is repeated."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"stir: {verdict.value}")
        self.verdict = verdict
