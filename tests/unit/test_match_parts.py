"""The matcher's parts: who may take what, deadlines in order, pools that keep no stale entries for long."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.routing.alarms import SLACK, Alarms
from quietline.routing.model import Agent, Need, QueueRule, Step, Waiting
from quietline.routing.parties import Call, Seat
from quietline.routing.pools import Pool, Pools
from quietline.routing.skills import Ask, ask_for, ask_of, both, fits, ineligible, merged, need_words
from quietline.routing.strategies import longest_idle

needs = st.lists(st.builds(Need, st.sampled_from(["a", "b"]), st.integers(1, 5), st.booleans()), max_size=4)
levels = st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 5))
stores = st.frozensets(st.sampled_from(["mill", "quay"]), max_size=2)


class TestNeeds:
    @pytest.mark.parametrize(
        ("given_", "kept"),
        [
            ((Need("a", 2), Need("a", 4)), (Need("a", 4),)),
            ((Need("a", 4), Need("a", 2)), (Need("a", 4),)),
            ((Need("a", 5, preferred=True), Need("a", 2)), (Need("a", 2),)),
            ((Need("a", 2), Need("a", 5, preferred=True)), (Need("a", 2),)),
            ((Need("a", 2, preferred=True), Need("a", 3, preferred=True)), (Need("a", 3, preferred=True),)),
            ((Need("b"), Need("a")), (Need("a"), Need("b"))),
            ((), ()),
        ],
    )
    def test_one_for_each_skill_the_stricter_one(self, given_: tuple[Need, ...], kept: tuple[Need, ...]) -> None:
        assert merged(given_) == kept

    @given(needs, levels)
    def test_merging_changes_nobodys_eligibility(self, asked: list[Need], skills: dict[str, int]) -> None:
        every = all(need.preferred or skills.get(need.skill, 0) >= need.level for need in asked)
        assert fits(skills, "", frozenset(), Ask("q", "invoice", merged(asked))) == every

    @given(stores, stores, st.sampled_from(["mill", "quay", "hub"]))
    def test_two_restrictions_hold_together(self, one: frozenset[str], two: frozenset[str], store: str) -> None:
        allowed = both(one, two)
        assert (allowed is None or store in allowed) == all(not each or store in each for each in (one, two))

    @given(levels, needs, stores, stores, st.sampled_from(["mill", "quay", "hub"]), st.floats(0, 100))
    def test_quick_and_worded_agree(
        self,
        skills: dict[str, int],
        asked: list[Need],
        one: frozenset[str],
        two: frozenset[str],
        store: str,
        ends: float,
    ) -> None:
        """What the index asks, and what people are told."""
        rule = QueueRule("q", steps=(Step(needs=tuple(asked), stores=one),))
        ask = ask_of(rule, rule.steps[0], (), two)
        agent = Agent("mia", skills, {"invoice": ends}, store)
        quick = fits(skills, store, frozenset(), ask) and ends > 50.0
        assert quick == (ineligible(agent, ask, 50.0) == "")

    def test_for_one_person_only_the_certificate_counts(self) -> None:
        ask = ask_for("mia", QueueRule("q", steps=(Step(needs=(Need("orders", 5),)),)))
        assert ineligible(Agent("mia", certificates={"invoice": 9.0}), ask, 1.0) == ""
        assert ineligible(Agent("lou", {"orders": 5}, {"invoice": 9.0}), ask, 1.0) == "kept for another agent"
        assert ineligible(Agent("mia"), ask, 1.0) == "no certificate for invoice"

    def test_the_lowest_level_needs_no_number(self) -> None:
        assert [need_words(Need("orders")), need_words(Need("orders", 2))] == ["orders", "orders >= 2"]


@dataclass(slots=True)
class Owner:
    id: str
    kind: int = 0
    alarm: float = 0.0


class TestAlarms:
    @given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.0, 50.0)), max_size=200), st.floats(0.0, 60.0))
    def test_they_ring_in_order_each_owner_once_by_its_last_setting(
        self, settings: list[tuple[int, float]], now: float
    ) -> None:
        alarms: Alarms[Owner] = Alarms()
        owners = [Owner(f"o{number}", number % 2) for number in range(10)]
        for number, time in settings:
            alarms.set(owners[number], time)
        due = sorted((each.alarm, each.kind, each.id) for each in owners if each.alarm and each.alarm <= now)
        later = [each.alarm for each in owners if each.alarm > now]
        rung = []
        while owner := alarms.due(now):
            assert owner.alarm == 0.0
            rung.append(owner.id)
        assert rung == [name for _, _, name in due]
        assert alarms.next() == min(later, default=None)

    def test_settings_left_behind_do_not_pile_up(self) -> None:
        alarms: Alarms[Owner] = Alarms()
        owners = [Owner("a"), Owner("b")]
        for number in range(10_000):
            alarms.set(owners[number % 2], 1.0 + number)
        assert len(alarms._heap) <= SLACK + 2 * len(owners) + 1


def seat(name: str, **skills: int) -> Seat:
    return Seat(Agent(name, skills, {"invoice": 1e9}), 1.0)


class TestPools:
    ASK = Ask("q", "invoice", (Need("orders", 2),))

    def test_who_becomes_ready_again_and_again_stands_once(self) -> None:
        pools = Pools()
        pool = pools.make("key", self.ASK, longest_idle)
        mia = seat("mia", orders=3)
        for number in range(5_000):
            mia.idle_since = 1.0 + number
            pools.stand(mia)
            assert pool.first_seat(0.0) is mia
            pools.go(mia)
        assert pool.first_seat(0.0) is None
        assert len(pool.seats) < 100

    def test_calls_that_come_and_go_do_not_pile_up_behind_one_that_stays(self) -> None:
        pool, rule = Pool(self.ASK, longest_idle), QueueRule("q")
        first = Call(Waiting("first", "q", 1.0), rule)
        pool.wait(first, 0)
        for number in range(1, 5_000):
            call = Call(Waiting(f"c{number}", "q", 2.0), rule)
            pool.wait(call, number)
            pool.withdraw(call)
        assert pool.calls[0][4] is first
        assert len(pool.calls) < 100

    def test_an_agent_finds_pools_made_before_and_after_they_came(self) -> None:
        pools, mia = Pools(), seat("mia", orders=3, returns=1)
        before = pools.make("before", self.ASK, longest_idle)
        pools.changed(mia)
        pools.stand(mia)
        after = pools.make("after", Ask("q", "invoice", (Need("returns"),)), longest_idle)
        anybody = pools.make("anybody", Ask("q", "invoice", (Need("art", preferred=True),)), longest_idle)
        beyond = pools.make("beyond", Ask("q", "invoice", (Need("returns", 2),)), longest_idle)
        assert [pool.first_seat(0.0) for pool in (before, after, anybody, beyond)] == [mia, mia, mia, None]

    def test_a_lapsed_certificate_leaves_the_pool(self) -> None:
        pools = Pools()
        pool = pools.make("key", self.ASK, longest_idle)
        mia = Seat(Agent("mia", {"orders": 3}, {"invoice": 50.0}), 1.0)
        pools.stand(mia)
        assert pool.first_seat(49.0) is mia
        assert pool.first_seat(50.0) is None

    def test_a_seat_shows_what_the_model_has(self) -> None:
        member = Agent("mia", {"orders": 3}, {"invoice": 9.0}, "mill", frozenset({"q"}))
        shown = Seat(member, 5.0).value()
        assert (shown.id, shown.skills, shown.certificates, shown.store, shown.queues) == (
            *("mia", {"orders": 3}, {"invoice": 9.0}, "mill", frozenset({"q"})),
        )
        assert shown.since == 5.0

    @given(
        st.builds(
            Waiting,
            call=st.text(min_size=1, max_size=3),
            queue=st.just("q"),
            since=st.floats(1.0, 9.0),
            needs=needs.map(tuple),
            stores=stores,
            head_start=st.floats(0.0, 9.0),
            last_agent=st.sampled_from(["", "mia"]),
            only_agent=st.sampled_from(["", "lou"]),
            callback=st.booleans(),
        )
    )
    def test_a_call_shows_what_it_came_with(self, waiting: Waiting) -> None:
        """Nothing is lost on the way in, by a change, or on the way out."""
        call = Call(waiting, QueueRule("q"))
        assert call.value() == waiting
        call.change(waiting, QueueRule("q"))
        assert call.value() == waiting
