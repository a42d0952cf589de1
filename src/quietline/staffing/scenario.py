"""From a scenario file to a world that can be simulated, all references checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from math import inf
from pathlib import Path
from zoneinfo import ZoneInfo

from quietline.chain import reading as chain_reading
from quietline.chain.file import need_of, span_of
from quietline.chain.model import Chain
from quietline.chain.reading import rule_of
from quietline.files import marked_yaml
from quietline.files.marked_yaml import Marked, Place
from quietline.files.model import all_of, nearest, read_model
from quietline.reports.definitions import Standard
from quietline.reports.intervals import Intervals
from quietline.routing.arrivals import Behaviour, Profile, Recorded, Stream
from quietline.routing.hours import moment
from quietline.routing.model import Agent, QueueRule, State
from quietline.routing.simulate import Duty, World
from quietline.routing.skills import ask_of, fits
from quietline.skills import parse_skills
from quietline.staffing.calls_csv import read_recorded
from quietline.staffing.doors import ChainDoors
from quietline.staffing.scenario_file import MAX_AGENTS, MAX_CALLS, AgentsModel, CallersModel, ScenarioFile
from quietline.vault.schema import DataClass

CERTIFIED = {each.value: inf for each in DataClass}  # everybody simulated has every certificate


@dataclass(frozen=True, slots=True)
class Scenario:
    """What `quietline simulate` runs. `warnings`: lines for people."""

    name: str
    world: World
    standard: Standard
    aim: float  # the service level hoped for, 0 to 1
    zone: ZoneInfo
    width: int  # seconds of an interval
    seed: int
    replications: int
    warnings: tuple[str, ...] = field(default=(), repr=False)

    def intervals(self) -> Intervals:
        """Those of the table and the plot."""
        return Intervals(self.zone, self.width)


def load(path: Path) -> Scenario:
    """The scenario of a file. Raises ConfigError with a line for each mistake."""
    return _Builder(marked_yaml.load(path), path).scenario()


class _Builder:
    def __init__(self, file: Marked, path: Path) -> None:
        self._file, self._path = file, path
        self._model = read_model(ScenarioFile, file)
        self._day = date.fromisoformat(self._model.date)
        self._chain = chain_reading.load(path.parent / self._model.chain).chain if self._model.chain else Chain()

    def scenario(self) -> Scenario:
        """Everything, or all that is wrong with it."""
        model = self._model
        queues = self._queues()
        if mistakes := list(self._mistakes(queues)):
            raise all_of(mistakes)
        agents, duties = self._people()
        streams = tuple(self._stream(name, each) for name, each in model.callers.items())
        behaviour = Behaviour(model.behaviour.pick_up.distribution(), model.behaviour.missed, model.behaviour.back)
        doors = ChainDoors(self._chain, queues) if self._chain.stores else None
        world = World(tuple(queues.values()), tuple(agents), tuple(duties), streams, behaviour, doors)
        self._limit(world)
        return Scenario(
            self._path.stem,
            world,
            model.service_level.standard(),
            model.service_level.share,
            ZoneInfo(model.zone),
            model.interval * 60,
            model.seed,
            model.replications,
            tuple(self._warnings(world)),
        )

    def _queues(self) -> dict[str, QueueRule]:
        written = {name: rule_of(name, each) for name, each in self._model.queues.items()}
        return {rule.id: rule for rule in self._chain.rules()} | written

    # What is wrong

    def _mistakes(self, queues: dict[str, QueueRule]) -> Iterator[str]:
        for name, each in self._model.callers.items():
            named: dict[Place, str] = {("callers", name, "queue"): each.queue}
            if each.transfer:
                named["callers", name, "transfer", "to"] = each.transfer.to
            for place, queue in named.items():
                if queue not in queues:
                    yield self._file.says(place, f"`{queue}` is no queue here; {nearest(queue, queues)}")
        for number, group in enumerate(self._model.agents):
            yield from self._wrong_group(number, group, queues)

    def _wrong_group(self, number: int, group: AgentsModel, queues: dict[str, QueueRule]) -> Iterator[str]:
        place: Place = ("agents", number)
        for queue in group.queues:
            if queue not in queues:
                yield self._file.says((*place, "queues"), f"`{queue}` is no queue here; {nearest(queue, queues)}")
        if group.chain and not list(self._of_chain(group)):
            what = f"the chain file has no agents{' in ' + group.store if group.store else ''}; give `count` instead"
            yield self._file.says(place, what)
        shift = span_of(group.shift)
        for pause in group.breaks:
            span = span_of(pause)
            if not (shift.start <= span.start and span.end <= shift.end):
                yield self._file.says((*place, "breaks"), f"{pause} is not within the shift {group.shift}; move it")

    def _limit(self, world: World) -> None:
        calls = sum(_expected(stream) for stream in world.streams)
        if calls > MAX_CALLS:
            raise self._file.error(("callers",), f"{calls:,.0f} calls; at most {MAX_CALLS:,} can be simulated at once")
        if len(world.agents) > MAX_AGENTS:
            raise self._file.error(("agents",), f"{len(world.agents):,} agents; at most {MAX_AGENTS:,}")

    def _warnings(self, world: World) -> Iterator[str]:
        """Callers nobody can ever take: by a skill that nobody on the roster has, or on another day."""
        first, last = min(duty.at for duty in world.duties), max(duty.at for duty in world.duties)
        for stream in world.streams:
            at = stream.arrivals.at if isinstance(stream.arrivals, Recorded) else ()
            if at and (at[-1] < first or at[0] > last):
                yield self._file.says(("callers", stream.id), "all of them call while nobody is there; look at `date`")
        stores = {store.id for store in self._chain.stores}
        for stream in world.streams:
            if stores and stream.store and stream.store not in stores:
                place: Place = ("callers", stream.id, "store")
                what = f"`{stream.store}` is no store of the chain file, so it is always open"
                yield self._file.says(place, f"{what}; {nearest(stream.store, stores)}")
        rules = {rule.id: rule for rule in world.queues}
        for stream in world.streams:
            rule = rules[stream.queue]
            asks = [ask_of(rule, step, stream.needs, stream.stores) for step in rule.steps]
            if not any(fits(each.skills, each.store, each.queues, ask) for each in world.agents for ask in asks):
                yield self._file.says(("callers", stream.id), "no agent here can ever take these calls; look at skills")

    # Who calls

    def _stream(self, name: str, model: CallersModel) -> Stream:
        return Stream(
            name,
            model.queue,
            self._arrivals(name, model),
            model.talk.distribution(),
            model.wrap_up.distribution(),
            model.endurance,
            model.store,
            tuple(need_of(each) for each in model.needs),
            frozenset(model.stores),
            model.head_start,
            model.transfer.transfer() if model.transfer else None,
            model.callback.offer() if model.callback else None,
        )

    def _arrivals(self, name: str, model: CallersModel) -> Profile | Recorded:
        if model.recorded is not None:
            return read_recorded(self._path.parent / model.recorded, ZoneInfo(self._model.zone), model.queue)
        assert model.start is not None
        assert model.calls is not None
        return Profile(self._at(_minutes(model.start)), self._model.interval * 60.0, tuple(model.calls))

    # Who answers

    def _people(self) -> tuple[list[Agent], list[Duty]]:
        agents: list[Agent] = []
        duties: list[Duty] = []
        for number, group in enumerate(self._model.agents, 1):
            members = list(self._members(number, group))
            agents += members
            duties += [duty for member in members for duty in self._duties(member.id, group)]
        return agents, duties

    def _members(self, number: int, group: AgentsModel) -> Iterator[Agent]:
        """Made up: group2.5; the chain's: chain.7, for names are nobody's business here."""
        if group.chain:
            for place, (skills, store) in enumerate(self._of_chain(group), 1):
                yield _agent(f"group{number}.chain.{place}", skills, store, group)
            return
        for place in range(1, (group.count or 0) + 1):
            yield _agent(f"group{number}.{place}", parse_skills(group.skills), group.store, group)

    def _of_chain(self, group: AgentsModel) -> Iterator[tuple[dict[str, int], str]]:
        for person in self._chain.agents:
            if group.store in ("", person.store):
                yield parse_skills(person.skills), person.store

    def _duties(self, agent: str, group: AgentsModel) -> Iterator[Duty]:
        shift = span_of(group.shift)
        yield Duty(self._at(shift.start), agent, State.READY)
        for pause in map(span_of, group.breaks):
            yield Duty(self._at(pause.start), agent, State.AWAY)
            yield Duty(self._at(pause.end), agent, State.READY)
        yield Duty(self._at(shift.end), agent, State.OFFLINE)

    def _at(self, minute: int) -> float:
        return moment(self._model.zone, self._day, minute)


def _agent(name: str, skills: dict[str, int], store: str, group: AgentsModel) -> Agent:
    return Agent(name, skills, CERTIFIED, store, frozenset(group.queues))


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _expected(stream: Stream) -> float:
    arrivals = stream.arrivals
    return sum(arrivals.calls) if isinstance(arrivals, Profile) else len(arrivals.at)
