"""The simulated phones against a tiny SIP proxy that lives in this file and shares no code with them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quietline.errors import ProtocolError
from quietline.testing.agent_phone import (
    SimulatedAgentPhone,
    answers_after,
    declines,
    rings_only,
    vanishes_after,
)
from quietline.testing.caller import (
    PLAIN,
    CallRefused,
    Credentials,
    Edge,
    MediaTaste,
    NotHeard,
    Person,
    SimulatedCaller,
)
from quietline.testing.srtp import AES_CM, AES_GCM

NUMBER = "+442079460101"
REALM = "tiny.example"
PASSWORD = "correct horse"
Send = Callable[[bytes], None]


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tiny")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "tiny.pem", folder / "tiny.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _value(head: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}:\s*(.*?)\r?$", head)
    return found.group(1) if found else ""


class TinyEdge:
    """A record-routing proxy and registrar: any call goes to the one registered phone. It does text, nothing else."""

    def __init__(self) -> None:
        self.peers: dict[str, Send] = {}
        self.phone = ""  # host:port of the registered phone
        self.challenge_calls = False
        self.deaf_to: list[str] = []  # methods whose first copy is lost
        self.seen: list[str] = []
        self.tasks: list[asyncio.Task[None] | None] = []

    def receive(self, peer: str, data: bytes) -> None:
        text = data.decode()
        self.seen.append(text)
        method = text.split(" ")[0]
        if method in self.deaf_to:
            self.deaf_to.remove(method)
        elif method == "SIP/2.0":
            self._forward_response(text)
        elif method == "REGISTER":
            self._register(peer, text)
        else:
            self._forward_request(peer, method, text)

    def _reply(self, peer: str, request: str, status: str, *extra: str) -> None:
        head = request.split("\r\n\r\n")[0]
        to = _value(head, "To")
        lines = [f"SIP/2.0 {status}", *re.findall(r"(?m)^Via: .*(?=\r$)", head + "\r\n")]
        lines += [f"From: {_value(head, 'From')}", f"To: {to if ';tag=' in to else to + ';tag=tiny'}"]
        lines += [f"Call-ID: {_value(head, 'Call-ID')}", f"CSeq: {_value(head, 'CSeq')}", *extra]
        self.peers[peer](("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode())

    def _authentic(self, method: str, value: str) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)', value))
        ha1 = _md5(f"{given.get('username')}:{REALM}:{PASSWORD}")
        ha2 = _md5(f"{method}:{given.get('uri')}")
        parts = [ha1, "n1", given.get("nc", ""), given.get("cnonce", ""), "auth", ha2]
        return given.get("response") == _md5(":".join(parts))

    def _register(self, peer: str, text: str) -> None:
        challenge = f'WWW-Authenticate: Digest realm="{REALM}", nonce="n1", qop="auth"'
        if not self._authentic("REGISTER", _value(text, "Authorization")):
            known = "Authorization:" in text
            self._reply(peer, text, "403 Forbidden" if known else "401 Unauthorized", challenge)
            return
        self.phone = peer if _value(text, "Expires") != "0" else ""
        self._reply(peer, text, "200 OK")

    def _forward_request(self, peer: str, method: str, text: str) -> None:
        first_invite = method == "INVITE" and ";tag=" not in _value(text, "To")
        if first_invite and self.challenge_calls and not self._authentic("INVITE", _value(text, "Proxy-Authorization")):
            self._reply(peer, text, "407 Auth", f'Proxy-Authenticate: Digest realm="{REALM}", nonce="n1", qop="auth"')
            return
        if method == "ACK" and ";tag=tiny" in text:
            return
        target = re.match(r"\S+ sip:[^@ ]*@([\d.]+:\d+)", text)
        where = target.group(1) if target and target.group(1) in self.peers else self.phone
        if not where:
            self._reply(peer, text, "480 Nobody")
            return
        line, _, rest = text.partition("\r\n")
        branch = re.search(r"branch=(\S+?);", _value(text, "Via"))
        via = f"Via: SIP/2.0/TLS edge;branch=z9hG4bKt{branch.group(1) if branch else ''}"
        rest = re.sub(r"(?m)^Route: .*\r\n", "", rest)
        route = ["Record-Route: <sip:edge;lr>"] if method == "INVITE" else []
        self.peers[where]("\r\n".join([line, via, *route, rest]).encode())

    def _forward_response(self, text: str) -> None:
        text = re.sub(r"(?m)^Via: SIP/2.0/TLS edge.*\r\n", "", text, count=1)
        sent_by = re.search(r"(?m)^Via: SIP/2.0/\w+ ([\d.:]+)", text)
        if sent_by and sent_by.group(1) in self.peers:
            self.peers[sent_by.group(1)](text.encode())

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        peer = "{}:{}".format(*writer.get_extra_info("peername"))
        self.peers[peer] = writer.write
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(_value(head.decode(), "Content-Length") or 0))
                self.receive(peer, head.lstrip(b"\r\n") + body)
        del self.peers[peer]
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, edge: TinyEdge) -> None:
        self.edge = edge

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        peer = f"{addr[0]}:{addr[1]}"
        self.edge.peers[peer] = lambda out: self.transport.sendto(out, addr)
        self.edge.receive(peer, data)


class Place:
    """A running TinyEdge and how to reach it."""

    def __init__(self, tiny: TinyEdge, tls: Edge, udp: Edge, tcp: Edge) -> None:
        self.tiny, self.tls, self.udp, self.tcp = tiny, tls, udp, tcp

    def phone(self, taste: MediaTaste | None = None, password: str = PASSWORD) -> SimulatedAgentPhone:
        return SimulatedAgentPhone(self.tls, Credentials("ag_1", password), taste=taste, tone=1_150)

    def caller(self, taste: MediaTaste | None = None, person: Person | None = None) -> SimulatedCaller:
        return SimulatedCaller(self.tls, person, taste=taste, tone=730)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    tiny = TinyEdge()
    pem, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        servers = [await asyncio.start_server(tiny.stream, "127.0.0.1", 0, ssl=tls) for tls in (context, None)]
        for server in servers:
            await stack.enter_async_context(server)
        tls, tcp = (server.sockets[0].getsockname()[1] for server in servers)
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(tiny), local_addr=("127.0.0.1", 0))
        udp = transport.get_extra_info("sockname")[1]
        yield Place(
            tiny,
            Edge("127.0.0.1", tls, ca=pem),
            Edge("127.0.0.1", udp, "udp"),
            Edge("127.0.0.1", tcp, "tcp"),
        )
        transport.close()
        handlers = [task for task in tiny.tasks if task]
        if handlers:
            await asyncio.wait(handlers, timeout=5)


async def test_a_call_from_dialling_to_hanging_up(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await caller.hears(1_150)
        await phone.hears(730)
        await caller.press("19#")
        assert leg.media.digits_heard() == "19#"
        await caller.hears_no(730, during=0.3)
        await caller.hangs_up()
        await phone.is_hung_up_on()
        assert leg.ended_by == "them"
        assert leg.media.counts["authentication_failures"] == 0


async def test_the_agent_hangs_up(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        await phone.takes_call()
        await caller.answered()
        phone.hangs_up()
        await caller.is_hung_up_on()
        assert caller.leg.ended_by == "them"


@pytest.mark.parametrize("suite", [AES_CM, AES_GCM])
async def test_both_suites(place: Place, suite: str) -> None:
    taste = MediaTaste(suites=(suite,))
    async with place.phone(MediaTaste(suites=(AES_CM, AES_GCM))) as phone, place.caller(taste) as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        await phone.takes_call()
        await caller.answered()
        await caller.hears(1_150)


async def test_no_common_suite_is_refused_with_488(place: Place) -> None:
    async with place.phone(MediaTaste(suites=(AES_GCM,))) as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        assert await caller.refused() == 488


async def test_a_law_and_another_event_number(place: Place) -> None:
    async with place.phone() as phone, place.caller(MediaTaste(codecs=("PCMA",), event_type=96)) as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await caller.hears(1_150)
        await caller.press("5")
        assert leg.media.digits_heard(96) == "5"
        assert {heard.packet.payload_type for heard in leg.media.received} == {8, 96}


async def test_without_telephone_event_keys_are_in_the_audio(place: Place) -> None:
    async with place.phone() as phone, place.caller(MediaTaste(event_type=None)) as caller:
        await phone.registers()
        caller._tone = 0
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await caller.press("5")
        await asyncio.sleep(0.1)
        assert leg.media.digits_heard() == ""
        assert leg.media.heard(770) > 300
        assert leg.media.heard(1336) > 300
        assert leg.media.heard(941) < 100


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_cleartext_transports_and_plain_rtp(place: Place, transport: str) -> None:
    edge = place.udp if transport == "udp" else place.tcp
    async with place.phone() as phone, SimulatedCaller(edge, taste=PLAIN, tone=730) as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        await phone.takes_call()
        await caller.answered()
        await phone.hears(730)
        assert b"RTP/AVP" in phone.received[-2] + phone.received[-1]


async def test_over_udp_a_lost_invite_and_a_lost_bye_are_sent_again(place: Place) -> None:
    place.tiny.deaf_to = ["INVITE", "BYE"]
    async with place.phone() as phone, SimulatedCaller(place.udp, taste=PLAIN) as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        await phone.takes_call()
        await caller.answered()
        await caller.hangs_up()
        await phone.is_hung_up_on()
    assert sum(text.startswith("INVITE") for text in place.tiny.seen) == 2
    assert len(phone.legs) == 1


async def test_a_trunk_with_a_password(place: Place) -> None:
    place.tiny.challenge_calls = True
    async with place.phone() as phone:
        await phone.registers()
        async with SimulatedCaller(place.tls, credentials=Credentials("carrier", PASSWORD)) as caller:
            await caller.dials(NUMBER)
            await caller.answered()
        async with SimulatedCaller(place.tls, credentials=Credentials("carrier", "wrong")) as caller:
            await caller.dials(NUMBER)
            assert await caller.refused() == 407
        async with SimulatedCaller(place.tls) as caller:
            await caller.dials(NUMBER)
            assert await caller.refused() == 407


async def test_a_wrong_password_does_not_register(place: Place) -> None:
    async with place.phone(password="wrong") as phone:
        with pytest.raises(CallRefused, match="403"):
            await phone.registers()


async def test_unregistering_leaves_nobody_to_ring(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await phone.unregisters()
        await caller.dials(NUMBER)
        assert await caller.refused() == 480


async def test_the_phone_declines_and_redirects(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        phone.behaviour = declines("486 Busy Here")
        await caller.dials(NUMBER)
        with pytest.raises(CallRefused, match="486"):
            await caller.answered()
        phone.behaviour = declines("302 Moved Temporarily", extra=[("Contact", "<sip:elsewhere@example.com>")])
        await caller.dials(NUMBER)
        assert await caller.refused() == 302
        assert b"elsewhere@example.com" in caller.received[-1]


async def test_the_caller_gives_up_while_it_rings(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        phone.behaviour = rings_only()
        await caller.dials(NUMBER)
        leg = await phone.is_rung()
        await caller.rings()
        await caller.cancels()
        assert (caller.leg.state, caller.leg.code) == ("cancelled", 487)
        assert leg.state == "cancelled"


async def test_a_caller_that_cancels_before_it_rings_waits_for_the_first_word(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        phone.behaviour = rings_only()
        await caller.dials(NUMBER)
        await caller.cancels()
        assert caller.leg.code == 487


async def test_a_phone_that_vanishes_says_nothing(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        phone.behaviour = vanishes_after(0.0)
        await caller.dials(NUMBER)
        await caller.rings()
        with pytest.raises(ProtocolError, match="an answer did not happen"):
            await caller.answered(within=0.3)
        caller.vanishes()
        assert not any(text.startswith("BYE") for text in place.tiny.seen)


async def test_a_caller_that_vanishes_sends_no_bye_and_no_media(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await phone.hears(730)
        caller.vanishes()
        await asyncio.sleep(0.1)
        before = leg.media.counts["received"]
        await asyncio.sleep(0.2)
        assert leg.media.counts["received"] == before
        assert leg.state == "answered"
        assert not any(text.startswith("BYE") for text in place.tiny.seen)


async def test_hold_refresh_and_probe_in_the_dialog(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await caller.hears(1_150)
        caller.leg.reoffers("sendonly")
        caller.leg.sends("OPTIONS")
        caller.leg.sends("INFO", [("Content-Type", "application/dtmf-relay")], "Signal=5\r\n")
        await _until(lambda: b"a=recvonly" in caller.received[-1] or leg.probes == 1)
        await _until(lambda: any(b"a=recvonly" in message for message in caller.received))
        assert leg.offers == 1
        await caller.hears(1_150)
        assert leg.media.counts["authentication_failures"] == 0


async def test_canaries_leave_the_caller_as_planted(place: Place) -> None:
    person = Person(
        number="+447700900555",
        name="Ivy Canary",
        identities=('"Ivy" <sip:+447700900556@example.com>',),
        privacy="id",
        headers=(("X-Loyalty", "canary-card"),),
        rtcp={"CNAME": "canary-cname", "NAME": "canary-name", "PHONE": "+447700900557"},
    )
    taste = MediaTaste(user="canary-sdp", session="canary-session")
    async with place.phone() as phone, place.caller(taste, person) as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        leg = await phone.takes_call()
        await caller.answered()
        await _until(lambda: bool(leg.media.rtcp_received))
        received = b"".join(phone.received)
        for planted in (b'"Ivy Canary"', b"900556", b"Privacy: id", b"canary-card", b"canary-sdp", b"canary-session"):
            assert planted in received
        for planted in (b"canary-cname", b"canary-name", b"+447700900557"):
            assert planted in b"".join(phone.rtcp_received)


async def test_silence_is_reported_with_what_was_there(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        await caller.dials(NUMBER)
        await phone.takes_call()
        await caller.answered()
        with pytest.raises(NotHeard, match="loudest 1150 Hz"):
            await caller.hears(500, within=0.6)
        with pytest.raises(ProtocolError, match="should not"):
            await caller.hears_no(1_150, during=0.5)


async def test_an_edge_with_an_unknown_certificate_is_not_trusted(place: Place) -> None:
    stranger = SimulatedCaller(Edge(place.tls.host, place.tls.port))
    with pytest.raises(ssl.SSLCertVerificationError):
        await stranger.agent.open()


async def test_quick_answer_after_a_while(place: Place) -> None:
    async with place.phone() as phone, place.caller() as caller:
        await phone.registers()
        phone.behaviour = answers_after(0.2)
        await caller.dials(NUMBER)
        leg = await phone.is_rung()
        await caller.rings()
        assert leg.state == "ringing"
        await caller.answered()


async def _until(met: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not met():  # a condition over several objects
            await asyncio.sleep(0.02)
