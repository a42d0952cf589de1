"""The scenario file of `quietline simulate`: a day, who calls, who answers. Models; `scenario.py` makes values of them.

Queues are written as in the chain file, or come from one. `docs/reference/scenario.md` is made from the descriptions.
"""

from __future__ import annotations

import re
from datetime import date as calendar
from math import inf
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from quietline.chain.file import QueueModel, span_of
from quietline.errors import ConfigError
from quietline.files.model import FileModel
from quietline.reports.definitions import Definition, Standard
from quietline.routing.arrivals import CallbackOffer, Distribution, Empirical, Exponential, Fixed, LogNormal, Transfer
from quietline.routing.hours import zone_of
from quietline.skills import parse_skills

MAX_CALLS = 10_000_000  # of all streams together, expected
MAX_AGENTS = 20_000


def _zone(text: str) -> str:
    try:
        zone_of(text)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{text} is no time zone; give one such as Europe/London") from error
    return text


def _date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("want a date such as 2026-11-27")
    try:
        calendar.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not in the calendar") from None
    return text


def _time(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("want a time such as 09:00")
    return text


def _span(text: str) -> str:
    span_of(text)
    return text


def _skills(texts: list[str]) -> list[str]:
    try:
        parse_skills(texts)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return texts


Time = Annotated[str, AfterValidator(_time)]
Span = Annotated[str, AfterValidator(_span)]
Skills = Annotated[list[str], AfterValidator(_skills)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class LogNormalModel(FileModel):
    """A long right tail, as handle times have."""

    mean: Annotated[float, Field(gt=0, le=86_400, description="Seconds.")]
    cv: Annotated[float, Field(gt=0, le=10, description="Standard deviation divided by the mean.")] = 1.0


class TimesModel(FileModel):
    """A distribution of times: one of its keys."""

    fixed: Annotated[Seconds | None, Field(description="Always so many seconds.")] = None
    exponential: Annotated[float | None, Field(gt=0, le=86_400, description="Memoryless, with this mean.")] = None
    lognormal: Annotated[LogNormalModel | None, Field(description="A long right tail.")] = None
    values: Annotated[
        list[Seconds] | None, Field(min_length=1, max_length=100_000, description="Times seen, each as likely.")
    ] = None

    @model_validator(mode="after")
    def _one(self) -> TimesModel:
        if len(self.model_fields_set) != 1:
            raise ValueError("give one of fixed, exponential, lognormal, values")
        return self

    def distribution(self) -> Distribution:
        """As the simulator draws from it."""
        if self.values is not None:
            return Empirical(tuple(self.values))
        if self.lognormal is not None:
            return LogNormal(self.lognormal.mean, self.lognormal.cv)
        return Exponential(self.exponential) if self.exponential is not None else Fixed(self.fixed or 0.0)


class TransferModel(FileModel):
    """A share of conversations is handed on, once, to the front of another queue; whoever takes it talks anew."""

    share: Annotated[float, Field(gt=0, le=1, description="Of the conversations, 0.1 for one in ten.")]
    to: Annotated[str, Field(description="A queue.")]
    talk: Annotated[
        TimesModel,
        Field(default_factory=lambda: TimesModel(exponential=240.0), description="Of the second talk; as above."),
    ]
    wrap_up: Annotated[
        TimesModel, Field(default_factory=lambda: TimesModel(fixed=0.0), description="After it; else none.")
    ]

    def transfer(self) -> Transfer:
        """As the simulator draws from it."""
        return Transfer(self.share, self.to, self.talk.distribution(), self.wrap_up.distribution())


class CallbackModel(FileModel):
    """Who has waited long is asked, once; a share hangs up, keeps the place and is rung back by whoever is free."""

    after: Annotated[Seconds, Field(description="Seconds of waiting; who is being answered just then is not asked.")]
    share: Annotated[float, Field(gt=0, le=1, description="Of those who are asked: who wants it.")]

    def offer(self) -> CallbackOffer:
        """As the simulator takes it."""
        return CallbackOffer(self.after, self.share)


class CallersModel(FileModel):
    """Callers who are alike."""

    queue: Annotated[str, Field(description="Where they wait.")]
    store: Annotated[
        str, Field(description="The store they dialled. Of the chain file: its hours and overflow hold.")
    ] = ""
    start: Annotated[Time | None, Field(description="When the first interval begins, local time.")] = None
    calls: Annotated[
        list[Annotated[float, Field(ge=0, le=1_000_000)]] | None,
        Field(min_length=1, max_length=3_000, description="Expected in each interval; arrivals are Poisson."),
    ] = None
    recorded: Annotated[str | None, Field(description="A CSV file instead: arrived, and queue, talk, ...")] = None
    talk: Annotated[
        TimesModel,
        Field(default_factory=lambda: TimesModel(exponential=240.0), description="And hold; else exponential: 240."),
    ]
    wrap_up: Annotated[
        TimesModel, Field(default_factory=lambda: TimesModel(fixed=0.0), description="After the call; else none.")
    ]
    patience: Annotated[TimesModel | None, Field(description="Then they hang up; nothing: never.")] = None
    needs: Annotated[Skills, Field(default_factory=list, description="Their own, such as lang:fr, on top.")]
    stores: Annotated[
        list[str], Field(default_factory=list, description="Whose agents may take them, whatever the chain file says.")
    ]
    head_start: Annotated[float, Field(ge=0, le=86_400, description="Seconds, as for a VIP.")] = 0.0
    transfer: Annotated[TransferModel | None, Field(description="Nothing: nobody is handed on.")] = None
    callback: Annotated[CallbackModel | None, Field(description="Nothing: nobody is asked.")] = None

    @model_validator(mode="after")
    def _arrivals(self) -> CallersModel:
        if (self.calls is None) == (self.recorded is None):
            raise ValueError("give either `calls` with `start`, or `recorded`")
        if self.calls is not None and self.start is None:
            raise ValueError("`calls` need `start`, such as start: 09:00")
        return self

    @property
    def endurance(self) -> Distribution:
        """Their patience; without end where nothing is said."""
        return self.patience.distribution() if self.patience else Fixed(inf)


class AgentsModel(FileModel):
    """People who are alike: made up, or those of the chain file."""

    count: Annotated[int | None, Field(ge=1, le=MAX_AGENTS, description="How many.")] = None
    chain: Annotated[bool, Field(description="The chain file's agents, with their skills.")] = False
    store: Annotated[str, Field(description="Where they work; with `chain`: only those who do.")] = ""
    skills: Annotated[Skills, Field(default_factory=list, description="orders:4; without a level it is 3.")]
    queues: Annotated[list[str], Field(default_factory=list, description="Those served; nothing: all they can.")]
    shift: Annotated[Span, Field(description="Local times; an end before the start is the next day's.")]
    breaks: Annotated[list[Span], Field(default_factory=list, description="Away, after the call.")]

    @model_validator(mode="after")
    def _who(self) -> AgentsModel:
        if (self.count is None) != self.chain:
            raise ValueError("give either `count`, or `chain: true`")
        if self.chain and self.skills:
            raise ValueError("the chain file's agents have their own skills; take `skills` away")
        return self


class BehaviourModel(FileModel):
    """What agents do when the phone rings."""

    pick_up: Annotated[
        TimesModel, Field(default_factory=lambda: TimesModel(fixed=0.0), description="Ringing until they answer.")
    ]
    missed: Annotated[float, Field(ge=0, lt=1, description="Share of offers that ring out.")] = 0.0
    back: Annotated[float, Field(gt=0, le=86_400, description="Seconds until they are ready again after one.")] = 60.0


class ServiceModel(FileModel):
    """How the service level is counted, and what it should be."""

    share: Annotated[float, Field(gt=0, lt=1, description="The aim, for the plot's line.")] = 0.8
    within: Annotated[float, Field(ge=0, le=3_600, description="Answered in time: seconds.")] = 20.0
    short: Annotated[float, Field(ge=0, le=600, description="Hanging up sooner counts as no call: seconds.")] = 5.0
    definition: Annotated[
        Literal[tuple(each.value for each in Definition)],  # type: ignore[valid-type]
        Field(description="See explanation/definitions.md."),
    ] = Definition.SHORT_ABANDONS_EXCLUDED.value

    def standard(self) -> Standard:
        """As reports count."""
        return Standard(self.within, self.short, Definition(self.definition))


class ScenarioFile(FileModel):
    """What stands at the top."""

    date: Annotated[str, AfterValidator(_date), Field(description="The day.")]
    zone: Annotated[str, AfterValidator(_zone), Field(description="Of all local times.")] = "Europe/London"
    interval: Annotated[Literal[5, 10, 15, 20, 30, 60], Field(description="Minutes, of `calls` and of the table.")] = 30
    seed: Annotated[int, Field(ge=0, le=2**32, description="The same seed, the same day.")] = 1
    replications: Annotated[int, Field(ge=1, le=1_000, description="Days simulated.")] = 10
    service_level: Annotated[ServiceModel, Field(default_factory=ServiceModel)]
    chain: Annotated[str | None, Field(description="A chain file, for queues and agents.")] = None
    queues: Annotated[dict[str, QueueModel], Field(default_factory=dict, description="Instead, or changed ones.")]
    callers: Annotated[dict[str, CallersModel], Field(min_length=1, description="By a name of your own.")]
    agents: Annotated[list[AgentsModel], Field(min_length=1, description="Groups with a shift each.")]
    behaviour: Annotated[BehaviourModel, Field(default_factory=BehaviourModel)]
