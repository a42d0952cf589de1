"""Telephony, relay and vault in memory: the far side of `call.py`, for tests that need no network.

They keep to the ports' contracts and can fail: `vault.fault`, `media.fault`, a leg that is scripted to say no.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from quietline.carriers import Route
from quietline.errors import Denied, QuietlineError
from quietline.legs import LegTicket
from quietline.sealed import Sealed
from quietline.telephony.ports import AgentPhone, LegEvent, LegEventKind
from quietline.vault.ports import Callback, CallEvent, Match, StaffMember

_numbers = itertools.count(1)


def ticket(kind: str = "caller", number: str = "+442079460123", agent: str = "") -> LegTicket:
    """A leg ticket as the edge would have signed it."""
    each = next(_numbers)
    return LegTicket(
        id=f"leg_{each}", kind=kind, at=0, trunk="carrier-a", grade="tls-srtp", caller=Sealed(number), private=False,
        dialled="+442079460101", agent=agent, call_id=f"ci{each}", from_tag="ft", to_tag="tt", raw=Sealed(f"raw{each}"),
    )  # fmt: skip


class FakeLeg:
    """A dialog in memory. What we do to it stands in `did`; what the far side does is put in with `happens`."""

    def __init__(self, leg_ticket: LegTicket | None = None, name: str = "") -> None:
        self.id = name or f"dialog{next(_numbers)}"
        self.offer = "offer"
        self.ticket = leg_ticket
        self.alive = True
        self.did: list[str] = []
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()

    def happens(self, kind: LegEventKind, **details: Any) -> None:
        """The far side does something."""
        if kind is LegEventKind.ANSWERED:
            self.ticket = details.get("ticket") or self.ticket
        if kind in (LegEventKind.ENDED, LegEventKind.REJECTED, LegEventKind.CANCELLED):
            self.alive = False
        self._events.put_nowait(LegEvent(kind, **details))

    def ringing(self) -> None:
        self.did.append("ringing")

    def answer(self, sdp: str) -> None:
        self.did.append("answer")

    def reject(self, code: int, reason: str = "") -> None:
        self.alive = False
        self.did.append(f"reject {code}")

    def hang_up(self) -> None:
        if self.alive:
            self.alive = False
            self.did.append("hang_up")

    def accept_offer(self, sdp: str) -> None:
        self.did.append("accept_offer")

    def refuse_offer(self, code: int) -> None:
        self.did.append(f"refuse_offer {code}")

    def reoffer(self, sdp: str) -> None:
        self.did.append("reoffer")

    def probe(self, wait: float = 32.0) -> None:
        self.did.append("probe")

    async def next_event(self) -> LegEvent:
        return await self._events.get()

    def save(self) -> dict[str, Any]:
        return {"id": self.id, "ticket": bool(self.ticket)}


class FakeTelephony:
    """Phones that answer as `answers` says, in order; the last goes on for ever."""

    def __init__(self) -> None:
        self.callers: asyncio.Queue[FakeLeg] = asyncio.Queue()
        self.dialled: list[tuple[str, str, FakeLeg]] = []
        self.restored: list[FakeLeg] = []
        self.answers: list[LegEvent | None] = []
        self.called: list[tuple[Route, Sealed[str], FakeLeg]] = []
        self.outcomes: list[LegEvent] = []  # of calls out, in order; after the last they only ring

    async def incoming(self) -> AsyncIterator[FakeLeg]:
        while True:
            yield await self.callers.get()

    def dial_agent(self, agent: str, alias: str, sdp: str) -> FakeLeg:
        leg = FakeLeg()
        self.dialled.append((agent, alias, leg))
        answer = self.answers.pop(0) if len(self.answers) > 1 else next(iter(self.answers), None)
        if answer:
            leg.happens(answer.kind, code=answer.code, sdp=answer.sdp, ticket=ticket("agent", "", agent))
        return leg

    def dial_out(self, route: Route, number: Sealed[str], sdp: str) -> FakeLeg:
        leg = FakeLeg()
        self.called.append((route, number, leg))
        answer = self.outcomes.pop(0) if self.outcomes else None
        if answer:
            vouched = ticket("called") if answer.kind is LegEventKind.ANSWERED else None
            leg.happens(answer.kind, code=answer.code, sdp=answer.sdp, ticket=vouched)
        return leg

    def restore(self, saved: dict[str, Any]) -> FakeLeg:
        leg = FakeLeg(ticket() if saved["ticket"] else None, saved["id"])
        self.restored.append(leg)
        return leg


class _Keys(AsyncIterator[str]):
    """Survives a cancelled wait, as the relay's does."""

    def __init__(self, queue: asyncio.Queue[str]) -> None:
        self._queue = queue

    async def __anext__(self) -> str:
        return await self._queue.get()


class FakeMedia:
    """The relay's part of a call. `did` lists the verbs; `press` keys digits; `fault` makes the next verb raise."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.held = False  # by the agent: as their latest offer says
        self.fault: dict[str, QuietlineError] = {}
        self._keys: asyncio.Queue[str] = asyncio.Queue()

    def press(self, digits: str) -> None:
        for digit in digits:
            self._keys.put_nowait(digit)

    def _note(self, verb: str, detail: str = "") -> None:
        if verb in self.fault:
            raise self.fault.pop(verb)
        self.did.append(f"{verb} {detail}".strip())

    async def answer_caller(self, offer: str) -> str:
        self._note("answer_caller")
        return "answer"

    async def play(self, prompt: str) -> float:
        self._note("play", prompt)
        return 0.0

    async def loop(self, prompt: str) -> None:
        self._note("loop", prompt)

    async def stop(self) -> None:
        self._note("stop")

    async def offer_agent(self, attempt: str, phone: AgentPhone) -> str:
        self._note("offer_agent", attempt)
        return "masked offer"

    async def bridge(self, attempt: str, agent_sdp: str) -> None:
        self._note("bridge", attempt)

    async def offer_agent_alone(self, attempt: str, phone: AgentPhone) -> str:
        self._note("offer_agent_alone", attempt)
        return "masked offer"

    async def connect_agent(self, attempt: str, agent_sdp: str) -> None:
        self._note("connect_agent", attempt)

    async def ringback(self, on: bool) -> None:
        self._note("ringback", str(on))

    async def offer_called(self, encrypted: bool = True) -> str:
        self._note("offer_called", "encrypted" if encrypted else "cleartext")
        return "offer"

    async def connect_called(self, sdp: str) -> None:
        self._note("connect_called")

    async def join(self) -> None:
        self._note("join")

    async def park(self) -> None:
        self._note("park")

    async def offer_consult(self, attempt: str, phone: AgentPhone) -> str:
        self._note("offer_consult", attempt)
        return "masked offer"

    async def connect_consult(self, attempt: str, agent_sdp: str) -> None:
        self._note("connect_consult", attempt)

    async def take_back(self) -> None:
        self._note("take_back")

    async def hand_over(self) -> None:
        self._note("hand_over")

    def agent_again(self, direction: str) -> str:
        self._note("agent_again", direction)
        return direction

    async def second_reoffer(self, sdp: str) -> str:
        self._note("second_reoffer")
        return "answer"

    async def agent_reoffer(self, sdp: str) -> str:
        self._note("agent_reoffer")
        self.held = "sendonly" in sdp
        return "answer"

    async def caller_reoffer(self, sdp: str) -> str:
        self._note("caller_reoffer")
        return "answer"

    async def mute_digits(self, muted: bool) -> None:
        self._note("mute_digits", str(muted))

    def digits(self) -> AsyncIterator[str]:
        return _Keys(self._keys)

    async def silence_seconds(self) -> dict[str, float]:
        self._note("silence_seconds")
        return {}

    async def suites(self) -> dict[str, str]:
        return {}

    async def release(self) -> None:
        self._note("release")

    def save(self) -> dict[str, Any]:
        return {}


class FakeVoice:
    """Makes words at once. `said` lists them."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def say(self, name: str, language: str, text: str) -> str:
        self.said.append(text)
        return f"{name}@{language}"


class FakeRelay:
    """Hands out one FakeMedia a call."""

    def __init__(self) -> None:
        self.media: dict[str, FakeMedia] = {}
        self.restored: list[FakeMedia] = []
        self.reaped: set[str] | None = None

    def media_for(self, call: str) -> FakeMedia:
        return self.media.setdefault(call, FakeMedia())

    def restore(self, saved: dict[str, Any]) -> FakeMedia:
        self.restored.append(FakeMedia())
        return self.restored[-1]

    async def reap(self, known: set[str]) -> int:
        self.reaped = set(known)
        return 0

    async def alive(self) -> bool:
        return True


@dataclass
class FakeVault:
    """The vault's answers, as `ports.CallVault` has them. `fault` is raised by each while it is set; `code` passes."""

    staff_members: list[StaffMember] = field(default_factory=list)
    assurance: int = 1
    last_agent: str = ""  # whom every caller spoke with last
    code: str = "424242"
    number: str = "+442079460123"  # the one to ring back
    callback_expires: float = 1e10
    fault: QuietlineError | None = None
    digits: Sealed[str] = field(default_factory=lambda: Sealed(""))  # the latest that were to be kept
    asked: list[str] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)

    def _ask(self, operation: str) -> None:
        self.asked.append(operation)
        if self.fault:
            raise self.fault

    async def arrive_and_match(self, leg: Sealed[str]) -> Match:
        self._ask("arrive_and_match")
        return Match("leg", "cu_token", self.assurance, self.last_agent)

    async def arrive(self, leg: Sealed[str]) -> None:
        self._ask("arrive")

    async def match(self, leg: Sealed[str]) -> Match:
        self._ask("match")
        return Match("leg", "cu_token", self.assurance, self.last_agent)

    async def connect(self, leg: str, agent_leg: Sealed[str]) -> str:
        self._ask("connect")
        return "gr_1"

    async def send_code(self, leg: str) -> bool:
        self._ask("send_code")
        return True

    async def check_code(self, leg: str, digits: Sealed[str]) -> int:
        self._ask("check_code")
        if digits != Sealed(self.code):
            raise Denied("code-wrong")
        return 2

    async def keep_digits(self, leg: str, digits: Sealed[str]) -> None:
        self._ask("keep_digits")
        self.digits = digits

    async def hang_up(self, leg: str) -> None:
        self._ask("hang_up")

    async def keep_callback(self, leg: Sealed[str]) -> Callback:
        self._ask("keep_callback")
        return Callback(f"cb_{next(_numbers)}", self.callback_expires)

    async def dial_callback(self, callback: str, agent_leg: Sealed[str]) -> Sealed[str]:
        self._ask("dial_callback")
        return Sealed(self.number)

    async def answer_callback(self, callback: str, leg: Sealed[str]) -> Match:
        self._ask("answer_callback")
        return Match("leg", "cu_token", self.assurance, self.last_agent)

    async def drop_callback(self, callback: str, why: str = "withdrawn") -> None:
        self._ask("drop_callback")

    async def staff(self) -> list[StaffMember]:
        self._ask("staff")
        return self.staff_members

    async def note_events(self, events: list[CallEvent]) -> None:
        self._ask("note_events")
        self.events += events
