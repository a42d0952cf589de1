"""The machine's own queues (`[[queue]]` in the TOML file) as rules of routing; a chain file's take their place."""

from __future__ import annotations

from collections.abc import Iterable

from quietline.config import Controller, Queue
from quietline.routing.model import Need, QueueRule, Step


def queue_rules(queues: Iterable[Queue], settings: Controller) -> tuple[QueueRule, ...]:
    """One rule for each queue: its skills at any level, no relaxing, the controller's times in seconds."""
    return tuple(
        QueueRule(
            id=queue.id,
            data_class=queue.data_class,
            steps=(Step(needs=tuple(Need(skill) for skill in queue.skills)),),
            ring=settings.ring_seconds,
            wrap_up=settings.wrap_up_seconds,
            longest_call=settings.max_call_seconds,
            longest_wait=settings.max_wait_seconds,
        )
        for queue in queues
    )
