"""The edge on other addresses and as other users: IPv6, behind NAT, its own user id, limits of the whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import ssl
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.config import Users
from quietline.telephony.certificates import ensure_certificates
from quietline.telephony.edge import edge_command, edge_folder, rpc_socket, write_edge
from quietline.testing.edge_kit import RealEdge, edge_config, real_edge
from quietline.testing.sip_wire import SDP, Request, StreamPeer, sign_in

pytestmark = [pytest.mark.real]


async def test_a_call_over_ipv6(tmp_path: Path) -> None:
    async with real_edge(tmp_path, addresses=("127.0.0.1", "::1")) as edge:
        phone = await StreamPeer().open("::1", edge.config.edge.tls_port, edge.tls)
        request = Request(body=SDP)
        await phone.send(request.text(phone))
        answered = await phone.final()
        assert answered.code == 200
        await phone.send(request.within(answered, "ACK", 1).text(phone))
        await phone.send(request.within(answered, "BYE").text(phone))
        assert (await phone.final()).code == 200
        trunk = await StreamPeer().open("::1", edge.config.edge.tls_port, edge.tls, name="::1")
        await asyncio.gather(phone.close(), trunk.close())


async def test_behind_nat_the_public_address_is_told(tmp_path: Path) -> None:
    async with real_edge(tmp_path, advertised="198.51.100.7") as edge:
        phone = await edge.phone()
        await phone.send(Request(body=SDP).text(phone))
        answered = await phone.final()
        assert f"198.51.100.7:{edge.config.edge.tls_port}" in answered.get("record-route") + answered.raw
        assert "127.0.0.1:" + str(edge.config.edge.tls_port) not in answered.raw
        await StreamPeer().open("127.0.0.1", edge.config.edge.tls_port, edge.tls, name="198.51.100.7")


async def test_the_whole_edge_takes_so_many_calls_a_second(tmp_path: Path) -> None:
    async with real_edge(tmp_path, invites_per_second=3) as edge:
        edge.controller.code = 486
        phone = await edge.phone("127.0.0.17")
        for _ in range(20):
            await phone.send(Request(body=SDP).text(phone))
        codes = [(await phone.final()).code for _ in range(20)]
        assert {486, 503} == set(codes)


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    edge = RealEdge(edge_config(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", edge.config.edge.tls_port))
        taken.listen()
        ensure_certificates(edge.config)
        write_edge(edge.config, edge.leg_key)
        process = await asyncio.create_subprocess_exec(
            *edge_command(edge.config), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode != 0
    assert str(edge.config.edge.tls_port).encode() in output


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="quietline-edge-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _have_users() -> bool:
    with contextlib.suppress(KeyError):
        return os.geteuid() == 0 and bool([pwd.getpwnam(f"quietline-{name}") for name in ("vault", "edge", "call")])
    return False


@pytest.mark.skipif(not _have_users(), reason="needs root and the users that `make setup` creates")
async def test_under_its_own_user_and_for_the_vaults_group_only(open_folder: Path) -> None:
    config = replace(edge_config(open_folder), users=Users())
    ensure_certificates(config)
    write_edge(config, bytes(range(32)))
    log = open_folder / "log.txt"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *edge_command(config),
            stdout=file,
            stderr=file,
            user="quietline-edge",
            group="quietline-edge",
            extra_groups=[],
        )
    try:
        async with asyncio.timeout(10):
            while not rpc_socket(config).exists():
                await asyncio.sleep(0.1)
        assert await asked_by("quietline-vault", config.paths.run) == "edge"
        assert open_files(process.pid) >= config.edge.max_connections
        assert await asked_by("quietline-call", config.paths.run) == "EdgeUnavailable"
        assert await asked_by("quietline-web", config.paths.run) == "EdgeUnavailable"
        for user in ("quietline-call", "quietline-vault"):
            assert not await reads(user, edge_folder(config) / "kamailio.cfg")
            assert not await reads(user, config.paths.state / "ca" / "edge.key")
        assert stat.S_IMODE((config.paths.state / "ca" / "ca.key").stat().st_mode) == 0o400
        assert (config.paths.state / "ca" / "ca.key").stat().st_uid == 0
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


def open_files(pid: int) -> int:
    """The soft limit of open files of a process."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Max open files")).split()[3])


ASK = """
import asyncio, sys
from pathlib import Path
from quietline.errors import EdgeUnavailable
from quietline.telephony.edge_rpc import EdgeRpc
rpc = EdgeRpc(Path(sys.argv[1]))
try:
    print("edge" if asyncio.run(rpc.instance()) else "")
except EdgeUnavailable:
    print("EdgeUnavailable")
rpc.close()
"""


async def run_as(user: str, *command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, user=user, group=user, extra_groups=[], cwd="/"
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, output.decode().strip()


async def asked_by(user: str, run: Path) -> str:
    return (await run_as(user, sys.executable, "-c", ASK, str(run / "edge" / "rpc.sock")))[1]


async def reads(user: str, path: Path) -> bool:
    return (await run_as(user, "/usr/bin/test", "-r", str(path)))[0] == 0


async def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    async with real_edge(tmp_path) as edge:
        before = await peer_certificate(edge)
        (edge.config.paths.state / "ca" / "edge.pem").unlink()
        ensure_certificates(edge.config)
        await edge.rpc.reload_certificates()
        assert await peer_certificate(edge) != before
        assert [m.code for m in await sign_in(await edge.phone(), "ag_x", "x")] == [503]


async def peer_certificate(edge: RealEdge) -> bytes:
    phone = await edge.phone()
    tls = phone.writer.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    found = tls.getpeercert(binary_form=True)
    assert found
    return found
