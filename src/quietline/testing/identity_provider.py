"""An identity provider on this machine: `async with IdentityProvider() as provider`. Real HTTP, keys of its own.

A FastAPI application behind uvicorn on a free port. `says` changes what its ID tokens claim, `rolls_over` its key.
Whoever asks for authorization is signed on as `subject` at once: there is no page.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Annotated, Any, Self
from urllib.parse import parse_qs, urlsplit

import uvicorn
from fastapi import FastAPI, Form, Header, HTTPException
from joserfc import jwt
from joserfc.jwk import ECKey

from quietline.testing.ports import free_ports


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class IdentityProvider:
    """`codes`: what was given out and not exchanged yet; `asked`: how often each document was fetched."""

    def __init__(self, subject: str = "sub-1001") -> None:
        self.subject = subject
        self.says: dict[str, Any] = {}
        self.algorithm = "ES256"
        self.down = False
        self.asked: dict[str, int] = {"metadata": 0, "keys": 0, "token": 0}
        self.codes: dict[str, dict[str, str]] = {}
        (self.port,) = free_ports(1)
        self.keys: list[ECKey] = []
        self.rolls_over()
        self._server = _Server(uvicorn.Config(self._routes(), "127.0.0.1", self.port, log_config=None))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rolls_over(self) -> None:
        """A new key signs from now on; the old one is gone."""
        self.keys = [ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})]

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._tasks.create_task(self._server.serve())
        for _ in range(1_000):
            if self._server.started:
                break
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        async with asyncio.timeout(10):
            await self._tasks.__aexit__(None, None, None)

    def signs_on(self, address: str) -> tuple[str, str]:
        """What a browser brings back from the authorization address: state and code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return asked["state"], code

    def token(self, asked: dict[str, str]) -> str:
        """An ID token for this authorization request (OpenID Connect Core §2)."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.says,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": self.algorithm, "kid": self.keys[0].kid}, kept, self.keys[0])

    # -- what it serves

    def _routes(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.get("/.well-known/openid-configuration")(self._metadata)
        app.get("/keys")(self._key_set)
        app.post("/token")(self._token)
        return app

    def _counted(self, what: str) -> None:
        self.asked[what] += 1
        if self.down:
            raise HTTPException(503)

    async def _metadata(self) -> dict[str, str]:
        self._counted("metadata")
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    async def _key_set(self) -> dict[str, Any]:
        self._counted("keys")
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    async def _token(
        self,
        code: Annotated[str, Form()],
        code_verifier: Annotated[str, Form()],
        redirect_uri: Annotated[str, Form()],
        authorization: Annotated[str, Header()] = "",
    ) -> dict[str, str]:
        """RFC 6749 §4.1.3 and RFC 7636 §4.6: the code once, from who began it."""
        self._counted("token")
        asked = self.codes.pop(code, None)
        digest = urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != digest or asked["redirect_uri"] != redirect_uri:
            raise HTTPException(400, "invalid_grant")
        return {"access_token": secrets.token_urlsafe(8), "token_type": "Bearer", "id_token": self.token(asked)}
