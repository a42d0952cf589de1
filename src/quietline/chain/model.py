"""The business as Quietline runs it: stores, queues, flows, prompts. Frozen values, made from the chain file.

`chain/file.py` reads them from YAML; `from_config` makes them of the TOML file's [[store]] and [[queue]] tables, the
shorthand for a first start. Ids are the owner's words; no personal data is here but in `Person`, which is applied to
the vault and kept nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from quietline import config
from quietline.routing import overflow
from quietline.routing.flow import Flow, default_flow
from quietline.routing.hours import ALWAYS, Closure, Hours, Shut, closes_at, next_opening, open_at, shut_at
from quietline.routing.model import Need, QueueRule, Step
from quietline.routing.overflow import Load, Reach, Spill
from quietline.routing.stores import Directory, Listed, directory
from quietline.telephony.ports import Prompt
from quietline.telephony.prompt_scripts import Scripts, built_in, menu_pieces

DEFAULT_FLOW = "default"


@dataclass(frozen=True, slots=True)
class Store:
    """One shop, or the hub. `shared`: every open store's agents take its calls; otherwise its own, and by overflow."""

    id: str
    name: str
    flow: str = DEFAULT_FLOW
    numbers: tuple[str, ...] = ()  # E.164, as dialled
    controller: str = "brand"  # who is the GDPR controller of its customers
    hours: Hours = ALWAYS
    shared: bool = True
    overflow: tuple[Spill, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """The aim: a share of calls answered within so many seconds."""

    share: float = 0.8
    seconds: float = 20.0
    short_abandon: float = 5.0  # a caller who hangs up sooner counts as none (reports name the definition)


@dataclass(frozen=True, slots=True)
class Announcements:
    """What is said to those who wait, every so many seconds; 0 for never."""

    every: float = 45.0
    place: bool = True
    wait: bool = True


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How callers of a queue are rung back. Seconds. What offers it, and when, is the flow's."""

    tries: int = 3
    pause: float = 300.0  # between tries
    expires: float = 14_400.0  # from the promise on


@dataclass(frozen=True, slots=True)
class Queue:
    """A line of waiting callers: its rule for the matcher, and what people and callers see and hear of it."""

    rule: QueueRule
    name: str
    reason: str = "order_status"  # the reason code the desk proposes
    hours: Hours = ALWAYS
    service_level: ServiceLevel = ServiceLevel()
    announce: Announcements = Announcements()
    callback: Callbacks = Callbacks()

    @property
    def id(self) -> str:
        return self.rule.id


@dataclass(frozen=True, slots=True)
class Person:
    """An agent as the chain file names them. `skills`: with levels, as `quietline.skills` reads them."""

    login: str = field(repr=False)
    name: str = field(repr=False)
    store: str
    role: str = "agent"
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything that `quietline apply` applies. `agents` is empty in the running system: people live in the vault."""

    stores: tuple[Store, ...] = ()
    queues: tuple[Queue, ...] = ()
    flows: Mapping[str, Flow] = field(default_factory=dict)
    scripts: Scripts = field(default_factory=dict)  # what every prompt is made of, by name and language
    agents: tuple[Person, ...] = field(default=(), repr=False)
    default_store: str = ""  # answers numbers that are nobody's; "": the first

    def store(self, name: str) -> Store:
        """Raises KeyError."""
        return _named(self.stores, name)

    def queue(self, name: str) -> Queue:
        """Raises KeyError."""
        return _named(self.queues, name)

    def rules(self) -> tuple[QueueRule, ...]:
        """For the matcher."""
        return tuple(queue.rule for queue in self.queues)

    def directory(self) -> Directory:
        """From dialled number to store and flow."""
        return directory((Listed(each.id, each.flow, each.numbers) for each in self.stores), self.default_store)

    def shut(self, store: str, queue: str, wall: float) -> Shut | None:
        """Why the store, or else the queue ("" for none), takes no calls now. `wall`: UTC seconds."""
        return shut_at(self.store(store).hours, wall) or (shut_at(self.queue(queue).hours, wall) if queue else None)

    def reach(self, store: str, queue: str, wall: float, load: Callable[[str], Load], waited: float = 0.0) -> Reach:
        """Whose agents may be offered a call to this store in this queue: none where the queue is shut.

        `load` tells how a store stands but for its hours, which are looked up here.
        """
        if not open_at(self.queue(queue).hours, wall):
            return Reach()
        stores = {each.id: each for each in self.stores}
        if stores[store].shared and open_at(stores[store].hours, wall):
            return Reach(
                (store, *(name for name, each in stores.items() if name != store and open_at(each.hours, wall)))
            )

        def state(name: str) -> Load:
            return replace(load(name), open=open_at(stores[name].hours, wall))

        return overflow.reach(store, {name: each.overflow for name, each in stores.items()}, state, waited)

    def next_turn(self, wall: float) -> float:
        """When a store or a queue next opens or closes, UTC seconds; infinity where none ever does."""
        every = [each.hours for each in self.stores] + [each.hours for each in self.queues]
        schedules = {id(each): each for each in every}.values()  # many stores keep the same one
        turns = (closes_at(each, wall) if open_at(each, wall) else next_opening(each, wall) for each in schedules)
        return min((turn for turn in turns if turn is not None), default=math.inf)

    def closed(self, closures: Mapping[str, tuple[Closure, ...]]) -> Chain:
        """The same with closures of stores, by id, on top of those in the file."""
        stores = tuple(
            replace(each, hours=replace(each.hours, closures=(*each.hours.closures, *closures.get(each.id, ()))))
            for each in self.stores
        )
        return replace(self, stores=stores)


Item = TypeVar("Item", Store, Queue)


def _named(items: tuple[Item, ...], name: str) -> Item:
    found = next((each for each in items if each.id == name), None)
    if found is None:
        raise KeyError(name)
    return found


def from_config(settings: config.Config) -> Chain:
    """The chain of a TOML file: one flow, every store open always, every agent for every store."""
    controller = settings.controller
    keys = tuple((each.id, each.digit, each.spoken or each.name) for each in settings.queues)
    menu = menu_pieces(((key, {"en": label}, "") for _, key, label in sorted(keys, key=lambda each: each[1])), "en")
    return Chain(
        stores=tuple(
            Store(each.id, each.name, DEFAULT_FLOW, each.numbers, each.controller) for each in settings.stores
        ),
        queues=tuple(_queue(each, controller) for each in settings.queues),
        flows={DEFAULT_FLOW: default_flow(keys, controller.notice, DEFAULT_FLOW)} if keys else {},
        scripts=built_in() | {(str(Prompt.MENU), "en"): menu},
    )


def _queue(queue: config.Queue, times: config.Controller) -> Queue:
    rule = QueueRule(
        id=queue.id,
        data_class=queue.data_class,
        steps=(Step(needs=tuple(Need(skill) for skill in queue.skills)),),
        ring=times.ring_seconds,
        wrap_up=times.wrap_up_seconds,
        longest_call=times.max_call_seconds,
        longest_wait=times.max_wait_seconds,
    )
    return Queue(rule, queue.name, queue.reason)
