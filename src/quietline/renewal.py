"""Certificates are renewed while everything runs: once a day, and when the supervisor is told to (SIGHUP).

New connections get the new certificate; those that stand keep theirs, so no call and no page is dropped. Your own
certificate is taken up in the same way after you have replaced its files (`systemctl reload`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import structlog

from quietline.config import Config
from quietline.errors import QuietlineError
from quietline.installation import web_certificate_is_current, write_web_certificate
from quietline.telephony.certificates import ensure_certificates

log = structlog.get_logger()

DAY_SECONDS = 86_400.0
AGAIN_SECONDS = 300.0  # after a renewal that failed


class EdgeReload(Protocol):
    """What is needed of the edge."""

    async def reload_certificates(self) -> None:
        """Raises EdgeUnavailable."""


class Renewal:
    """`web`: the web process's id now, 0 while it does not run. Blocking steps go to a thread."""

    def __init__(
        self,
        config: Config,
        edge: EdgeReload,
        web: Callable[[], int],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config, self._edge, self._web, self._now = config, edge, web, now
        self._wanted = asyncio.Event()

    def at_once(self) -> None:
        """Look now instead of tomorrow."""
        self._wanted.set()

    async def run(self) -> None:
        """Look every day, and in five minutes after a failure. Runs until cancelled; `prepare` looked at start."""
        pause = DAY_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)
            self._wanted.clear()
            pause = DAY_SECONDS if await self.try_once() else AGAIN_SECONDS

    async def try_once(self) -> bool:
        """One look; False where it failed, which the log then says."""
        try:
            if await self.once():
                log.info("certificates renewed; new connections get them")
        except (QuietlineError, OSError, ValueError) as error:
            log.error("certificates could not be renewed; tried again", error=type(error).__name__, said=_said(error))
            return False
        return True

    async def once(self) -> bool:
        """Renew what has less than 30 days left, and have edge and web take it; whether there was anything to take.

        Raises ConfigError for a certificate of your own that cannot be used, EdgeUnavailable.
        """
        await asyncio.to_thread(ensure_certificates, self._config, self._now())
        if await asyncio.to_thread(web_certificate_is_current, self._config):
            return False
        await self._edge.reload_certificates()
        # Crash here: the web process's copy is still the old one, so the next look does both once more.
        await asyncio.to_thread(write_web_certificate, self._config)
        if pid := self._web():
            with suppress(ProcessLookupError):  # it starts anew with the new files
                os.kill(pid, signal.SIGHUP)
        return True


def _said(error: Exception) -> str:
    """Our own errors are safe to log."""
    return str(error) if isinstance(error, QuietlineError) else ""
