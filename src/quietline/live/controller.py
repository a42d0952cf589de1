"""The controller: one asyncio process that runs every call. It is nobody's parent, so kill -9 of it drops nobody."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import structlog

from quietline.call import Call, Progress, resume
from quietline.desk_protocol import AgentState
from quietline.errors import Denied, ProtocolError, RelayUnavailable, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.live.callbacks import CallbackBook
from quietline.live.house import House
from quietline.live.journal import SealedJournal
from quietline.logs import place
from quietline.telephony.ports import AgentPhone, Leg, Relay

log = structlog.get_logger()

STAFF_EVERY = 2.0  # seconds; a lapsed certificate stops offers within 5 s (issue 5 of the plan)
FLOOR_RECORD = "floor"  # the journal's row for agents' states
FLOOR_PAUSE = 0.05  # seconds between two writings of it, for all may come at once
GOODBYE = 2.0  # seconds for BYEs to be answered at a clean stop


class Controller:
    """Accepts callers, resumes those of an earlier life, keeps the staff list fresh."""

    def __init__(
        self, house: House, relay: Relay, journal: SealedJournal, callbacks: CallbackBook | None = None
    ) -> None:
        self.calls: dict[str, Call] = {}
        self._callbacks = callbacks
        self._house = house
        self._relay = relay
        self._journal = journal
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled; then say goodbye to every caller."""
        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as self._tasks:
                await self._resume()
                self._tasks.create_task(self._keep_staff())
                self._tasks.create_task(self._keep_floor())
                self._tasks.create_task(self._house.floor.run())
                if self._callbacks:
                    self._tasks.create_task(self._callbacks.run(self._house, self._start))
                try:
                    await self._accept()
                except asyncio.CancelledError:
                    await self._goodbye()
                    raise

    async def _accept(self) -> None:
        async for leg in self._house.telephony.incoming():
            progress = Progress("call_" + secrets.token_hex(8), arrived=self._house.clock.monotonic())
            self._start(Call(self._house, leg, self._relay.media_for(progress.id), progress))

    def _start(self, call: Call) -> None:
        assert self._tasks
        self.calls[call.progress.id] = call
        task = self._tasks.create_task(self._run(call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except* Exception as broken:  # noqa: BLE001 - one broken call must not end the others; it is said aloud
            log.error("a call ended in an error of ours", call=call.progress.id, error=place(broken))
            self._house.recorder.record(Kind.FAULT, call.leg_id, part="call")
        finally:
            del self.calls[call.progress.id]

    async def _resume(self) -> None:
        """Pick up the calls that the journal knows; only then delete what the relay holds beyond them."""
        records = self._journal.load()
        floor = records.pop(FLOOR_RECORD, {})
        with suppress(Unavailable):
            self._house.floor.staff(await self._house.vault.staff())
        for agent, state in floor.items():
            self._house.floor.wish(agent, AgentState(state["state"]), AgentPhone(state["phone"]))
        for call, record in records.items():
            try:
                if "callback" in record:
                    self._revive_callback(call, record)
                else:
                    self._start(self._revive(record))
            except (ProtocolError, TypeError, KeyError):
                log.error("a call in the journal could not be resumed", call=call)
                self._journal.forget(call)
        with suppress(RelayUnavailable):
            await self._relay.reap(set(self.calls))

    def _revive_callback(self, name: str, record: dict[str, Any]) -> None:
        """The place is kept; a try that was under way is let go."""
        if self._callbacks is None:
            raise ProtocolError("callbacks: nobody rings back here")
        for saved in record["legs"]:
            self._house.telephony.restore(saved).hang_up()
        self._callbacks.restore(name, record)

    def _revive(self, record: dict[str, object]) -> Call:
        telephony = self._house.telephony
        leg = telephony.restore(record["leg"])  # type: ignore[arg-type]
        agent_leg: Leg | None = telephony.restore(record["agent_leg"]) if record["agent_leg"] else None  # type: ignore[arg-type]
        if record.get("second_leg"):  # a colleague who was being asked is let go; the caller goes back (handover.py)
            telephony.restore(record["second_leg"]).hang_up()  # type: ignore[arg-type]
        media = self._relay.restore(record["media"])  # type: ignore[arg-type]
        return resume(self._house, leg, media, agent_leg, record["progress"])  # type: ignore[arg-type]

    async def _keep_staff(self) -> None:
        while True:
            with suppress(Unavailable, Denied):
                self._house.floor.staff(await self._house.vault.staff())
            self._journal.save(FLOOR_RECORD, self._house.floor.states())
            await asyncio.sleep(STAFF_EVERY)

    async def _keep_floor(self) -> None:
        """Who comes or leaves is in the journal at once: an agent must not be lost with the controller."""
        floor = self._house.floor
        while True:
            await floor.wished.wait()
            floor.wished.clear()
            self._journal.save(FLOOR_RECORD, floor.states())
            await asyncio.sleep(FLOOR_PAUSE)

    async def _goodbye(self) -> None:
        for call in tuple(self.calls.values()):
            call.hang_up("shutdown")
        if self._running:
            await asyncio.wait(self._running, timeout=GOODBYE)
