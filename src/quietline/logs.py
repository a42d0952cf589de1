"""Logs: one JSON object a line on standard error; static messages with named fields, none of them personal.

Exceptions are logged by type and place only: their texts may hold what a peer sent.
"""

from __future__ import annotations

import logging
import os
import traceback

import structlog


class StandardError:
    """A text file over descriptor 2 that never raises: on a full disk a line is lost and counted, the work goes on.

    Unbuffered, since a buffer that cannot be emptied would fail again at exit.
    """

    def __init__(self, descriptor: int = 2) -> None:
        self.lost = 0  # lines since the last that could be written
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Write it, or count it as lost; the count goes out before the next line that can be written."""
        if self.lost:
            text = f'{{"lost": {self.lost}, "event": "log lines were lost: they could not be written"}}\n{text}'
        try:
            os.write(self._descriptor, text.encode())
        except OSError:
            self.lost += 1
        else:
            self.lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def configure(process: str) -> None:
    """Set up this process's log."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(StandardError()),  # type: ignore[arg-type]
    )
    structlog.contextvars.bind_contextvars(process=process)


def place(error: BaseException) -> str:
    """The innermost type and line of an error, groups opened: "KeyError at call.py:120"."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"
