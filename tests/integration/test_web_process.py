"""The web process as it is started: over TLS, between real sockets, stopped by a signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import Sealed, Ticket
from quietline.testing.fake_desk import AMARA, CUSTOMER, FakeController, FakeVault
from quietline.testing.ports import free_ports
from quietline.web.assets import BUNDLE
from quietline.web.process import listen, main, read_secret
from quietline.wire import Frame, Peer, WireServer

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (BUNDLE / "desk.js").exists(), reason="the page is not built: npm ci && npm run build"),
]
OPEN = Ticket("test", "test", -1)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with a configuration and a certificate for localhost."""
    web = tmp_path / "run" / "web"
    web.mkdir(parents=True)
    make_certificate(web)
    write_config(tmp_path, free_ports(1)[0])
    return tmp_path


def make_certificate(web: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(web / "key.pem"), "-out", str(web / "cert.pem")]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True, timeout=30)


def write_config(folder: Path, port: int) -> None:
    (folder / "quietline.toml").write_text(
        f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\nlog = "{folder}/log"\n'
        f'[edge]\nrealm = "localhost"\n[web]\nport = {port}\n'
    )
    (folder / "port").write_text(str(port))


@contextmanager
def web_process(house: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, until the block ends; then it must stop by SIGTERM."""
    command = [sys.executable, "-m", "quietline.web.process", "--config", str(house / "quietline.toml")]
    with (house / "web.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def client(house: Path) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=str(house / "run" / "web" / "cert.pem"))
    transport = httpx.AsyncHTTPTransport(verify=trust, retries=20)
    url = f"https://localhost:{(house / 'port').read_text()}"
    return httpx.AsyncClient(transport=transport, base_url=url, headers={"Origin": url}, timeout=10)


async def visit(browser: httpx.AsyncClient) -> httpx.Response:
    page = await browser.get("/")
    browser.headers["X-CSRF-Token"] = page.text.partition('name="csrf" content="')[2].partition('"')[0]
    return page


async def sign_in(browser: httpx.AsyncClient) -> httpx.Response:
    await visit(browser)
    answer = await browser.post("/api/session", json={"login": AMARA.login, "password": AMARA.password})
    if answer.is_success:
        browser.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return answer


class VaultSocket:
    """The fake vault's answers as frames."""

    def __init__(self, vault: FakeVault) -> None:
        self._vault = vault

    async def __call__(self, _: Peer, frame: Frame) -> Frame:
        answer: Frame = await getattr(self, frame["op"])(**{k: v for k, v in frame.items() if k not in ("id", "op")})
        return answer

    async def sign_in(self, login: str, password: str, source: str, new_password: str, code: str) -> Frame:
        words = Sealed(password), source, Sealed(new_password), Sealed(code)
        token, session = await self._vault.sign_in(login, *words)
        return {"token": token, "session": asdict(session)}

    async def session(self, token: str) -> Frame:
        return asdict(await self._vault.session(token))

    async def card(self, **fields: str) -> Frame:
        return dict(await self._vault.card(**fields))

    async def open(self, **fields: str) -> Frame:
        return {"value": (await self._vault.open(**fields)).open(OPEN)}


class ControllerSocket:
    """The fake controller's answers as frames."""

    def __init__(self, controller: FakeController) -> None:
        self._controller = controller

    async def __call__(self, _: Peer, frame: Frame) -> Frame:
        return await self._controller.call(**{name: value for name, value in frame.items() if name != "id"})

    async def hear(self, _: Peer, __: Frame) -> AsyncIterator[Frame]:
        async for event in self._controller.events():
            yield event


@pytest.fixture
async def far_sides(house: Path) -> AsyncIterator[tuple[FakeVault, FakeController]]:
    """A vault and a controller on real sockets; what is behind them is in memory."""
    vault = FakeVault()
    controller = FakeController(vault)
    paths = load(house / "quietline.toml").paths
    for path in (paths.vault_socket, paths.controller_socket):
        path.parent.mkdir(exist_ok=True)
    desk = ControllerSocket(controller)
    servers = [WireServer(paths.vault_socket, VaultSocket(vault)), WireServer(paths.controller_socket, desk, desk.hear)]
    for server in servers:
        await server.start()
    yield vault, controller
    for server in servers:
        await server.stop()


async def test_a_look_through_real_sockets(house: Path, far_sides) -> None:
    """Page, sign-in, events, card and one field, over TLS and both Unix sockets."""
    _, controller = far_sides
    with web_process(house) as process:
        async with client(house) as browser:
            assert (await visit(browser)).status_code == 200
            assert (answer := await sign_in(browser)).status_code == 201, answer.text
            call = controller.offers(AMARA.agent)
            async with browser.stream("GET", "/api/events") as events:
                lines = events.aiter_lines()
                assert json.loads(await data_of(lines))["state"] == "ringing"
                controller.connects(AMARA.agent, assurance=2)
                assert json.loads(await data_of(lines))["state"] == "on_call"
            assert CUSTOMER["order.reference"] in (await browser.get(f"/api/calls/{call}/card")).text
            opened = await browser.post(f"/api/calls/{call}/fields/contact.name", json={"reason": "complaint"})
            assert opened.json()["value"] == CUSTOMER["contact.name"]
    assert process.returncode == 0
    log = (house / "web.log").read_text()
    assert "Traceback" not in log
    assert not [value for value in [*CUSTOMER.values(), AMARA.login, AMARA.password, call] if value in log]


async def data_of(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the stream ended")


async def test_it_stops_at_once_with_a_page_open(house: Path, far_sides) -> None:
    with web_process(house) as process:
        async with client(house) as browser:
            await sign_in(browser)
            async with browser.stream("GET", "/api/events") as events:
                lines = events.aiter_lines()
                await data_of(lines)
                process.send_signal(signal.SIGTERM)
                rest = [line async for line in lines]
    assert "event: end" in rest
    assert process.returncode == 0


async def test_without_vault_and_controller_it_serves_the_page_and_refuses(house: Path) -> None:
    with web_process(house):
        async with client(house) as browser:
            assert (await browser.get("/healthz")).text == "ok\ncontroller unavailable\n"
            answer = await sign_in(browser)
            assert answer.status_code == 503
            assert answer.json()["code"] == "unavailable"


async def test_old_tls_is_refused(house: Path) -> None:
    port = int((house / "port").read_text())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with web_process(house):
        async with client(house) as browser:
            await visit(browser)
        with socket.create_connection(("127.0.0.1", port)) as raw, pytest.raises(ssl.SSLError):
            old.wrap_socket(raw)


async def said(house: Path, words: str) -> None:
    async with asyncio.timeout(10):
        while words not in (house / "web.log").read_text():
            await asyncio.sleep(0.05)


async def test_a_renewed_certificate_is_taken_and_an_open_page_stays(house: Path, far_sides) -> None:
    with web_process(house) as process:
        async with client(house) as before:
            await sign_in(before)
            async with before.stream("GET", "/api/events") as events:
                lines = events.aiter_lines()
                await data_of(lines)
                make_certificate(house / "run" / "web")
                process.send_signal(signal.SIGHUP)
                await said(house, "certificate taken anew")
                async with client(house) as after:  # trusts the new one only
                    assert (await after.get("/")).status_code == 200
                process.send_signal(signal.SIGTERM)
                assert "event: end" in [line async for line in lines]  # the stream lived until the stop
    assert process.returncode == 0


async def test_a_certificate_that_does_not_fit_its_key_is_not_taken(house: Path, far_sides) -> None:
    with web_process(house) as process:
        async with client(house) as browser:
            await visit(browser)
            old = (house / "run" / "web" / "key.pem").read_bytes()
            trusted = client(house)
            make_certificate(house / "run" / "web")
            (house / "run" / "web" / "key.pem").write_bytes(old)
            process.send_signal(signal.SIGHUP)
            await said(house, "cannot be used; the old one is kept")
            async with trusted:
                assert (await trusted.get("/")).status_code == 200


# -- bad input at start


def test_a_missing_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_a_certificate_that_cannot_be_used(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "run" / "web" / "key.pem").write_text("not a key")
    assert main(["--config", str(house / "quietline.toml")]) == 2
    assert "key.pem" in capsys.readouterr().err


def test_a_port_in_use(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        write_config(house, taken.getsockname()[1])
        assert main(["--config", str(house / "quietline.toml")]) == 2
    assert "web.addresses: 127.0.0.1 port" in capsys.readouterr().err


def test_ipv6_listens_beside_ipv4() -> None:
    port = free_ports(1)[0]
    sockets = listen(["127.0.0.1", "::1"], port)
    assert [each.family for each in sockets] == [socket.AF_INET, socket.AF_INET6]
    for each in sockets:
        each.close()


def test_the_turn_secret(tmp_path: Path) -> None:
    secret = tmp_path / "turn"
    secret.write_text("north-star\n")
    assert read_secret(str(secret)) == b"north-star"
    assert read_secret("") == b""
    with pytest.raises(ConfigError, match=r"web\.turn_secret_file"):
        read_secret(str(tmp_path / "none"))
    assert os.path.exists(secret)
