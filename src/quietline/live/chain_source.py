"""The chain that calls run by: the applied one, or what the TOML file stands for; and how a new one takes its place.

A chain that cannot be read never takes the place of one that could: calls go on with the last good one.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from quietline.chain import closures
from quietline.chain import reading as chain_reading
from quietline.chain.in_force import active_path, chain_folder
from quietline.chain.model import Chain, from_config
from quietline.config import Config
from quietline.errors import ConfigError

log = structlog.get_logger()

PREVIOUS = "previous.yaml"  # the chain before the active one, kept by `apply`

Watcher = Callable[[Chain], None]


class ChainSource:
    """`now` is the chain of this moment; a call keeps the one it began with. One event loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._watchers: list[Watcher] = []
        self.now = self._first()

    def watch(self, watcher: Watcher) -> None:
        """Tell this one of every new chain, in the order of watching; by a ConfigError it refuses the chain."""
        self._watchers.append(watcher)

    def reload(self) -> Chain:
        """Read everything anew. Raises ConfigError, and the old chain stays, for a file that is wrong or is refused."""
        found = self._read()
        for watcher in self._watchers:
            watcher(found)
        self.now = found
        log.info("a new chain is in force", stores=len(found.stores), queues=len(found.queues))
        return found

    def _read(self) -> Chain:
        """The active chain with the closures of the command line."""
        state = self._config.paths.state
        path = active_path(state)
        chain = chain_reading.load(path).chain if path.exists() else from_config(self._config)
        return chain.closed(closures.load(state))

    def _first(self) -> Chain:
        """At the start something must be in force: the active chain, the one before it, or the TOML file's."""
        try:
            return self._read()
        except ConfigError:
            log.error("the applied chain cannot be read; the one before it is used")
        try:
            return chain_reading.load(chain_folder(self._config.paths.state) / PREVIOUS).chain
        except ConfigError:
            log.error("no applied chain can be read; the configuration's stores and queues are used")
        return from_config(self._config)
