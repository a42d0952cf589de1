"""The media of one call, in rtpengine's words: answer alone, prompts, the agent's leg, hold, muted keys.

Every leg is a tag of one relay call: `C` the caller, `I` the inside end a caller is connected to while there is nobody
else, `A1`, `A2`, … the attempts to reach an agent. The caller's leg always keeps its port and SRTP key
(`port-latching`), so the caller is never re-INVITEd. `generate-RTCP` stands on every offer and answer: rtpengine would
else hand the caller's RTCP on, with the names and numbers that some phones write into it.
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol

from quietline.clock import Clock
from quietline.errors import ProtocolError, RelayUnavailable
from quietline.plain import plain
from quietline.telephony import sdp as s
from quietline.telephony.bencode import Value
from quietline.telephony.media_state import (
    CALLER,
    FLAGS,
    FOREVER,
    INSIDE,
    NOBODY,
    PHONES,
    REPLACE,
    SDES_ONLY,
    TO_NOBODY,
    TRANSPORTS,
    Known,
    State,
    relay_id,
)
from quietline.telephony.negotiate import (
    answer_again,
    chosen,
    moved,
    nobody,
    own_key,
    retagged,
    with_own_key,
    without_keys_of,
)
from quietline.telephony.ng import DigitListener, Digits, NgClient, RelayRefused
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.prompts import Prompts


class House(Protocol):
    """What every call's media shares: `RtpengineRelay`."""

    prompts: Prompts
    ng: NgClient
    listener: DigitListener
    clock: Clock
    caller_side: str
    agent_side: str
    caller_family: str
    agent_family: str

    def admit(self, audio: s.Audio) -> s.Audio: ...

    async def delete(self, call: str) -> None: ...


class RtpengineMedia:
    """`CallMedia` over rtpengine. One command at a time: a lock orders the tasks of a call."""

    def __init__(self, house: House, state: State) -> None:
        self._house = house
        self._state = state
        self._id = relay_id(state.call)
        self._digits: weakref.WeakSet[Digits] = weakref.WeakSet()
        self._lock = asyncio.Lock()
        self._prompt_end: asyncio.Task[None] | None = None
        self._kept = Known()

    # The caller alone

    async def answer_caller(self, offer: str) -> str:
        description = s.read(offer, (*s.PLAIN, *s.SDES))
        state = self._state
        caller = self._house.admit(description.audio.only(description.audio.law().name))
        async with self._lock:
            answer = await self._to_nobody(caller)
        state.law, state.caller_holds = caller.law().name, caller.holds
        state.caller, state.caller_answer = self._kept.keep(chosen(caller, answer)), self._kept.keep(answer)
        return self._write(CALLER, description, answer.facing(s.MIRRORED[caller.direction]))

    async def _to_nobody(self, caller: s.Audio) -> s.Audio:
        """Connect the caller to the inside end."""
        await self._offer(CALLER, NOBODY, caller.facing("sendrecv"), (self._house.caller_side, INSIDE), **TO_NOBODY)
        self._state.inside = True
        return self._read(await self._answer(CALLER, NOBODY, nobody(caller)))

    async def play(self, prompt: str) -> float:
        """See `CallMedia`. On a bridged call the caller does not hear the agent until the prompt ends: rtpengine would
        send both voices as two streams into one ear."""
        seconds = self._house.prompts.seconds(prompt)
        async with self._lock:
            self._state.looping = ""
            if self._state.agent:
                await self._prompting(True)
                self._prompt_end = asyncio.create_task(self._end_prompt(seconds))
            await self._play(prompt, 1)
        return seconds

    async def loop(self, prompt: str) -> None:
        async with self._lock:
            await self._loop(prompt)

    async def stop(self) -> None:
        async with self._lock:
            await self._stop()

    async def _loop(self, prompt: str) -> None:
        await self._play(prompt, FOREVER)
        self._state.looping = str(prompt)

    async def _stop(self) -> None:
        await self._quieten()
        self._state.looping = ""
        await self._prompting(False)

    async def _quieten(self, tag: str = CALLER) -> None:
        """Stop what plays, if anything does: a prompt may have ended by itself."""
        try:
            await self._tagged("stop media", tag)
        except RelayRefused as refused:
            if refused.reason != "Not currently playing media":
                raise

    async def _play(self, prompt: str, times: int) -> None:
        file = str(self._house.prompts.path(prompt, self._state.law))
        await self._tagged("play media", CALLER, file=file, repeat_times=times)

    async def _prompting(self, on: bool) -> None:
        if self._prompt_end is not None and self._prompt_end is not asyncio.current_task():
            self._prompt_end.cancel()
        self._prompt_end = None
        if on != self._state.prompting:
            self._state.prompting = on
            await self._block_agent()

    async def _end_prompt(self, seconds: float) -> None:
        """Owned by this object: cancelled by the next prompt, by `stop` and by `release`."""
        await asyncio.sleep(seconds)
        with suppress(RelayUnavailable):  # the call's own next command meets the same fault and ends the call
            async with self._lock:
                await self._prompting(False)

    # The agent

    async def offer_agent(self, attempt: str, phone: AgentPhone) -> str:
        async with self._lock:
            await self._drop_attempt()
            state, caller = self._state, self._caller()
            state.attempts += 1
            state.attempt, state.phone, state.agent_key = attempt, phone.value, own_key(caller)
            offer = await self._offer_to_agent(caller)
            state.agent_offer = self._kept.keep(offer)
            return self._write(self._tag, None, offer)

    async def _drop_attempt(self) -> None:
        """Delete the tag of the attempt before. rtpengine would delete the caller with the last tag beside it, hence
        the inside end again; and it stops what plays on every leg beside it, hence the music again."""
        state = self._state
        if not state.attempt:
            return
        if not state.inside:
            await self._to_nobody(self._caller())
        await self._tagged("delete", self._tag)
        unblock = state.held or state.muted
        state.attempt, state.agent = "", ""
        state.held = state.muted = state.prompting = False
        if unblock:
            await self._block_caller()
        if state.looping:
            await self._loop(state.looping)

    async def bridge(self, attempt: str, agent_sdp: str) -> None:
        """See `CallMedia`. Raises UnacceptableOffer for an answer without the call's law or an allowed transport, and
        ProtocolError for an attempt that is not the latest."""
        state = self._state
        if attempt != state.attempt:
            raise ProtocolError("media: only the latest attempt can be bridged")
        description = s.read(agent_sdp, TRANSPORTS[AgentPhone(state.phone)])
        agent = self._house.admit(description.audio.only(state.law))
        ours = chosen(self._read(state.agent_offer), agent)
        async with self._lock:
            await self._answer(CALLER, self._tag, agent)
            await self._leave_inside()
            state.agent, state.agent_offer = self._kept.keep(agent), self._kept.keep(ours)
            if state.caller_holds:
                await self._block_agent()

    async def _leave_inside(self) -> None:
        """The inside end would still feed the caller. rtpengine stops the music with its deletion."""
        state = self._state
        if state.inside:
            await self._tagged("delete", NOBODY)
            state.inside, state.looping = False, ""
        else:
            await self._stop()

    async def agent_reoffer(self, sdp: str) -> str:
        """See `CallMedia`. What only changes the direction is answered from what stands."""
        state = self._state
        description = s.read(sdp, TRANSPORTS[AgentPhone(state.phone)])
        new = self._house.admit(description.audio.only(state.law))
        async with self._lock:
            before, ours = self._read(state.agent), self._read(state.agent_offer)
            if moved(before, new):
                answer = await self._move_agent(new, ours)
            else:
                answer = answer_again(ours, before, new)
            await self._hold(new.holds)
        return self._write(self._tag, description, answer.facing(s.MIRRORED[new.direction]))

    async def _move_agent(self, new: s.Audio, ours: s.Audio) -> s.Audio:
        """The agent's stream has moved. With SDES we offer anew inside the relay and take the agent's offer for the
        answer, for an offer toward the caller would change the caller's key."""
        if AgentPhone(self._state.phone) is AgentPhone.SIP:
            answer = answer_again(ours, new, new)
            fitted = retagged(new, ours)
            offered = await self._offer_to_agent(self._caller())
            await self._answer(CALLER, self._tag, fitted)
            self._state.agent, self._state.agent_offer = s.render(fitted), s.render(chosen(offered, fitted))
            return answer
        caller = self._caller()
        fields: dict[str, Value] = {"transport_protocol": caller.protocol, "ICE": "remove", "DTLS": "off"}
        ends = (self._house.agent_side, self._house.caller_side)
        await self._offer(self._tag, CALLER, new, ends, **fields, SDES=SDES_ONLY, rtcp_mux=("demux",))
        answer = self._read(await self._answer(self._tag, CALLER, caller.facing("sendrecv")))
        self._state.agent, self._state.agent_offer = s.render(new), s.render(answer)
        return answer

    async def _offer_to_agent(self, caller: s.Audio) -> s.Audio:
        told = with_own_key(caller, self._state.agent_key).facing("sendrecv")
        fields = PHONES[AgentPhone(self._state.phone)] | {"address_family": self._house.agent_family}
        ends = (self._house.caller_side, self._house.agent_side)
        offer = self._read(await self._offer(CALLER, self._tag, told, ends, **fields))
        return without_keys_of(offer, caller).facing("sendrecv")

    # The caller again

    async def caller_reoffer(self, sdp: str) -> str:
        """See `CallMedia`. A refresh or a hold is answered from what stands."""
        state = self._state
        description = s.read(sdp, (*s.PLAIN, *s.SDES))
        new = self._house.admit(description.audio.only(state.law))
        async with self._lock:
            before, ours = self._caller(), self._read(state.caller_answer)
            answer = answer_again(ours, before, new)
            if moved(before, new):
                await self._move_caller(retagged(new, answer))
            await self._caller_hold(new.holds)
        return self._write(CALLER, description, answer.facing(s.MIRRORED[new.direction]))

    async def _move_caller(self, caller: s.Audio) -> None:
        """The caller's stream has moved: tell the relay. Its own port and key stay."""
        if self._state.agent:
            await self._offer_to_agent(caller)
            await self._answer(CALLER, self._tag, self._read(self._state.agent))
        else:
            await self._to_nobody(caller)
        self._state.caller = s.render(caller)

    # Who hears whom

    async def mute_digits(self, muted: bool) -> None:
        async with self._lock:
            if muted != self._state.muted:
                self._state.muted = muted
                await self._block_caller()

    async def _hold(self, held: bool) -> None:
        if held == self._state.held:
            return
        self._state.held = held
        await self._block_caller()
        await self._block_agent()
        await (self._loop(Prompt.MUSIC) if held else self._stop())

    async def _caller_hold(self, holds: bool) -> None:
        """A caller who holds is sent nothing (RFC 3264 §8.4)."""
        state = self._state
        if holds == state.caller_holds:
            return
        state.caller_holds = holds
        if state.agent:
            await self._block_agent()
        elif holds:
            await self._quieten()
        elif state.looping:
            await self._loop(state.looping)

    async def _block_caller(self) -> None:
        verb = "block" if self._state.held or self._state.muted else "unblock"
        await self._tagged(f"{verb} media", CALLER)
        await self._tagged(f"{verb} DTMF", CALLER)

    async def _block_agent(self) -> None:
        state = self._state
        verb = "block" if state.held or state.caller_holds or state.prompting else "unblock"
        await self._tagged(f"{verb} media", self._tag)

    # What is known

    def digits(self) -> AsyncIterator[str]:
        digits = Digits(self._house.listener, self._id, CALLER)
        self._digits.add(digits)
        return digits

    async def silence_seconds(self) -> dict[str, float]:
        """See `CallMedia`. rtpengine counts whole seconds, blocked packets too. Being asked regularly, it is here that
        a prompt which an earlier life of this process began is ended."""
        if self._state.prompting and self._prompt_end is None:
            async with self._lock:
                await self._stop()
        now = self._house.clock.wall()
        last = {
            name: max(int(stream.get("last packet", 0)) for stream in streams)
            for name, streams in (await self._streams()).items()
        }
        return {name: max(0.0, now - at) for name, at in last.items()}

    async def suites(self) -> dict[str, str]:
        return {name: str(found[0].get("crypto suite", "none")) for name, found in (await self._streams()).items()}

    async def _streams(self) -> dict[str, list[dict[str, Any]]]:
        """The relay's streams of "caller" and, once bridged, "agent"."""
        answer = await self._house.ng.command("query", call_id=self._id)
        tags = {"caller": CALLER} | ({"agent": self._tag} if self._state.agent else {})
        medias = {name: answer.get("tags", {}).get(tag, {}).get("medias", []) for name, tag in tags.items()}
        return {name: found[0]["streams"] for name, found in medias.items() if found and found[0].get("streams")}

    def forget(self) -> None:
        """Let go of the call without ending it: it lives on in the relay, and in a later life of this process."""
        for digits in tuple(self._digits):
            digits.close()
        if self._prompt_end is not None:
            self._prompt_end.cancel()

    async def release(self) -> None:
        self.forget()
        await self._house.delete(self._id)

    def save(self) -> dict[str, Any]:
        return plain(self._state) | {"versions": {tag: list(pair) for tag, pair in self._state.versions.items()}}

    # The relay's commands

    @property
    def _tag(self) -> str:
        return f"A{self._state.attempts}"

    async def _offer(self, source: str, target: str, audio: s.Audio, ends: tuple[str, str], **fields: Value) -> str:
        told: dict[str, Value] = {"flags": FLAGS, "replace": REPLACE, "direction": ends}
        return await self._exchange("offer", source, target, audio, told | fields)

    async def _answer(self, source: str, target: str, audio: s.Audio) -> str:
        return await self._exchange("answer", source, target, audio, {"flags": FLAGS, "replace": REPLACE})

    async def _exchange(self, verb: str, source: str, target: str, audio: s.Audio, fields: dict[str, Value]) -> str:
        """The relay's description; read it where it matters."""
        answer = await self._house.ng.command(
            verb, call_id=self._id, from_tag=source, to_tag=target, sdp=s.render(audio), **fields
        )
        return str(answer.get("sdp", ""))

    async def _tagged(self, verb: str, tag: str, **fields: Value) -> None:
        await self._house.ng.tell(verb, call_id=self._id, from_tag=tag, **fields)

    def _caller(self) -> s.Audio:
        if not self._state.caller:
            raise ProtocolError("media: the caller has not been answered yet")
        return self._read(self._state.caller)

    def _read(self, text: str) -> s.Audio:
        """A description of our own or the relay's. One the relay wrote wrongly is the relay's failure."""
        if known := self._kept.get(text):
            return known
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
