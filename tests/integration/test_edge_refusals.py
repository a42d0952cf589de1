"""Who is let in and who is not: sign-in, trunks, limits, bans, TLS, the WebSocket's origin, RPC. Real Kamailio."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.errors import EdgeUnavailable
from quietline.telephony.certificates import certificate_paths
from quietline.telephony.edge import EdgeRpc, edge_folder, rpc_socket
from quietline.testing.edge_kit import RealEdge, call, forget, real_edge
from quietline.testing.sip_wire import SDP, Message, Request, StreamPeer, ha1, sign_in

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    folder = Path(tmp_path_factory.mktemp("edge"))
    async with real_edge(folder, failed_sign_ins=5, origins=("https://desk.example:8444",)) as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="module")
async def edge(running: RealEdge) -> RealEdge:
    """The edge with two agents' credentials, an empty controller's inbox and no ban."""
    for agent in ("ag_1", "ag_2"):
        await running.rpc.put_credential(agent, ha1(agent, "secret"))
    await forget(running)
    return running


def codes(answers: list[Message]) -> list[int]:
    return [answer.code for answer in answers]


# ---- sign-in -------------------------------------------------------------------------------------


async def test_a_phone_signs_in_with_its_own_credential_only(edge: RealEdge) -> None:
    phone = await edge.phone()
    assert codes(await sign_in(phone, "ag_1", "wrong")) == [401, 401]
    assert codes(await sign_in(phone, "ag_1", "secret", aor="ag_2")) == [401, 401]
    assert not await edge.rpc.registered("ag_1")
    assert not await edge.rpc.registered("ag_2")
    assert codes(await sign_in(phone, "ag_1", "secret")) == [401, 200]
    assert await edge.rpc.registered("ag_1")
    assert codes(await sign_in(phone, "ag_1", "secret", expires=0)) == [401, 200]
    assert not await edge.rpc.registered("ag_1")


async def test_an_unknown_agent_is_asked_to_come_again_just_after_a_start(edge: RealEdge) -> None:
    (answered,) = await sign_in(await edge.phone(), "ag_nobody", "x")
    assert (answered.code, answered.get("retry-after")) == (503, "2")


@pytest.mark.parametrize("absent", ["<null>", "", "0", "None"])
async def test_an_absent_credential_is_no_password(edge: RealEdge, absent: str) -> None:
    await edge.rpc.call("htable.sets", "state", "started", "1")  # long ago: no grace any more
    answers = await sign_in(await edge.phone(), "ag_nobody", "x", digest=absent)
    assert codes(answers) == [401, 401]
    assert not await edge.rpc.registered("ag_nobody")


async def test_revoking_ends_sign_in_and_binding(edge: RealEdge) -> None:
    phone = await edge.browser()
    assert codes(await sign_in(phone, "ag_1", "secret")) == [401, 200]
    await edge.rpc.remove_credential("ag_1")
    assert not await edge.rpc.registered("ag_1")
    assert codes(await sign_in(phone, "ag_1", "secret"))[-1] != 200
    await edge.rpc.remove_credential("ag_1")  # once more is harmless


async def test_the_second_tab_takes_over(edge: RealEdge) -> None:
    old, new = await edge.browser(), await edge.browser()
    await sign_in(old, "ag_1", "secret")
    assert codes(await sign_in(new, "ag_1", "secret")) == [401, 200]
    found = await edge.rpc.call("ul.lookup", "location", "ag_1")
    assert len(found["Contacts"]) == 1
    offer = Request(uri="sip:ag_1@quietline.local", caller="<sip:anonymous@anonymous.invalid>", body=SDP)
    await edge.controller.send(offer.text(edge.controller))
    assert await new.request("INVITE")
    assert await old.nothing(0.2)


async def test_lock_out_is_by_user_and_source(edge: RealEdge) -> None:
    for _ in range(5):
        await sign_in(await edge.phone("127.0.1.5"), "ag_2", "guess")
    assert codes(await sign_in(await edge.phone("127.0.1.5"), "ag_2", "secret")) == [403]
    assert codes(await sign_in(await edge.phone("127.0.1.6"), "ag_2", "secret")) == [401, 200]  # the agent, elsewhere
    assert codes(await sign_in(await edge.phone("127.0.1.5"), "ag_1", "secret")) == [401, 200]  # another one, there


async def test_nobody_signs_in_without_encryption(edge: RealEdge) -> None:
    assert codes(await sign_in(await edge.cleartext(), "ag_1", "secret")) == [403]


async def test_agents_do_not_call_in(edge: RealEdge) -> None:
    phone, browser = await edge.phone(), await edge.browser()
    await sign_in(phone, "ag_1", "secret")
    assert (await call(phone, Request(body=SDP))).code == 403
    assert (await call(browser, Request(body=SDP))).code == 403
    elsewhere = await edge.phone()
    assert (await call(elsewhere, Request(body=SDP, caller="<sip:ag_1@quietline.local>"))).code == 403


# ---- bans ----------------------------------------------------------------------------------------


async def test_a_flood_is_banned_silently_and_the_ban_can_be_lifted(edge: RealEdge) -> None:
    phone = await edge.phone("127.0.2.1")
    for _ in range(400):
        await phone.send(Request("OPTIONS").text(phone))
    await asyncio.sleep(0.5)
    assert await edge.rpc.bans() == ["127.0.2.1"]
    again = await edge.phone("127.0.2.1")
    await again.send(Request("OPTIONS").text(again))
    assert await again.nothing()
    await edge.rpc.unban("127.0.2.1")
    await asyncio.sleep(6)  # pike's own memory: remove_latency
    assert (await call(await edge.phone("127.0.2.1"), Request("OPTIONS"))).code == 200


@pytest.mark.parametrize("agent", ["friendly-scanner", "sipvicious/0.3", "Nmap NSE"])
async def test_a_scanner_is_banned_at_its_first_word(edge: RealEdge, agent: str) -> None:
    phone = await edge.phone("127.0.2.2")
    await phone.send(Request("OPTIONS", extra=f"User-Agent: {agent}\r\n").text(phone))
    assert await phone.nothing()
    assert await edge.rpc.bans() == ["127.0.2.2"]


async def test_guessing_users_is_banned(edge: RealEdge) -> None:
    await edge.rpc.call("htable.sets", "state", "started", "1")
    phone = await edge.phone("127.0.2.3")
    for number in range(200):
        address = f"<sip:guess{number}@quietline.local>"
        await phone.send(Request("REGISTER", "sip:quietline.local", address, to=address).text(phone))
    await asyncio.sleep(0.5)
    assert await edge.rpc.bans() == ["127.0.2.3"]


async def test_a_named_trunk_is_never_banned(edge: RealEdge) -> None:
    phone = await edge.phone("127.0.0.16")
    for _ in range(400):
        await phone.send(Request("OPTIONS").text(phone))
    assert [(await phone.final()).code for _ in range(400)] == [200] * 400
    assert await edge.rpc.bans() == []


async def test_a_place_where_agents_work_is_not_banned(edge: RealEdge) -> None:
    agent = await edge.browser("127.0.2.4")
    await sign_in(agent, "ag_1", "secret")
    mad = await edge.phone("127.0.2.4")
    for _ in range(400):
        await mad.send(Request("OPTIONS").text(mad))
    await asyncio.sleep(0.3)
    assert await edge.rpc.bans() == []
    assert codes(await sign_in(agent, "ag_1", "secret")) == [401, 200]


# ---- TLS and WebSocket ---------------------------------------------------------------------------


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """TLS 1.0 and 1.1 only, with whatever suites and hashes OpenSSL still has."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


@pytest.fixture
def old_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return old(context)


@pytest.mark.parametrize("port", ["tls_port", "trunk_port", "wss_port"])
async def test_tls_1_1_is_refused(edge: RealEdge, port: str, old_client: ssl.SSLContext) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await StreamPeer().open("127.0.0.1", getattr(edge.config.edge, port), old_client)


async def test_the_old_client_can_speak_where_it_is_let(edge: RealEdge, old_client: ssl.SSLContext) -> None:
    """That the test above can fail: a server without our rule takes the same client."""
    server = old(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    files = certificate_paths(edge.config)
    server.load_cert_chain(files.certificate, files.key)
    lenient = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server)
    async with lenient:
        port = lenient.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=old_client, server_hostname="x")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.1"
        writer.transport.abort()


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
async def test_only_forward_secret_aead_suites(edge: RealEdge, cipher: str) -> None:
    context = edge.tls
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await edge.phone(tls=context)


async def test_the_certificate_carries_every_name(edge: RealEdge) -> None:
    for name in ("quietline.local", "localhost", "127.0.0.1"):
        await StreamPeer().open("127.0.0.1", edge.config.edge.tls_port, edge.tls, name=name)
    with pytest.raises(ssl.SSLCertVerificationError):
        await StreamPeer().open("127.0.0.1", edge.config.edge.tls_port, edge.tls, name="other.example")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://quietline.local", "101"),
        ("https://quietline.local:8444", "101"),
        ("https://QUIETLINE.local", "101"),
        ("https://desk.example:8444", "101"),
        ("https://evil.example", "403"),
        ("http://quietline.local", "403"),
        ("https://quietline.local.evil.example", "403"),
        ("https://evil.example/https://quietline.local", "403"),
        ("null", "403"),
        (None, "403"),
    ],
)
async def test_the_socket_opens_for_our_own_page_only(edge: RealEdge, origin: str | None, status: str) -> None:
    assert (await edge.browser(origin=origin)).status.startswith(status)


async def test_the_phones_port_speaks_no_http(edge: RealEdge) -> None:
    phone = await edge.phone()
    await phone.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert "404" in (await phone.receive()).start


# ---- RPC -----------------------------------------------------------------------------------------


async def test_the_rpc_socket_and_the_secrets_are_private(edge: RealEdge) -> None:
    folder = edge_folder(edge.config)
    assert stat.S_IMODE(rpc_socket(edge.config).stat().st_mode) == 0o660
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
    assert stat.S_IMODE((folder / "kamailio.cfg").stat().st_mode) == 0o400
    assert stat.S_IMODE((edge.config.paths.state / "ca" / "edge.key").stat().st_mode) == 0o400


async def test_an_absent_edge_is_said_in_time(tmp_path: Path) -> None:
    rpc = EdgeRpc(tmp_path / "nobody.sock", wait=0.2)
    with pytest.raises(EdgeUnavailable, match=r"did not answer"):
        await rpc.instance()
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(str(tmp_path / "deaf.sock"))
    rpc = EdgeRpc(tmp_path / "deaf.sock", wait=0.2)
    with pytest.raises(EdgeUnavailable, match=r"did not answer"):
        await rpc.registered("ag_1")
    deaf.close()


async def test_a_late_answer_is_not_taken_for_the_next(edge: RealEdge) -> None:
    rpc = EdgeRpc(rpc_socket(edge.config))
    await rpc.instance()
    assert rpc._socket is not None
    rpc._socket.sendall(b'{"jsonrpc":"2.0","method":"core.version","id":999}')
    assert await asyncio.gather(*(rpc.registered("ag_nobody") for _ in range(20))) == [False] * 20
    assert await rpc.instance() == await edge.rpc.instance()
    rpc.close()


async def test_nobody_else_can_answer_in_the_edges_name(edge: RealEdge) -> None:
    rpc = EdgeRpc(rpc_socket(edge.config))
    await rpc.instance()
    assert rpc._socket is not None
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with pytest.raises(PermissionError):
        stranger.sendto(b"{}", rpc._socket.getsockname())
    stranger.close()
    rpc.close()
    assert os.geteuid() == 0  # and that holds even for root
