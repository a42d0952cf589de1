"""Alerts: in the ledger at once, at the webhook in a few tries, and never a reason to wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from quietline.errors import ConfigError, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.testing.clock import ManualClock
from quietline.testing.vault import MemoryLedger
from quietline.vault.alerts import MOST_WAITING, SELDOM, TRIES, Alerts, Webhook
from quietline.vault.journal import Journal


class Hook:
    """Takes alerts, after failing so many times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.tries = 0
        self.told: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.tries += 1
        if self.failures > 0:
            self.failures -= 1
            raise Unavailable("alert webhook: answered 500")
        self.told.append(message)


class Parts:
    def __init__(self, hook: Hook | None) -> None:
        self.clock, self.ledger = ManualClock(), MemoryLedger()
        self.alerts = Alerts(Journal(self.ledger, self.clock, 1.0), hook, again=0.0)

    def kinds(self) -> list[Kind]:
        return [entry.kind for entry in self.ledger.entries]


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(parts.alerts.run())
        yield
        task.cancel()


async def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come true")


async def test_an_alert_is_in_the_ledger_and_at_the_webhook() -> None:
    hook = Hook()
    parts = Parts(hook)
    async with running(parts):
        parts.alerts.tell(Kind.CANARY_TOUCHED, "cu_1", agent="ag_1", how="card")
        assert parts.kinds() == [Kind.CANARY_TOUCHED]
        assert parts.ledger.entries[0].subject == "cu_1"
        await until(lambda: bool(hook.told))
    assert hook.told[0] == {"kind": "canary.touched", "at": parts.clock.wall(), "agent": "ag_1", "how": "card"}
    assert "cu_1" not in str(hook.told)


async def test_what_is_in_the_ledger_already_is_only_told() -> None:
    hook = Hook()
    parts = Parts(hook)
    async with running(parts):
        parts.alerts.wake(Kind.GLASS_ASKED, agent="ag_1", glass="bg_1")
        await until(lambda: bool(hook.told))
    assert parts.kinds() == []


async def test_a_webhook_that_fails_is_tried_again_in_order() -> None:
    hook = Hook(failures=TRIES - 1)
    parts = Parts(hook)
    async with running(parts):
        parts.alerts.tell(Kind.CANARY_TOUCHED, agent="ag_1")
        parts.alerts.tell(Kind.CANARY_TOUCHED, agent="ag_2")
        await until(lambda: len(hook.told) == 2)
    assert [each["agent"] for each in hook.told] == ["ag_1", "ag_2"]
    assert Kind.FAULT not in parts.kinds()


async def test_one_that_never_arrives_is_a_fault_and_the_next_goes_on() -> None:
    hook = Hook(failures=TRIES)
    parts = Parts(hook)
    async with running(parts):
        parts.alerts.tell(Kind.CANARY_TOUCHED, agent="ag_1")
        parts.alerts.tell(Kind.CANARY_TOUCHED, agent="ag_2")
        await until(lambda: bool(hook.told))
    assert [each["agent"] for each in hook.told] == ["ag_2"]
    assert parts.kinds().count(Kind.FAULT) == 1
    assert hook.tries == TRIES + 1


async def test_more_than_can_wait_are_faults_and_nobody_waits() -> None:
    parts = Parts(Hook())
    for number in range(MOST_WAITING + 3):
        parts.alerts.tell(Kind.CANARY_TOUCHED, agent=f"ag_{number}")
    assert parts.kinds().count(Kind.FAULT) == 3
    assert parts.kinds().count(Kind.CANARY_TOUCHED) == MOST_WAITING + 3


async def test_without_a_webhook_the_ledger_has_it() -> None:
    parts = Parts(None)
    for _ in range(MOST_WAITING + 3):
        parts.alerts.tell(Kind.CANARY_TOUCHED)
    assert set(parts.kinds()) == {Kind.CANARY_TOUCHED}


async def test_a_ceiling_that_somebody_runs_into_again_and_again_is_told_seldom() -> None:
    parts = Parts(None)
    for _ in range(50):
        parts.alerts.tell_seldom(Kind.CEILING_REACHED, "ag_1", "too-many-looks-today")
    parts.alerts.tell_seldom(Kind.CEILING_REACHED, "ag_2", "too-many-looks-today")
    parts.alerts.tell_seldom(Kind.CEILING_REACHED, "ag_1", "too-many-looks-in-all")
    assert parts.kinds() == [Kind.CEILING_REACHED] * 3
    parts.clock.advance(SELDOM)
    parts.alerts.tell_seldom(Kind.CEILING_REACHED, "ag_1", "too-many-looks-today")
    assert parts.kinds() == [Kind.CEILING_REACHED] * 4


# -- the webhook itself


def webhook(answer: Callable[[httpx.Request], httpx.Response], url: str = "https://alerts.example/in") -> Webhook:
    return Webhook(url, httpx.MockTransport(answer))


async def test_it_is_posted_as_json() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    await webhook(answer).send({"kind": "canary.touched", "at": 1.0})
    assert (seen[0].method, str(seen[0].url)) == ("POST", "https://alerts.example/in")
    assert seen[0].read() == b'{"kind":"canary.touched","at":1.0}'


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
async def test_anything_but_2xx_was_not_accepted(status: int) -> None:
    with pytest.raises(Unavailable, match=str(status)):
        await webhook(lambda request: httpx.Response(status)).send({})


async def test_a_network_that_is_down_is_said_without_the_address() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection to secret.example refused", request=request)

    with pytest.raises(Unavailable) as error:
        await webhook(answer).send({})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://alerts.example/in", "ftp://alerts.example/"])
def test_it_must_be_encrypted_unless_it_is_this_machine(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        Webhook(url)
    Webhook("http://127.0.0.1:9/in")
