"""Keys change under running readers and writers, and a kill -9 half way loses nothing and is gone on with."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.errors import ConfigError, TamperError
from quietline.sealed import Sealed
from quietline.testing.key_shop import PASS, TICKET, KeyShop, phone_of
from quietline.vault import kms_file
from quietline.vault.blind_index import CUSTOMER_KEY, EMAIL, LOGIN, ORDER, ORDER_RECORD, PHONE, IndexRow, Names
from quietline.vault.bodies import body_owner
from quietline.vault.envelope import key_id_of
from quietline.vault.keys import KeyGoneError, Owner
from quietline.vault.records import CUSTOMER, NewRecord
from quietline.vault.rotate_kek import wrapped_under
from quietline.vault.rotation import DATA, INDEX, KEK, Progress, State

CUSTOMERS = 20
EVERY = [KEK, DATA, INDEX + PHONE, INDEX + EMAIL, INDEX + ORDER, INDEX + ORDER_RECORD]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[KeyShop]:
    with KeyShop(tmp_path) as shop:
        shop.add(range(CUSTOMERS))
        yield shop


def assert_whole(shop: KeyShop, customers: int = CUSTOMERS) -> None:
    """Everything is read and found as before."""
    for number in range(customers):
        customer = f"cu_{number:03}"
        assert shop.value(number) == phone_of(number)
        assert shop.value(number, "order.total") == "20"
        assert shop.find(number) == customer
        assert shop.index.every("brand", EMAIL, f"ana{number}@example.com") == [customer]
        assert shop.index.every("brand", ORDER, f"QL{number}") == [customer]
        (record,) = shop.index.every("brand", ORDER_RECORD, f"QL{number}")
        assert shop.records.customer_of(record) == customer


def sealed_under(shop: KeyShop) -> set[bytes]:
    return {key_id_of(sealed) for (sealed,) in shop.rows.read("SELECT sealed FROM field")}


def key_ids(shop: KeyShop) -> set[bytes]:
    return {row[0] for row in shop.keys.read("SELECT id FROM data_key WHERE class <> 'ledger'")}


def index_rows(shop: KeyShop) -> set[tuple[str, bytes]]:
    return set(shop.keys.read("SELECT field, token FROM blind_index"))


@pytest.mark.parametrize("what", EVERY)
def test_everything_is_read_and_found_afterwards(shop: KeyShop, what: str) -> None:
    shop.start(what)
    done = shop.finish(what)
    assert (done.state, done.finished) == (State.DONE, 2_000.0)
    assert done.done == done.total > 0
    assert_whole(shop)
    shop.close()
    with KeyShop(shop.folder) as again:
        assert_whole(again)


@pytest.mark.parametrize("what", EVERY)
def test_everything_is_read_and_found_between_any_two_steps(shop: KeyShop, what: str) -> None:
    progress, rotation, steps = shop.start(what), shop.rotation(what, batch=6), 0
    while progress.open:
        progress = rotation.step(progress, 2_000.0)
        assert_whole(shop)
        steps += 1
    assert steps > 3


def test_every_key_is_wrapped_anew_and_the_old_kek_opens_nothing(shop: KeyShop) -> None:
    before = wrapped_under(shop.keys, shop.kms)
    old = {row[0] for row in shop.keys.read("SELECT wrapped FROM data_key UNION ALL SELECT wrapped FROM secret")}
    shop.start(KEK)
    shop.finish(KEK)
    assert wrapped_under(shop.keys, shop.kms) == {shop.kms.key_id: before.total()}
    shop.kms.adopt(kms_file.drop_kek(shop.folder / "kms.json", PASS, 1))
    shop.keyring.forget()
    assert_whole(shop)
    for file in shop.folder.iterdir():
        assert not [wrapped for wrapped in old if wrapped in file.read_bytes()], file.name


def test_every_value_is_under_a_fresh_key_and_the_old_keys_are_gone(shop: KeyShop) -> None:
    before, bodies = key_ids(shop), shop.keyring.key(body_owner("cu_001")).id
    wrapped = {row[0] for row in shop.keys.read("SELECT wrapped FROM data_key WHERE class <> 'ledger'")}
    shop.start(DATA)
    shop.finish(DATA)
    assert sealed_under(shop) == key_ids(shop)
    assert not key_ids(shop) & before
    assert len(key_ids(shop)) == len(before)
    assert shop.keyring.key(body_owner("cu_001")).id == bodies
    assert not shop.keys.read("SELECT 1 FROM data_key_next")
    data = b"".join(file.read_bytes() for file in shop.folder.glob("keys.db*"))
    assert not [each for each in wrapped if each in data]


def test_an_index_has_other_rows_and_its_old_key_is_gone(shop: KeyShop) -> None:
    before, other = index_rows(shop), shop.index.token("brand", EMAIL, "x")
    secret = shop.keys.read("SELECT wrapped FROM secret WHERE name = 'index/contact.phone'")[0][0]
    shop.start(INDEX + PHONE)
    shop.finish(INDEX + PHONE)
    after = index_rows(shop)
    assert len(after) == len(before)
    assert {field for field, _ in after - before} == {"contact.phone@2"}
    assert {field for field, _ in before - after} == {"contact.phone"}
    assert shop.index.names(PHONE) == Names("contact.phone@2")
    assert shop.index.token("brand", EMAIL, "x") == other
    assert secret not in (shop.folder / "keys.db").read_bytes()
    shop.start(INDEX + PHONE)
    shop.finish(INDEX + PHONE)
    assert shop.index.names(PHONE) == Names("contact.phone@3")
    assert_whole(shop)


@pytest.mark.parametrize("field", [LOGIN, CUSTOMER_KEY])
def test_an_index_whose_values_are_not_kept_keeps_its_key(shop: KeyShop, field: str) -> None:
    with pytest.raises(ConfigError, match="not kept"):
        shop.start(INDEX + field)


def test_a_row_without_a_stored_value_stops_the_cut_and_is_still_found(shop: KeyShop) -> None:
    shop.index.write((), [IndexRow("brand", "cu_001", PHONE, "+442079460999")])
    shop.start(INDEX + PHONE)
    assert shop.finish(INDEX + PHONE).state is State.BLOCKED
    assert shop.index.find("brand", PHONE, "+442079460999") == "cu_001"
    assert shop.index.names(PHONE) == Names("contact.phone")
    assert not shop.keys.read("SELECT 1 FROM blind_index WHERE field = 'contact.phone@2'")
    assert_whole(shop)


# -- while others read and write


@pytest.mark.parametrize("what", [DATA, INDEX + PHONE, KEK])
def test_readers_and_writers_beside_it_meet_no_fault(shop: KeyShop, what: str) -> None:
    faults: list[BaseException] = []
    over = threading.Event()

    def read(start: int) -> None:
        try:
            number = start
            while not over.is_set():
                number = (number + 1) % CUSTOMERS
                assert shop.value(number) == phone_of(number)
                assert shop.find(number) == f"cu_{number:03}"
        except BaseException as fault:  # noqa: BLE001 - told below
            faults.append(fault)

    def write() -> None:
        try:
            number = CUSTOMERS
            while not over.is_set() and number < CUSTOMERS + 40:
                shop.add(range(number, number + 1))
                number += 1
        except BaseException as fault:  # noqa: BLE001
            faults.append(fault)

    threads = [threading.Thread(target=read, args=(0,)), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    try:
        shop.start(what)
        assert shop.finish(what).state is State.DONE
    finally:
        over.set()
        for thread in threads:
            thread.join(20)
    assert not faults, faults
    shop.keyring.forget()
    assert_whole(shop, shop.records.count())


def test_what_is_written_between_new_key_and_reseal_is_kept(shop: KeyShop) -> None:
    """The moment that loses a value where a writer still has the old key at hand."""
    owner = Owner("brand", "cu_003", "contact")
    old = shop.keyring.key(owner)
    shop.keyring.begin_next([owner])
    assert shop.keyring.key(owner).id != old.id
    record = shop.records.latest("cu_003", CUSTOMER)
    shop.records.add([NewRecord("brand", "cu_003", CUSTOMER, {"contact.phone": Sealed("new")}, record)], TICKET)
    assert shop.value(3) == "new"
    assert shop.value(3, "contact.email") == "ana3@example.com"
    shop.start(DATA)
    shop.finish(DATA)
    assert shop.value(3) == "new"
    assert shop.value(3, "contact.email") == "ana3@example.com"


def test_a_slow_reader_opens_what_it_read_before_the_old_key_went(shop: KeyShop) -> None:
    owner = Owner("brand", "cu_003", "contact")
    record = shop.records.latest("cu_003", CUSTOMER)
    (row,) = shop.rows.read(
        "SELECT class, revision, sealed FROM field WHERE record = ? AND name = 'contact.phone'", (record,)
    )
    progress, rotation = shop.start(DATA), shop.rotation(DATA, batch=5)
    progress = rotation.step(progress, 0.0)
    assert shop.records._unseal(owner, record, "contact.phone", row).open(TICKET) == phone_of(3)
    rotation.step(progress, 0.0)
    with pytest.raises(TamperError):
        shop.records._unseal(owner, record, "contact.phone", row)


def test_a_changed_number_is_not_brought_back_by_the_filling(shop: KeyShop) -> None:
    progress, rotation = shop.start(INDEX + PHONE), shop.rotation(INDEX + PHONE, batch=1)
    shop.index.replace("brand", "cu_000", [(PHONE, "+442079460777")])  # the value itself is written a moment later
    progress = rotation.step(progress, 0.0)
    record = shop.records.latest("cu_000", CUSTOMER)
    shop.records.add(
        [NewRecord("brand", "cu_000", CUSTOMER, {"contact.phone": Sealed("+442079460777")}, record)], TICKET
    )
    while progress.open:
        progress = rotation.step(progress, 0.0)
    assert progress.state is State.DONE
    assert shop.index.find("brand", PHONE, "+442079460777") == "cu_000"
    assert shop.index.find("brand", PHONE, phone_of(0)) == ""


def test_a_token_made_before_the_cut_still_leads_there(shop: KeyShop) -> None:
    token = shop.index.token("brand", PHONE, phone_of(4))
    progress, rotation = shop.start(INDEX + PHONE), shop.rotation(INDEX + PHONE)
    while progress.state is State.RUNNING:
        progress = rotation.step(progress, 0.0)
    assert progress.state is State.CLEARING
    assert shop.index.find_by(PHONE, token) == "cu_004"
    rotation.step(progress, 0.0)
    assert shop.index.find_by(PHONE, token) == ""


@pytest.mark.parametrize("what", [DATA, INDEX + PHONE])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_who_is_erased_meanwhile_stays_erased(shop: KeyShop, what: str, after: int) -> None:
    progress, rotation = shop.start(what), shop.rotation(what, batch=8)
    for _ in range(after):
        progress = rotation.step(progress, 0.0)
    owner = Owner("brand", "cu_009", "contact")
    if what == DATA:
        shop.keyring.begin_next([owner])
    shop.index.erase("cu_009")
    shop.keyring.destroy(owner)
    shop.records.erase("cu_009", ["contact"])
    while progress.open:
        progress = rotation.step(progress, 0.0)
    assert shop.find(9) == ""
    assert "contact.phone" not in shop.records.has("cu_009")
    with pytest.raises(KeyGoneError):
        shop.keyring.key(owner)


# -- kill -9


def killed_after(folder: Path, what: str, steps: int) -> int:
    """A child rotates and is killed without a word when it has done so many batches; how many it did."""
    command = [sys.executable, "-m", "quietline.testing.key_shop", str(folder), what]
    done = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        for _ in range(steps - 1):
            done += bool(child.stdout.readline())
            child.stdin.write(b"go on\n")
        done += bool(child.stdout.readline())
        child.kill()
    return done


@pytest.mark.parametrize(("what", "steps"), [(KEK, 2), (DATA, 1), (INDEX + PHONE, 2)])
def test_a_kill_half_way_is_gone_on_with(shop: KeyShop, what: str, steps: int) -> None:
    shop.start(what)
    shop.close()
    assert killed_after(shop.folder, what, steps) == steps
    with KeyShop(shop.folder) as again:
        (progress,) = again.book.every()
        assert progress.open
        assert 0 < progress.done < progress.total
        assert_whole(again)
        assert again.finish(what).state is State.DONE
        assert_whole(again)


class Crash(BaseException):
    """Stands for the end of the process: nothing may handle it."""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(what=st.sampled_from([DATA, INDEX + PHONE, INDEX + ORDER_RECORD]), at=st.integers(1, 12))
def test_a_crash_before_any_write_is_gone_on_with(tmp_path_factory: pytest.TempPathFactory, what: str, at: int) -> None:
    folder = tmp_path_factory.mktemp("crash")
    with KeyShop(folder) as shop:
        shop.add(range(9))
        progress = shop.start(what)
        writes = iter(range(1, at))
        for database in (shop.keys, shop.rows):
            database.write = counted(database.write, writes)  # type: ignore[method-assign]
        try:
            rotation = shop.rotation(what, batch=4)
            while progress.open:
                progress = rotation.step(progress, 0.0)
        except Crash:
            pass
    with KeyShop(folder) as again:
        assert_whole(again, 9)
        assert again.finish(what).state is State.DONE
        assert_whole(again, 9)


def counted(write: Callable[[Any], Any], writes: Iterator[int]) -> Callable[[Any], Any]:
    def counting(work: Any) -> Any:
        if next(writes, None) is None:
            raise Crash
        return write(work)

    return counting


# -- progress


def test_what_came_since_the_start_is_counted_too() -> None:
    progress = Progress(DATA, State.RUNNING, "", 8, 10, 1.0).further("cu_9", 5)
    assert (progress.done, progress.total, progress.cursor) == (13, 13, "cu_9")


def test_only_running_and_clearing_are_open() -> None:
    progress = Progress(DATA, State.RUNNING, "", 0, 0, 1.0)
    assert [replace(progress, state=state).open for state in State] == [True, True, False, False]
