"""Asking the edge over its datagram socket: several at once, each its own answer, whatever else comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import EdgeUnavailable
from quietline.telephony.edge_rpc import EdgeRpc, RpcFault

Answering = Callable[[dict[str, Any]], list[bytes]]


def result(asked: dict[str, Any], value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": value}).encode()


class FakeEdge:
    """Kamailio's end of the socket. `answers` says what comes back for each request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.answers: Answering = lambda asked: [result(asked, asked["params"])]
        self.open()

    def open(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(self.path))

    def close(self) -> None:
        self.socket.close()
        self.path.unlink()

    async def serve(self, count: int) -> None:
        """Take so many requests, then answer them, last first."""
        taken = [await asyncio.get_running_loop().sock_recvfrom(self.socket, 65_536) for _ in range(count)]
        for raw, sender in reversed(taken):
            self.asked.append(json.loads(raw))
            for answer in self.answers(self.asked[-1]):
                self.socket.sendto(answer, sender)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[FakeEdge]:
    made = FakeEdge(tmp_path / "rpc.sock")
    yield made
    made.socket.close()


@pytest.fixture
def rpc(edge: FakeEdge) -> EdgeRpc:
    return EdgeRpc(edge.path, wait=2.0)


async def test_many_at_once_get_each_their_own(edge: FakeEdge, rpc: EdgeRpc) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.serve(8))
        asked = [group.create_task(rpc.call("echo", str(number))) for number in range(8)]
    assert [task.result() for task in asked] == [[str(number)] for number in range(8)]
    rpc.close()


async def test_a_fault_is_the_one_who_asked(edge: FakeEdge, rpc: EdgeRpc) -> None:
    edge.answers = lambda asked: [json.dumps({"id": asked["id"], "error": {"code": 404}}).encode()]
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.serve(1))
        with pytest.raises(RpcFault) as fault:
            await rpc.call("ul.lookup", "location", "ag_1")
    assert fault.value.code == 404
    rpc.close()


@pytest.mark.parametrize(
    "noise", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"id": 99}', b'{"result": 1}', b'{"id": []}']
)
async def test_nonsense_before_the_answer_is_passed_over(edge: FakeEdge, rpc: EdgeRpc, noise: bytes) -> None:
    edge.answers = lambda asked: [noise, result(asked, "right")]
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.serve(1))
        assert await rpc.call("core.version") == "right"
    rpc.close()


async def test_words_that_are_no_utf8_do_not_hide_a_dialog(edge: FakeEdge, rpc: EdgeRpc) -> None:
    edge.answers = lambda asked: [result(asked, "Zo\u00eb").replace(b"\\u00eb", b"\xeb")]
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.serve(1))
        assert await rpc.call("dlg.dlg_list", "ci", "ft") == "Zo\ufffd"
    rpc.close()


async def test_a_restarted_edge_is_asked_on_its_new_socket(edge: FakeEdge, rpc: EdgeRpc) -> None:
    for life in range(2):
        async with asyncio.TaskGroup() as group:
            group.create_task(edge.serve(1))
            assert await rpc.call("echo", str(life)) == [str(life)]
        edge.close()
        edge.open()
    rpc.close()


async def test_closing_tells_who_waits(edge: FakeEdge) -> None:
    rpc = EdgeRpc(edge.path, wait=60.0)
    asked = [asyncio.ensure_future(rpc.call("echo", str(number))) for number in range(3)]
    while len(rpc._waiting) < 3:
        await asyncio.sleep(0)
    rpc.close()
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, EdgeUnavailable)
    assert rpc._waiting == {}


async def test_a_full_queue_is_waited_for(edge: FakeEdge) -> None:
    """unix(7): a datagram to a socket whose queue is full is refused with EAGAIN on a non-blocking one."""
    rpc = EdgeRpc(edge.path, wait=30.0)
    many = 700  # more than net.unix.max_dgram_qlen, which is 512 or less
    asked = [asyncio.ensure_future(rpc.call("echo", str(number))) for number in range(many)]
    await asyncio.sleep(0.01)
    await edge_serves(edge, many)
    assert [await each for each in asked] == [[str(number)] for number in range(many)]
    rpc.close()


async def edge_serves(edge: FakeEdge, count: int) -> None:
    for _ in range(count):
        await edge.serve(1)
