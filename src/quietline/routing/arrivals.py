"""Who calls, when, and with how much patience: columns of numbers, drawn once, before the simulation runs.

Every number of a call is drawn with the call, not when it is needed, and every stream has dice of its own: two
configurations that are compared see the same callers (common random numbers; Law, Simulation Modeling and Analysis,
5th ed., §11.2). Times are UTC seconds, durations seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, log

import numpy as np
from numpy.typing import NDArray

from quietline.routing.model import Need

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same; `inf` is allowed (a caller who never hangs up)."""

    seconds: float

    def draw(self, dice: np.random.Generator, count: int) -> Floats:
        """`count` times the same, and no dice rolled."""
        return np.full(count, self.seconds, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless: what Erlang's formulas assume."""

    mean: float

    def draw(self, dice: np.random.Generator, count: int) -> Floats:
        """`count` values."""
        return dice.exponential(self.mean, count)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """What handle times mostly look like (Brown et al., JASA 100(469), 2005). `cv`: standard deviation by mean."""

    mean: float
    cv: float = 1.0

    def draw(self, dice: np.random.Generator, count: int) -> Floats:
        """`count` values."""
        spread = log(1 + self.cv**2)
        return dice.lognormal(log(self.mean) - spread / 2, spread**0.5, count)


@dataclass(frozen=True, slots=True)
class Empirical:
    """One of the values seen, each as likely."""

    values: tuple[float, ...]

    def draw(self, dice: np.random.Generator, count: int) -> Floats:
        """`count` values."""
        return np.asarray(self.values, dtype=np.float64)[dice.integers(0, len(self.values), count)]


Distribution = Fixed | Exponential | LogNormal | Empirical


@dataclass(frozen=True, slots=True)
class Profile:
    """How many calls each interval expects. Arrivals are Poisson within it, at a constant rate."""

    start: float  # UTC seconds
    width: float  # of one interval, seconds
    calls: tuple[float, ...]  # expected, one number an interval

    def draw(self, dice: np.random.Generator) -> Floats:
        """Arrival times, rising: a Poisson number an interval, spread evenly over it. Exact."""
        counts = dice.poisson(self.calls)
        begins = self.start + self.width * np.repeat(np.arange(len(self.calls)), counts)
        times: Floats = np.sort(begins + self.width * dice.random(int(counts.sum())))
        return times


@dataclass(frozen=True, slots=True)
class Recorded:
    """Arrivals that took place. Columns that were recorded take the place of those that would be drawn."""

    at: tuple[float, ...]  # rising
    talk: tuple[float, ...] = ()  # one for each arrival, or none at all; so are the others
    wrap_up: tuple[float, ...] = ()
    patience: tuple[float, ...] = ()

    def draw(self, dice: np.random.Generator) -> Floats:
        """As they were."""
        return np.asarray(self.at, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Transfer:
    """This share of conversations is handed on, once, to another queue, where the caller talks and so on anew."""

    share: float
    queue: str
    talk: Distribution = Exponential(240.0)
    wrap_up: Distribution = Fixed(0.0)


@dataclass(frozen=True, slots=True)
class CallbackOffer:
    """Who has waited so many seconds is asked, once; this share hangs up, keeps the place and is rung back."""

    after: float
    share: float


@dataclass(frozen=True, slots=True)
class Stream:
    """Callers who are alike."""

    id: str
    queue: str
    arrivals: Profile | Recorded
    talk: Distribution = Exponential(240.0)
    wrap_up: Distribution = Fixed(0.0)
    patience: Distribution = Fixed(inf)
    store: str = ""
    needs: tuple[Need, ...] = ()
    stores: frozenset[str] = frozenset()  # whose agents may take them; empty: any store's
    head_start: float = 0.0
    transfer: Transfer | None = None
    callback: CallbackOffer | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What agents do when their phone rings."""

    pick_up: Distribution = Fixed(0.0)  # seconds of ringing
    missed: float = 0.0  # the share of offers that they let ring out
    back: float = 60.0  # seconds until they are ready again after one


@dataclass(frozen=True, slots=True)
class Calls:
    """The callers of one run, by arrival: columns of equal length, 8 bytes a number."""

    at: array[float]
    stream: array[int]  # place in the list of streams
    talk: array[float]
    wrap_up: array[float]
    patience: array[float]
    pick_up: array[float]
    luck: array[float] = field(repr=False)  # 0 to 1: below `Behaviour.missed`, the first offer rings out
    wish: array[float] = field(repr=False)  # 0 to 1: below `CallbackOffer.share`, they want to be called back
    fate: array[float] = field(repr=False)  # 0 to 1: below `Transfer.share`, they are handed on, and then
    next_talk: array[float]
    next_wrap_up: array[float]

    def __len__(self) -> int:
        return len(self.at)


COLUMNS = ("at", "talk", "wrap_up", "patience", "pick_up", "luck")
LATER = ("wish", "fate", "next_talk", "next_wrap_up")  # drawn only where some stream is handed on or rung back


def draw_calls(streams: Sequence[Stream], behaviour: Behaviour, dice: Mapping[str, np.random.Generator]) -> Calls:
    """Draw every caller. `dice` has a generator for each stream's id, so that streams do not disturb one another."""
    later = any(stream.transfer or stream.callback for stream in streams)
    drawn = [_draw(stream, behaviour, dice[stream.id], later) for stream in streams]
    names = COLUMNS + LATER * later
    whole = {name: np.concatenate([each[name] for each in drawn] or [np.zeros(0)]) for name in names}
    kinds = np.repeat(np.arange(len(streams)), [len(each["at"]) for each in drawn])
    order = np.argsort(whole["at"], kind="stable")
    columns = {name: array("d") for name in LATER}
    columns |= {name: array("d", np.ascontiguousarray(whole[name][order]).tobytes()) for name in names}
    return Calls(stream=array("l", kinds[order].astype(np.int64).tobytes()), **columns)


def _draw(stream: Stream, behaviour: Behaviour, dice: np.random.Generator, later: bool) -> dict[str, Floats]:
    at = stream.arrivals.draw(dice)
    count = len(at)
    drawn = {
        "talk": stream.talk.draw(dice, count),
        "wrap_up": stream.wrap_up.draw(dice, count),
        "patience": stream.patience.draw(dice, count),
        "pick_up": behaviour.pick_up.draw(dice, count),
        "luck": dice.random(count),
    }
    recorded = stream.arrivals if isinstance(stream.arrivals, Recorded) else Recorded(())
    for name in ("talk", "wrap_up", "patience"):
        if getattr(recorded, name):
            drawn[name] = np.asarray(getattr(recorded, name), dtype=np.float64)
    if later:  # last, so that the same callers come whether or not they are handed on
        then = stream.transfer or Transfer(0.0, "")
        drawn |= {"wish": dice.random(count), "fate": dice.random(count)}
        drawn |= {"next_talk": then.talk.draw(dice, count), "next_wrap_up": then.wrap_up.draw(dice, count)}
    return {"at": at, **drawn}
