"""The live floor as pages see it: one subscription to the controller, fanned out to every event stream."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import Any, Protocol

import structlog

from quietline import errors
from quietline.desk_protocol import AgentState, AgentView
from quietline.web.problems import CallEnded, NoSuchCall, NotInThisState, TooMany
from quietline.web.site import Limits

log = structlog.get_logger()

FIRST_RETRY, LAST_RETRY = 0.1, 2.0  # seconds between tries to reach the controller
_VIEW_FIELDS = frozenset(field.name for field in fields(AgentView))


class ControllerLink(Protocol):
    """`wire.WireClient` on controller.sock; raises Unavailable when the controller does not answer."""

    async def call(self, op: str, **fields: Any) -> dict[str, Any]: ...

    def events(self, **fields: Any) -> AsyncIterator[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """The grant of an agent's latest call. It stays on this side; the browser never learns it."""

    call: str
    grant: str


class Stream:
    """One open page. Keeps only the newest view, so a slow page costs no memory."""

    def __init__(self, agent: str, session: str) -> None:
        self.agent = agent
        self.session = session
        self.closed = False
        self._pending: dict[str, Any] | None = None
        self._wake = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        """Tell this next; an older message that was not told yet is dropped."""
        self._pending = message
        self._wake.set()

    def skip(self) -> None:
        """What was put so far has been told already."""
        self._pending = None
        self._wake.clear()

    def close(self) -> None:
        self.closed = True
        self._wake.set()

    async def next(self, seconds: float) -> dict[str, Any] | None:
        """The newest message, or None after `seconds` without one, or when the stream was closed."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return None
        self._wake.clear()
        message, self._pending = self._pending, None
        return None if self.closed else message


def view_of(data: dict[str, Any]) -> AgentView:
    """An AgentView from a frame; unknown keys are left out, so that a newer controller does not break an older web."""
    known = {name: value for name, value in data.items() if name in _VIEW_FIELDS}
    try:
        known["state"] = AgentState(known["state"])
        known["lapsed"] = tuple(known.get("lapsed", ()))
        return AgentView(**known)
    except (KeyError, TypeError, ValueError):
        raise errors.ProtocolError("controller: not an agent view") from None


def public_view(view: AgentView, now: float) -> dict[str, Any]:
    """What a page may know: all but the grant. `now` (UTC seconds) lets it draw countdowns by our clock."""
    shown = {name: getattr(view, name) for name in sorted(_VIEW_FIELDS - {"grant"})}
    return {**shown, "lapsed": list(view.lapsed), "now": now}


class LiveFloor:
    """Asks and hears the controller. `run` belongs to the process's task group; the rest is called from routes."""

    def __init__(self, controller: ControllerLink, limits: Limits) -> None:
        self._controller = controller
        self._limits = limits
        self._streams: dict[str, set[Stream]] = defaultdict(set)
        self._views: dict[str, AgentView] = {}
        self._held: dict[str, HeldGrant] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.connected = False

    async def run(self) -> None:
        """Follow the controller until cancelled; every break is retried, with backoff."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await self._follow()
            finally:
                self._tasks = None  # streams that end from now on start nothing any more

    async def _follow(self) -> None:
        retry = FIRST_RETRY
        while True:
            try:
                async for frame in self._controller.events():
                    retry = FIRST_RETRY
                    self._hear(frame)
            except (errors.Unavailable, errors.ProtocolError):
                self._lost()
            await asyncio.sleep(retry)
            retry = min(LAST_RETRY, retry * 2)
            await self._refresh()

    async def _refresh(self) -> None:
        """After a break: what every open page should show now."""
        for agent in [agent for agent, streams in self._streams.items() if streams]:
            try:
                self._learn(await self.view(agent), tell=True)
            except (errors.Unavailable, errors.ProtocolError):
                return

    def _hear(self, frame: dict[str, Any]) -> None:
        self._found()
        if "view" in frame:
            self._learn(view_of(frame["view"]))

    def _found(self) -> None:
        if not self.connected:
            self.connected = True
            log.info("controller reached")

    def _lost(self) -> None:
        if self.connected:
            self.connected = False
            log.warning("controller lost")
        self._views.clear()  # of an earlier life: what comes next is newer, and nothing counts as live until it does
        for streams in self._streams.values():
            for stream in streams:
                stream.put({"event": "fault", "part": "controller"})

    def _learn(self, view: AgentView, tell: bool = False) -> AgentView:
        """Keep the newer of two views; tell the pages what is new, or with `tell` in any case.

        Answers and events take different ways and may overtake each other.
        """
        known = self._views.get(view.agent)
        if known and known.revision > view.revision:
            return known
        tell = tell or known != view
        self._views[view.agent] = view
        if view.call and view.grant:
            self._held[view.agent] = HeldGrant(view.call, view.grant)
        for stream in self._streams.get(view.agent, ()) if tell else ():
            stream.put({"event": "state", "view": view})
        return view

    async def ask(self, op: str, agent: str, **values: str) -> dict[str, Any]:
        """One operation of desk_protocol. Raises Unavailable, or the controller's own refusal."""
        answer = await self._controller.call(op, agent=agent, **values)
        self._found()
        return answer

    async def view(self, agent: str) -> AgentView:
        """This agent, by the controller's word at this moment."""
        answer = await self.ask("snapshot", agent)
        return self._learn(view_of(answer.get("view", answer)))

    async def require_call(self, agent: str, call: str, ended: bool = False) -> None:
        """For call control: the agent's current call, live or, with `ended`, wrapping up. Raises as `live_grant`."""
        view = await self.view(agent)
        if ended and view.call == call and view.state is AgentState.WRAP_UP:
            return
        self._require_current(view, call)
        if ended:
            raise NotInThisState("The call has not ended yet.")

    async def live_grant(self, agent: str, call: str) -> str:
        """The grant of the agent's live call. Raises NoSuchCall, CallEnded or NotInThisState."""
        view = await self.view(agent)
        self._require_current(view, call)
        if view.state is not AgentState.ON_CALL or not view.grant:
            raise NotInThisState("The call is not connected.")
        return view.grant

    async def closing_grant(self, agent: str, call: str) -> str:
        """The grant of the agent's live call or wrap-up: it opens no field, the vault sees to that."""
        view = await self.view(agent)
        if view.call != call:
            self._require_current(view, call)
        if view.state not in (AgentState.ON_CALL, AgentState.WRAP_UP):
            raise NotInThisState("The call is not connected.")
        held = self._held.get(agent)
        grant = view.grant or (held.grant if held and held.call == call else "")
        if not grant:
            raise NotInThisState("Nothing is known of this call any more.")
        return grant

    def _require_current(self, view: AgentView, call: str) -> None:
        held = self._held.get(view.agent)
        if view.call == call and view.state is AgentState.WRAP_UP:
            raise CallEnded("The call has ended, and its data is closed.")
        if view.call != call:
            if held and held.call == call:
                raise CallEnded("The call has ended, and its data is closed.")
            raise NoSuchCall("You have no such call.")

    def still_live(self, agent: str, call: str) -> None:
        """Asked after the vault answered: a hang-up meanwhile closes the value before it leaves. Raises CallEnded."""
        view = self._views.get(agent)
        if view is None or view.call != call or view.state is not AgentState.ON_CALL:
            raise CallEnded("The call ended meanwhile.")

    def open_stream(self, agent: str, session: str) -> Stream:
        """Raises TooMany above `streams_per_agent`."""
        streams = self._streams[agent]
        if len(streams) >= self._limits.streams_per_agent:
            raise TooMany("Too many pages are open for this person. Close some.")
        stream = Stream(agent, session)
        streams.add(stream)
        if leaving := self._leaving.pop(agent, None):
            leaving.cancel()
        return stream

    def drop_stream(self, stream: Stream) -> None:
        """The page has gone. When it was the last one, the agent goes offline unless a page comes back soon."""
        streams = self._streams[stream.agent]
        streams.discard(stream)
        if not streams and self._tasks and stream.agent not in self._leaving:
            self._leaving[stream.agent] = self._tasks.create_task(self._leave_later(stream.agent))

    async def _leave_later(self, agent: str) -> None:
        await asyncio.sleep(self._limits.offline_after_seconds)
        self._leaving.pop(agent, None)
        self._streams.pop(agent, None)
        try:
            await self.ask("state", agent, state="offline", phone="browser")
        except errors.QuietlineError as error:
            log.warning("agent not taken offline", agent=agent, error=type(error).__name__)

    def close_session(self, agent: str, session: str) -> None:
        """Sign-out: every stream of this session ends now."""
        for stream in self._streams.get(agent, ()):
            if stream.session == session:
                stream.close()

    def stream_count(self) -> int:
        return sum(len(streams) for streams in self._streams.values())

    def close_all(self) -> None:
        """The process stops."""
        for streams in self._streams.values():
            for stream in streams:
                stream.close()
