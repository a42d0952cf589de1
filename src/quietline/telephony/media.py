"""The media of one call, in rtpengine's words: answer alone, prompts, the agent's leg, hold, muted keys.

Every leg is a tag of one relay call: `C` the caller, `I` the inside end a caller is connected to while there is nobody
else, `A1`, `A2`, … the attempts to reach an agent. The caller's leg always keeps its port and SRTP key (`port-latching`),
so the caller is never re-INVITEd. `generate-RTCP` on every offer and answer: rtpengine would else hand the caller's RTCP
on, with the names and numbers some phones write into it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from quietline import config
from quietline.clock import Clock, SystemClock
from quietline.errors import ProtocolError, RelayUnavailable
from quietline.telephony import sdp as s
from quietline.telephony.bencode import Value
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.prompts import Prompts
from quietline.telephony.rtpengine import (
    AGENTS,
    ID_PREFIX,
    INSIDE,
    LIST_LIMIT,
    TRUNK,
    DigitListener,
    NgClient,
    relay_id,
    side,
)

CALLER, NOBODY = "C", "I"
FLAGS: list[Value] = ["trust-address", "port-latching", "strict-source", "generate-RTCP"]
REPLACE: list[Value] = ["origin", "session-connection"]
FOREVER = 100_000  # repetitions of the music
REFUSED_SUITES = (  # rtpengine's own list less sdp.SUITES; it knows `no-` only
    "NULL_HMAC_SHA1_80",
    "NULL_HMAC_SHA1_32",
    "F8_128_HMAC_SHA1_80",
    "F8_128_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
)
SDES_ONLY: list[Value] = [
    "pad",
    *(f"no-{suite}" for suite in REFUSED_SUITES),
]  # pad: baresip 1.0 reads only padded keys
PLAIN_SIDE: dict[str, Value] = {"transport_protocol": "RTP/AVP", "ICE": "remove", "DTLS": "off"}
PHONES: dict[AgentPhone, dict[str, Value]] = {
    AgentPhone.BROWSER: {
        "transport_protocol": "UDP/TLS/RTP/SAVPF",
        "ICE": "force",
        "DTLS": "passive",
        "SDES": ["off"],
        "rtcp_mux": ["require"],
        "flags": [*FLAGS, "generate-mid"],
    },
    AgentPhone.SIP: {
        "transport_protocol": "RTP/SAVP",
        "ICE": "remove",
        "DTLS": "off",
        "SDES": SDES_ONLY,
        "rtcp_mux": ["demux"],
    },
}
TRANSPORTS = {AgentPhone.BROWSER: s.DTLS, AgentPhone.SIP: s.SDES}


@dataclass(slots=True)
class State:
    """All there is to know of a call's media, as plain data. The descriptions hold addresses and keys: personal."""

    call: str
    caller: str = ""  # the caller's description, rebuilt, with the one law and suite in use
    caller_answer: str = ""  # ours to the caller
    law: str = ""
    inside: bool = False  # the tag I exists
    attempt: str = ""  # the attempt whose tag exists
    tag: str = ""
    phone: str = ""
    attempts: int = 0
    agent: str = ""  # the agent's description once bridged, rebuilt
    held: bool = False  # by the agent
    caller_holds: bool = False
    muted: bool = False
    playing: str = ""  # the prompt that loops, so that it can go on
    versions: dict[str, list[int]] = field(default_factory=dict)  # tag -> [session id, version] of our o= lines


class RtpengineMedia:
    """`CallMedia` over rtpengine. One task at a time may use it."""

    def __init__(self, relay: RtpengineRelay, state: State) -> None:
        self._relay = relay
        self._state = state
        self._id = relay_id(state.call)
        self._digits: list[Digits] = []

    # The caller alone

    async def answer_caller(self, offer: str) -> str:
        """See `CallMedia`. The inside end mirrors the caller's own payload types, so whatever law and event type the
        caller uses is what the relay expects."""
        description = s.read(offer, (*s.PLAIN, *s.SDES))
        law = description.audio.law().name
        caller = self._relay.admit(description.audio.only(law))
        ends = (self._relay.caller_side, INSIDE)
        await self._offer(CALLER, NOBODY, caller, ends, **PLAIN_SIDE, address_family="IP4")
        answer = await self._answer(CALLER, NOBODY, _nobody(caller))
        self._state.law, self._state.inside = law, True
        self._state.caller = s.render(_with_chosen_suite(caller, answer))
        self._state.caller_answer = s.render(answer)
        self._state.caller_holds = caller.holds
        return self._write(CALLER, description, answer.facing(s.MIRRORED[caller.direction]))

    async def play(self, prompt: Prompt) -> float:
        self._state.playing = ""
        await self._play(prompt, 1)
        return self._relay.prompts.seconds(prompt)

    async def loop(self, prompt: Prompt) -> None:
        await self._play(prompt, FOREVER)
        self._state.playing = prompt.value

    async def stop(self) -> None:
        await self._tagged("stop media", CALLER)
        self._state.playing = ""

    async def _play(self, prompt: Prompt, times: int) -> None:
        file = str(self._relay.prompts.path(prompt, self._state.law))
        await self._tagged("play media", CALLER, file=file, repeat_times=times)

    # The agent

    async def offer_agent(self, attempt: str, phone: AgentPhone) -> str:
        """See `CallMedia`. The tag of an attempt before it is deleted, once the caller is associated with the new one:
        in the other order the music would stop."""
        state = self._state
        before = state.tag
        state.attempts += 1
        state.attempt, state.tag, state.phone, state.agent = attempt, f"A{state.attempts}", phone.value, ""
        offer = await self._offer(
            CALLER, state.tag, self._caller().facing("sendrecv"), self._ends(), **self._agent_fields()
        )
        if before:
            await self._tagged("delete", before)
        await self._unhold()
        return self._write(state.tag, None, offer.facing("sendrecv"))

    async def bridge(self, attempt: str, agent_sdp: str) -> None:
        """See `CallMedia`. Raises UnacceptableOffer for an answer without the call's law or an allowed transport, and
        ProtocolError for an attempt that is not the latest."""
        state = self._state
        if attempt != state.attempt:
            raise ProtocolError("media: only the latest attempt can be bridged")
        description = s.read(agent_sdp, TRANSPORTS[AgentPhone(state.phone)])
        agent = self._relay.admit(description.audio.only(state.law))
        await self._answer(CALLER, state.tag, agent)
        await self.stop()
        if state.inside:
            await self._tagged("delete", NOBODY)
            state.inside = False
        state.agent = s.render(agent)

    async def agent_reoffer(self, sdp: str) -> str:
        description = s.read(sdp, TRANSPORTS[AgentPhone(self._state.phone)])
        agent = self._relay.admit(description.audio.only(self._state.law))
        caller = self._caller()
        fields: dict[str, Value] = {"transport_protocol": caller.protocol, "ICE": "remove", "DTLS": "off"}
        fields |= {"rtcp_mux": ["demux"], "SDES": SDES_ONLY}
        ends = tuple(reversed(self._ends()))
        await self._offer(self._state.tag, CALLER, agent, (ends[0], ends[1]), **fields)
        answer = await self._answer(self._state.tag, CALLER, caller.facing(s.MIRRORED[agent.direction]))
        self._state.agent = s.render(agent)
        await self._hold(agent.holds)
        return self._write(self._state.tag, description, answer.facing(s.MIRRORED[agent.direction]))

    async def caller_reoffer(self, sdp: str) -> str:
        """See `CallMedia`. A refresh, or a hold, is answered from what stands; only a moved stream is the relay's
        affair."""
        state = self._state
        description = s.read(sdp, (*s.PLAIN, *s.SDES))
        caller = self._relay.admit(description.audio.only(state.law))
        answer = self._read(state.caller_answer)
        if _moved(self._caller(), caller):
            answer = await self._move_caller(caller)
        state.caller = s.render(_with_chosen_suite(caller, answer))
        state.caller_answer = s.render(answer)
        await self._caller_hold(caller.holds)
        return self._write(CALLER, description, answer.facing(s.MIRRORED[caller.direction]))

    async def _move_caller(self, caller: s.Audio) -> s.Audio:
        if self._state.agent:
            await self._offer(CALLER, self._state.tag, caller.facing("sendrecv"), self._ends(), **self._agent_fields())
            return await self._answer(CALLER, self._state.tag, self._read(self._state.agent))
        ends = (self._relay.caller_side, INSIDE)
        await self._offer(CALLER, NOBODY, caller.facing("sendrecv"), ends, **PLAIN_SIDE, address_family="IP4")
        self._state.inside = True
        return await self._answer(CALLER, NOBODY, _nobody(caller))

    # Who hears whom

    async def mute_digits(self, muted: bool) -> None:
        if muted != self._state.muted:
            self._state.muted = muted
            await self._block_caller()

    async def _hold(self, held: bool) -> None:
        if held == self._state.held:
            return
        self._state.held = held
        await self._block_caller()
        await self._block_agent()
        if held:
            await self.loop(Prompt.MUSIC)
        else:
            await self.stop()

    async def _unhold(self) -> None:
        """A new attempt starts unheld and unmuted; the relay forgets blocks of a deleted tag by itself."""
        was_blocked = self._state.held or self._state.muted
        self._state.held = self._state.muted = False
        if was_blocked:
            await self._block_caller()

    async def _caller_hold(self, holds: bool) -> None:
        if holds == self._state.caller_holds:
            return
        self._state.caller_holds = holds
        if self._state.agent:
            await self._block_agent()

    async def _block_caller(self) -> None:
        verb = "block" if self._state.held or self._state.muted else "unblock"
        await self._tagged(f"{verb} media", CALLER)
        await self._tagged(f"{verb} DTMF", CALLER)

    async def _block_agent(self) -> None:
        verb = "block" if self._state.held or self._state.caller_holds else "unblock"
        await self._tagged(f"{verb} media", self._state.tag)

    # What is known

    def digits(self) -> AsyncIterator[str]:
        digits = Digits(self._relay.listener, self._id)
        self._digits.append(digits)
        return digits

    async def silence_seconds(self) -> dict[str, float]:
        now = self._relay.clock.wall()
        streams = await self._streams()
        return {
            name: max(0.0, now - max(int(stream.get("last packet", 0)) for stream in found))
            for name, found in streams.items()
        }

    async def suites(self) -> dict[str, str]:
        streams = await self._streams()
        return {name: str(found[0].get("crypto suite", "none")) for name, found in streams.items()}

    async def _streams(self) -> dict[str, list[dict[str, Any]]]:
        """The relay's streams of "caller" and, once bridged, "agent"."""
        answer = await self._relay.ng.command("query", call_id=self._id)
        tags = {"caller": CALLER} | ({"agent": self._state.tag} if self._state.agent else {})
        found = {name: answer.get("tags", {}).get(tag, {}).get("medias", []) for name, tag in tags.items()}
        return {name: medias[0]["streams"] for name, medias in found.items() if medias and medias[0].get("streams")}

    async def release(self) -> None:
        for digits in self._digits:
            digits.close()
        self._digits.clear()
        await self._relay.delete(self._id)

    def save(self) -> dict[str, Any]:
        return asdict(self._state)

    # The relay's commands

    async def _offer(self, source: str, target: str, audio: s.Audio, ends: tuple[str, str], **fields: Value) -> s.Audio:
        fields = {"flags": FLAGS, "replace": REPLACE, "direction": list(ends)} | fields
        return await self._exchange("offer", source, target, audio, fields)

    async def _answer(self, source: str, target: str, audio: s.Audio) -> s.Audio:
        return await self._exchange("answer", source, target, audio, {"flags": FLAGS, "replace": REPLACE})

    async def _exchange(self, verb: str, source: str, target: str, audio: s.Audio, fields: dict[str, Value]) -> s.Audio:
        answer = await self._relay.ng.command(
            verb, call_id=self._id, from_tag=source, to_tag=target, sdp=s.render(audio), **fields
        )
        return self._read(str(answer.get("sdp", "")))

    async def _tagged(self, verb: str, tag: str, **fields: Value) -> None:
        await self._relay.ng.command(verb, call_id=self._id, from_tag=tag, **fields)

    def _ends(self) -> tuple[str, str]:
        return (self._relay.caller_side, self._relay.agent_side)

    def _agent_fields(self) -> dict[str, Value]:
        return PHONES[AgentPhone(self._state.phone)] | {"address_family": self._relay.agent_family}

    def _caller(self) -> s.Audio:
        if not self._state.caller:
            raise ProtocolError("media: the caller has not been answered yet")
        return self._read(self._state.caller)

    def _read(self, text: str) -> s.Audio:
        """A description of our own or the relay's. One the relay wrote wrongly is the relay's failure."""
        try:
            return s.read(text, (*s.PLAIN, *s.SDES, *s.DTLS)).audio
        except s.UnacceptableOffer as error:
            raise RelayUnavailable(f"relay: rtpengine's description is unusable ({error.reason})") from None

    def _write(self, tag: str, offer: s.Description | None, audio: s.Audio) -> str:
        """Our description for the wire, its version one higher each time (RFC 3264 §8)."""
        session, version = self._state.versions.get(tag, (secrets.randbits(31), 0))
        self._state.versions[tag] = [session, version + 1]
        if offer is None:
            return s.render(audio, session, version + 1)
        return s.render_answer(offer, audio, session, version + 1)


def _nobody(caller: s.Audio) -> s.Audio:
    """The inside end: the discard port (RFC 863) on loopback, with the caller's own payload types."""
    return s.Audio("127.0.0.1", 9, "RTP/AVP", caller.codecs)


def _with_chosen_suite(caller: s.Audio, answer: s.Audio) -> s.Audio:
    """The caller's side with the crypto line our answer chose, by its tag (RFC 4568 §5.1.2); the others are moot."""
    chosen = {line.split(" ")[0] for line in answer.crypto}
    return replace(caller, crypto=tuple(line for line in caller.crypto if line.split(" ")[0] in chosen))


def _moved(before: s.Audio, after: s.Audio) -> bool:
    """Whether a new offer changes anything but the direction."""
    same_place = (before.host, before.port, before.rtcp_port) == (after.host, after.port, after.rtcp_port)
    same_key = set(before.crypto) <= set(after.crypto) and bool(before.crypto) == bool(after.crypto)
    return not (same_place and same_key and before.codecs == after.codecs) and not after.host == "0.0.0.0"  # noqa: S104


class Digits:
    """The caller's keys from its making on; ends when the call is released. At most 64 wait to be read."""

    def __init__(self, listener: DigitListener, call: str) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue(64)
        self._stop = listener.listen(call, CALLER, self._put)

    def _put(self, key: str) -> None:
        if not self._queue.full():
            self._queue.put_nowait(key)

    def close(self) -> None:
        self._stop()
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait("")

    def __aiter__(self) -> Digits:
        return self

    async def __anext__(self) -> str:
        key = await self._queue.get()
        if not key:
            self._queue.put_nowait("")
            raise StopAsyncIteration
        return key


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
        first = next((i for i in relay.interfaces if i.startswith(f"{AGENTS}/")), relay.interfaces[0])
        self.agent_family = "IP6" if ":" in first else "IP4"

    @classmethod
    async def open(cls, relay: config.Relay, prompts: Prompts) -> RtpengineRelay:
        """Connect to the relay and listen for keypad events. Raises OSError when the digits port is taken."""
        listener = await DigitListener.open(relay.digits_port)
        return cls(relay, prompts, await NgClient.connect(relay.ng_port), listener)

    def close(self) -> None:
        """Let go of both sockets; live calls go on in rtpengine."""
        self.ng.close()
        self.listener.close()

    def admit(self, audio: s.Audio) -> s.Audio:
        """A peer on loopback is believed only where the relay itself serves loopback: else a stranger's description
        would aim the relay's packets at this machine's own services."""
        ours = any(address.startswith("127.") or address == "::1" for address in self._addresses)
        if not ours and (audio.host.startswith("127.") or audio.host == "::1"):
            raise s.UnacceptableOffer("the connection address is this machine's loopback")
        return audio

    def media_for(self, call: str) -> RtpengineMedia:
        return RtpengineMedia(self, State(call))

    def restore(self, saved: dict[str, Any]) -> RtpengineMedia:
        """See `Relay`. Raises ProtocolError on a record it cannot read."""
        try:
            return RtpengineMedia(self, State(**saved))
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
        await self.ng.command("delete", call_id=call)

    async def alive(self) -> bool:
        try:
            await self.ng.command("ping")
        except RelayUnavailable:
            return False
        return True
