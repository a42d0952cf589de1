"""Two user agents over a network that loses, doubles and reorders: they always agree in the end and leave nothing."""

from __future__ import annotations

import json
import random
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quietline.sip.session import Address, Event, Session, What
from quietline.testing.sip_network import ANSWER, OFFER, A, B, Network

SIDES = st.sampled_from([A, B])
PICK = st.integers(0, 7)
LAST = (What.ENDED, What.REJECTED, What.CANCELLED)


class TwoAgents(RuleBasedStateMachine):
    """Rules do what users do, at any time, to any leg."""

    @initialize(
        seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.1, 0.3]), doubling=st.sampled_from([0.0, 0.3]),
        delay=st.sampled_from([0.0, 0.05, 1.0]), interval=st.sampled_from([0, 90]),
    )  # fmt: skip
    def connect(self, seed: int, loss: float, doubling: float, delay: float, interval: int) -> None:
        self.network = Network(random.Random(seed), loss, doubling, delay)
        self.network.join(A, "a")
        self.network.join(B, "b")
        self.network.on_event = self.user
        self.interval = interval
        self.lives = 0

    def user(self, at: Address, event: Event) -> None:
        """Every offer in dialog is answered, one way or the other."""
        agent, now = self.network.agents[at], self.network.now
        if event.what is What.OFFER:
            taken = self.network.dice.random() < 0.7
            answer = agent.accept_offer if taken else agent.refuse_offer
            self.network.take(at, answer(event.session, ANSWER if taken else 488, now))  # type: ignore[operator]

    def leg(self, at: Address, pick: int) -> Session | None:
        legs = self.network.agents[at].sessions
        return legs[pick % len(legs)] if legs else None

    @rule(at=SIDES)
    def dial(self, at: Address) -> None:
        to = B if at == A else A
        extra = [("session-expires", "90;refresher=uac")] if self.interval else []
        _, effects = self.network.agents[at].invite(
            f"sip:x@{to[0]}", f"<sip:y@{at[0]}>", OFFER, to, self.network.now, extra
        )
        self.network.take(at, effects)

    @rule(
        at=SIDES,
        pick=PICK,
        verb=st.sampled_from(["ring", "answer", "reject", "hang_up", "reinvite", "options", "info"]),
    )
    def act(self, at: Address, pick: int, verb: str) -> None:
        leg, agent, now = self.leg(at, pick), self.network.agents[at], self.network.now
        if leg is None:
            return
        arguments = {"answer": (ANSWER,), "reject": (486,), "reinvite": (OFFER,), "info": ("text/plain", b"x")}
        self.network.take(at, getattr(agent, verb)(leg, *arguments.get(verb, ()), now))

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 2.0, 33.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.network.run(self.network.now + seconds)

    @rule(at=SIDES)
    def crash(self, at: Address) -> None:
        """kill -9 and a new life from what was saved."""
        before = self.network.agents[at]
        saved = json.loads(json.dumps([before.save(leg, self.network.now) for leg in before.sessions]))
        self.lives += 1
        after = self.network.join(at, f"{'ab'[at == B]}{self.lives:03x}")
        for record in saved:
            _, effects = after.restore(record, self.network.now)
            self.network.take(at, effects)

    @invariant()
    def nobody_hears_of_a_leg_after_its_end(self) -> None:
        if hasattr(self, "network"):
            ends = Counter(id(event.session) for _, event in self.network.heard if event.what in LAST)
            assert max(ends.values(), default=0) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "network"):
            return
        self.network.loss = 0.0
        self.settle()
        ours, theirs = (self.dialogs(at) for at in (A, B))
        assert ours == theirs
        self.hang_up_everything()
        assert [one.sessions for one in self.network.agents.values()] == [[], []]
        assert [one.transactions for one in self.network.agents.values()] == [0, 0]
        assert [one.core.invited for one in self.network.agents.values()] == [{}, {}]

    def settle(self) -> None:
        """Calls that ring for ever are given up; whoever lost a BYE learns it from a probe."""
        for at, agent in self.network.agents.items():
            for leg in agent.sessions:
                self.network.take(at, agent.reject(leg, 480, self.network.now))
        self.network.run(self.network.now + 800)
        for at, agent in self.network.agents.items():
            for leg in agent.sessions:
                self.network.take(at, agent.options(leg, self.network.now))
        self.network.run(self.network.now + 100)

    def dialogs(self, at: Address) -> set[tuple[str, frozenset[str]]]:
        return {
            (leg.dialog.call_id, frozenset((leg.dialog.local_tag, leg.dialog.remote_tag)))
            for leg in self.network.agents[at].sessions
        }

    def hang_up_everything(self) -> None:
        agent = self.network.agents[A]
        for leg in agent.sessions:
            self.network.take(A, agent.hang_up(leg, self.network.now))
        self.network.rest()


TestTwoAgents = TwoAgents.TestCase
TestTwoAgents.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
