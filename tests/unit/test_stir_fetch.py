"""Fetching a signer's certificate: the address is a stranger's, the bounds are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from quietline.stir.fetch import FAILED_SECONDS, KEPT_SECONDS, MAX_CERTIFICATE_BYTES, MAX_KEPT, HttpCertificates
from quietline.stir.verdict import Unattested

GOOD = "https://cr.example/a.pem"


class Web:
    """The other side, and a clock."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 0.0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, content=b"PEM")

    async def respond(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        return self.answer()

    def source(self, *hosts: str, seconds: float = 2.0) -> HttpCertificates:
        transport = httpx.MockTransport(self.respond)
        return HttpCertificates(hosts or ("cr.example",), seconds, lambda: self.now, transport)


async def refused(source: HttpCertificates, url: str) -> str:
    with pytest.raises(Unattested) as error:
        await source.fetch(url)
    return error.value.verdict.value


@pytest.mark.parametrize(
    "url",
    [
        "http://cr.example/a.pem",
        "https://other.example/a.pem",
        "https://cr.example.evil.example/a.pem",
        "https://evil.example/https://cr.example/a.pem",
        "https://cr.example@evil.example/a.pem",
        "https://user@cr.example/a.pem",
        "https://cr.example:8443/a.pem",
        "https://cr.example/a.pem#x",
        "https://127.0.0.1/a.pem",
        "https://[::1]/a.pem",
        "file:///etc/passwd",
        "https://cr.example/" + "a" * 300,
        "https://cr.example:port/",
        "",
    ],
)
async def test_only_https_to_a_named_host(url: str) -> None:
    web = Web()
    assert await refused(web.source(), url) == "host-not-allowed"
    assert web.asked == []


async def test_a_port_may_be_named_with_its_host() -> None:
    web = Web()
    assert await web.source("CR.example:8443").fetch("https://cr.example:8443/a.pem") == b"PEM"


async def test_kept_for_an_hour() -> None:
    web = Web()
    source = web.source()
    for web.now in (0.0, KEPT_SECONDS - 1):
        assert await source.fetch(GOOD) == b"PEM"
    assert len(web.asked) == 1
    web.now = KEPT_SECONDS
    await source.fetch(GOOD)
    assert len(web.asked) == 2


async def test_a_failure_is_not_asked_for_again_at_once() -> None:
    web = Web()
    web.answer = lambda: httpx.Response(500)
    source = web.source()
    for web.now in (0.0, FAILED_SECONDS - 1):
        assert await refused(source, GOOD) == "no-certificate"
    assert len(web.asked) == 1
    web.now, web.answer = FAILED_SECONDS, lambda: httpx.Response(200, content=b"PEM")
    assert await source.fetch(GOOD) == b"PEM"


@pytest.mark.parametrize("status", [204, 301, 302, 404, 500])
async def test_nothing_but_200_and_no_redirect_is_followed(status: int) -> None:
    web = Web()
    web.answer = lambda: httpx.Response(status, headers={"location": "https://evil.example/"})
    assert await refused(web.source(), GOOD) == "no-certificate"
    assert web.asked == [GOOD]


@pytest.mark.parametrize(("size", "fits"), [(MAX_CERTIFICATE_BYTES, True), (MAX_CERTIFICATE_BYTES + 1, False)])
async def test_no_more_than_so_many_bytes(size: int, fits: bool) -> None:
    web = Web()
    web.answer = lambda: httpx.Response(200, content=b"x" * size)
    if fits:
        assert len(await web.source().fetch(GOOD)) == size
    else:
        assert await refused(web.source(), GOOD) == "no-certificate"


async def test_a_host_that_never_answers_is_given_up() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    source = HttpCertificates(("cr.example",), 0.05, lambda: 0.0, httpx.MockTransport(never))
    async with asyncio.timeout(5):
        assert await refused(source, GOOD) == "no-certificate"


async def test_a_broken_connection_is_no_certificate() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    source = HttpCertificates(("cr.example",), 1.0, lambda: 0.0, httpx.MockTransport(broken))
    assert await refused(source, GOOD) == "no-certificate"
    await source.close()


async def test_what_is_kept_is_bounded() -> None:
    source = Web().source()
    for each in range(MAX_KEPT + 5):
        await source.fetch(f"https://cr.example/{each}.pem")
    assert len(source._kept) == MAX_KEPT
