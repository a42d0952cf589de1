"""Rotation: one kind of key after another takes its successor's place, batch by batch, while calls run.

How far each is stands in `keys.db`, in the same transaction as what was done, so that after kill -9 it goes on there.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from quietline.vault.database import Database, Row, load_sql

SQL = load_sql("rotation.sql")
KEK, DATA, INDEX = "kek", "data", "index/"


class State(StrEnum):
    """Where a rotation stands. Closed."""

    RUNNING = "running"
    CLEARING = "clearing"  # cut over; what the old key made is being deleted
    DONE = "done"
    BLOCKED = "blocked"  # rows without a stored value would be lost by the cut; nothing was cut


@dataclass(frozen=True, slots=True)
class Progress:
    """One rotation. `cursor`: the last subject done; `done` of `total` are keys or customers; times: UTC seconds."""

    what: str  # "kek", "data", "index/<field>"
    state: State
    cursor: str
    done: int
    total: int
    started: float
    finished: float = 0.0

    def row(self) -> Row:
        return (self.what, self.state.value, self.cursor, self.done, self.total, self.started, self.finished)

    def further(self, cursor: str, done: int) -> Progress:
        """After a batch. What came to be since the start is done, too, and counted."""
        return replace(self, cursor=cursor, done=self.done + done, total=max(self.total, self.done + done))

    def ended(self, now: float, state: State = State.DONE) -> Progress:
        return replace(self, state=state, finished=now)

    @property
    def open(self) -> bool:
        """Whether there is more to do."""
        return self.state in (State.RUNNING, State.CLEARING)


class Rotation(Protocol):
    """One kind of rotation. Methods block and may be run again after a crash."""

    def start(self, now: float) -> Progress:
        """A new one, durable. Raises ConfigError where that cannot be."""

    def step(self, progress: Progress, now: float) -> Progress:
        """One batch, durable on return."""


class Book:
    """The rotations on record. Methods block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def every(self) -> list[Progress]:
        """Oldest first."""
        return [Progress(what, State(state), *rest) for what, state, *rest in self._database.read(SQL["rotations"])]


def put(connection: sqlite3.Connection, progress: Progress) -> None:
    """In the caller's transaction."""
    connection.execute(SQL["put_rotation"], progress.row())
