"""What is wrong in a chain file between its parts, by name, before any of it is live.

Errors: what could not work, or could work in two ways. Warnings: what works but is hardly meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from quietline.chain.file import (
    WEEKDAYS,
    ChainFile,
    HoursModel,
    QueueModel,
    StoreModel,
    days_of,
    need_of,
    spans_of,
)
from quietline.files.marked_yaml import Place
from quietline.files.model import nearest
from quietline.routing.flow import Flow, Queue
from quietline.routing.hours import DAY, Hours, Span, SpecialDay, moment, oddities, overlaps, zone_of
from quietline.routing.overflow import Spill, loops
from quietline.skills import parse_skills


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where in the file."""

    place: Place
    what: str
    error: bool = True


def check_file(file: ChainFile, today: date, strategies: Collection[str]) -> Iterator[Finding]:
    """Everything that the parts say against each other. `today`: clock changes are looked for from then on."""
    yield from _names(file, strategies)
    yield from _numbers(file)
    yield from _logins(file)
    yield from _overflow(file)
    for name, hours in file.hours.items():
        yield from _week(("hours", name, "week"), hours)
        yield from _dates(("hours", name), hours)
        yield from _clock_changes(("hours", name), hours, today)
    for name, queue in file.queues.items():
        yield from _relaxing(("queues", name, "relax"), queue)


def check_use(file: ChainFile, flows: Mapping[str, Flow]) -> Iterator[Finding]:
    """What is there and never used, or used and not there: queues, flows, numbers, skills. Warnings."""
    steps = [step for flow in flows.values() for step in flow.steps.values() if isinstance(step, Queue)]
    used = {step.queue for step in steps}
    yield from (
        _warning(("queues", each), "no flow leads here; name it in a flow's `queue` step")
        for each in file.queues
        if each not in used
    )
    spoken = {store.flow for store in file.stores.values()}
    yield from (_warning(("flows", each), "no store uses this flow") for each in flows if each not in spoken)
    helping = {spill.to for store in file.stores.values() for spill in store.overflow}
    for name, store in file.stores.items():
        if not store.numbers and name not in helping:
            yield _warning(("stores", name), "no number and no overflow leads here")
    if file.agents is not None:
        yield from _skills(file, flows)
        yield from _empty_stores(file)


def _warning(place: Place, what: str) -> Finding:
    return Finding(place, what, error=False)


# Names


def _names(file: ChainFile, strategies: Collection[str]) -> Iterator[Finding]:
    for name, store in file.stores.items():
        yield from _known(("stores", name, "flow"), "flow", store.flow, file.flows)
        yield from _known(("stores", name, "hours"), "hours", store.hours, file.hours)
        for number, spill in enumerate(store.overflow):
            yield from _known(("stores", name, "overflow", number, "to"), "store", spill.to, file.stores)
    for name, queue in file.queues.items():
        yield from _known(("queues", name, "hours"), "hours", queue.hours, file.hours)
        yield from _known(("queues", name, "strategy"), "strategy", queue.strategy, strategies)
        for place, stores in _named_stores(("queues", name), queue):
            for number, each in enumerate(stores):
                yield from _known((*place, number), "store", each, file.stores)
    for number, agent in enumerate(file.agents or ()):
        yield from _known(("agents", number, "store"), "store", agent.store, file.stores)
    yield from _known(("default_store",), "store", file.default_store, file.stores)


def _named_stores(place: Place, queue: QueueModel) -> Iterator[tuple[Place, list[str]]]:
    yield (*place, "stores"), queue.stores
    for number, step in enumerate(queue.relax):
        yield (*place, "relax", number, "stores"), step.stores


def _known(place: Place, kind: str, word: str | None, known: Collection[str]) -> Iterator[Finding]:
    if word is not None and word not in known:
        yield Finding(place, f"no {kind} is called `{word}`; {nearest(word, known)}")


def _numbers(file: ChainFile) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, store in file.stores.items():
        for index, number in enumerate(store.numbers):
            if number in owners:
                yield Finding(
                    ("stores", name, "numbers", index), f"{number} leads to {owners[number]} already; keep one"
                )
            owners.setdefault(number, name)


def _logins(file: ChainFile) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for number, agent in enumerate(file.agents or ()):
        login = agent.login.strip().casefold()  # as the vault compares them
        if login in first:
            yield Finding(("agents", number, "login"), f"agents[{first[login]}] has this login too; keep one")
        first.setdefault(login, number)


# Overflow


def spills_of(store: StoreModel) -> tuple[Spill, ...]:
    """The store's rules."""
    return tuple(Spill(each.to, each.closed, each.waiting, each.expected, each.after) for each in store.overflow)


def _overflow(file: ChainFile) -> Iterator[Finding]:
    spills = {name: spills_of(store) for name, store in file.stores.items()}
    for loop in loops(spills):
        number = next(at for at, spill in enumerate(spills[loop[0]]) if spill.to == loop[1])
        yield Finding(("stores", loop[0], "overflow", number), f"goes round: {' to '.join(loop)}; take one out")
    for name, store in file.stores.items():
        for number, rule in enumerate(store.overflow):
            place: Place = ("stores", name, "overflow", number)
            bounds = (rule.waiting, rule.expected, rule.after)
            if not rule.closed and bounds == (None, None, None):
                yield Finding(place, "never holds; give it `waiting`, `expected`, `after` or `closed: true`")
            if store.agents == "all" and bounds != (None, None, None):
                yield _warning(place, "while open, `agents: all` takes everybody already; only `closed` counts here")


# Hours


def week_of(hours: HoursModel) -> tuple[tuple[Span, ...], ...]:
    """Seven days' spans, Monday first; a day nobody speaks of is closed."""
    week: list[tuple[Span, ...]] = [()] * 7
    for key, value in hours.week.items():
        for day in days_of(key):
            week[day] = spans_of(value)
    return tuple(week)


def special_of(hours: HoursModel) -> tuple[SpecialDay, ...]:
    """Dates with other hours, holidays among them."""
    holidays = [SpecialDay(date.fromisoformat(day), (), reason) for day, reason in hours.holidays.items()]
    return (
        *holidays,
        *(SpecialDay(date.fromisoformat(day), spans_of(each.open), each.reason) for day, each in hours.special.items()),
    )


def _week(place: Place, hours: HoursModel) -> Iterator[Finding]:
    said: dict[int, str] = {}
    for key, value in hours.week.items():
        for day in days_of(key):
            if day in said:
                yield Finding((*place, key), f"{WEEKDAYS[day]} is spoken of in `{said[day]}` too; keep one")
            said[day] = key
        for one, other in overlaps(spans_of(value)):
            yield Finding((*place, key), f"{clock(one)} and {clock(other)} overlap; make one of them, or part them")
    silent = [word for day, word in enumerate(WEEKDAYS) if day not in said]
    if silent:
        yield _warning(place, f"nothing is said of {', '.join(silent)}: closed then; write `{silent[0]}: closed`")
    yield from _nights(place, week_of(hours), said)


def _nights(place: Place, week: tuple[tuple[Span, ...], ...], said: Mapping[int, str]) -> Iterator[Finding]:
    """Hours that go on into the next day and meet that day's own."""
    for day, spans in enumerate(week):
        following = (day + 1) % 7
        for late in (span for span in spans if span.end > DAY):
            for early in (span for span in week[following] if span.start < late.end - DAY):
                one, other = f"{clock(late)} on {WEEKDAYS[day]}", f"{clock(early)} on {WEEKDAYS[following]}"
                yield Finding((*place, said[day]), f"{one} runs into {other}; end one sooner")


def _dates(place: Place, hours: HoursModel) -> Iterator[Finding]:
    for day in hours.holidays:
        if day in hours.special:
            yield Finding((*place, "special", day), "is a holiday too; keep one of them")
    for day, special in hours.special.items():
        here: Place = (*place, "special", day)
        for one, other in overlaps(spans_of(special.open)):
            yield Finding(here, f"{clock(one)} and {clock(other)} overlap; make one of them, or part them")
        for minute in sorted({edge for span in spans_of(special.open) for edge in (span.start, span.end)}):
            if _missing(hours.zone, date.fromisoformat(day), minute):
                yield Finding(
                    here, f"{_time(minute)} does not exist in {hours.zone} on that day: the clocks go forward"
                )
    for number, closure in enumerate(hours.closures):
        for key, text in (("from", closure.start), ("until", closure.until)):
            local = datetime.fromisoformat(text)
            if _missing(hours.zone, local.date(), local.hour * 60 + local.minute):
                what = f"{text} does not exist in {hours.zone}: the clocks go forward"
                yield Finding((*place, "closures", number, key), what)


def _missing(zone: str, day: date, minute: int) -> bool:
    wanted = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - a local clock
    shown = datetime.fromtimestamp(moment(zone, day, minute), zone_of(zone)).replace(tzinfo=None)
    return shown != wanted


def _clock_changes(place: Place, hours: HoursModel, today: date) -> Iterator[Finding]:
    weekly = Hours(hours.zone, week_of(hours))
    for odd in oddities(weekly, today):
        shown = datetime.fromtimestamp(odd.resolved, zone_of(hours.zone)).strftime("%H:%M")
        what = f"does not exist; {shown} stands for it" if odd.missing else "exists twice; the first is meant"
        on = f"on {odd.date}, when the clocks change in {hours.zone}"
        yield _warning((*place, "week"), f"{_time(odd.minute)} {what} ({on})")


def clock(span: Span) -> str:
    """ "09:00-17:30"."""
    return f"{_time(span.start)}-{'24:00' if span.end == DAY else _time(span.end)}"


def _time(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


# Queues and skills


def _relaxing(place: Place, queue: QueueModel) -> Iterator[Finding]:
    before = 0.0
    for number, step in enumerate(queue.relax):
        if step.after <= before:
            yield Finding((*place, number, "after"), f"want more than the {before:g} s of the step before")
        elif step.after >= queue.longest_wait:
            what = f"nobody waits so long: the longest wait is {queue.longest_wait:g} s"
            yield _warning((*place, number, "after"), what)
        before = step.after


def _skills(file: ChainFile, flows: Mapping[str, Flow]) -> Iterator[Finding]:
    """Needs that nobody fulfils."""
    best: defaultdict[str, int] = defaultdict(int)
    for agent in file.agents or ():
        for skill, level in parse_skills(agent.skills).items():
            best[skill] = max(best[skill], level)
    for place, skill, level in (*_needs(file), *_flow_needs(flows)):
        if skill not in best:
            yield _warning(place, f"nobody has the skill `{skill}`; {nearest(skill, best)}")
        elif best[skill] < level:
            yield _warning(place, f"nobody has `{skill}` at {level} or better; the best is {best[skill]}")


def _needs(file: ChainFile) -> Iterator[tuple[Place, str, int]]:
    for name, queue in file.queues.items():
        lists: Iterable[tuple[Place, list[str]]] = (
            (("queues", name, "needs"), queue.needs),
            (("queues", name, "prefers"), queue.prefers),
            *((("queues", name, "relax", number, "needs"), step.needs) for number, step in enumerate(queue.relax)),
        )
        for place, texts in lists:
            for number, text in enumerate(texts):
                need = need_of(text)
                yield (*place, number), need.skill, need.level


def _flow_needs(flows: Mapping[str, Flow]) -> Iterator[tuple[Place, str, int]]:
    for flow in flows.values():
        for name, step in flow.steps.items():
            for need in step.needs if isinstance(step, Queue) else ():
                yield ("flows", flow.id, "steps", name), need.skill, need.level


def _empty_stores(file: ChainFile) -> Iterator[Finding]:
    staffed = {agent.store for agent in file.agents or ()}
    for name, store in file.stores.items():
        if store.agents == "own" and name not in staffed:
            yield _warning(("stores", name), "nobody of `agents` works here: its calls ring by overflow alone")
