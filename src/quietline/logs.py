"""Logs: one JSON object a line on standard error; static messages with named fields, none of them personal.

Exceptions are logged by type and place only: their texts may hold what a peer sent.
"""

from __future__ import annotations

import logging
import sys
import traceback

import structlog


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(process=process)


def place(error: BaseException) -> str:
    """The innermost type and line of an error, groups opened: "KeyError at call.py:120"."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"
