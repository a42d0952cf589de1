"""The chain file: stores, queues, hours, flows, prompts and agents in one YAML file. Models, and their JSON Schema.

`chain/reading.py` makes the frozen values of `chain.py` of them; `chain/check.py` says what is wrong between them.
`docs/reference/chain.md` is made from the descriptions here.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, model_validator

from quietline.errors import ConfigError
from quietline.files.model import FileModel, nearest
from quietline.flows.file import FlowModel, Name, PromptModel
from quietline.routing.hours import DAY, Span, zone_of
from quietline.routing.model import LOWEST, Need
from quietline.skills import parse_skill, parse_skills
from quietline.vault.schema import DataClass, Reason

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED = "closed"
MAX_STORES, MAX_QUEUES, MAX_AGENTS = 2_000, 2_000, 50_000
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*[-–]\s*(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")


def span_of(text: str) -> Span:
    """ "09:00-17:30"; an end before the start is in the next day. Raises ValueError with the fix."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError("want times such as 09:00-17:30, or `closed`")
    hour, minute, *end = (int(part) for part in found.groups() if part is not None)
    start, last = hour * 60 + minute, end[0] * 60 + end[1]
    if start == last:
        raise ValueError("begins and ends at the same time; round the clock is 00:00-24:00")
    return Span(start, last if last > start else last + DAY)


def spans_of(value: str | list[str]) -> tuple[Span, ...]:
    """A day's spans: "closed", one, or a list. Raises ValueError."""
    if value == CLOSED:
        return ()
    return tuple(span_of(each) for each in ([value] if isinstance(value, str) else value))


def days_of(key: str) -> tuple[int, ...]:
    """ "mon", "mon-fri", "sat-sun": weekdays, 0 for Monday. Raises ValueError."""
    first, _, last = key.partition("-")
    if first not in WEEKDAYS or (last and last not in WEEKDAYS):
        raise ValueError(f"want days such as mon or mon-fri, of {' '.join(WEEKDAYS)}")
    begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    if end < begin:
        raise ValueError("the first day comes after the last; write it as two keys")
    return tuple(range(begin, end + 1))


def need_of(text: str, preferred: bool = False) -> Need:
    """ "orders" at any level, "orders:3" at 3 or better. Raises ConfigError."""
    skill, level = parse_skill(text)
    return Need(skill, level if text != skill else LOWEST, preferred)


def _spans(value: str | list[str]) -> str | list[str]:
    spans_of(value)
    return value


def _days(key: str) -> str:
    days_of(key)
    return key


def _date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("want a date such as 2026-12-25")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such date") from None
    return text


def _moment(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", text):
        raise ValueError("want a local time such as 2026-12-24 14:00")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such time") from None
    return text


def _zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`{name}` is no IANA time zone; {nearest(name, available_timezones())}") from None
    return name


def _need(text: str) -> str:
    try:
        need_of(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


def _skills(texts: list[str]) -> list[str]:
    try:
        parse_skills(texts)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return texts


def _number(text: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", text):
        raise ValueError("want E.164: +, country, number, such as +442079460103, without spaces")
    return text


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$", description="A word of a-z, 0-9, - and _.")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
SpanText = Annotated[str, Field(description="09:00-17:30; an end before the start is in the next day")]
Day = Annotated[str | list[SpanText], AfterValidator(_spans)]
DateText = Annotated[str, AfterValidator(_date)]
MomentText = Annotated[str, AfterValidator(_moment)]
NeedText = Annotated[str, AfterValidator(_need), Field(description="orders: at any level; orders:3: at 3 or better.")]
Number = Annotated[str, AfterValidator(_number), Field(description="E.164, as carriers dial it.")]


class SpecialModel(FileModel):
    """Other hours on one date."""

    open: Annotated[Day, Field(description="As in a week; `closed` for a holiday.")]
    reason: Annotated[str, Field(max_length=200, description="For colleagues.")] = ""


class ClosureModel(FileModel):
    """Shut for a while, whatever the hours say. For today, `quietline store close` is quicker."""

    start: Annotated[MomentText, Field(alias="from", description="Local time.")]
    until: Annotated[MomentText, Field(description="Local time; open again from then on.")]
    reason: Annotated[str, Field(max_length=200, description="For colleagues.")] = ""

    @model_validator(mode="after")
    def _forward(self) -> ClosureModel:
        if self.until.replace("T", " ") <= self.start.replace("T", " "):
            raise ValueError("`until` is not after `from`")
        return self


class HoursModel(FileModel):
    """A schedule that stores and queues name."""

    zone: Annotated[str, AfterValidator(_zone), Field(description="IANA time zone, such as Europe/London.")]
    week: Annotated[
        dict[Annotated[str, AfterValidator(_days)], Day],
        Field(description="By day or days (mon, mon-fri). A day nobody speaks of is closed, with a warning."),
    ]
    holidays: Annotated[
        dict[DateText, str], Field(default_factory=dict, description="Dates on which it is closed, and why.")
    ]
    special: Annotated[dict[DateText, SpecialModel], Field(default_factory=dict, description="Dates with other hours.")]
    closures: Annotated[list[ClosureModel], Field(default_factory=list)]


class OverflowModel(FileModel):
    """Let another store's agents help, when any of these holds. A closed store never rings."""

    to: Annotated[str, Field(description="A store.")]
    closed: Annotated[bool, Field(description="This store is closed.")] = True
    waiting: Annotated[
        int | None, Field(ge=1, description="At least so many calls of this store wait in the queue.")
    ] = None
    expected: Annotated[float | None, Field(gt=0, le=86_400, description="Seconds of expected wait, at least.")] = None
    after: Annotated[float | None, Field(ge=0, le=86_400, description="Seconds the call has waited, at least.")] = None


class StoreModel(FileModel):
    """A shop, or the hub."""

    name: Annotated[Text, Field(description="As people know it.")]
    flow: Annotated[str, Field(description="What its callers go through; one of `flows`.")]
    numbers: Annotated[list[Number], Field(default_factory=list, description="Those that lead here.")]
    controller: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$", description="The GDPR controller of its customers.")
    ] = "brand"
    hours: Annotated[str | None, Field(description="One of `hours`; nothing: always open.")] = None
    agents: Annotated[
        Literal["all", "own"],
        Field(description="all: every open store's agents take its calls; own: its own, and others' by overflow."),
    ] = "all"
    overflow: Annotated[list[OverflowModel], Field(default_factory=list, description="For `agents: own`.")]


class StepModel(FileModel):
    """From so many seconds of waiting on, these needs in place of the earlier ones."""

    after: Annotated[Seconds, Field(description="Seconds of waiting; each step's more than the one before.")]
    needs: Annotated[list[NeedText], Field(default_factory=list, description="Skills an agent must have then.")]
    prefers: Annotated[list[NeedText], Field(default_factory=list, description="Skills that put an agent first then.")]
    stores: Annotated[list[str], Field(default_factory=list, description="Whose agents; nothing: as routing says.")]


class ServiceLevelModel(FileModel):
    """The aim: a share of calls answered within so many seconds."""

    share: Annotated[float, Field(gt=0, le=1, description="0.8 is 80 % of the calls.")] = 0.8
    seconds: Annotated[float, Field(gt=0, le=3_600, description="Of waiting.")] = 20.0
    short_abandon: Annotated[float, Field(ge=0, le=120, description="Who hangs up sooner counts as no call.")] = 5.0


class AnnounceModel(FileModel):
    """What is said to those who wait."""

    every: Annotated[float, Field(ge=0, le=3_600, description="Seconds between announcements; 0: none.")] = 45.0
    place: Annotated[bool, Field(description="The place in the queue.")] = True
    wait: Annotated[bool, Field(description="The expected wait.")] = True


class CallbacksModel(FileModel):
    """How callers are rung back."""

    tries: Annotated[int, Field(ge=1, le=10, description="How often the number is rung.")] = 3
    pause: Annotated[float, Field(ge=1, le=86_400, description="Seconds between tries.")] = 300.0
    expires: Annotated[float, Field(ge=60, le=172_800, description="Seconds from the promise on.")] = 14_400.0


class QueueModel(FileModel):
    """A line of waiting callers."""

    name: Annotated[Text, Field(description="As agents see it.")]
    needs: Annotated[list[NeedText], Field(default_factory=list, description="Skills an agent must have.")]
    prefers: Annotated[list[NeedText], Field(default_factory=list, description="Skills that put an agent first.")]
    stores: Annotated[list[str], Field(default_factory=list, description="Whose agents; nothing: as routing says.")]
    relax: Annotated[list[StepModel], Field(default_factory=list, description="Weaker needs after a while.")]
    data_class: Annotated[
        Literal[tuple(each.value for each in DataClass)], Field(description="The certificate an agent needs.")  # type: ignore[valid-type]
    ] = "invoice"
    reason: Annotated[
        Literal[tuple(each.value for each in Reason)], Field(description="What the desk proposes as reason.")  # type: ignore[valid-type]
    ] = "order_status"
    hours: Annotated[str | None, Field(description="One of `hours`; nothing: whenever the store is open.")] = None
    head_start: Annotated[
        float, Field(ge=0, le=86_400, description="Seconds, as if its callers had come so much earlier: its priority.")
    ] = 0.0
    strategy: Annotated[
        str, Field(min_length=1, description="longest-idle, least-occupied, best-skill, or one of your own.")
    ] = "longest-idle"
    sticky: Annotated[float, Field(ge=0, le=3_600, description="Seconds the last agent alone may take the call.")] = 0.0
    ring: Annotated[float, Field(gt=0, le=300, description="Seconds; then the next agent is tried.")] = 15.0
    wrap_up: Annotated[float, Field(ge=0, le=3_600, description="Seconds for the note after a call.")] = 30.0
    longest_call: Annotated[float, Field(gt=0, le=86_400, description="Seconds.")] = 14_400.0
    longest_wait: Annotated[float, Field(gt=0, le=86_400, description="Seconds; then the flow's `waited`.")] = 900.0
    service_level: Annotated[ServiceLevelModel, Field(default_factory=ServiceLevelModel)]
    announce: Annotated[AnnounceModel, Field(default_factory=AnnounceModel)]
    callback: Annotated[CallbacksModel, Field(default_factory=CallbacksModel)]


class AgentModel(FileModel):
    """Somebody who answers. Passwords are never in this file; who is left out of the list leaves."""

    login: Annotated[str, Field(min_length=1, max_length=64, repr=False, description="What they sign in with.")]
    name: Annotated[str, Field(min_length=1, max_length=100, repr=False, description="For the person's own page.")]
    store: Annotated[str, Field(description="Where they work; one of `stores`.")]
    role: Annotated[
        Literal["agent", "supervisor"], Field(description="Other roles are given by `quietline staff add`.")
    ] = "agent"
    skills: Annotated[
        list[str],
        AfterValidator(_skills),
        Field(default_factory=list, description="orders:4, lang:fr; without a level it is 3."),
    ]


class ChainFile(FileModel):
    """What stands at the top."""

    stores: Annotated[
        dict[Id, StoreModel], Field(min_length=1, max_length=MAX_STORES, description="Shops and hubs, by id.")
    ]
    queues: Annotated[
        dict[Id, QueueModel], Field(min_length=1, max_length=MAX_QUEUES, description="Lines of waiting callers, by id.")
    ]
    flows: Annotated[dict[Name, FlowModel], Field(min_length=1, description="What callers go through, by name.")]
    hours: Annotated[
        dict[Id, HoursModel], Field(default_factory=dict, description="Schedules that stores and queues name.")
    ]
    prompts: Annotated[
        dict[Name, PromptModel],
        Field(default_factory=dict, description="Words and recordings of your own, by name and language."),
    ]
    agents: Annotated[
        list[AgentModel] | None,
        Field(max_length=MAX_AGENTS, description="Left out: people are managed by `quietline staff add` and its like."),
    ] = None
    default_store: Annotated[
        str | None, Field(description="Answers numbers that belong to no store; nothing: the first store.")
    ] = None


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    made = ChainFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Quietline chain"}
