"""Credentials of phones and trunks: at the edge while they hold, gone when they do not, whatever fails in between."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.clock import SystemClock
from quietline.config import Trunk
from quietline.errors import ConfigError, Denied, LedgerUnavailable, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.testing.vault import MemoryEdge, MemoryKms, MemoryLedger
from quietline.vault import edge_credentials
from quietline.vault.database import Database
from quietline.vault.edge_credentials import EdgeCredentials, watch
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.phones import Phones, ha1
from quietline.vault.records import open_records_database
from quietline.vault.remembered import Remembered
from quietline.vault.trunks import Trunks

REALM = "quietline.local"
TRUNKS = (Trunk("carrier-d", digest_user="digcarrier"), Trunk("carrier-a", certificate_name="carrier-a.example"))


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Database]:
    database = open_keys_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Database]:
    database = open_records_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def ring(keys: Database) -> Keyring:
    return Keyring(keys, MemoryKms())


@pytest.fixture
def remembered(rows: Database, ring: Keyring) -> Remembered:
    return Remembered(rows, ring)


@pytest.fixture
def edge() -> MemoryEdge:
    return MemoryEdge(bytes(32))


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def of_phones(edge: MemoryEdge, remembered: Remembered) -> EdgeCredentials:
    return EdgeCredentials("phone", edge.add, edge.remove, remembered)


@pytest.fixture
def phones(of_phones: EdgeCredentials, ring: Keyring, ledger: MemoryLedger) -> Phones:
    return Phones(of_phones, ring, REALM, Journal(ledger, SystemClock(), 1.0))


@pytest.fixture
def of_trunks(edge: MemoryEdge, remembered: Remembered) -> EdgeCredentials:
    return EdgeCredentials("trunk", edge.put_trunk_credential, edge.remove_trunk_credential, remembered)


@pytest.fixture
def trunks(of_trunks: EdgeCredentials, ledger: MemoryLedger) -> Trunks:
    return Trunks(TRUNKS, of_trunks, REALM, Journal(ledger, SystemClock(), 1.0))


@asynccontextmanager
async def watched(edge: MemoryEdge, *kinds: EdgeCredentials) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch(edge.instance, kinds))
        yield
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_credentials, "WATCH_SECONDS", 0.01)


# -- phones


def test_ha1_is_what_digest_wants() -> None:
    """The example of RFC 2617 §3.5, whose HA1 RFC 3261 §22.4 uses unchanged."""
    digest = hashlib.md5(b"Mufasa:testrealm@host.com:Circle Of Life").hexdigest()
    assert ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == digest == "939e7578ed9e3c518a452acee763bce9"


async def test_a_session_credential_stays_the_same_until_it_ends(phones: Phones, edge: MemoryEdge) -> None:
    one = await phones.for_session("ag_1")
    assert one == await phones.for_session("ag_1")
    assert edge.phones == {"ag_1": ha1("ag_1", REALM, one["password"])}
    await phones.end_sessions("ag_1")
    assert edge.phones == {}
    assert (await phones.for_session("ag_1"))["password"] != one["password"]


async def test_two_pages_at_once_get_one_credential(phones: Phones, edge: MemoryEdge) -> None:
    given = await asyncio.gather(*(phones.for_session("ag_1") for _ in range(8)))
    assert {each["password"] for each in given} == {given[0]["password"]}
    assert edge.phones == {"ag_1": ha1("ag_1", REALM, given[0]["password"])}


async def test_a_hardware_phone_wins_and_outlives_sessions(phones: Phones, edge: MemoryEdge) -> None:
    await phones.for_session("ag_1")
    issued = await phones.issue("ag_1")
    assert await phones.for_session("ag_1") == {**issued, "password": "", "own": "yes"}
    await phones.end_sessions("ag_1")
    assert edge.phones == {"ag_1": ha1("ag_1", REALM, issued["password"])}
    await phones.revoke("ag_1")
    assert (edge.phones, phones.kind("ag_1")) == ({}, "")


async def test_the_page_is_chosen_and_then_the_hardware_phone_again(phones: Phones, edge: MemoryEdge) -> None:
    """The phone's own password is good again without being issued anew: nobody has to set it up twice."""
    hardware = ha1("ag_1", REALM, (await phones.issue("ag_1"))["password"])
    page = await phones.ring_at("ag_1", own=False)
    assert (page["kind"], page["own"]) == ("session", "yes")
    assert edge.phones == {"ag_1": ha1("ag_1", REALM, page["password"])}
    assert page == await phones.for_session("ag_1") == await phones.ring_at("ag_1", own=False)
    chosen = await phones.ring_at("ag_1", own=True)
    assert (chosen["kind"], chosen["password"]) == ("lasting", "")
    assert edge.phones == {"ag_1": hardware}
    assert (await phones.ring_at("ag_1", own=False))["password"] != page["password"]


async def test_who_was_not_chosen_is_signed_off(phones: Phones, edge: MemoryEdge) -> None:
    """`remove` takes the registration away at the edge, and comes before the new digest."""
    told: list[str] = []
    add, remove = edge.add, edge.remove

    async def added(user: str, digest: str) -> None:
        told.append("add")
        await add(user, digest)

    async def removed(user: str) -> None:
        told.append("remove")
        await remove(user)

    phones._credentials._add, phones._credentials._remove = added, removed
    await phones.issue("ag_1")
    await phones.ring_at("ag_1", own=False)
    assert told == ["add", "remove", "add"]


async def test_the_hardware_phone_rings_again_once_the_last_session_ended(phones: Phones, edge: MemoryEdge) -> None:
    hardware = ha1("ag_1", REALM, (await phones.issue("ag_1"))["password"])
    await phones.ring_at("ag_1", own=False)
    await phones.end_sessions("ag_1")
    assert edge.phones == {"ag_1": hardware}
    assert phones.kind("ag_1") == "lasting"


@pytest.mark.parametrize("signed_in", [True, False])
async def test_who_has_no_hardware_phone_cannot_choose_it(phones: Phones, edge: MemoryEdge, signed_in: bool) -> None:
    if signed_in:
        await phones.for_session("ag_1")
    before = dict(edge.phones)
    for own in (True, False):
        with pytest.raises(Denied) as refused:
            await phones.ring_at("ag_1", own=own)
        assert refused.value.reason == "no-own-phone"
    assert edge.phones == before


async def test_revoking_takes_the_phone_that_stands_back_too(phones: Phones, edge: MemoryEdge) -> None:
    await phones.issue("ag_1")
    await phones.ring_at("ag_1", own=False)
    await phones.revoke("ag_1")
    assert (edge.phones, phones.kind("ag_1")) == ({}, "")
    with pytest.raises(Denied):
        await phones.ring_at("ag_1", own=True)


async def test_an_edge_that_is_away_hears_of_the_choice_later(
    phones: Phones, edge: MemoryEdge, of_phones: EdgeCredentials, quick: None
) -> None:
    await phones.issue("ag_1")
    edge.down = True
    page = await phones.ring_at("ag_1", own=False)
    edge.down = False
    async with watched(edge, of_phones):
        await until(lambda: edge.phones == {"ag_1": ha1("ag_1", REALM, page["password"])})


async def test_what_was_issued_and_revoked_is_written_down_once(phones: Phones, ledger: MemoryLedger) -> None:
    await phones.issue("ag_1")
    await phones.revoke("ag_1")
    await phones.revoke("ag_1")
    assert ledger.of(Kind.PHONE_ISSUED) == [{"agent": "ag_1", "lasting": True}]
    assert ledger.of(Kind.PHONE_REVOKED) == [{"agent": "ag_1"}]


async def test_no_password_is_kept(phones: Phones, trunks: Trunks, of_phones: EdgeCredentials, tmp_path: Path) -> None:
    kept = [(await phones.issue("ag_1"))["password"], (await trunks.issue("carrier-d"))["password"]]
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for password in kept:
        assert password.encode() not in files
        assert password not in str(of_phones._known)


# -- trunks


async def test_a_trunks_password_is_shown_once_and_works_as_digest(trunks: Trunks, edge: MemoryEdge) -> None:
    issued = await trunks.issue("carrier-d")
    assert (issued["trunk"], issued["user"], issued["realm"]) == ("carrier-d", "digcarrier", REALM)
    assert len(issued["password"]) == 32
    assert edge.trunks == {"digcarrier": ha1("digcarrier", REALM, issued["password"])}
    again = await trunks.issue("carrier-d")
    assert again["password"] != issued["password"]
    assert edge.trunks == {"digcarrier": ha1("digcarrier", REALM, again["password"])}
    assert edge.phones == {}


async def test_a_revoked_trunk_is_gone_and_written_down(trunks: Trunks, edge: MemoryEdge, ledger: MemoryLedger) -> None:
    await trunks.issue("carrier-d")
    assert await trunks.revoke("carrier-d") is True
    assert await trunks.revoke("carrier-d") is False
    assert edge.trunks == {}
    assert ledger.of(Kind.TRUNK_ISSUED) == ledger.of(Kind.TRUNK_REVOKED) == [{"trunk": "carrier-d"}]


@pytest.mark.parametrize(
    ("name", "said"), [("carrier-x", "one of carrier-a, carrier-d"), ("carrier-a", "set digest_user"), ("", "one of")]
)
async def test_a_trunk_without_digest_is_named(trunks: Trunks, edge: MemoryEdge, name: str, said: str) -> None:
    for ask in (trunks.issue, trunks.revoke):
        with pytest.raises(ConfigError, match=said):
            await ask(name)
    assert edge.trunks == {}


async def test_without_the_ledger_no_trunk_gets_a_password(
    trunks: Trunks, edge: MemoryEdge, ledger: MemoryLedger
) -> None:
    ledger.fault = LedgerUnavailable("ledger: no disk")
    with pytest.raises(LedgerUnavailable):
        await trunks.issue("carrier-d")
    assert edge.trunks == {}


# -- faults


@pytest.mark.usefixtures("quick")
async def test_credentials_outlive_the_vault_and_the_edge(
    phones: Phones, trunks: Trunks, edge: MemoryEdge, remembered: Remembered
) -> None:
    await phones.issue("ag_1")
    await trunks.issue("carrier-d")
    before = (dict(edge.phones), dict(edge.trunks))
    edge.restart()
    later = [
        EdgeCredentials("phone", edge.add, edge.remove, remembered),
        EdgeCredentials("trunk", edge.put_trunk_credential, edge.remove_trunk_credential, remembered),
    ]
    for each in later:
        await each.load()
    async with watched(edge, *later):
        await until(lambda: (edge.phones, edge.trunks) == before)
        edge.restart()
        await until(lambda: (edge.phones, edge.trunks) == before)


@pytest.mark.usefixtures("quick")
async def test_what_the_edge_missed_reaches_it_without_its_restart(
    phones: Phones, of_phones: EdgeCredentials, edge: MemoryEdge
) -> None:
    await phones.issue("ag_1")
    async with watched(edge, of_phones):
        await asyncio.sleep(0.05)
        edge.down = True
        issued = await phones.issue("ag_2")
        await phones.revoke("ag_1")
        assert (phones.kind("ag_1"), "ag_1" in edge.phones) == ("", True)
        edge.down = False
        await until(lambda: edge.phones == {"ag_2": ha1("ag_2", REALM, issued["password"])})


async def test_a_revocation_the_edge_missed_outlives_the_vault(
    phones: Phones, edge: MemoryEdge, remembered: Remembered
) -> None:
    await phones.issue("ag_1")
    edge.down = True
    await phones.revoke("ag_1")
    edge.down = False
    later = EdgeCredentials("phone", edge.add, edge.remove, remembered)
    await later.load()
    assert later.get("ag_1") is None
    await later.tell_all()
    assert (edge.phones, remembered.all("phone")) == ({}, {})


async def test_a_revocation_that_cannot_be_stored_still_reaches_the_edge(
    phones: Phones, edge: MemoryEdge, remembered: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    await phones.issue("ag_1")

    def full(*_: object) -> None:
        raise Unavailable("records.db: cannot write (SQLITE_FULL)")

    monkeypatch.setattr(Remembered, "update", full)
    with pytest.raises(Unavailable):
        await phones.revoke("ag_1")
    assert edge.phones == {}


async def test_a_push_under_way_does_not_bring_back_what_is_revoked(
    of_phones: EdgeCredentials, edge: MemoryEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    for agent in ("ag_1", "ag_2", "ag_3"):
        await of_phones.keep(agent, {"kind": "lasting", "ha1": agent})
    add = MemoryEdge.add

    async def slow(self: MemoryEdge, user: str, digest: str) -> None:
        await asyncio.sleep(0.02)
        await add(self, user, digest)

    of_phones._add = slow.__get__(edge)
    pushing = asyncio.create_task(of_phones.tell_all())
    await asyncio.sleep(0.01)
    await asyncio.gather(*(of_phones.revoke(agent) for agent in ("ag_1", "ag_3")))
    await pushing
    assert edge.phones == {"ag_2": "ag_2"}


STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "revoke", "down", "up", "restart", "vault"]), st.sampled_from("ab")), max_size=12
)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_edge_ends_with_what_holds(remembered: Remembered, steps: list[tuple[str, str]]) -> None:
    """Against a model: the last word on each user, whoever was down or restarted in between."""
    remembered.forget(*(f"phone/{user}" for user in "ab"))
    asyncio.run(follow(remembered, steps))


async def follow(remembered: Remembered, steps: list[tuple[str, str]]) -> None:
    edge, holds = MemoryEdge(bytes(32)), dict[str, str]()
    credentials = EdgeCredentials("phone", edge.add, edge.remove, remembered)
    for at, (step, user) in enumerate(steps):
        if step == "keep":
            holds[user] = str(at)
            await credentials.keep(user, {"kind": "lasting", "ha1": str(at)})
        elif step == "revoke":
            assert await credentials.revoke(user) is (holds.pop(user, None) is not None)
        elif step == "restart":
            edge.restart()
        elif step == "vault":
            credentials = EdgeCredentials("phone", edge.add, edge.remove, remembered)
            await credentials.load()
        else:
            edge.down = step == "down"
    edge.down = False
    await credentials.tell_all()
    assert edge.phones == holds
