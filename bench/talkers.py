"""Agents' phones that talk for a stated time and hang up: a process of its own, as load.py's, with the same orders.

python bench/talkers.py phones        the setting has `talk`, seconds from the ACK to the BYE
"""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.load import Phones, Wire, lines, say, value


@dataclass(slots=True)
class Talk:
    """One conversation, as its INVITE had it."""

    agent: str
    wire: Wire
    target: bytes
    route: bytes
    caller: bytes  # From of the INVITE, To of our BYE
    agents: bytes  # To of the INVITE with our tag
    call_id: bytes


class Talkers(Phones):
    """Each answers at once, talks, hangs up. `log`: (agent, "rung" | "bye", seconds)."""

    def __init__(self, where: dict[str, Any], talk: float) -> None:
        super().__init__(where)
        self.log: list[tuple[str, str, float]] = []
        self._talk = talk
        self._talks: dict[bytes, Talk] = {}

    def _rung(self, message: bytes, wire: Wire) -> None:
        agent = message[11 : message.find(b"@")].decode()
        self.log.append((agent, "rung", time.monotonic()))
        super()._rung(message, wire)
        contact, lines_ = value(message, b"Contact"), message.split(b"\r\n")
        routes = [b"Route: " + line[14:] + b"\r\n" for line in lines_ if line.startswith(b"Record-Route: ")]
        call_id = value(message, b"Call-ID")
        self._talks[call_id] = Talk(
            agent,
            wire,
            contact[contact.find(b"<") + 1 : contact.find(b">")],
            b"".join(routes),  # in order for the one who was called (RFC 3261 §12.1.1)
            value(message, b"From"),
            value(message, b"To") + b";tag=p%d" % self._count,
            call_id,
        )

    def _hear(self, message: bytes, wire: Wire) -> None:
        if message.startswith(b"ACK "):
            talk = self._talks.get(value(message, b"Call-ID"))
            if talk:
                self._loop.call_later(self._talk, self._bye, talk)
        elif message.startswith(b"BYE "):
            self._talks.pop(value(message, b"Call-ID"), None)
        super()._hear(message, wire)

    def _bye(self, talk: Talk) -> None:
        if self._talks.pop(talk.call_id, None) is None:
            return
        self.log.append((talk.agent, "bye", time.monotonic()))
        transport = talk.wire.transport.encode()
        talk.wire.send(
            b"BYE %b SIP/2.0\r\nVia: SIP/2.0/%b %b;rport;branch=z9hG4bKbye%b\r\n%bMax-Forwards: 70\r\nFrom: %b\r\n"
            b"To: %b\r\nCall-ID: %b\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
            % (
                talk.target, transport, talk.wire.name.encode(), talk.call_id, talk.route, talk.agents, talk.caller,
                talk.call_id,
            )
        )  # fmt: skip


async def main() -> None:
    gc.freeze()
    orders = await lines()
    setting = json.loads(await orders.readline())
    us = Talkers(setting["where"], setting["talk"])
    port = await us.open()
    await us.register(setting["people"], setting["realm"])
    say({"ready": True, "port": port})
    cpu = time.process_time()
    while await orders.readline():
        say({"log": us.log, "cpu": time.process_time() - cpu})
        us.log, cpu = [], time.process_time()


if __name__ == "__main__":
    uvloop.run(main())
