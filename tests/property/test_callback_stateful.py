"""A callback's whole life: whatever happens, it is dialled seldom, politely, and it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quietline.routing import callback
from quietline.routing.callback import End, Promise, Rules, Stage
from quietline.routing.hours import DAY, Hours, Span, open_at

START = datetime(2026, 3, 27, 10, tzinfo=UTC).timestamp()  # two days before the clocks change in Europe
ZONES = ("Europe/London", "Europe/Lisbon", "UTC", "Asia/Kathmandu", "America/St_Johns")
WEEKS = (
    ((Span(0, DAY),),) * 7,  # never closed
    ((Span(540, 1_020),),) * 6 + ((),),  # nine to five, Sunday closed
    ((Span(1_320, 1_560),),) * 7,  # a night shop: open when nobody may be rung
    ((),) * 7,  # never open
)


class Life(RuleBasedStateMachine):
    """Time passes, agents take and leave it, phones ring in vain."""

    @initialize(
        zone=st.sampled_from(ZONES), week=st.sampled_from(WEEKS), tries=st.integers(1, 4), life=st.floats(60, 9e5)
    )
    def begin(self, zone: str, week: tuple[tuple[Span, ...], ...], tries: int, life: float) -> None:
        self.hours, self.manners = Hours(zone, week), Rules(tries=tries)
        self.wall, self.expires = START, START + life
        self.promise = callback.look(Promise(self.expires), self.hours, self.wall)
        self.dialled_at: list[float] = []
        self.ended = ""

    @rule(seconds=st.floats(1, 50_000))
    def time_passes(self, seconds: float) -> None:
        self.wall += seconds
        self.promise = callback.look(self.promise, self.hours, self.wall)

    @rule()
    def until_the_next_look(self) -> None:
        before = self.promise
        self.wall = max(self.wall, callback.next_look(before, self.wall))
        self.promise = callback.look(before, self.hours, self.wall)
        if before.stage is Stage.RESTING and callback.may_ring_at(self.hours, before.rest_until) == before.rest_until:
            assert self.promise.stage is not Stage.RESTING, "a rest ends when it was to end, at a decent hour"

    @precondition(lambda self: self.promise.stage is Stage.QUEUED)
    @rule()
    def an_agent_takes_it(self) -> None:
        self.promise = callback.look(self.promise, self.hours, self.wall)
        if self.promise.stage is Stage.QUEUED:
            self.promise = callback.taken(self.promise)

    @precondition(lambda self: self.promise.stage is Stage.TRYING)
    @rule()
    def the_agent_lets_go(self) -> None:
        tried = self.promise.tried
        self.promise = callback.look(callback.let_go(self.promise), self.hours, self.wall)
        assert self.promise.tried == tried

    @precondition(lambda self: self.promise.stage is Stage.TRYING)
    @rule(answered=st.booleans())
    def the_customer_is_dialled(self, answered: bool) -> None:
        self.promise = callback.dialled(self.promise)
        self.dialled_at.append(self.wall)
        if answered:
            self.promise = callback.done(self.promise, End.ANSWERED)
        else:
            self.promise = callback.failed(self.promise, self.manners, self.wall)
            assert self.promise.stage in (Stage.RESTING, Stage.DONE)

    @invariant()
    def never_too_often_and_never_too_soon(self) -> None:
        dialled = getattr(self, "dialled_at", [])
        assert len(dialled) <= getattr(self, "manners", Rules(9)).tries
        assert all(later - earlier >= self.manners.pause for earlier, later in pairwise(dialled))

    @invariant()
    def it_waits_only_at_a_decent_hour_of_an_open_store(self) -> None:
        if hasattr(self, "promise") and callback.look(self.promise, self.hours, self.wall).stage is Stage.QUEUED:
            hour = datetime.fromtimestamp(self.wall, UTC).astimezone(ZoneInfo(self.hours.zone)).hour
            assert open_at(self.hours, self.wall)
            assert 8 <= hour < 21

    @invariant()
    def an_end_is_an_end(self) -> None:
        promise = getattr(self, "promise", None)
        if promise and self.ended:
            assert (promise.stage, promise.end) == (Stage.DONE, self.ended)
        if promise and promise.stage is Stage.DONE:
            self.ended = promise.end
            assert promise.end in list(End)

    def teardown(self) -> None:
        """Left alone it is over by its time, whatever it went through."""
        if hasattr(self, "promise"):
            left = callback.let_go(self.promise)
            assert callback.look(left, self.hours, max(self.wall, self.expires)).stage is Stage.DONE


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
