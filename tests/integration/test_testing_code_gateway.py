"""The gateway that stands in for a text-message carrier, over real HTTP; and the vault's own client against it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from quietline.errors import ProtocolError, Unavailable
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.testing.code_gateway import CodeGateway
from quietline.vault.gateway import HttpGateway

NUMBER = "+447700900001"
TICKET = Ticket("vault", "code", SIGNALLING)


@pytest.fixture
async def gateway() -> AsyncIterator[CodeGateway]:
    async with CodeGateway() as running:
        yield running


async def _post(gateway: CodeGateway, body: object, token: str | None = None) -> int:
    headers = {"authorization": f"Bearer {gateway.token if token is None else token}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(gateway.url, json=body, headers=headers)).status_code


async def test_messages_are_read_by_number_each_once(gateway: CodeGateway) -> None:
    assert await _post(gateway, {"to": NUMBER, "text": "Your code is 123456."}) == 202
    assert await _post(gateway, {"to": NUMBER, "text": "Your code is 654321."}) == 202
    assert await _post(gateway, {"to": "+447700900002", "text": "another"}) == 202
    assert gateway.waiting(NUMBER) == 2
    assert await gateway.next_message(NUMBER) == "Your code is 123456."
    assert await gateway.next_code(NUMBER) == "654321"
    assert (gateway.waiting(NUMBER), gateway.taken) == (0, 3)


async def test_no_message_is_said_without_the_number(gateway: CodeGateway) -> None:
    with pytest.raises(ProtocolError) as caught:
        await gateway.next_message(NUMBER, within=0.05)
    assert NUMBER not in str(caught.value)


async def test_a_message_without_a_code_is_said(gateway: CodeGateway) -> None:
    await _post(gateway, {"to": NUMBER, "text": "order 1234567 is on its way"})
    with pytest.raises(ProtocolError, match="no six-digit code"):
        await gateway.next_code(NUMBER)


async def test_a_wrong_token_is_refused(gateway: CodeGateway) -> None:
    assert await _post(gateway, {"to": NUMBER, "text": "x"}, token="guess") == 401
    assert (gateway.waiting(NUMBER), gateway.refused) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"to": NUMBER},
        {"text": "x"},
        {"to": "020", "text": "x"},
        {"to": NUMBER, "text": ""},
        {"to": 1, "text": "x"},
    ],
)
async def test_what_is_no_message_is_refused(gateway: CodeGateway, body: object) -> None:
    assert await _post(gateway, body) == 400


async def test_a_body_that_is_too_long_or_no_json_is_refused(gateway: CodeGateway) -> None:
    assert await _post(gateway, {"to": NUMBER, "text": "x" * 5_000}) == 400
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(gateway.url, content=b"{", headers={"authorization": f"Bearer {gateway.token}"})
    assert answer.status_code == 400


async def test_the_vaults_client_reaches_it(gateway: CodeGateway, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(gateway.token)
    channel = HttpGateway(gateway.url, token)
    await channel.send(Sealed(NUMBER), Sealed("Your code is 112233"), TICKET)
    assert await gateway.next_code(NUMBER) == "112233"
    gateway.fails = True
    with pytest.raises(Unavailable, match="503"):
        await channel.send(Sealed(NUMBER), Sealed("Your code is 112233"), TICKET)
    await channel.close()


async def test_it_leaves_the_processs_signals_alone_and_frees_its_port() -> None:
    before = signal.getsignal(signal.SIGINT)
    async with CodeGateway() as gateway:
        assert signal.getsignal(signal.SIGINT) is before
        url = gateway.url
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(url)
