"""The network laboratory: two namespaces that see the host and not each other, and that leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest

from quietline.testing.namespaces import CommandFailed, NetworkLab, Space

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]


@pytest.fixture
async def lab() -> AsyncIterator[NetworkLab]:
    async with NetworkLab() as running:
        yield running


def _udp(make: Callable[[int, int], socket.socket], host: str) -> socket.socket:
    sock = make(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


async def _crosses(sender: socket.socket, receiver: socket.socket, target: tuple[str, int] | None = None) -> str:
    """Where a datagram arrived from; "" when it did not arrive within half a second."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendto(sender, b"hello", target or receiver.getsockname())
        async with asyncio.timeout(0.5):
            return str((await loop.sock_recvfrom(receiver, 100))[1][0])
    except (TimeoutError, OSError):
        return ""


async def test_a_socket_made_inside_reaches_the_host_and_nobody_else(lab: NetworkLab) -> None:
    with (
        _udp(lab.caller.socket, lab.caller.address) as caller,
        _udp(lab.agent.socket, lab.agent.address) as agent,
        _udp(socket.socket, lab.caller.gateway) as near,
        _udp(socket.socket, lab.agent.gateway) as far,
        _udp(socket.socket, "127.0.0.1") as loopback,
    ):
        assert await _crosses(caller, near) == lab.caller.address
        assert await _crosses(near, caller) == lab.caller.gateway
        assert await _crosses(caller, agent) == ""
        assert await _crosses(caller, far) == ""
        assert await _crosses(caller, loopback) == ""


async def test_a_namespace_has_one_route_and_no_default(lab: NetworkLab) -> None:
    routes = (await lab.caller.run(["ip", "route"])).out.splitlines()
    assert len(routes) == 1
    assert routes[0].startswith(lab.caller.gateway.rsplit(".", 1)[0])
    assert "/30" in routes[0]


async def test_commands_run_inside(lab: NetworkLab) -> None:
    ran = await lab.agent.run(["ip", "-br", "address"])
    assert lab.agent.address in ran.out
    assert lab.caller.address not in ran.out
    assert (await lab.agent.run(["sh", "-c", "cat; exit 3"], given="said")).code == 3
    with pytest.raises(TimeoutError):
        await lab.agent.run(["sleep", "30"], within=0.1)


async def test_the_event_loop_stays_outside(lab: NetworkLab) -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    lab.caller.socket().close()
    assert os.readlink("/proc/thread-self/ns/net") == before


async def test_udp_can_be_blocked_and_allowed_again(lab: NetworkLab) -> None:
    await lab.caller.block_udp()
    with (
        _udp(lab.caller.socket, lab.caller.address) as caller,
        _udp(socket.socket, lab.caller.gateway) as near,
        socket.create_server((lab.caller.gateway, 0)) as server,
    ):
        assert await _crosses(caller, near) == ""
        assert await _crosses(near, caller) == ""
        with lab.caller.socket() as stream:
            stream.connect(server.getsockname())  # TCP still passes
        await lab.caller.allow_udp()
        assert await _crosses(caller, near) == lab.caller.address
    with pytest.raises(CommandFailed, match="nft delete"):
        await lab.caller.allow_udp()


async def test_behind_masquerade_the_router_stands_for_the_home(lab: NetworkLab) -> None:
    home = await lab.behind(lab.agent)
    with _udp(home.socket, home.address) as inside, _udp(socket.socket, lab.agent.gateway) as host:
        assert await _crosses(inside, host) == lab.agent.address
        assert await _crosses(host, inside) == ""


def _left_behind(spaces: list[Space]) -> list[str]:
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return [space.name for space in spaces if space.name in names or space.name in links]


async def _breaks_down(spaces: list[Space]) -> None:
    async with NetworkLab() as lab:
        spaces += [lab.caller, lab.agent, await lab.behind(lab.agent)]
        assert len(_left_behind(spaces)) == 3
        raise ZeroDivisionError


async def test_nothing_is_left_behind_even_after_an_error() -> None:
    spaces: list[Space] = []
    with pytest.raises(ZeroDivisionError):
        await _breaks_down(spaces)
    assert _left_behind(spaces) == []


async def test_two_laboratories_do_not_meet() -> None:
    async with NetworkLab() as one, NetworkLab() as two:
        spaces: list[Space] = [one.caller, one.agent, two.caller, two.agent]
        assert len({space.name for space in spaces}) == 4
        assert len({space.address for space in spaces}) == 4
