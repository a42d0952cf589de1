"""Passkeys (WebAuthn Level 3), by the `webauthn` package: options for the browser, and the check of what comes back.

The credential must be discoverable and the person verified (PIN, finger, face), so a passkey alone is two factors. No
login is asked for, so nothing tells whether there is such an account. The signature counter must grow where there is
one (§6.1.1): a copy that falls behind is refused. Nothing here blocks or keeps anything but challenges.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import webauthn
from cryptography.exceptions import InvalidSignature
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from quietline.access.factors import Passkey
from quietline.clock import Clock
from quietline.reasons import Why, denied

CHALLENGE_SECONDS: Final = 300.0
REMEMBERED: Final = 10_000
LONGEST: Final = 8_192  # characters of a browser's answer

# What a made-up answer makes the package raise; each is one refusal.
_BROKEN: Final = (
    WebAuthnException,
    InvalidSignature,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class Party:
    """Who we are toward browsers. `id`: our host name (RP ID); `origins`: where our pages come from."""

    id: str
    origins: tuple[str, ...]
    name: str = "Quietline"


class Challenges:
    """Random values that are good once, for whom they were made, for five minutes. Pure but for its clock."""

    def __init__(self, clock: Clock, seconds: float = CHALLENGE_SECONDS, remembered: int = REMEMBERED) -> None:
        self._clock, self._seconds, self._remembered = clock, seconds, remembered
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def make(self, purpose: str, holder: str) -> bytes:
        """32 random bytes in place of the earlier ones of this holder. `holder`: a session's digest, or a visit."""
        value, key = secrets.token_bytes(32), _key(purpose, holder)
        self._kept.pop(key, None)
        self._kept[key] = (value, self._clock.monotonic() + self._seconds)
        while len(self._kept) > self._remembered:
            self._kept.popitem(last=False)
        return value

    def take(self, purpose: str, holder: str) -> bytes:
        """The value, for the last time. Raises Denied("proof-refused") where there is none, or no more."""
        value, until = self._kept.pop(_key(purpose, holder), (b"", 0.0))
        if not value or self._clock.monotonic() >= until:
            raise denied(Why.PROOF_REFUSED)
        return value


def _key(purpose: str, holder: str) -> str:
    return hashlib.sha256(f"{purpose}\0{holder}".encode()).hexdigest()


def registration(party: Party, agent: str, name: str, held: Iterable[Passkey], challenge: bytes) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON. The user handle is the agent's token, which tells nothing of them."""
    made = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=agent.encode(),
        user_name=name,
        user_display_name=name,
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * 1_000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(held),
    )
    return dict(json.loads(webauthn.options_to_json(made)))


def request(party: Party, held: Iterable[Passkey], challenge: bytes) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON; without `held` the browser offers what it has for us."""
    made = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * 1_000),
        allow_credentials=_descriptors(held),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(json.loads(webauthn.options_to_json(made)))


def registered(party: Party, answer: str, challenge: bytes, label: str, now: float) -> Passkey:
    """The new passkey. `answer`: RegistrationResponseJSON. Raises Denied("proof-refused")."""
    try:
        found = webauthn.verify_registration_response(
            credential=_short(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    except _BROKEN:
        raise denied(Why.PROOF_REFUSED) from None
    name = bytes_to_base64url(found.credential_id)
    return Passkey(name, found.credential_public_key, found.sign_count, label, now)


def holder(answer: str) -> tuple[str, str]:
    """The agent's token (user handle) and the passkey's id that an AuthenticationResponseJSON names; not checked yet.

    Raises Denied("proof-refused").
    """
    try:
        raw = json.loads(_short(answer))
        return base64url_to_bytes(raw["response"]["userHandle"]).decode(), str(raw["id"])
    except _BROKEN:
        raise denied(Why.PROOF_REFUSED) from None


def used(party: Party, answer: str, challenge: bytes, key: Passkey, now: float) -> Passkey:
    """The passkey after this use. Raises Denied("proof-refused"): another challenge, place or key, an older counter."""
    try:
        found = webauthn.verify_authentication_response(
            credential=_short(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=key.key,
            credential_current_sign_count=key.count,
            require_user_verification=True,
        )
    except _BROKEN:
        raise denied(Why.PROOF_REFUSED) from None
    if bytes_to_base64url(found.credential_id) != key.id:
        raise denied(Why.PROOF_REFUSED)
    return replace(key, count=found.new_sign_count, used=now)


def _short(answer: str) -> str:
    if len(answer) > LONGEST:
        raise ValueError("longer than any browser's answer")
    return answer


def _descriptors(held: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.id)) for each in held]
