"""One-time codes over HTTP: the code channel's adapter for any SMS gateway that takes JSON.

`POST <url>` with `{"to": "+44…", "text": "…"}` and, if there is one, a bearer token; any 2xx means accepted.
"""

from __future__ import annotations

from pathlib import Path

import httpx

from quietline.errors import ConfigError, Unavailable
from quietline.sealed import Sealed, Ticket

SEND_SECONDS = 5.0  # for the whole exchange; the caller is waiting on the line


class HttpGateway:
    """See `ports.CodeChannel`. `token_file` is read once; the gateway must be https unless it is this machine."""

    def __init__(self, url: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = httpx.URL(url)
        if self._url.scheme != "https" and self._url.host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigError("[vault] code_gateway: use an https:// address; codes and numbers travel over it")
        token = token_file.read_text().strip() if token_file.exists() else ""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=SEND_SECONDS, transport=transport, trust_env=False)

    async def send(self, to: Sealed[str], text: Sealed[str], ticket: Ticket) -> None:
        message = {"to": to.open(ticket), "text": text.open(ticket)}
        try:
            answer = await self._client.post(self._url, json=message)
        except httpx.HTTPError as error:
            raise Unavailable(f"code gateway: {type(error).__name__}") from None
        if not answer.is_success:
            raise Unavailable(f"code gateway: answered {answer.status_code}")

    async def close(self) -> None:
        await self._client.aclose()
