"""Break-glass under any order of events: two people always, never reciprocal, never late or suspended."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from quietline.access import breakglass
from quietline.access.breakglass import RECIPROCAL_SECONDS, REVIEW_SECONDS, Case, GlassLimits, Stage
from quietline.access.decide import Principal, Role
from quietline.errors import Denied

LIMITS = GlassLimits(minutes=30, most_minutes=60, answer=3_600.0, looks=4)
TEXT = "The courier stands in front of a locked gate and the parcel holds medicine that has to stay cold."
ONE, BOTH = frozenset({"brand"}), frozenset({"brand", "franchise-a"})
PEOPLE = (
    Principal("ag_1", Role.AGENT, "north", ONE),
    Principal("ag_2", Role.SUPERVISOR, "north", ONE),
    Principal("ag_3", Role.SUPERVISOR, "south", ONE),
    Principal("ag_4", Role.STORE_MANAGER, "south", ONE),
    Principal("ag_5", Role.PRIVACY_OFFICER, "hub", BOTH),
    Principal("ag_6", Role.PRIVACY_OFFICER, "hub", BOTH),
)
WHO = {each.agent: each for each in PEOPLE}
anybody = st.sampled_from(PEOPLE)


class BreakGlassMachine(RuleBasedStateMachine):
    made = Bundle("made")

    @initialize()
    def begin(self) -> None:
        self.now = 1_800_000_000.0
        self.cases: dict[str, Case] = {}
        self.looked: list[tuple[Case, float, bool]] = []
        self.openings: list[tuple[Case, list[Case]]] = []

    def _late(self, unit: str) -> bool:
        """As an outsider would know it: opened, no review in 72 hours."""
        opened = (each for each in self.cases.values() if each.opened and each.unit == unit)
        return any(not each.reviewed and self.now - each.opened >= REVIEW_SECONDS for each in opened)

    def _keep(self, case: Case) -> None:
        self.cases[case.id] = case

    @rule(target=made, who=anybody, minutes=st.integers(0, 60))
    def asks(self, who: Principal, minutes: int) -> object:
        try:
            case = breakglass.ask(
                who, ("cu_1", "brand"), ["contact"], TEXT, minutes, self.cases.values(), self.now, LIMITS
            )
        except Denied:
            return multiple()
        assert not self._late(who.store)
        self._keep(case)
        return case.id

    @rule(name=made, who=anybody, yes=st.booleans())
    def answers(self, name: str, who: Principal, yes: bool) -> None:
        case, before = self.cases[name], list(self.cases.values())
        answer = breakglass.approve if yes else breakglass.refuse
        try:
            after = answer(case, who, before, self.now, LIMITS)
        except Denied:
            return
        self._keep(after)
        if yes:
            assert not self._late(case.unit)
            self.openings.append((after, before))

    @rule(name=made, who=anybody)
    def looks(self, name: str, who: Principal) -> None:
        case = self.cases[name]
        try:
            after = breakglass.use(case, who, "contact", self.cases.values(), self.now, LIMITS)
        except Denied:
            return
        assert who.agent == case.requester
        self.looked.append((case, self.now, self._late(case.unit)))
        self._keep(after)

    @rule(name=made, who=anybody)
    def ends(self, name: str, who: Principal) -> None:
        try:
            self._keep(breakglass.end(self.cases[name], who, self.now, LIMITS))
        except Denied:
            assert who.agent not in (self.cases[name].requester, self.cases[name].approver)

    @rule(name=made, who=anybody)
    def reviews(self, name: str, who: Principal) -> None:
        try:
            done = breakglass.review(self.cases[name], who, "justified", self.now, LIMITS)
        except Denied:
            return
        assert who.role is Role.PRIVACY_OFFICER
        assert who.agent not in (done.requester, done.approver)
        self._keep(done)

    @rule(seconds=st.sampled_from([60.0, 1_000.0, 1_801.0, 3_601.0, 80_000.0, REVIEW_SECONDS, RECIPROCAL_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def it_is_saved_and_loaded(self) -> None:
        self.cases = {name: breakglass.load_case(case.dump()) for name, case in self.cases.items()}

    @invariant()
    def every_look_had_an_open_glass(self) -> None:
        for case, at, late in self.looked:
            assert case.opened
            assert case.opened <= at < case.opened + case.minutes * 60 <= case.opened + 3_600
            assert not case.ended
            assert not late
        assert all(case.looks <= LIMITS.looks for case in self.cases.values())

    @invariant()
    def two_people_outside_the_line_and_not_reciprocal(self) -> None:
        for case, before in self.openings:
            approver = WHO[case.approver]
            assert case.approver != case.requester
            assert approver.store != case.unit or approver.role is Role.PRIVACY_OFFICER
            returned = [
                each
                for each in before
                if each.opened and (each.requester, each.approver) == (case.approver, case.requester)
            ]
            assert all(case.opened - each.opened >= RECIPROCAL_SECONDS for each in returned)

    @invariant()
    def one_open_at_a_time(self) -> None:
        going = [
            case.requester
            for case in self.cases.values()
            if breakglass.stage(case, LIMITS, self.now) in (Stage.ASKED, Stage.OPEN)
        ]
        assert len(going) == len(set(going))


BreakGlassMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBreakGlass = BreakGlassMachine.TestCase
