"""A call's media where a leg moves: the customer who is called back, the agent who asks a colleague, the hand-over.

The rule of `media.py` holds here too: each leg keeps its port and key, and nobody is re-INVITEd for the relay's sake.
Of a new pair the caller is the offerer, and the leg that is there already the answerer: the other way round rtpengine
10.5 kills a browser's media. Further tags: `N` the inside end beside an agent who waits for a customer to answer, `B1`,
`B2`, … the colleagues who are asked.
"""

from __future__ import annotations

from dataclasses import replace

from quietline.errors import ProtocolError
from quietline.telephony import sdp as s
from quietline.telephony.bencode import Value
from quietline.telephony.media import RtpengineMedia
from quietline.telephony.media_state import CALLER, INSIDE, NOBODY, PHONES, SDES_ONLY, TRANSPORTS
from quietline.telephony.negotiate import (
    answer_again,
    chosen,
    fresh_line,
    moved,
    one_line,
    own_key,
    retagged,
    stub,
    suite_of,
    with_line,
)
from quietline.telephony.ports import AgentPhone, Prompt

BESIDE = "N"
EVERY_LAW = (s.Codec(0, "PCMU"), s.Codec(8, "PCMA"), s.Codec(101, s.EVENTS))
SUITE = "AES_CM_128_HMAC_SHA1_80"  # RFC 4568 §6.2.1: what every phone with SRTP has
TOWARD_CARRIER: dict[str, Value] = {
    "transport_protocol": "RTP/SAVP",
    "ICE": "remove",
    "DTLS": "off",
    "SDES": SDES_ONLY,
    "rtcp_mux": ["demux"],
}
TOWARD_CLEARTEXT: dict[str, Value] = TOWARD_CARRIER | {"transport_protocol": "RTP/AVP", "SDES": ["off"]}


class MovingMedia(RtpengineMedia):
    """`CallMedia` whole."""

    @property
    def held(self) -> bool:
        """See `CallMedia`."""
        return self._state.held

    @property
    def _tag(self) -> str:
        return self._state.agent_tag or super()._tag

    async def _drop_attempt(self) -> None:
        await super()._drop_attempt()
        await self._drop_second()
        self._state.agent_tag = self._state.agent_suite = self._state.first = ""

    # A callback: first the agent, then the customer

    async def offer_agent_alone(self, attempt: str, phone: AgentPhone) -> str:
        """See `CallMedia`. The G.711 law is the agent's choice; the customer is offered that one alone."""
        state = self._state
        async with self._lock:
            state.attempts += 1
            state.attempt, state.phone = attempt, phone.value
            fields = PHONES[phone] | {"address_family": self._house.agent_family}
            told = stub(EVERY_LAW, fresh_line(SUITE) if phone is AgentPhone.SIP else "")
            text = await self._offer(BESIDE, self._tag, told, (INSIDE, self._house.agent_side), **fields)
            offer, state.agent_suite, state.agent_key = one_line(self._read(text), SUITE)
            state.agent_offer = s.render(offer.facing("sendrecv"))
            return self._write(self._tag, None, offer.facing("sendrecv"))

    async def connect_agent(self, attempt: str, agent_sdp: str) -> None:
        """See `CallMedia`."""
        state = self._state
        if attempt != state.attempt:
            raise ProtocolError("media: only the latest attempt can be connected")
        description = s.read(agent_sdp, TRANSPORTS[AgentPhone(state.phone)])
        law = description.audio.law().name
        agent = self._house.admit(description.audio.only(law))
        ours = chosen(self._read(state.agent_offer), agent)
        async with self._lock:
            await self._answer(BESIDE, self._tag, agent)
            state.law, state.first = law, s.render(agent)
            state.agent_offer = s.render(replace(ours, codecs=agent.codecs))

    async def ringback(self, on: bool) -> None:
        """See `CallMedia`."""
        async with self._lock:
            if on:
                file = str(self._house.prompts.path(Prompt.RINGBACK, self._state.law))
                await self._tagged("play media", self._tag, file=file, repeat_times=1_000)
            else:
                await self._quieten(self._tag)

    async def offer_called(self, encrypted: bool = True) -> str:
        """See `CallMedia`."""
        state = self._state
        codecs = tuple(codec for codec in EVERY_LAW if codec.name in (state.law, s.EVENTS))
        fields = (TOWARD_CARRIER if encrypted else TOWARD_CLEARTEXT) | {"address_family": self._house.caller_family}
        async with self._lock:
            text = await self._offer(NOBODY, CALLER, stub(codecs), (INSIDE, self._house.caller_side), **fields)
            offer = self._read(text).facing("sendrecv")
            state.called_offer = s.render(offer)
            return self._write(CALLER, None, offer)

    async def connect_called(self, sdp: str) -> None:
        """See `CallMedia`."""
        state = self._state
        ours = self._read(state.called_offer)
        description = s.read(sdp, (ours.protocol,))
        called = self._house.admit(description.audio.only(state.law))
        kept = chosen(ours, called)
        async with self._lock:
            await self._answer(NOBODY, CALLER, called)
            state.inside, state.caller_holds = True, called.holds
            state.caller, state.caller_answer = s.render(called), s.render(kept)

    async def join(self) -> None:
        """See `CallMedia`."""
        async with self._lock:
            await self._quieten(self._tag)
            await self._rejoin()
            await self._tagged("delete", BESIDE)

    # A colleague is asked

    async def park(self) -> None:
        """See `CallMedia`."""
        async with self._lock:
            await self._drop_attempt()
            await self._loop(Prompt.MUSIC)

    async def offer_consult(self, attempt: str, phone: AgentPhone) -> str:
        """See `CallMedia`."""
        state = self._state
        async with self._lock:
            if not state.first:
                await self._step_aside()
            state.seconds += 1
            state.second_attempt, state.second_phone = attempt, phone.value
            state.second_tag, state.second = f"B{state.seconds}", ""
            return self._write(state.second_tag, None, await self._offer_second())

    async def _step_aside(self) -> None:
        """The caller hears music and neither of the two."""
        state = self._state
        await self._quieten()
        if state.held or state.muted:
            state.held = state.muted = False
            await self._block_caller()
        await self._prompting(False)
        await self._to_nobody(self._caller())
        await self._loop(Prompt.MUSIC)
        state.first, state.agent = state.agent, ""

    async def _offer_second(self) -> s.Audio:
        state, first = self._state, self._read(self._state.first)
        told = with_line(first, suite_of(first), own_key(first)).facing("sendrecv")
        key = told.crypto[1].partition("inline:")[2] if len(told.crypto) > 1 else ""
        fields = PHONES[AgentPhone(state.second_phone)] | {"address_family": self._house.agent_family}
        ends = (self._house.agent_side, self._house.agent_side)
        text = await self._offer(self._tag, state.second_tag, told, ends, **fields)
        offer, state.second_suite, state.second_key = one_line(self._read(text), suite_of(first) or SUITE, key)
        state.second_offer = s.render(offer.facing("sendrecv"))
        return offer.facing("sendrecv")

    async def connect_consult(self, attempt: str, agent_sdp: str) -> None:
        """See `CallMedia`."""
        state = self._state
        if attempt != state.second_attempt:
            raise ProtocolError("media: only the latest attempt can be connected")
        description = s.read(agent_sdp, TRANSPORTS[AgentPhone(state.second_phone)])
        second = self._house.admit(description.audio.only(state.law))
        ours = chosen(self._read(state.second_offer), second)
        async with self._lock:
            await self._answer(self._tag, state.second_tag, second)
            state.second, state.second_offer = s.render(second), s.render(ours)

    async def take_back(self) -> None:
        """See `CallMedia`."""
        async with self._lock:
            if self._state.first:
                await self._rejoin()
            await self._drop_second()

    def agent_again(self, direction: str) -> str:
        """See `CallMedia`."""
        return self._write(self._tag, None, self._read(self._state.agent_offer).facing(direction))

    async def hand_over(self) -> None:
        """See `CallMedia`."""
        state, old = self._state, self._tag
        async with self._lock:
            state.agent_tag, state.attempt, state.phone = state.second_tag, state.second_attempt, state.second_phone
            state.agent_key, state.agent_suite = state.second_key, state.second_suite
            state.agent_offer, state.first = state.second_offer, state.second
            await self._rejoin()
            state.second_tag = state.second = ""
            await self._tagged("delete", old)

    async def _drop_second(self) -> None:
        state = self._state
        if state.second_tag:
            await self._tagged("delete", state.second_tag)
        state.second_tag = state.second = state.second_attempt = ""

    async def _rejoin(self) -> None:
        """Caller and first agent hear each other (again)."""
        state = self._state
        agent = self._read(state.first)
        offered = await self._offer_to_agent(self._caller())
        ours, _, _ = one_line(offered, suite_of(agent), state.agent_key)
        agent = retagged(agent, ours)
        await self._answer(CALLER, self._tag, agent)
        await self._leave_inside()
        state.agent, state.first = s.render(agent), ""
        if state.caller_holds:
            await self._block_agent()

    async def _offer_to_agent(self, caller: s.Audio) -> s.Audio:
        """With two suites rtpengine would choose the agent's for the caller too; so the agent's key goes along only
        where it fits, and else the relay keeps the one it has."""
        suite = self._state.agent_suite
        self._state.agent_key = self._state.agent_key or own_key(caller)  # a browser had none so far
        if suite in ("", suite_of(caller)):
            return await super()._offer_to_agent(caller)
        told = caller.facing("sendrecv")
        fields = PHONES[AgentPhone(self._state.phone)] | {"address_family": self._house.agent_family}
        ends = (self._house.caller_side, self._house.agent_side)
        return self._read(await self._offer(CALLER, self._tag, told, ends, **fields)).facing("sendrecv")

    # While two agents talk

    async def agent_reoffer(self, sdp: str) -> str:
        """See `CallMedia`. While a colleague is asked, what only changes the direction is answered, no more."""
        state = self._state
        if not state.first:
            return await super().agent_reoffer(sdp)
        return self._again(self._tag, state.first, state.agent_offer, state.phone, sdp)

    async def second_reoffer(self, sdp: str) -> str:
        """See `CallMedia`."""
        state = self._state
        return self._again(state.second_tag, state.second, state.second_offer, state.second_phone, sdp)

    def _again(self, tag: str, theirs: str, ours: str, phone: str, sdp: str) -> str:
        description = s.read(sdp, TRANSPORTS[AgentPhone(phone)])
        new, before = description.audio.only(self._state.law), self._read(theirs)
        if moved(before, new):
            raise s.UnacceptableOffer("media: not while a colleague is asked")
        answer = answer_again(self._read(ours), before, new)
        return self._write(tag, description, answer.facing(s.MIRRORED[new.direction]))
