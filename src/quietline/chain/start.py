"""A chain file to start from: what the TOML file's [[store]] and [[queue]] tables stand for, written out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quietline.chain.model import DEFAULT_FLOW
from quietline.config import Config, Controller, Queue, Store
from quietline.errors import ConfigError


def start_from(config: Config) -> dict[str, Any]:
    """The file's values; read again they make what `chain.from_config` makes. Raises ConfigError without stores or
    queues: a chain needs one of each."""
    if not config.stores or not config.queues:
        raise ConfigError("a chain needs a store and a queue; name them in the TOML file, or copy examples/chain.yaml")
    return {
        "stores": {store.id: _store(store) for store in config.stores},
        "queues": {queue.id: _queue(queue, config.controller) for queue in config.queues},
        "flows": {DEFAULT_FLOW: {"steps": dict(_steps(config.queues, config.controller.notice))}},
    }


def _store(store: Store) -> dict[str, Any]:
    return {
        "name": store.name,
        "numbers": list(store.numbers),
        "controller": store.controller,
        "flow": DEFAULT_FLOW,
    }


def _queue(queue: Queue, times: Controller) -> dict[str, Any]:
    return {
        "name": queue.name,
        "needs": [f"{skill}:1" for skill in queue.skills],
        "data_class": queue.data_class,
        "reason": queue.reason,
        "ring": times.ring_seconds,
        "wrap_up": times.wrap_up_seconds,
        "longest_call": times.max_call_seconds,
        "longest_wait": times.max_wait_seconds,
    }


def _steps(queues: tuple[Queue, ...], notice: bool) -> Iterable[tuple[str, dict[str, Any]]]:
    """As `routing.flow.default_flow` has them: the notice, a menu where there is a choice, the queues."""
    first = "menu" if len(queues) > 1 else queues[0].id
    if notice:
        yield "notice", {"do": "notice", "go": first}
    if len(queues) > 1:
        ordered = sorted(queues, key=lambda queue: queue.digit)
        choices = {each.digit: {"label": {"en": each.spoken or each.name}, "go": each.id} for each in ordered}
        yield "menu", {"do": "menu", "choices": choices, "otherwise": queues[0].id}
    yield from ((queue.id, {"do": "queue", "queue": queue.id}) for queue in queues)
