"""tcpdump in a namespace of the laboratory: encrypted media is noise, and each seeded leak is found."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline.errors import ConfigError, Unavailable
from quietline.testing.capture import Capture, Report
from quietline.testing.namespaces import NetworkLab
from quietline.testing.rtp import Remote, RtpEndpoint
from quietline.testing.srtp import AES_CM, AES_GCM, Crypto
from quietline.testing.user_agent import UserAgent
from quietline.testing.wire import Edge

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("tcpdump"), reason="needs root and tcpdump"),
]
CNAME = "ivy.canary@example.com"


@pytest.fixture
async def lab() -> AsyncIterator[NetworkLab]:
    async with NetworkLab() as running:
        yield running


async def _two_seconds_of(lab: NetworkLab, path: Path, suite: str | None) -> tuple[Report, float]:
    """A caller inside talks to an endpoint on the host; the report, and how loud the host heard the caller."""
    inside = RtpEndpoint(lab.caller.address, sockets=lab.caller.socket, rtcp_items={"CNAME": CNAME})
    key, other = (Crypto.fresh(suite), Crypto.fresh(suite)) if suite else (None, None)
    async with Capture(path, space=lab.caller) as capture, inside, RtpEndpoint(lab.caller.gateway) as host:
        inside.sends_tone(730)
        host.sends_tone(1_150)
        inside.connect(Remote(host.host, host.port), key, other)
        host.connect(Remote(inside.host, inside.port), other, key)
        await asyncio.sleep(1.0)
        loud = host.heard(730)
    return capture.report([730, 1_150]), loud


@pytest.mark.parametrize("suite", [AES_CM, AES_GCM])
async def test_srtp_is_noise_on_the_wire(lab: NetworkLab, tmp_path: Path, suite: str) -> None:
    report, loud = await _two_seconds_of(lab, tmp_path / "x.pcap", suite)
    assert loud > 5_000
    assert report.leaks() == []
    assert set(report.kinds()) - {"other"} == {"srtp", "srtcp"}  # other: ICMP of the network itself
    assert {stream.source.split(":")[0] for stream in report.streams if stream.kind == "srtp"} == {
        lab.caller.address,
        lab.caller.gateway,
    }
    assert report.findings({"cname": CNAME}) == []


async def test_plain_rtp_and_rtcp_are_found(lab: NetworkLab, tmp_path: Path) -> None:
    report, loud = await _two_seconds_of(lab, tmp_path / "x.pcap", None)
    assert loud > 5_000
    assert {stream.kind for stream in report.leaks()} == {"rtp", "rtcp"}
    noise = next(stream.noise for stream in report.streams if stream.kind == "rtp")
    assert noise is not None
    assert noise.tone > 0.9
    assert report.findings({"cname": CNAME})


async def test_plain_sip_is_found(lab: NetworkLab, tmp_path: Path) -> None:
    class _Nothing(asyncio.DatagramProtocol):
        pass

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Nothing, local_addr=(lab.caller.gateway, 0))
    port = transport.get_extra_info("sockname")[1]
    agent = UserAgent(Edge(lab.caller.gateway, port, "udp"), "x", sockets=lab.caller.socket)
    async with Capture(tmp_path / "x.pcap", space=lab.caller, only=f"udp port {port}") as capture, agent:
        agent.wire.send_bytes(b"OPTIONS sip:+442079460101@example.com SIP/2.0\r\n\r\n")
        await asyncio.sleep(0.1)
    transport.close()
    report = capture.report()
    assert report.kinds() == {"sip": 1}
    assert [finding.canary for finding in report.findings({"dialled": "+442079460101"})] == ["dialled"]


async def test_another_namespaces_traffic_is_not_seen(lab: NetworkLab, tmp_path: Path) -> None:
    inside = RtpEndpoint(lab.caller.address, sockets=lab.caller.socket)
    capture = Capture(tmp_path / "x.pcap", space=lab.agent, only="udp")
    async with capture, inside, RtpEndpoint(lab.caller.gateway) as host:
        inside.connect(Remote(host.host, host.port))
        await asyncio.sleep(0.2)
    with pytest.raises(ConfigError, match="no packet was captured"):
        capture.report()


async def test_a_capture_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-device"):
        await Capture(tmp_path / "x.pcap", interface="no-such-device").start()


async def test_tcpdump_is_gone_after_an_error(lab: NetworkLab, tmp_path: Path) -> None:
    async def breaks() -> None:
        async with Capture(tmp_path / "x.pcap", space=lab.caller) as capture:
            assert capture._process is not None
            pids.append(capture._process.pid)
            raise ZeroDivisionError

    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        await breaks()
    assert not Path(f"/proc/{pids[0]}").exists()
