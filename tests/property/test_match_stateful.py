"""The matcher under every order of events that hypothesis can think of, beside a plain scan that keeps no index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quietline.routing.match import Matcher
from quietline.routing.model import (
    Agent,
    Changed,
    Decision,
    GiveUp,
    Need,
    Offer,
    Overdue,
    QueueRule,
    State,
    Step,
    Waiting,
    Withdraw,
)
from quietline.routing.skills import ineligible
from quietline.testing.plain_scan import PlainScan

AGENTS = st.sampled_from([f"a{number}" for number in range(5)])
CALLS = st.sampled_from([f"c{number}" for number in range(7)])
SKILLS = st.sampled_from(["orders", "returns", "lang:fr"])
STORES = st.frozensets(st.sampled_from(["mill", "quay"]), max_size=2)
CLASSES = st.sampled_from(["invoice", "contact"])
NEEDS = st.lists(st.builds(Need, SKILLS, st.integers(1, 5), st.booleans()), max_size=2).map(tuple)
QUEUES = ("orders", "returns")
LAPSES = st.sampled_from([1e9, 1e9, 60.0, 200.0])

members = st.builds(
    Agent,
    AGENTS,
    st.dictionaries(SKILLS, st.integers(1, 5), max_size=3),
    st.dictionaries(CLASSES, LAPSES, min_size=1, max_size=2),
    st.sampled_from(["mill", "quay"]),
    st.frozensets(st.sampled_from(QUEUES), max_size=1),
)
staffs = st.lists(members, min_size=1, max_size=5, unique_by=lambda each: each.id)


@st.composite
def rules(draw: Callable[[Any], Any]) -> QueueRule:
    later = draw(st.lists(st.tuples(st.floats(5.0, 60.0), NEEDS, STORES), max_size=2))
    steps = [Step(0.0, draw(NEEDS), draw(STORES))]
    for after, needs, stores in later:
        steps.append(Step(steps[-1].after + after, needs, stores))
    return QueueRule(
        draw(st.sampled_from(QUEUES)),
        draw(CLASSES),
        tuple(steps),
        head_start=draw(st.sampled_from([0.0, 0.0, 30.0])),
        strategy=draw(st.sampled_from(["longest-idle", "least-occupied", "best-skill"])),
        sticky=draw(st.sampled_from([0.0, 20.0])),
        ring=10.0,
        wrap_up=20.0,
        longest_call=300.0,
        longest_wait=100.0,
        longest_callback=400.0,
    )


configurations = st.tuples(rules(), rules()).map(lambda two: [two[0], *([two[1]] if two[1].id != two[0].id else [])])


class Floor(RuleBasedStateMachine):
    """Keeps only what was decided: who was offered what, and what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1.0
        self.offers: dict[str, str] = {}  # call -> agent
        self.talking: dict[str, str] = {}  # agent -> call
        self.places: dict[str, float] = {}
        self.queues: set[str] = set()
        self.history: list[tuple[str, tuple[Any, ...], list[Decision]]] = []

    @initialize(queues=configurations, staff=staffs)
    def open(self, queues: list[QueueRule], staff: list[Agent]) -> None:
        self.first = queues
        self.queues = {each.id for each in queues}
        self.matcher, self.scan = Matcher(queues), PlainScan(queues)
        self.tell("staff", staff)

    def tell(self, event: str, *what: Any) -> list[Decision]:
        """The same event to both; they must decide the same."""
        wall = () if event in ("answered", "ended") else (self.now,)
        decisions = getattr(self.matcher, event)(*what, self.now, *wall)
        scanned = getattr(self.scan, event)(*what, self.now, *wall) or []
        self.history.append((event, (*what, self.now, *wall), decisions))
        assert words(decisions) == words(scanned)
        for decision in decisions:
            self.take(decision)
        return decisions  # type: ignore[no-any-return]

    def take(self, decision: Decision) -> None:
        if isinstance(decision, Offer):
            self.check_offer(decision)
            self.offers[decision.call] = decision.agent
        elif isinstance(decision, Withdraw):
            assert self.offers.pop(decision.call) == decision.agent
        elif isinstance(decision, GiveUp):
            del self.places[decision.call]
        elif isinstance(decision, Overdue):
            assert self.talking[decision.agent] == decision.call

    def check_offer(self, offer: Offer) -> None:
        assert offer.agent not in self.offers.values(), "two calls for one agent"
        assert offer.agent not in self.talking, "an offer in mid-call"
        assert offer.call not in self.offers, "one call, two phones"
        assert offer.deadline > self.now

    @rule(agent=AGENTS)
    def ready(self, agent: str) -> None:
        self.tell("ready", agent)

    @rule(agent=AGENTS)
    def away(self, agent: str) -> None:
        self.tell("away", agent)

    @rule(agent=AGENTS)
    def offline(self, agent: str) -> None:
        self.tell("offline", agent)

    @rule(
        call=CALLS,
        queue=st.sampled_from(QUEUES),
        needs=NEEDS,
        stores=STORES,
        head_start=st.sampled_from([0.0, 40.0]),
        last=st.one_of(st.just(""), AGENTS),
        only=st.one_of(st.just(""), st.just(""), AGENTS),
        callback=st.booleans(),
    )
    def arrive(self, call: str, queue: str, head_start: float, last: str, only: str, **own: Any) -> None:
        """A new call, or one that asks for something else from now on."""
        if queue in self.queues and call not in self.talking.values():
            self.places.setdefault(call, self.now)
            asked = Waiting(call, queue, self.now, head_start=head_start, last_agent=last, only_agent=only, **own)
            self.tell("enter", asked)

    @rule(call=CALLS)
    def caller_leaves(self, call: str) -> None:
        self.tell("leave", call)
        self.places.pop(call, None)
        assert call not in self.offers

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.offers)))
        agent = self.offers.pop(call)
        self.tell("answered", call, agent)
        self.talking[agent] = call
        del self.places[call]

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), reason=st.sampled_from(["declined", "phone_lost"]))
    def refuse(self, data: st.DataObject, reason: str) -> None:
        call = data.draw(st.sampled_from(sorted(self.offers)))
        agent = self.offers.pop(call)
        decisions = self.matcher.refused(call, agent, self.now, self.now, reason)
        assert words(decisions) == words(self.scan.refused(call, agent, self.now, self.now))
        self.history.append(("refused", (call, agent, self.now, self.now, reason), decisions))
        for decision in decisions:
            self.take(decision)
        known = self.matcher.agent(agent)
        assert known
        assert (known.state, known.reason) == (State.AWAY, reason)

    @rule(agent=AGENTS)
    def hang_up(self, agent: str) -> None:
        if self.talking.pop(agent, None):
            self.tell("ended", agent)

    @rule(agent=AGENTS)
    def wrapped_up(self, agent: str) -> None:
        self.tell("wrapped_up", agent)

    @rule(staff=staffs)
    def other_staff(self, staff: list[Agent]) -> None:
        self.tell("staff", staff)

    @rule(queues=configurations)
    def other_queues(self, queues: list[QueueRule]) -> None:
        self.queues = {each.id for each in queues} | {each.queue for each in self.matcher.waiting()}
        self.tell("configure", queues)

    @rule(seconds=st.floats(0.5, 60.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tell("tick")

    @invariant()
    def nobody_loses_a_place(self) -> None:
        assert {each.call: each.since for each in self.matcher.waiting()} == self.places

    @invariant()
    def nobody_is_stuck(self) -> None:
        for agent in self.matcher.agents():
            busy = agent.state in (State.RINGING, State.ON_CALL, State.WRAP_UP)
            assert busy == bool(agent.deadline) == bool(agent.call)

    @invariant()
    def the_next_deadline_is_the_earliest_of_all(self) -> None:
        assert self.matcher.next_deadline() == self.scan.next_deadline()

    @invariant()
    def the_model_and_the_matcher_agree(self) -> None:
        agents = self.matcher.agents()
        assert {each.call: each.id for each in agents if each.state is State.RINGING} == self.offers
        assert {each.id: each.call for each in agents if each.state is State.ON_CALL} == self.talking

    @invariant()
    def nobody_rings_who_may_not(self) -> None:
        """Asked right after the offer: a certificate may lapse while it rings."""
        for waiting in self.matcher.waiting():
            if waiting.offered and self.history[-1][0] in ("enter", "ready", "wrapped_up"):
                new = [each for each in self.history[-1][2] if isinstance(each, Offer) and each.call == waiting.call]
                agent = self.matcher.agent(waiting.offered)
                assert agent
                assert not new or ineligible(agent, self.matcher.ask(waiting, self.now), self.now) == ""

    @invariant()
    def every_call_can_be_explained(self) -> None:
        for waiting in self.matcher.waiting():
            explanation = self.matcher.explain(waiting.call, self.now, self.now)
            assert explanation
            named = sorted(agent for group in explanation.groups for agent in group.agents)
            assert named == sorted(agent.id for agent in self.matcher.agents())

    def teardown(self) -> None:
        """The same events once more: the same decisions, to the letter."""
        if not self.history:
            return
        again = Matcher(self.first)
        for event, what, decisions in self.history:
            assert getattr(again, event)(*what) == decisions


def words(decisions: list[Decision]) -> list[str]:
    """Decisions in no order; whose state changed is left out."""
    return sorted(repr(each) for each in decisions if not isinstance(each, Changed))


TestFloor = Floor.TestCase
TestFloor.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
