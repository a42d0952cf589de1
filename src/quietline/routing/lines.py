"""Where a waiting call stands: by its queue's rule, the step it has reached, and whether it is kept for one agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quietline.errors import ConfigError
from quietline.routing.model import Need, QueueRule, State
from quietline.routing.parties import Call, Seat
from quietline.routing.pools import Pool, Pools
from quietline.routing.skills import ask_for, ask_of
from quietline.routing.strategies import Strategy, chosen

GONE = frozenset({State.OFFLINE, State.AWAY})


class Lines:
    """The queues' rules, and the pool of each way of waiting in them."""

    def __init__(self, strategies: Mapping[str, Strategy]) -> None:
        self.rules: dict[str, QueueRule] = {}
        self.pools = Pools()
        self._strategies = strategies

    def configure(self, queues: Iterable[QueueRule], in_use: Mapping[str, QueueRule], seats: Iterable[Seat]) -> None:
        """New rules, and pools for them. A rule in use stays where no new one takes its place.

        Raises ConfigError, and changes nothing, for two queues of one name and for an unknown strategy.
        """
        rules = self._checked(queues)
        self.rules = {**in_use, **rules}
        self.pools.clear(seats)
        for rule in rules.values():
            for step in range(len(rule.steps)):
                self._pool(rule, step, (), frozenset())

    def rule(self, queue: str) -> QueueRule:
        """The queue's rule. Raises ConfigError for a queue that there is not."""
        rule = self.rules.get(queue)
        if rule is None:
            raise ConfigError(f"queue {queue!r} is not there; there are {', '.join(sorted(self.rules)) or 'none'}")
        return rule

    def pool_for(self, call: Call, last: Seat | None, now: float, wall: float) -> Pool:
        """Where the call has to wait from now on. `last` is its last agent, if they are in service."""
        waiting, rule = call.waiting, call.rule
        if waiting.only_agent:
            return self.pools.desk(ask_for(waiting.only_agent, rule))
        pool = self._pool(rule, call.step, waiting.needs, waiting.stores)
        if not waiting.last_agent:
            return pool
        call.held = last is not None and call.wants_last_agent(now) and _can_take(last, pool, wall)
        call.unheld = not call.held
        return self.pools.desk(ask_for(waiting.last_agent, rule)) if call.held else pool

    def _pool(self, rule: QueueRule, step: int, needs: tuple[Need, ...], stores: frozenset[str]) -> Pool:
        key = (rule.id, step, needs, stores)
        pool = self.pools.get(key)
        if pool is None:
            ask = ask_of(rule, rule.steps[step], needs, stores)
            pool = self.pools.make(key, ask, self._strategies[rule.strategy])
        return pool

    def _checked(self, queues: Iterable[QueueRule]) -> dict[str, QueueRule]:
        rules: dict[str, QueueRule] = {}
        for rule in queues:
            if rule.id in rules:
                raise ConfigError(f"queue {rule.id!r} is there twice; give each queue a name of its own")
            chosen(rule.strategy, self._strategies, rule.id)
            rules[rule.id] = rule
        return rules


def _can_take(last: Seat, pool: Pool, wall: float) -> bool:
    """Whether a call may be kept for this agent: here, able, with a certificate."""
    here = last.state not in GONE and not last.dismissed
    return here and pool.admits(last) and last.certified(pool.ask.data_class, wall)
