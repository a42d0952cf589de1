"""Sign-on by an identity provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636), state and nonce.

Pure: addresses, pending tries and the checks of an ID token. Nothing is believed but what the provider signed for us,
for this very try: issuer, audience, algorithm, nonce, times (§3.1.3.7). Who somebody is here is a link of issuer and
subject that an administrator set; an e-mail address in a token counts for nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from quietline.clock import Clock
from quietline.errors import ConfigError, Denied
from quietline.reasons import Why, denied

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "Ed25519")  # none that a shared secret could make
LEEWAY: Final = 60  # seconds that clocks may differ
TRY_SECONDS: Final = 300.0
REMEMBERED: Final = 10_000
MANY_FACTORS: Final = "mfa"  # RFC 8176 §2: the provider asked for more than one


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at the provider. `redirect`: where browsers come back to, as it is registered there."""

    issuer: str
    id: str
    redirect: str


@dataclass(frozen=True, slots=True)
class Try:
    """One way to the provider and back. `nonce` comes back inside the ID token, `verifier` shows that we began it."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    holder: str
    until: float  # monotonic seconds


@dataclass(frozen=True, slots=True)
class SignedOn:
    """What an ID token says that we believe. `at`: when the person proved it there, UTC seconds, 0 for not said."""

    subject: str = field(repr=False)
    many_factors: bool
    at: float


class UnknownKey(Denied):
    """The token names a key that is not in the set at hand: the provider may have a new one."""


class Tries:
    """Pending ones by state. Each is good once, for the browser that began it, for five minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Try] = OrderedDict()

    def begin(self, visit: str) -> tuple[str, Try]:
        """The state and what belongs to it. `visit`: the cookie of the browser that goes there."""
        state = secrets.token_urlsafe(32)
        until = self._clock.monotonic() + TRY_SECONDS
        begun = Try(secrets.token_urlsafe(32), secrets.token_urlsafe(48), _digest(visit), until)
        self._kept[state] = begun
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return state, begun

    def end(self, state: str, visit: str) -> Try:
        """For the last time. Raises Denied("proof-refused"): unknown, used, too late, or another browser's."""
        found = self._kept.pop(state, None)
        if found is None or self._clock.monotonic() >= found.until:
            raise denied(Why.PROOF_REFUSED)
        if not hmac.compare_digest(found.holder, _digest(visit)):
            raise denied(Why.PROOF_REFUSED)
        return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def address(endpoint: str, client: Client, state: str, begun: Try) -> str:
    """Where to send the browser (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
    challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect,
        "scope": "openid",  # no profile and no e-mail: who it is, and nothing of them
        "state": state,
        "nonce": begun.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"


def signed_on(token: str, keys: Mapping[str, Any], client: Client, nonce: str, now: float) -> SignedOn:
    """What this ID token says. `keys`: the provider's JSON Web Key Set; `now`: UTC seconds.

    Raises UnknownKey, Denied("proof-refused").
    """
    try:
        found = jwt.decode(token, lambda guest: _key(guest.headers(), keys), algorithms=list(ALGORITHMS))
        claims = jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=LEEWAY,
            iss={"essential": True, "value": client.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client.id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        claims.validate(found.claims)
        return _believed(found.claims, client)
    except Denied:
        raise
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise denied(Why.PROOF_REFUSED) from None


def _key(headers: Mapping[str, Any], keys: Mapping[str, Any]) -> Any:
    """The one that the token names; the only one where it names none."""
    known = [each for each in keys.get("keys", []) if isinstance(each, dict) and each.get("use", "sig") == "sig"]
    name = headers.get("kid")
    found = [each for each in known if each.get("kid") == name] if name else known
    if len(found) != 1:
        raise UnknownKey(Why.PROOF_REFUSED.value)
    return KeySet.import_key_set({"keys": found}).keys[0]


def _believed(claims: Mapping[str, Any], client: Client) -> SignedOn:
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client.id:
        raise denied(Why.PROOF_REFUSED)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise denied(Why.PROOF_REFUSED)
    at, ways = claims.get("auth_time", 0), claims.get("amr", [])
    return SignedOn(subject, isinstance(ways, list) and MANY_FACTORS in ways, float(at))


def require_https(url: str, what: str) -> str:
    """The address, if it may be asked. Raises ConfigError for one without encryption that is not this machine's."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        return url
    raise ConfigError(f"[oidc] {what}: use an https:// address")
