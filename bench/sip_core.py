"""What a two-leg call costs in the SIP core and endpoint: CPU from the process's own accounting, no network peer.

The far sides are canned messages, written before the clock starts where they can be; what they cost besides is measured
alone and taken off. Prints a table and writes bench/out/sip_core.json.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from quietline.config import Config, Controller, Edge
from quietline.sip.agent import UserAgent
from quietline.sip.core import Settings
from quietline.sip.parse import parse
from quietline.sip.session import Event, Send, Session, What
from quietline.telephony.endpoint import SipEndpoint, SipLeg
from quietline.testing.ports import free_ports

CALLS = 3_000
EDGE = ("127.0.0.1", 5090)
OURS = ("127.0.0.1", 5070)
ROUTE = "Record-Route: <sip:127.0.0.1:5090;lr;ftag=abc123;did=7f2.81>\r\n"
TICKET = (
    "X-QL-Leg: v1;kind=caller;at=1732440000;trunk=carrier-a;grade=tls-srtp;caller=%2B442079460001;privacy=0;"
    f"dialled=%2B442079460002;ci=c1;ft=f1;mac={'0' * 64}\r\n"
)
SDP = (
    "v=0\r\no=- 3847 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/SAVP 8 0 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    "a=crypto:1 AEAD_AES_256_GCM inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4\r\n"
)
BODY = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"


def caller(n: int, method: str, cseq: int, to: str, body: str) -> bytes:
    """What the edge hands on from caller `n`."""
    far = "198.51.100.7"
    return (
        f"{method} sip:127.0.0.1:5070 SIP/2.0\r\n{ROUTE if method == 'INVITE' else ''}"
        f"Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK{method}{n};i=1\r\n"
        f"Via: SIP/2.0/TLS {far}:5061;received={far};branch=z9hG4bKc{n};rport=40000\r\nMax-Forwards: 69\r\n"
        f"From: <sip:+442079460001@198.51.100.7>;tag=c{n}\r\nTo: <sip:+442079460002@quietline.local>{to}\r\n"
        f"Call-ID: bench-{n}@198.51.100.7\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: <sip:+442079460001@198.51.100.7:40000;transport=tls;alias=198.51.100.7~40000~3>\r\n"
        f"{TICKET if method == 'INVITE' else ''}User-Agent: bench\r\n{body}"
    ).encode()


def agent_says(request: bytes, status: str, tag: str, body: str) -> bytes:
    """The agent's phone's response to a request of ours, without parsing it."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    kept = [line for line in lines if line.startswith(("Via", "From", "Call-ID", "CSeq"))]
    to = next(line for line in lines if line.startswith("To"))
    to += "" if ";tag=" in to else f";tag={tag}"
    contact = "Contact: <sip:agent@192.0.2.7:5061;transport=tls>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO\r\n"
    return (f"SIP/2.0 {status}\r\n{ROUTE}" + "\r\n".join([*kept, to]) + f"\r\n{contact}{body}").encode()


def tag_of(sent: bytes) -> str:
    """The To tag in a response of ours."""
    line = next(line for line in sent.decode().split("\r\n") if line.startswith("To"))
    return ";tag=" + line.rpartition(";tag=")[2]


EMPTY = "Content-Length: 0\r\n\r\n"
Step = Callable[[bytes], list[bytes]]
Sends = Callable[[], list[bytes]]


def two_legs(
    n: int, receive: Step, answer: Callable[[], list[bytes]], dial: Callable[[], list[bytes]], bye: Step
) -> None:
    """INVITE, 100, 200, ACK; INVITE, 100, 180, 200, ACK; BYE from the caller, 200; BYE to the agent, 200."""
    receive(caller(n, "INVITE", 1, "", BODY))
    tag = tag_of(answer()[-1])
    receive(caller(n, "ACK", 1, tag, EMPTY))
    invite = dial()[-1]
    for status, body in (("100 Trying", EMPTY), ("180 Ringing", EMPTY), ("200 OK", BODY)):
        receive(agent_says(invite, status, f"a{n}", body))
    receive(caller(n, "BYE", 2, tag, EMPTY))
    receive(agent_says(bye(b"")[-1], "200 OK", f"a{n}", EMPTY))


def core_calls(calls: int) -> float:
    """CPU seconds for `calls` through the core alone, timers included."""
    ids = iter(f"{n:016x}" for n in range(10**9))
    agent = UserAgent(Settings(OURS, max_incoming=10**6), lambda: next(ids))
    clock = [0.0]
    state: dict[str, Session] = {}

    def data(effects: list[Send | Event]) -> list[bytes]:
        for effect in effects:
            if isinstance(effect, Event) and effect.what is What.INVITED:
                state["caller"] = effect.session
        return [effect.data for effect in effects if isinstance(effect, Send)]

    def dial() -> list[bytes]:
        uri, alias = "sip:ag_7f3a@quietline.local", '"Caller 4821" <sip:anonymous@anonymous.invalid>'
        state["agent"], effects = agent.invite(uri, alias, SDP, EDGE, clock[0], [("privacy", "id")])
        return data(effects)

    begin = time.process_time()
    for n in range(calls):
        clock[0] += 0.005
        if agent.next_deadline() <= clock[0]:
            agent.tick(clock[0])
        two_legs(
            n,
            lambda received: data(agent.receive(received, EDGE, clock[0])),
            lambda: data(agent.answer(state["caller"], SDP, clock[0])),
            dial,
            lambda _: data(agent.hang_up(state["agent"], clock[0])),
        )
    assert not agent.sessions
    return time.process_time() - begin


async def endpoint_calls(calls: int) -> float:
    """The same through `SipEndpoint` and its legs, events read as the call does; the socket is a list."""
    endpoint = SipEndpoint(Config())
    out: list[bytes] = []

    class Wire:
        def sendto(self, data: bytes, _: object) -> None:
            out.append(data)

        def close(self) -> None:
            out.clear()

    endpoint._wire = Wire()
    arrivals = endpoint.incoming()
    legs: list[SipLeg] = []

    def taken() -> list[bytes]:
        sent = out.copy()
        out.clear()
        return sent

    def receive(received: bytes) -> list[bytes]:
        endpoint.heard(received, EDGE)
        return taken()

    async def one(n: int) -> None:
        receive(caller(n, "INVITE", 1, "", BODY))
        leg = await anext(arrivals)
        leg.answer(SDP)
        tag = tag_of(taken()[-1])
        receive(caller(n, "ACK", 1, tag, EMPTY))
        await leg.next_event()
        other = endpoint.dial_agent("ag_7f3a", "Caller 4821", SDP)
        invite = taken()[-1]
        for status, body in (("100 Trying", EMPTY), ("180 Ringing", EMPTY), ("200 OK", BODY)):
            receive(agent_says(invite, status, f"a{n}", body))
        await other.next_event()
        await other.next_event()
        receive(caller(n, "BYE", 2, tag, EMPTY))
        await leg.next_event()
        other.hang_up()
        receive(agent_says(taken()[-1], "200 OK", f"a{n}", EMPTY))
        await other.next_event()
        legs[:] = [leg, other]

    begin = time.process_time()
    for n in range(calls):
        await one(n)
        await asyncio.sleep(0)  # the loop's timer, as it would run
    spent = time.process_time() - begin
    assert not any(leg.alive for leg in legs)
    endpoint.close()
    return spent


async def wired_calls(calls: int) -> float:
    """The same over real UDP on loopback and uvloop; the far side's own sockets and strings are in the figure."""
    sip, internal = free_ports(2)
    endpoint = await SipEndpoint.open(Config(edge=Edge(internal_port=internal), controller=Controller(sip_port=sip)))
    loop, ours = asyncio.get_running_loop(), ("127.0.0.1", sip)
    inbox: asyncio.Queue[bytes] = asyncio.Queue()
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.setblocking(False)
    far.bind(("127.0.0.1", internal))
    loop.add_reader(far, lambda: inbox.put_nowait(far.recv(65_535)))
    arrivals = endpoint.incoming()

    async def until(start: bytes) -> bytes:
        while not (data := await inbox.get()).startswith(start):
            pass
        return data

    async def one(n: int) -> None:
        far.sendto(caller(n, "INVITE", 1, "", BODY), ours)
        leg = await anext(arrivals)
        leg.answer(SDP)
        tag = tag_of(await until(b"SIP/2.0 200"))
        far.sendto(caller(n, "ACK", 1, tag, EMPTY), ours)
        await leg.next_event()
        other = endpoint.dial_agent("ag_7f3a", "Caller 4821", SDP)
        invite = await until(b"INVITE")
        for status, body in (("100 Trying", EMPTY), ("180 Ringing", EMPTY), ("200 OK", BODY)):
            far.sendto(agent_says(invite, status, f"a{n}", body), ours)
        await other.next_event()
        await other.next_event()
        far.sendto(caller(n, "BYE", 2, tag, EMPTY), ours)
        await leg.next_event()
        other.hang_up()
        far.sendto(agent_says(await until(b"BYE"), "200 OK", f"a{n}", EMPTY), ours)
        await other.next_event()

    begin = time.process_time()
    for n in range(calls):
        await one(n)
    spent = time.process_time() - begin
    loop.remove_reader(far)
    far.close()
    endpoint.close()
    return spent


def far_side(calls: int) -> float:
    """CPU seconds that the canned far sides cost by themselves."""
    agent = UserAgent(Settings(OURS), lambda: "0" * 16)
    _, effects = agent.invite("sip:ag_7f3a@quietline.local", "<sip:anonymous@anonymous.invalid>", SDP, EDGE, 0.0)
    invite = next(effect.data for effect in effects if isinstance(effect, Send))
    canned = agent_says(invite, "200 OK", "a1", BODY)
    begin = time.process_time()
    for n in range(calls):
        two_legs(n, lambda _: [], lambda: [canned], lambda: [invite], lambda _: [invite])
    return time.process_time() - begin


def parse_only(messages: int) -> float:
    data = caller(1, "INVITE", 1, "", BODY)
    begin = time.process_time()
    for _ in range(messages):
        parse(data)
    return time.process_time() - begin


def main() -> None:
    best = 3
    canned = min(far_side(CALLS) for _ in range(best)) / CALLS
    core = min(core_calls(CALLS) for _ in range(best)) / CALLS - canned
    endpoint = min(asyncio.run(endpoint_calls(CALLS)) for _ in range(best)) / CALLS - canned
    wired = min(uvloop.run(wired_calls(CALLS)) for _ in range(best)) / CALLS
    parsing = min(parse_only(CALLS) for _ in range(best)) / CALLS
    rows = [
        {"name": "sip.core_cpu_ms", "value": round(core * 1e3, 4), "unit": "ms CPU per two-leg call"},
        {"name": "sip.endpoint_cpu_ms", "value": round(endpoint * 1e3, 4), "unit": "ms CPU per two-leg call",
         "peer": "target 0.6 ms", "ratio": round(endpoint * 1e3 / 0.6, 3)},
        {"name": "sip.wired_cpu_ms", "value": round(wired * 1e3, 4),
         "unit": "ms CPU per two-leg call, UDP and both far sides in it"},
        {"name": "sip.core_calls_per_second", "value": round(1 / core), "unit": "two-leg calls/s on one core"},
        {"name": "sip.endpoint_calls_per_second", "value": round(1 / endpoint), "unit": "two-leg calls/s on one core"},
        {"name": "sip.parse_us", "value": round(parsing * 1e6, 2), "unit": "us CPU per INVITE with SDP"},
    ]  # fmt: skip
    for row in rows:
        print(f"{row['name']:34} {row['value']:>12} {row['unit']}" + (f"   ({row['peer']})" if "peer" in row else ""))
    out = Path(__file__).with_name("out")
    out.mkdir(exist_ok=True)
    (out / "sip_core.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
