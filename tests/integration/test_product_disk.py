"""Promises 2 and 3, whole: while the vault cannot write, calls go on and nothing is shown; then it recovers."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from product_parts import ORDER, Agent, Shop, becomes, hear_each_other, product

from quietline.testing.caller import Person

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product() as running:
        yield running


@asynccontextmanager
async def _no_writing(shop: Shop, part: str = "vault") -> AsyncIterator[None]:
    """The part may write no byte to any file, its log included, as on a full disk (RLIMIT_FSIZE; EFBIG, write(2))."""
    user = getattr(shop.site.config.users, part)
    pid = (await shop.site.lives())[part]["pid"]
    _limit(user, pid, "0:unlimited")
    try:
        yield
    finally:
        assert (await shop.site.lives())[part]["pid"] == pid  # it bore it
        _limit(user, pid, "unlimited:unlimited")


def _limit(name: str, pid: int, sizes: str) -> None:
    """As the part's own user, who may do so without CAP_SYS_RESOURCE (prlimit(2))."""
    command = ["prlimit", "--pid", str(pid), f"--fsize={sizes}"]
    user = pwd.getpwnam(name)
    subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=True, timeout=10)


async def _opens(agent: Agent, call: str) -> None:
    async def shown() -> bool:
        return (await agent.looks(call))[0] == 200

    await becomes(shown, "the field opens again")


async def test_a_vault_that_cannot_write_shows_nothing_and_stops_no_call(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.agent("noor", ready=False) as noor, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        assert (await mia.looks(call))[0] == 200
        await noor.desk.ready("sip")
        async with _no_writing(shop):
            status, body = await mia.looks(call)
            assert status == 503, body
            assert "value" not in body
            await hear_each_other(caller, mia)
            async with shop.caller(Person(shop.customer(1).phone)) as another:
                await shop.arrives(another)
                await shop.taken(noor)
                await hear_each_other(another, noor)
                status, body = await mia.looks(call, ORDER)
                assert status == 503, body
        await _opens(mia, call)
        await mia.reaches("on_call", vault="ok")


async def test_a_controller_that_cannot_write_its_journal_serves_calls(shop: Shop) -> None:
    """Without the journal a crash would lose these calls; that is no reason to end them."""
    async with shop.agent("mia") as mia, shop.agent("noor", ready=False) as noor, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await noor.desk.ready("sip")
        async with _no_writing(shop, "controller"):
            async with shop.caller(Person(shop.customer(1).phone)) as another:
                await shop.talk(another, noor)
                await hear_each_other(caller, mia)
                assert (await mia.looks(call))[0] == 200
            await noor.reaches("wrap_up")
        await caller.hangs_up()
        await mia.reaches("wrap_up")
        await shop.nothing_left()


async def test_a_look_that_was_refused_for_want_of_a_disk_is_not_in_the_ledger_as_allowed(shop: Shop) -> None:
    """Written before shown: as many values were shown as entries say, not one more."""
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        before = await _looks_allowed(shop)
        shown = 0
        for trial in range(6):
            if trial % 2:
                shown += (await mia.looks(call))[0] == 200
                continue
            async with _no_writing(shop):
                assert (await mia.looks(call))[0] == 503
        assert shown
        assert await _looks_allowed(shop) >= before + shown


async def _looks_allowed(shop: Shop) -> int:
    return sum(1 for each in await shop.ledger() if each.kind.value == "look.allowed")
