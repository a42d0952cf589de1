"""Junk at every door of a running product, during a live call: the call goes on, and a new one works."""

from __future__ import annotations

import asyncio
import pwd
import secrets
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from product_parts import Agent, Shop, hear_each_other, product

from quietline.errors import Unavailable
from quietline.testing.caller import Person, SimulatedCaller

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "rfc4475"
STRANGER = ("127.0.0.66", 0)  # a source of its own: a ban must hit the stranger and nobody else
NOBODY = pwd.getpwnam("nobody").pw_uid
ASKS_AS_NOBODY = """
import json, os, socket, struct, sys
os.setgroups([]); os.setgid({gid}); os.setuid({uid})
for path in sys.argv[1:]:
    for body in {bodies}:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1); s.connect(path); s.sendall(body)
                try: answer = s.recv(65536)
                except OSError: answer = b"(closed)"
                print(os.path.basename(path), answer[4:].decode("utf-8", "replace"), flush=True)
        except OSError as error:
            print(os.path.basename(path), type(error).__name__, flush=True)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def talk(shop: Shop) -> AsyncIterator[tuple[SimulatedCaller, Agent]]:
    """A live call before; after the test it still stands, no part has died, and a new call works."""
    lives = await shop.site.lives()
    async with shop.agent("mia") as mia, shop.agent("noor", ready=False) as noor, shop.caller() as caller:
        await shop.talk(caller, mia)
        await noor.desk.ready("sip")
        yield caller, mia
        await hear_each_other(caller, mia)
        assert (await mia.view())["state"] == "on_call"
        async with shop.caller(Person(shop.customer(1).phone)) as another:
            await shop.talk(another, noor)
        assert await shop.site.lives() == lives


def _torture() -> list[bytes]:
    return [path.read_bytes() for path in sorted(VECTORS.glob("*.dat"))]


async def _pour(shop: Shop, data: bytes) -> None:
    """One TLS connection to the public port, one message; what comes back is the edge's business."""
    try:
        port, tls = shop.site.config.edge.tls_port, shop.site.tls()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, local_addr=STRANGER)
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(0.3):
            await reader.read(4096)
    except (OSError, TimeoutError):
        return
    writer.close()


@pytest.mark.skipif(not VECTORS.is_dir(), reason="RFC 4475 messages are not in ../shared/vectors")
async def test_the_torture_messages_at_the_public_port(shop: Shop, talk: tuple[SimulatedCaller, Agent]) -> None:
    messages = _torture()
    assert len(messages) == 49
    for start in range(0, len(messages), 10):
        await asyncio.gather(*(_pour(shop, message) for message in messages[start : start + 10]))


async def test_random_bytes_at_the_public_ports(shop: Shop, talk: tuple[SimulatedCaller, Agent]) -> None:
    edge = shop.site.config.edge
    await asyncio.gather(*(_pour(shop, secrets.token_bytes(1 + secrets.randbelow(5_000))) for _ in range(10)))
    for port in (edge.tls_port, edge.trunk_port, edge.wss_port, shop.site.config.web.port):
        for _ in range(5):
            with closing(socket.create_connection(("127.0.0.1", port), 3, STRANGER)) as raw:
                raw.sendall(secrets.token_bytes(500))  # no TLS at all


async def test_junk_at_the_internal_ports(shop: Shop, talk: tuple[SimulatedCaller, Agent]) -> None:
    """From this machine, but not from the edge's or the relay's own sockets."""
    config = shop.site.config
    doors = (config.edge.internal_port, config.controller.sip_port, config.relay.ng_port, config.relay.digits_port)
    bye = b"BYE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKx\r\nCall-ID: x\r\n\r\n"
    digit = b'{"callid":"x","source_tag":"C","type":"DTMF","event":1}'
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as sender:
        for door in doors:
            for data in (*_torture(), bye, digit, b"", b"1 d7:command", *map(secrets.token_bytes, [1_200] * 50)):
                sender.sendto(data[:60_000], ("127.0.0.1", door))
            await asyncio.sleep(0.05)


def _frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


async def test_another_user_gets_nothing_from_the_sockets(shop: Shop, talk: tuple[SimulatedCaller, Agent]) -> None:
    paths = shop.site.config.paths
    asked = [
        _frame(b'{"id":1,"op":"staff"}'),
        _frame(b'{"id":1,"op":"floor"}'),
        _frame(b'{"id":1,"op":"stop"}'),
        _frame(b'{"id":1,"op":"fault","part":"x","code":1}'),
        _frame(b"[" * 10_000),
        b"\xff\xff\xff\xff" + secrets.token_bytes(64),
        secrets.token_bytes(3_000),
    ]
    program = ASKS_AS_NOBODY.format(uid=NOBODY, gid=pwd.getpwnam("nobody").pw_gid, bodies=asked)
    sockets = (paths.vault_socket, paths.controller_socket, paths.supervisor_socket)
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", program, *map(str, sockets)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == len(asked) * len(sockets), ran
    assert not any('"ok"' in line for line in lines), ran.stdout
    assert sum("PermissionError" in line for line in lines) >= len(asked)  # supervisor.sock is root's alone
    assert sum("wrong-user" in line or "denied" in line for line in lines) >= 2


async def test_four_hundred_connections_that_say_nothing(shop: Shop, talk: tuple[SimulatedCaller, Agent]) -> None:
    """Idle connections to the desk and to the controller's socket; those who work go on."""
    port = shop.site.config.web.port
    idle = [socket.create_connection(("127.0.0.1", port), timeout=3) for _ in range(200)]
    for _ in range(200):
        quiet = socket.socket(socket.AF_UNIX)
        quiet.connect(str(shop.site.config.paths.controller_socket))
        idle.append(quiet)
    try:
        async with asyncio.timeout(10):
            assert (await shop.floor())["agents"]["on_call"] == 1
    except Unavailable as error:
        raise AssertionError("the controller's socket is full of silence") from error
    finally:
        for each in idle:
            each.close()
