"""SRTP for the far side: libsrtp behind types, with SDES keys (RFC 4568) as they stand in SDP."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from pylibsrtp import Error, Policy, Session

from quietline.errors import ProtocolError

AES_CM = "AES_CM_128_HMAC_SHA1_80"  # RFC 4568 §6.2
AES_GCM = "AEAD_AES_256_GCM"  # RFC 7714 §12
_PROFILE = {AES_CM: Policy.SRTP_PROFILE_AES128_CM_SHA1_80, AES_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM}
KEY_BYTES = {AES_CM: 16 + 14, AES_GCM: 32 + 12}  # master key and salt


@dataclass(frozen=True, slots=True)
class Crypto:
    """A suite and its master key with salt. The key does not show in `repr`."""

    suite: str
    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls, suite: str = AES_CM) -> Crypto:
        return cls(suite, secrets.token_bytes(KEY_BYTES[suite]))

    @classmethod
    def from_attribute(cls, value: str) -> tuple[int, Crypto]:
        """Tag and key of `a=crypto:`'s value. Raises ProtocolError for a suite we lack or a key of the wrong length."""
        tag, suite, parameters = [*value.split(), "", ""][:3]
        inline = parameters.removeprefix("inline:").partition("|")[0]
        if suite not in KEY_BYTES or not tag.isdigit():
            raise ProtocolError("a=crypto: no tag, or a suite the simulated phone does not have")
        key = base64.b64decode(inline + "=" * (-len(inline) % 4))
        if len(key) != KEY_BYTES[suite]:
            raise ProtocolError(f"a=crypto: {suite} needs {KEY_BYTES[suite]} bytes of key and salt, got {len(key)}")
        return int(tag), cls(suite, key)

    def attribute(self, tag: int) -> str:
        return f"a=crypto:{tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


class SrtpDirection:
    """One direction's session. Raises `AuthenticationFailure` or `Replayed` (both ProtocolError) on what it refuses."""

    def __init__(self, crypto: Crypto, *, inbound: bool) -> None:
        kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
        policy = Policy(key=crypto.key, ssrc_type=kind, srtp_profile=_PROFILE[crypto.suite])
        self._session = Session(policy=policy)

    def protect(self, packet: bytes, *, rtcp: bool = False) -> bytes:
        return bytes(self._session.protect_rtcp(packet) if rtcp else self._session.protect(packet))

    def unprotect(self, packet: bytes, *, rtcp: bool = False) -> bytes:
        try:
            return bytes(self._session.unprotect_rtcp(packet) if rtcp else self._session.unprotect(packet))
        except Error as error:
            raise (Replayed if "replay" in str(error) else AuthenticationFailure)(str(error)) from None


class AuthenticationFailure(ProtocolError):
    """The packet was not made with the key we hold, or was changed."""


class Replayed(ProtocolError):
    """The packet's index was seen before (RFC 3711 §3.3.2)."""
