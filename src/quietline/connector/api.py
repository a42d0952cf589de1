"""The shop's REST API v3, over HTTPS with a read-only key. Every answer is bounded in time and size."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from quietline.errors import ConfigError, ProtocolError, Unavailable

ANSWER_SECONDS = 20.0
MAX_ANSWER = 32 * 1024 * 1024  # bytes; 100 orders are about 0.5 MB
PER_PAGE = 100  # the API's own limit
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SlowDown(Unavailable):
    """The shop says 429 or 503 with Retry-After. `seconds`: how long to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"shop: asks us to wait {seconds:.0f} s")
        self.seconds = seconds


class ShopApi:
    """`url`: the shop's address. Raises ConfigError for one that is not https, unless it is this machine."""

    def __init__(self, url: str, key: tuple[str, str], transport: httpx.AsyncBaseTransport | None = None) -> None:
        base = httpx.URL(url)
        if base.scheme != "https" and base.host not in LOOPBACK:
            raise ConfigError("[shop] url: use https://; the key and customers' data travel over it")
        self._client = httpx.AsyncClient(
            base_url=base.copy_with(path=f"{base.path.rstrip('/')}/wp-json/wc/v3/"),
            auth=httpx.BasicAuth(*key),
            timeout=ANSWER_SECONDS,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def orders(self, modified_after: float, page: int = 1) -> list[Any]:
        """At most 100 orders modified after this time (UTC seconds), the longest ago first. Raises as `_get`."""
        after = datetime.fromtimestamp(modified_after, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        found = await self._get(
            "orders", modified_after=after, dates_are_gmt="true", orderby="modified", order="asc",
            per_page=str(PER_PAGE), page=str(page), status="any",
        )  # fmt: skip
        if not isinstance(found, list):
            raise ProtocolError("shop: orders: a list is needed")
        return found

    async def order(self, number: int) -> Any:
        """One order, None where the shop has none. Raises as `_get`."""
        return await self._get(f"orders/{number}")

    async def customer(self, number: int) -> Any:
        """One registered customer, None where the shop has none. Raises as `_get`."""
        return await self._get(f"customers/{number}")

    async def close(self) -> None:
        await self._client.aclose()

    async def _get(self, path: str, **query: str) -> Any:
        """The answer, None for 404. Raises SlowDown, Unavailable, ProtocolError (nonsense), ConfigError (our key)."""
        try:
            async with self._client.stream("GET", path, params=query) as answer:
                body = await _bounded(answer)
        except httpx.HTTPError as error:
            raise Unavailable(f"shop: {type(error).__name__}") from None
        if answer.status_code in (404, 410):
            return None
        if answer.status_code in (429, 503):
            raise SlowDown(_retry_after(answer.headers.get("retry-after", "")))
        if answer.status_code in (401, 403):
            raise ConfigError(f"[shop] key_file: the shop refuses this key ({answer.status_code}); give it read rights")
        if not answer.is_success:
            raise Unavailable(f"shop: answered {answer.status_code}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ProtocolError("shop: the answer is not JSON; is the REST API reached at [shop] url?") from None


async def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ProtocolError(f"shop: an answer longer than {MAX_ANSWER // 1024 // 1024} MiB")
    return bytes(body)


def _retry_after(text: str) -> float:
    """Seconds, from a number or a date (RFC 9110 §10.2.3), 1 to 3,600; 30 where nothing usable stands."""
    try:
        seconds = float(text) if text.strip().isdigit() else _until(text)
    except (ValueError, TypeError):
        return 30.0
    return min(max(seconds, 1.0), 3_600.0)


def _until(text: str) -> float:
    return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
