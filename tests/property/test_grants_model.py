"""Grants under any order of events: never a look without a live leg, never after the close, never with another's grant.

The model keeps, beside the real object, only what an outsider would know: which legs live, who was given which grant,
what the edge last said, how many looks succeeded. Every rule asks both and compares.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from quietline.access.decide import Phase
from quietline.access.grants import GrantLimits, Grants
from quietline.errors import Denied

LIMITS = GrantLimits(per_leg=5, per_minute=7, confirmed_for=2.0, wrap_up=20.0, life=500.0)
AGENTS = ("ag_1", "ag_2", "ag_3")


@dataclass
class Given:
    """What was handed to an agent."""

    id: str
    agent: str
    caller_leg: str
    agent_leg: str
    opened: float
    word: float | None
    closed: float | None = None


class GrantsMachine(RuleBasedStateMachine):
    legs = Bundle("legs")
    given = Bundle("given")

    @initialize()
    def begin(self) -> None:
        self.now = 1_000.0
        self.grants = Grants(LIMITS)
        self.live: dict[str, bool] = {}
        self.known: dict[str, Given] = {}
        self.looks: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {agent: [] for agent in AGENTS}
        self.store: dict[str, dict[str, Any]] = {}
        self.agent_legs = 0

    @rule(target=legs)
    def arrives(self) -> str:
        leg = f"leg_{len(self.live)}"
        self.live[leg] = True
        self.grants.leg_arrived(leg, f"cust_{leg}", 1, self.now)
        return leg

    @rule(target=given, leg=legs, agent=st.sampled_from(AGENTS))
    def connects(self, leg: str, agent: str) -> str:
        self.agent_legs += 1
        agent_leg = f"aleg_{self.agent_legs}"
        try:
            grant = self.grants.connect(leg, agent_leg, agent, self.now)
        except Denied:
            assert not self.live[leg]
            return "gr_none"
        assert self.live[leg]
        self._close_on(leg)
        self.known[grant.id] = Given(grant.id, agent, leg, agent_leg, self.now, self.now)
        return grant.id

    @rule(grant=given, agent=st.sampled_from(AGENTS), fresh=st.booleans())
    def looks_at_a_field(self, grant: str, agent: str, fresh: bool) -> None:
        if fresh:
            self.edge_is_asked(grant)
        model = self.known.get(grant)
        allowed = model is not None and self._may_look(model, agent)
        try:
            self.grants.spend(grant, agent, self.now)
        except Denied:
            assert not allowed
            return
        assert allowed
        assert model is not None
        self.looks[model.caller_leg] += 1
        self.times[agent].append(self.now)

    @rule(grant=given)
    def edge_is_asked(self, grant: str) -> None:
        """As the vault service does: a word that both legs live, or the grant is closed."""
        model = self.known.get(grant)
        if model is None:
            return
        if self.live[model.caller_leg] and model.closed is None:
            model.word = self.now
            self.grants.confirm(grant, self.now)
        else:
            self.grants.close(grant, self.now)
            model.closed = self.now if model.closed is None else model.closed

    @rule(grant=given)
    def somebody_confirms_wrongly(self, grant: str) -> None:
        """Confirming a grant that has closed must not bring it back."""
        model = self.known.get(grant)
        if model and model.closed is not None:
            self.grants.confirm(grant, self.now)

    @rule(leg=legs)
    def caller_hangs_up(self, leg: str) -> None:
        closed = self.grants.hang_up(leg, self.now)
        assert {grant.id for grant in closed} == self._close_on(leg)
        self.live[leg] = False

    @rule(grant=given)
    def agent_hangs_up(self, grant: str) -> None:
        model = self.known.get(grant)
        if model:
            self.grants.hang_up(model.agent_leg, self.now)
            model.closed = self.now if model.closed is None else model.closed

    @rule(grant=consumes(given), leg=legs, agent=st.sampled_from(AGENTS))
    def an_agents_leg_is_used_again(self, grant: str, leg: str, agent: str) -> None:
        model = self.known.get(grant)
        if not model:
            return
        try:
            again = self.grants.connect(leg, model.agent_leg, agent, self.now)
        except Denied:
            return
        assert (again.id, again.agent, again.caller_leg) == (model.id, agent, leg)
        assert model.closed is None

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 15.0, 61.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweeps(self) -> None:
        forgotten = self.grants.sweep(self.now)
        for key in forgotten:
            model = self.known.pop(key, None)
            assert model is None or self._over(model)
            if key in self.live:
                self.live[key] = False

    @rule()
    def the_vault_restarts(self) -> None:
        put, drop = self.grants.changes()
        self.store.update({record["id"]: record for record in put})
        for key in drop:
            self.store.pop(key, None)
        self.grants = Grants(LIMITS)
        self.grants.restore(self.store.values())
        self.times = {agent: [] for agent in AGENTS}
        for model in self.known.values():
            model.word = None

    @invariant()
    def no_call_is_looked_at_more_often_than_allowed(self) -> None:
        assert all(count <= LIMITS.per_leg for count in self.looks.values())

    @invariant()
    def nobody_looks_more_often_in_a_minute_than_allowed(self) -> None:
        for times in self.times.values():
            assert sum(at > self.now - 60 for at in times) <= LIMITS.per_minute

    @invariant()
    def every_grant_is_in_the_phase_an_outsider_expects(self) -> None:
        for model in self.known.values():
            grant = self.grants.find(model.id, model.agent)
            phase = self.grants.phase(grant, self.now)
            assert (phase is Phase.LIVE) == (model.closed is None and self.now < model.opened + LIMITS.life)
            assert (phase is Phase.OVER) == self._over(model)

    def _may_look(self, model: Given, agent: str) -> bool:
        recent = sum(at > self.now - 60 for at in self.times[agent])
        return (
            model.agent == agent
            and self.live[model.caller_leg]
            and model.closed is None
            and self.now < model.opened + LIMITS.life
            and model.word is not None
            and self.now - model.word <= LIMITS.confirmed_for
            and self.looks[model.caller_leg] < LIMITS.per_leg
            and recent < LIMITS.per_minute
        )

    def _close_on(self, leg: str) -> set[str]:
        closed = {each.id for each in self.known.values() if each.caller_leg == leg and each.closed is None}
        for key in closed:
            self.known[key].closed = self.now
        return closed

    def _over(self, model: Given) -> bool:
        wrapped = model.closed is not None and self.now >= model.closed + LIMITS.wrap_up
        return wrapped or self.now >= model.opened + LIMITS.life


TestGrants = GrantsMachine.TestCase
TestGrants.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
