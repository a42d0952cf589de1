"""From the chain file's text to the frozen values, all checks passed; and back to a text that reads the same.

`active_text` is what the running system keeps: the same without its people, in a form of which there is one only, so
that its SHA-256 names the configuration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from quietline.chain.check import Finding, check_file, check_use, special_of, spills_of, week_of
from quietline.chain.file import ChainFile, ClosureModel, HoursModel, QueueModel, StepModel, StoreModel, need_of
from quietline.chain.model import Announcements, Callbacks, Chain, Person, Queue, ServiceLevel, Store
from quietline.errors import ConfigError
from quietline.files import marked_yaml
from quietline.files.marked_yaml import Marked
from quietline.files.model import all_of, read_model
from quietline.flows.file import FlowBook, book, said
from quietline.routing.flow_check import Surroundings
from quietline.routing.hours import ALWAYS, Closure, Hours, moment
from quietline.routing.model import Need, QueueRule, Step
from quietline.strategies import installed

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # YAML wants them escaped, JSON does not


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that is right. `warnings`: lines for people."""

    chain: Chain
    model: ChainFile = field(repr=False)
    warnings: tuple[str, ...]
    folder: Path  # where its recordings lie

    @property
    def digest(self) -> str:
        """SHA-256, hex, of `active_text`: the name of this configuration."""
        return hashlib.sha256(active_text(self.model).encode()).hexdigest()


def load(path: Path, today: date | None = None, strategies: Collection[str] | None = None) -> Reading:
    """The chain of a file. Raises ConfigError with a line for each mistake."""
    return read(marked_yaml.load(path), path.parent, today, strategies)


def read(file: Marked, folder: Path, today: date | None = None, strategies: Collection[str] | None = None) -> Reading:
    """The same from values that were parsed. `today`: from when on clock changes are looked for.

    `strategies`: those that queues may name; None for the installed ones.
    """
    model = read_model(ChainFile, file)
    found = list(check_file(model, today or datetime.now(UTC).date(), strategies or installed()))
    mistakes = [file.says(each.place, each.what) for each in found if each.error]
    flows = _book(model, file, folder, mistakes)
    if flows is None or mistakes:
        raise all_of(mistakes)
    found += check_use(model, flows.flows)
    warnings = [*_warnings(found, file), *(said(each, file) for each in flows.findings)]
    return Reading(_chain(model, flows), model, tuple(dict.fromkeys(warnings)), folder)


def _book(model: ChainFile, file: Marked, folder: Path, mistakes: list[str]) -> FlowBook | None:
    """The flows; what is wrong in them joins the other mistakes."""
    around = Surroundings({name: store.flow for name, store in model.stores.items()}, tuple(model.queues))
    try:
        return book(model.flows, model.prompts, file, folder, around)
    except ConfigError as error:
        mistakes += str(error).splitlines()
        return None


def _warnings(found: list[Finding], file: Marked) -> list[str]:
    ordered = sorted((each for each in found if not each.error), key=lambda each: file.line(each.place))
    return [file.says(each.place, each.what) for each in ordered]


def active_text(model: ChainFile) -> str:
    """What the running system reads: no people in it. JSON, which is YAML too, defaults left out."""
    values = model.model_dump(mode="json", by_alias=True, exclude={"agents"}, exclude_defaults=True)
    return _UNPRINTABLE.sub(_escaped, json.dumps(values, indent=1, ensure_ascii=False)) + "\n"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def _chain(model: ChainFile, flows: FlowBook) -> Chain:
    schedules = {name: hours_of(each) for name, each in model.hours.items()}
    return Chain(
        stores=tuple(_store(name, each, schedules) for name, each in model.stores.items()),
        queues=tuple(_queue(name, each, schedules) for name, each in model.queues.items()),
        flows=flows.flows,
        scripts=flows.scripts,
        agents=tuple(
            Person(each.login, each.name, each.store, each.role, tuple(each.skills)) for each in model.agents or ()
        ),
        default_store=model.default_store or next(iter(model.stores)),
    )


def hours_of(model: HoursModel) -> Hours:
    """The schedule as routing has it."""
    closures = tuple(_closure(each, model.zone) for each in model.closures)
    return Hours(model.zone, week_of(model), special_of(model), closures)


def _closure(model: ClosureModel, zone: str) -> Closure:
    return Closure(local_moment(model.start, zone), local_moment(model.until, zone), model.reason)


def local_moment(text: str, zone: str) -> float:
    """UTC seconds of "2026-12-24 14:00" there."""
    local = datetime.fromisoformat(text)
    return moment(zone, local.date(), local.hour * 60 + local.minute)


def _store(name: str, model: StoreModel, schedules: dict[str, Hours]) -> Store:
    hours = schedules[model.hours] if model.hours else ALWAYS
    numbers = tuple(model.numbers)
    return Store(
        name, model.name, model.flow, numbers, model.controller, hours, model.agents == "all", spills_of(model)
    )


def _queue(name: str, model: QueueModel, schedules: dict[str, Hours]) -> Queue:
    level, announce, callback = model.service_level, model.announce, model.callback
    return Queue(
        rule=rule_of(name, model),
        name=model.name,
        reason=model.reason,
        hours=schedules[model.hours] if model.hours else ALWAYS,
        service_level=ServiceLevel(level.share, level.seconds, level.short_abandon),
        announce=Announcements(announce.every, announce.place, announce.wait),
        callback=Callbacks(callback.tries, callback.pause, callback.expires),
    )


def rule_of(name: str, model: QueueModel) -> QueueRule:
    """The queue as the matcher serves it."""
    same: dict[str, Any] = {
        each: getattr(model, each)
        for each in (
            "data_class",
            "head_start",
            "strategy",
            "sticky",
            "ring",
            "wrap_up",
            "longest_call",
            "longest_wait",
        )
    }
    first = Step(0.0, _all_needs(model), frozenset(model.stores))
    later = (Step(each.after, _all_needs(each), frozenset(each.stores)) for each in model.relax)
    return QueueRule(id=name, steps=(first, *later), longest_callback=model.callback.expires, **same)


def _all_needs(model: QueueModel | StepModel) -> tuple[Need, ...]:
    return (*(need_of(each) for each in model.needs), *(need_of(each, preferred=True) for each in model.prefers))
