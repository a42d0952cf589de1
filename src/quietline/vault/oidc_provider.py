"""The identity provider over HTTP: its metadata and keys, and the exchange of a code for an ID token.

Bounded: five seconds, no redirects, 256 KiB. Metadata is kept for an hour; keys are asked for anew when a token names
one that is not known, at most every half minute, so that nobody can make us ask on.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final

import httpx

from quietline.access.oidc import Client, SignedOn, Try, UnknownKey, require_https, signed_on
from quietline.clock import Clock
from quietline.config import Oidc
from quietline.errors import ConfigError, Unavailable
from quietline.reasons import Why, denied

ASK_SECONDS: Final = 5.0
METADATA_SECONDS: Final = 3_600.0
KEYS_SECONDS: Final = 30.0
LONGEST: Final = 262_144  # bytes of one answer


class HttpProvider:
    """Raises Unavailable where the provider does not answer properly, ConfigError for settings that cannot be."""

    def __init__(self, settings: Oidc, client: Client, clock: Clock) -> None:
        self._issuer = require_https(settings.issuer, "issuer").rstrip("/")
        self.client, self._clock = client, clock
        self._secret = _secret(settings.client_secret_file)
        self._verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=settings.ca) if settings.ca else True
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    async def authorization_endpoint(self) -> str:
        return str((await self._known())["authorization_endpoint"])

    async def exchange(self, code: str, begun: Try, now: float) -> SignedOn:
        """Who came back with this code. Raises Denied("proof-refused"), Unavailable."""
        metadata = await self._known()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect,
            "code_verifier": begun.verifier,
            "client_id": self.client.id,
        }
        signed = httpx.BasicAuth(self.client.id, self._secret) if self._secret else None
        answer = await self._ask("POST", metadata["token_endpoint"], data=form, auth=signed)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise denied(Why.PROOF_REFUSED)
        try:
            return signed_on(token, await self._key_set(), self.client, begun.nonce, now)
        except UnknownKey:
            return signed_on(token, await self._key_set(anew=True), self.client, begun.nonce, now)

    async def _known(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0 §4: the issuer in it must be the one we asked."""
        now = self._clock.monotonic()
        if self._metadata is None or now - self._metadata[0] > METADATA_SECONDS:
            found = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._issuer:
                raise Unavailable("identity provider: its metadata names another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                require_https(str(found.get(name, "")), name)
            self._metadata = (now, found)
        return self._metadata[1]

    async def _key_set(self, anew: bool = False) -> dict[str, Any]:
        now = self._clock.monotonic()
        old = self._keys is None or now - self._keys[0] > (KEYS_SECONDS if anew else METADATA_SECONDS)
        if self._keys is None or old:
            self._keys = (now, await self._ask("GET", (await self._known())["jwks_uri"]))
        return self._keys[1]

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """A JSON object. What is refused as a request (4xx) is a refusal, all else no answer."""
        try:
            async with httpx.AsyncClient(
                timeout=ASK_SECONDS, follow_redirects=False, trust_env=False, verify=self._verify
            ) as http:
                answer = await http.request(method, url, headers={"Accept": "application/json"}, **more)
        except httpx.HTTPError as error:
            raise Unavailable(f"identity provider: {type(error).__name__}") from None
        if 400 <= answer.status_code < 500 and method == "POST":
            raise denied(Why.PROOF_REFUSED)
        if not answer.is_success or len(answer.content) > LONGEST:
            raise Unavailable(f"identity provider: answered {answer.status_code}")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unavailable("identity provider: answered something else than JSON")
        return found


def _secret(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip() if path else ""
    except OSError as error:
        raise ConfigError(f"[oidc] client_secret_file: cannot be read ({error.strerror})") from None
