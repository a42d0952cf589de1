"""The controller's side of `controller.sock`: what a desk page may ask about its own agent (see desk_protocol.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from quietline.call import Call
from quietline.chain.model import Chain
from quietline.desk_protocol import AgentState, AwayReason
from quietline.errors import Denied, ProtocolError
from quietline.live.consult import Consult
from quietline.live.floor import Floor
from quietline.live.tries import Try
from quietline.live.wallboard import Wallboard, as_frame
from quietline.plain import plain
from quietline.reasons import Why, denied
from quietline.telephony.ports import AgentPhone
from quietline.wire import Frame, Peer

ROOT_ONLY = frozenset({"reload"})
REASONS = "|".join(AwayReason)
WISHES = {AgentState.READY, AgentState.AWAY, AgentState.OFFLINE}


class DeskServer:
    """Answers the web process. `users` are the user ids that may ask; root may always."""

    def __init__(
        self,
        floor: Floor,
        calls: Mapping[str, Call],
        users: frozenset[int],
        reload: Callable[[], Chain],
        tries: Mapping[str, Try] | None = None,
        wallboard: Wallboard | None = None,
    ) -> None:
        self._floor = floor
        self._calls = calls
        self._tries = tries if tries is not None else {}
        self._reload = reload
        self._wallboard = wallboard
        self._users = users | {0}

    async def handle(self, peer: Peer, frame: Frame) -> Frame:
        """One request. Raises Denied for a stranger, or for a call that is not the agent's."""
        self._admit(peer)
        if frame.get("op") == "wallboard" and self._wallboard:
            return as_frame(await self._wallboard.show(str(frame.get("store", ""))))
        operation = getattr(self, "_op_" + str(frame.get("op")), None)
        if operation is None:
            raise ProtocolError("controller.sock: unknown operation")
        if frame.get("op") in ROOT_ONLY and peer.uid != 0:
            raise Denied("wrong-user", "only root may change what is in force")
        answer: Frame = operation(frame) or {}
        return answer

    async def subscribe(self, peer: Peer, frame: Frame) -> AsyncIterator[Frame]:
        """Every agent's changes, from now on."""
        self._admit(peer)
        async for event in self._floor.events():
            yield event.as_frame()

    def _admit(self, peer: Peer) -> None:
        if peer.uid not in self._users:
            raise Denied("wrong-user", "only the web process may ask the controller")

    def _op_state(self, frame: Frame) -> None:
        try:
            wish, phone = AgentState(frame["state"]), AgentPhone(frame.get("phone", AgentPhone.BROWSER))
            reason = AwayReason(frame.get("reason", AwayReason.CHOSEN))
        except (KeyError, ValueError):
            raise ProtocolError(f"state: want state=ready|away|offline, phone=browser|sip, reason={REASONS}") from None
        if wish not in WISHES:
            raise ProtocolError("state: only ready, away and offline can be asked for")
        self._floor.wish(_agent(frame), wish, phone, reason)

    def _op_snapshot(self, frame: Frame) -> dict[str, Any]:
        return plain(self._floor.view(_agent(frame)))

    def _op_hang_up(self, frame: Frame) -> None:
        self._own(frame).hang_up()

    def _op_verify(self, frame: Frame) -> None:
        self._talking(frame).verify()

    def _op_transfer(self, frame: Frame) -> None:
        call = self._talking(frame)
        queue, colleague = str(frame.get("queue", "")), str(frame.get("colleague", ""))
        if bool(queue) == bool(colleague):
            raise ProtocolError("transfer: want a queue or a colleague")
        if queue and call.house.plans.now.queue(queue) is None:
            raise denied(Why.NO_SUCH_QUEUE)
        if colleague:
            self._free(colleague, frame)
        call.transfer(queue, colleague)

    def _op_consult(self, frame: Frame) -> None:
        call = self._talking(frame)
        colleague = str(frame.get("colleague", ""))
        self._free(colleague, frame)
        call.consult(colleague)

    def _op_complete(self, frame: Frame) -> None:
        self._talking(frame, asking=True).settle("complete")

    def _op_take_back(self, frame: Frame) -> None:
        self._talking(frame, asking=True).settle("back")

    def _op_targets(self, frame: Frame) -> dict[str, Any]:
        call = self._talking(frame)
        queues = [{"id": queue.id, "name": queue.name} for queue in call.house.plans.now.chain.queues]
        return {"queues": queues, "agents": [each for each in self._floor.ready() if each != _agent(frame)]}

    def _op_wrap_up_done(self, frame: Frame) -> None:
        self._floor.wrapped_up(_agent(frame))

    def _op_floor(self, frame: Frame) -> dict[str, Any]:
        return self._floor.counts()

    def _op_explain(self, frame: Frame) -> dict[str, Any]:
        if not frame.get("call"):
            return {"waiting": [each.call for each in self._floor.waiting()], "latest": list(self._floor.latest())}
        return self._floor.explain(str(frame["call"]))

    def _op_reload(self, frame: Frame) -> dict[str, Any]:
        chain = self._reload()
        return {"stores": len(chain.stores), "queues": len(chain.queues), "flows": len(chain.flows)}

    def _talking(self, frame: Frame, asking: bool = False) -> Call:
        """The agent's call, in which nobody is asked yet, or with `asking` somebody is."""
        call = self._own(frame)
        if not isinstance(call, Call) or (call.asking is not None) is not asking:
            raise denied(Why.NOT_NOW)
        return call

    def _free(self, colleague: str, frame: Frame) -> None:
        if colleague == _agent(frame) or colleague not in self._floor.ready():
            raise denied(Why.NOT_READY)

    def _own(self, frame: Frame) -> Call | Try | Consult:
        name = str(frame.get("call"))
        main = self._calls.get(name.partition(".")[0])
        if main and main.asking and (main.asking.id, main.asking.agent) == (name, _agent(frame)):
            return main.asking
        call = self._calls.get(name) or self._tries.get(name)
        if call is None or call.progress.agent != _agent(frame):
            raise Denied("not-your-call", "the call has ended, or is another agent's")
        return call


def _agent(frame: Frame) -> str:
    agent = frame.get("agent")
    if not isinstance(agent, str) or not agent:
        raise ProtocolError("controller.sock: `agent` is missing")
    return agent
