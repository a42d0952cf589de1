"""rtpengine as a whole: how it is started, and the `Relay` port over it.

Facts measured with rtpengine 10.5.3.5 in userspace.
"""

from __future__ import annotations

from typing import Any

from quietline import config
from quietline.clock import Clock, SystemClock
from quietline.errors import ProtocolError, RelayUnavailable
from quietline.telephony.media_moves import MovingMedia
from quietline.telephony.media_state import ID_PREFIX, INSIDE, State, relay_id
from quietline.telephony.ng import LOOPBACK, DigitListener, NgClient
from quietline.telephony.prompts import Prompts
from quietline.telephony.sdp import Audio, UnacceptableOffer

LIST_LIMIT = 2_500  # call ids of 26 bytes, "23:ql-…", that fit one 65,507-byte datagram
WORLD, TRUNK, AGENTS = "world", "trunk", "agents"  # logical interfaces


def interfaces(relay: config.Relay) -> list[str]:
    """rtpengine's `--interface` values. An address may be given a side, "trunk/…" or "agents/…"; else it serves both.

    The answering side of a caller who is connected to nobody yet lies on loopback, out of the world's reach.
    """
    named = [item if "/" in item else f"{WORLD}/{item}" for item in relay.interfaces]
    return [*named, f"{INSIDE}/{LOOPBACK}"]


def side(relay: config.Relay, wanted: str) -> str:
    """The logical interface of a side: its own where the configuration names one, else the common one."""
    names = [item.split("/")[0] for item in interfaces(relay)]
    return wanted if wanted in names else names[0]


def _family(relay: config.Relay, wanted: str) -> str:
    first = next((item for item in relay.interfaces if item.startswith(f"{wanted}/")), relay.interfaces[0])
    return "IP6" if ":" in first else "IP4"


def command_line(relay: config.Relay, program: str = "rtpengine") -> list[str]:
    """Arguments that start the relay in the foreground, logging to stderr.

    Level 3 (errors): at 4 it logs callers' addresses and, for a command it refuses, the whole command with SDP and SRTP
    keys in it; at 6, tags and events. `silent-timeout` and `offer-timeout` are an hour, for held and ringing legs; the
    controller watches for dead peers itself. `tos` 184 is expedited forwarding (RFC 4594 §4.1).
    """
    return [
        program,
        "--config-file=none",  # Debian's own file would open a CLI and an HTTP port beside ours
        "--foreground",
        "--log-stderr",
        "--log-level=3",
        "--table=-1",
        "--delete-delay=0",
        *(f"--interface={item}" for item in interfaces(relay)),
        f"--listen-ng={LOOPBACK}:{relay.ng_port}",
        f"--dtmf-log-dest={LOOPBACK}:{relay.digits_port}",
        f"--port-min={relay.port_min}",
        f"--port-max={relay.port_max}",
        f"--num-threads={relay.threads}",
        "--media-num-threads=1",
        "--timeout=60",
        "--silent-timeout=3600",
        "--offer-timeout=3600",
        "--tos=184",
        "--software-id=-",
    ]


class RtpengineRelay:
    """`Relay` over one rtpengine on this machine."""

    def __init__(
        self, relay: config.Relay, prompts: Prompts, ng: NgClient, listener: DigitListener, clock: Clock | None = None
    ) -> None:
        self.prompts = prompts
        self.ng = ng
        self.listener = listener
        self.clock = clock or SystemClock()
        self.caller_side = side(relay, TRUNK)
        self.agent_side = side(relay, AGENTS)
        self._addresses = [item.split("/")[-1].split("!")[0] for item in relay.interfaces]
        self.caller_family, self.agent_family = _family(relay, TRUNK), _family(relay, AGENTS)

    @classmethod
    async def open(cls, relay: config.Relay, prompts: Prompts) -> RtpengineRelay:
        """Connect to the relay and listen for keypad events. Raises OSError when the digits port is taken."""
        listener = await DigitListener.open(relay.digits_port)
        return cls(relay, prompts, await NgClient.connect(relay.ng_port), listener)

    def close(self) -> None:
        """Let go of both sockets; live calls go on in rtpengine."""
        self.ng.close()
        self.listener.close()

    def admit(self, audio: Audio) -> Audio:
        """A peer on loopback is believed only where the relay itself serves loopback: else a stranger's description
        would aim the relay's packets at this machine's own services."""
        ours = any(address.startswith("127.") or address == "::1" for address in self._addresses)
        if not ours and (audio.host.startswith("127.") or audio.host == "::1"):
            raise UnacceptableOffer("the connection address is this machine's loopback")
        return audio

    def media_for(self, call: str) -> MovingMedia:
        return MovingMedia(self, State(call))

    def restore(self, saved: dict[str, Any]) -> MovingMedia:
        """See `Relay`. Raises ProtocolError on a record it cannot read."""
        try:
            return MovingMedia(self, State(**saved))
        except TypeError:
            raise ProtocolError("media: the saved record has fields this version does not know or lacks some") from None

    async def reap(self, known: set[str]) -> int:
        keep = {relay_id(call) for call in known}
        listed = await self.ng.command("list", limit=LIST_LIMIT)
        orphans = [item for item in listed.get("calls", []) if item.startswith(ID_PREFIX) and item not in keep]
        for orphan in orphans:
            await self.delete(orphan)
        return len(orphans)

    async def delete(self, call: str) -> None:
        """Delete a relay call; one that is gone already is no error."""
        await self.ng.tell("delete", call_id=call)

    async def alive(self) -> bool:
        try:
            await self.ng.command("ping")
        except RelayUnavailable:
            return False
        return True
