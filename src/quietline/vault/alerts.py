"""Alerts: what a privacy officer has to hear of within seconds. In the ledger, in the log, and at a webhook.

Nobody waits for the webhook, and nothing stops when it is away: the ledger has the alert already. An alert carries
tokens, closed words and times; the customer's token stays in the ledger.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import httpx
import structlog

from quietline.errors import ConfigError, Unavailable
from quietline.ledger.ports import Field
from quietline.ledger.vocabulary import Kind
from quietline.vault.journal import Journal

log = structlog.get_logger()

MOST_WAITING: Final = 256
TRIES: Final = 3
AGAIN_SECONDS: Final = 2.0
SEND_SECONDS: Final = 5.0
SELDOM: Final = 60.0  # seconds
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
Message = dict[str, Field]


class AlertHook(Protocol):
    """Carries an alert to wherever people are woken."""

    async def send(self, message: Message) -> None:
        """Raises Unavailable when it was not accepted. Bounded in time; one try."""


class Webhook:
    """`POST <url>` with the alert as JSON; any 2xx means accepted."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = httpx.URL(url)
        if self._url.scheme != "https" and self._url.host not in LOOPBACK:
            raise ConfigError("[vault] alert_webhook: use an https:// address")
        self._transport = transport

    async def send(self, message: Message) -> None:
        client = httpx.AsyncClient(timeout=SEND_SECONDS, transport=self._transport, trust_env=False)
        async with client:
            try:
                answer = await client.post(self._url, json=message)
            except httpx.HTTPError as error:
                raise Unavailable(f"alert webhook: {type(error).__name__}") from None
        if not answer.is_success:
            raise Unavailable(f"alert webhook: answered {answer.status_code}")


class Alerts:
    """`tell` never waits; `run` delivers, until cancelled."""

    def __init__(self, journal: Journal, hook: AlertHook | None = None, again: float = AGAIN_SECONDS) -> None:
        self._journal, self._hook, self._again = journal, hook, again
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(MOST_WAITING)
        self._told: dict[tuple[Kind, str, str], float] = {}

    def tell(self, kind: Kind, subject: str = "", **fields: Field) -> None:
        """Queue the ledger's entry, write a line in the log, and wake people."""
        self._journal.write_soon(kind, fields, subject)
        self.wake(kind, **fields)

    def tell_seldom(self, kind: Kind, agent: str, why: str) -> None:
        """`tell`, but for the same agent and reason once in `SELDOM` seconds: who runs into a wall runs again."""
        key, now = (kind, agent, why), self._journal.now()
        if 0 <= now - self._told.get(key, -SELDOM) < SELDOM:
            return
        while len(self._told) >= MOST_WAITING:
            self._told.pop(next(iter(self._told)))
        self._told[key] = now
        self.tell(kind, agent=agent, why=why)

    def wake(self, kind: Kind, **fields: Field) -> None:
        """The same for what is in the ledger already."""
        agent, how = str(fields.get("agent", "")), str(fields.get("how", fields.get("change", "")))
        log.error("an alert was raised", kind=kind.value, agent=agent, how=how)
        if self._hook is None:
            return
        try:
            self._waiting.put_nowait({"kind": kind.value, "at": self._journal.now(), **fields})
        except asyncio.QueueFull:
            self._lost()

    async def run(self) -> None:
        """Deliver one after another, each in a few tries."""
        while True:
            await self._deliver(await self._waiting.get())

    async def _deliver(self, message: Message) -> None:
        if self._hook is None:
            return
        for attempt in range(1, TRIES + 1):
            try:
                await self._hook.send(message)
            except Unavailable as error:
                log.warning("an alert was not accepted", attempt=attempt, error=str(error))
                await asyncio.sleep(self._again)
            else:
                return
        self._lost()

    def _lost(self) -> None:
        log.error("an alert did not reach the webhook; the ledger has it")
        self._journal.soon(Kind.FAULT, part="alert_webhook")
