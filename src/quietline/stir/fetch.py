"""Where signers' certificates come from. The address stands in a header that anybody may send, so every bound is ours.

Only https, only hosts that the operator named, no redirect, no proxy from the environment, one try within a few
seconds, at most 16 KiB; what was fetched is kept for an hour and what failed for half a minute.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Protocol

import httpx

from quietline.stir.verdict import Unattested, Verdict

MAX_CERTIFICATE_BYTES = 16_384  # a chain of three P-256 certificates has about 3 KB
MAX_URL = 256  # characters
KEPT_SECONDS = 3_600.0
FAILED_SECONDS = 30.0
MAX_KEPT = 256  # addresses


class CertificateSource(Protocol):
    """The certificates at an address, PEM, leaf first."""

    async def fetch(self, url: str) -> bytes:
        """Raises Unattested(HOST_NOT_ALLOWED | NO_CERTIFICATE). Bounded in time and size."""


class HttpCertificates:
    """See `CertificateSource`. `hosts`: "name" or "name:port"; `seconds`: for one whole exchange; `now`: monotonic."""

    def __init__(
        self,
        hosts: Collection[str],
        seconds: float,
        now: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._seconds, self._now = seconds, now
        self._client = httpx.AsyncClient(timeout=seconds, transport=transport, trust_env=False, follow_redirects=False)
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()  # address -> good until, b"" for a failure

    async def fetch(self, url: str) -> bytes:
        address = self._allowed(url)
        until, found = self._kept.get(url, (0.0, b""))
        if self._now() >= until:
            found = await self._ask(address)
            self._keep(url, found)
        if not found:
            raise Unattested(Verdict.NO_CERTIFICATE)
        return found

    async def close(self) -> None:
        await self._client.aclose()

    def _allowed(self, url: str) -> httpx.URL:
        """RFC 8224 §4.1 asks for https. User names and fragments have no place in such an address."""
        try:
            address = httpx.URL(url if len(url) <= MAX_URL else "")
        except httpx.InvalidURL:
            raise Unattested(Verdict.HOST_NOT_ALLOWED) from None
        host = address.host.lower() + (f":{address.port}" if address.port else "")
        if address.scheme != "https" or host not in self._hosts or address.userinfo or address.fragment:
            raise Unattested(Verdict.HOST_NOT_ALLOWED)
        return address

    async def _ask(self, address: httpx.URL) -> bytes:
        """b"" for whatever is no answer in time and size."""
        found = b""
        try:
            async with asyncio.timeout(self._seconds), self._client.stream("GET", address) as answer:
                if answer.status_code != httpx.codes.OK:
                    return b""
                async for part in answer.aiter_bytes():
                    found += part
                    if len(found) > MAX_CERTIFICATE_BYTES:
                        return b""
        except (httpx.HTTPError, TimeoutError):
            return b""
        return found

    def _keep(self, url: str, found: bytes) -> None:
        self._kept[url] = (self._now() + (KEPT_SECONDS if found else FAILED_SECONDS), found)
        self._kept.move_to_end(url)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
