"""The code gateway: what goes over the wire, and what counts as refused."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from quietline.errors import ConfigError, Unavailable
from quietline.sealed import Sealed, Ticket
from quietline.vault.gateway import HttpGateway

T = Ticket("vault", "code", 7)
TO, TEXT = Sealed("+442079460001"), Sealed("Your code is 123456.")


class Gateway:
    """Answers as told and keeps what it got."""

    def __init__(self, status: int = 202) -> None:
        self.status = status
        self.got: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        return httpx.Response(self.status)


def channel(gateway: object, token_file: Path) -> HttpGateway:
    transport = httpx.MockTransport(gateway)  # type: ignore[arg-type]
    return HttpGateway("https://gateway.example/messages", token_file, transport)


async def test_it_posts_number_and_text_with_the_token(tmp_path: Path) -> None:
    (tmp_path / "gateway.token").write_text("s3cret\n")
    gateway = Gateway()
    sender = channel(gateway, tmp_path / "gateway.token")
    await sender.send(TO, TEXT, T)
    await sender.close()
    (request,) = gateway.got
    assert request.method == "POST"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert json.loads(request.content) == {"to": "+442079460001", "text": "Your code is 123456."}
    assert "7946" not in str(request.url)


async def test_without_a_token_file_there_is_no_header(tmp_path: Path) -> None:
    gateway = Gateway()
    sender = channel(gateway, tmp_path / "none")
    await sender.send(TO, TEXT, T)
    await sender.close()
    assert "authorization" not in gateway.got[0].headers


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 503])
async def test_anything_but_2xx_is_a_refusal_that_names_nobody(tmp_path: Path, status: int) -> None:
    sender = channel(Gateway(status), tmp_path / "none")
    with pytest.raises(Unavailable, match=str(status)) as error:
        await sender.send(TO, TEXT, T)
    await sender.close()
    assert "7946" not in str(error.value)


@pytest.mark.parametrize("fault", [httpx.ConnectError("to +442079460001"), httpx.ReadTimeout("late")])
async def test_a_gateway_that_is_away_is_unavailable(tmp_path: Path, fault: Exception) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise fault

    sender = channel(broken, tmp_path / "none")
    with pytest.raises(Unavailable) as error:
        await sender.send(TO, TEXT, T)
    await sender.close()
    assert "7946" not in str(error.value)


def test_cleartext_only_to_this_machine(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="https"):
        HttpGateway("http://gateway.example/", tmp_path / "none")
    HttpGateway("http://127.0.0.1:8080/", tmp_path / "none")
