"""The estimator of waiting times, tried out on simulated days: what it would have told callers, and how wrong it was.

Told is every caller who finds nobody free, at arrival, from what the live system would know: calls ahead, agents on
duty who could take the call by its first step, handle times and hang-ups so far.
"""

from __future__ import annotations

from quietline.routing.arrivals import Stream
from quietline.routing.estimate import Error, Estimator, Group, work_ahead
from quietline.routing.model import State
from quietline.routing.simulate import Watch, World
from quietline.routing.skills import ask_of, fits
from quietline.routing.visits import Outcome


class EstimatesWatch(Watch):
    """Listens to one simulation; `error` afterwards."""

    def __init__(self, world: World) -> None:
        self._estimator = Estimator()
        self._able = {stream.id: _able(world, stream) for stream in world.streams}
        self._on_duty: set[str] = set()
        self._here: dict[str, frozenset[str]] = {}  # by stream: who is able and on duty
        self._line: dict[str, dict[str, None]] = {stream.id: {} for stream in world.streams}

    def waits(self, call: str, stream: Stream, now: float) -> None:
        """Tell the caller a time."""
        mine = self._who(stream.id)
        ahead = work_ahead(mine, (Group(self._who(name), len(line)) for name, line in self._line.items()))
        self._estimator.expect(call, stream.queue, ahead, len(mine), now)
        self._line[stream.id][call] = None

    def answered(self, call: str, stream: Stream, waited: float, now: float) -> None:
        """The time that was told meets the time that it took."""
        self._line[stream.id].pop(call, None)
        self._estimator.answered(call, stream.queue, waited, now)

    def lost(self, call: str, stream: Stream, waited: float, outcome: Outcome) -> None:
        """How long they would have waited nobody knows."""
        self._line[stream.id].pop(call, None)
        self._estimator.hung_up(call, stream.queue, waited)

    def forget(self, call: str, stream: Stream) -> None:
        """They wait no longer on the line."""
        self._line[stream.id].pop(call, None)
        self._estimator.forget(call)

    def handled(self, stream: Stream, seconds: float) -> None:
        """The handle time is learned from."""
        self._estimator.handled(stream.queue, seconds)

    def duty(self, agent: str, state: State) -> None:
        """Who could take calls is new."""
        if state is State.READY:
            self._on_duty.add(agent)
        else:
            self._on_duty.discard(agent)
        self._here.clear()

    def error(self) -> Error:
        """Of the latest thousand callers who were told a time and answered."""
        return self._estimator.error()

    def _who(self, stream: str) -> frozenset[str]:
        if stream not in self._here:
            self._here[stream] = self._able[stream] & self._on_duty
        return self._here[stream]


def _able(world: World, stream: Stream) -> frozenset[str]:
    rule = next(each for each in world.queues if each.id == stream.queue)
    ask = ask_of(rule, rule.steps[0], stream.needs, stream.stores)
    return frozenset(agent.id for agent in world.agents if fits(agent.skills, agent.store, agent.queues, ask))
