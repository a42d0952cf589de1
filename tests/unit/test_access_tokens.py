"""API tokens and links to a provider, the parts without a vault: hashed, vouched for, bounded, gone at once."""

from __future__ import annotations

import threading
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from quietline.access.links import Links
from quietline.access.ports import TokenRow
from quietline.access.sessions import digest_of
from quietline.access.staff_memory import MemoryStaff
from quietline.access.tokens import LONGEST_DAYS, MOST, ApiTokens, Scope
from quietline.access.vouch import Voucher
from quietline.errors import ConfigError, Denied, TamperError, Unavailable

NOW = 1_790_000_000.0
DAY = 86_400.0


class HandClock:
    def __init__(self) -> None:
        self.now = NOW

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class House:
    """A store with tokens over it."""

    def __init__(self) -> None:
        self.store, self.clock, self.voucher = MemoryStaff(), HandClock(), Voucher(b"k" * 32)
        self.tokens = self.life()

    def life(self) -> ApiTokens:
        """Another life of the vault."""
        return ApiTokens(self.store, self.voucher, self.clock)

    def issue(self, agent: str = "ag_1", days: float = 1.0, *scopes: str) -> str:
        return self.tokens.issue(self.tokens.plan(agent, scopes or ("floor.read",), days), "leaf")

    def refuses(self, token: str, scope: Scope = Scope.FLOOR_READ, tokens: ApiTokens | None = None) -> bool:
        try:
            (tokens or self.tokens).check(token, scope)
        except Denied as refused:
            return refused.reason == "token-refused"
        return False


@pytest.fixture
def house() -> House:
    return House()


def test_a_token_is_kept_as_a_hash_alone(house: House) -> None:
    token = house.issue()
    (row,) = house.store.tokens()
    assert row.digest == digest_of(token)
    assert token not in repr(row)
    assert (row.agent, row.scopes, row.leaf) == ("ag_1", ("floor.read",), "leaf")
    assert (len(token), token[:4]) == (47, "qlt_")


def test_two_tokens_differ_in_all_that_names_them(house: House) -> None:
    tokens = [house.issue() for _ in range(5)]
    assert len(set(tokens)) == 5
    assert len({row.id for row in house.store.tokens()}) == 5


def test_a_token_does_what_its_scopes_say(house: House) -> None:
    both, one = house.issue("ag_1", 1.0, "token.read", "floor.read"), house.issue()
    assert [house.refuses(both, scope) for scope in Scope] == [False, False]
    assert [house.refuses(one, scope) for scope in Scope] == [False, True]


@given(st.text(max_size=60))
def test_nothing_else_is_a_token(text: str) -> None:
    house = House()
    house.issue()
    assert house.refuses(text)
    assert house.refuses("qlt_" + text)


def test_the_digest_is_no_token(house: House) -> None:
    house.issue()
    assert house.refuses(house.store.tokens()[0].digest)
    assert house.refuses("qlt_" + house.store.tokens()[0].digest[:43])


@pytest.mark.parametrize(("after", "good"), [(0.0, True), (DAY - 1, True), (DAY, False), (DAY * 400, False)])
def test_a_token_ends_to_the_second(house: House, after: float, good: bool) -> None:
    token = house.issue()
    house.clock.now += after
    assert house.refuses(token) is not good
    assert bool(house.tokens.all()) is good


def test_what_ended_is_dropped_from_the_store(house: House) -> None:
    house.issue()
    late = house.issue(days=2.0)
    house.clock.now += DAY
    assert house.tokens.drop_expired() == 1
    assert [row.digest for row in house.store.tokens()] == [digest_of(late)]
    assert house.tokens.drop_expired() == 0


@pytest.mark.parametrize("days", [0.0, -1.0, LONGEST_DAYS + 0.01, float("nan"), float("inf")])
def test_a_token_lasts_a_year_at_most(house: House, days: float) -> None:
    with pytest.raises(ConfigError, match="days"):
        house.tokens.plan("ag_1", ["floor.read"], days)


@pytest.mark.parametrize("scopes", [[], ["floor"], ["floor.read", "floor.write"], [""], ["FLOOR.READ"]])
def test_scopes_are_a_closed_list(house: House, scopes: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"scopes: one or more of floor\.read, token\.read"):
        house.tokens.plan("ag_1", scopes, 1.0)


def test_twenty_are_enough_for_one_account(house: House) -> None:
    for _ in range(MOST):
        house.issue()
    with pytest.raises(ConfigError, match="revoke one"):
        house.issue()
    assert house.issue("ag_2")
    house.clock.now += DAY
    assert house.issue()  # those that ended do not count


def test_revoked_is_gone_here_and_after_a_restart(house: House) -> None:
    token, other = house.issue(), house.issue()
    (row,) = [each for each in house.tokens.of_agent("ag_1") if each.digest == digest_of(token)]
    assert house.tokens.revoke(row.id) == row
    assert house.refuses(token)
    again = house.life()
    assert again.load() == []
    assert (house.refuses(token, tokens=again), house.refuses(other, tokens=again)) == (True, False)
    with pytest.raises(ConfigError, match="token list"):
        house.tokens.revoke(row.id)


def test_an_owner_takes_their_tokens_along(house: House) -> None:
    gone, stays = [house.issue(), house.issue()], house.issue("ag_2")
    assert len(house.tokens.revoke_agent("ag_1")) == 2
    assert house.tokens.revoke_agent("ag_1") == []
    assert [house.refuses(token) for token in (*gone, stays)] == [True, True, False]


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "ag_2"},
        {"scopes": ("floor.read", "token.read")},
        {"expires": NOW + 300 * DAY},
        {"made": NOW - DAY},
        {"leaf": "other"},
        {"id": "tk_other"},
        {"voucher": ""},
        {"expires": "never"},
    ],
    ids=str,
)
def test_a_row_changed_behind_our_back_is_left_out(house: House, change: dict[str, object]) -> None:
    token = house.issue()
    row = house.store.tokens()[0]
    house.store.put_token(replace(row, **change))  # type: ignore[arg-type]
    again = house.life()
    assert again.load() == [row.digest]
    assert house.refuses(token, tokens=again)


def test_a_planted_token_is_left_out(house: House) -> None:
    token = "qlt_" + "A" * 43
    house.store.put_token(TokenRow(digest_of(token), "tk_1", "ag_1", ("floor.read",), NOW, NOW + DAY, "leaf"))
    assert house.tokens.load() == [digest_of(token)]
    assert house.refuses(token)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_token_that_could_not_be_stored_is_not_given_out(house: House, fault: str) -> None:
    house.store.fault = fault
    with pytest.raises(Unavailable):
        house.issue()
    assert house.tokens.all() == []


def test_a_revocation_holds_at_once_even_where_it_cannot_be_stored(house: House) -> None:
    token = house.issue()
    house.store.fault = "before"
    with pytest.raises(Unavailable):
        house.tokens.revoke_agent("ag_1")
    assert house.refuses(token)


def test_many_at_once(house: House) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda n=n: made.append(house.issue(f"ag_{n}"))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [token for token in made if house.refuses(token)]
    assert len(house.store.tokens()) == 20


# -- links to a provider's subjects


def links(store: MemoryStaff, key: bytes = b"l" * 32) -> Links:
    return Links(store, Voucher(b"k" * 32), key)


def test_a_subject_leads_to_its_account_and_stands_nowhere() -> None:
    store = MemoryStaff()
    book = links(store)
    token = book.token("https://login.example", "sub-1")
    book.put(token, "ag_1", "leaf")
    assert book.holder(token) == "ag_1"
    assert book.holder(book.token("https://login.example", "sub-2")) == ""
    assert "sub-1" not in repr(store.links())


@given(st.tuples(st.text(max_size=8), st.text(max_size=8)), st.tuples(st.text(max_size=8), st.text(max_size=8)))
def test_tokens_are_equal_exactly_for_equal_subjects(one: tuple[str, str], two: tuple[str, str]) -> None:
    made = [links(MemoryStaff()).token(issuer.replace("\0", ""), subject) for issuer, subject in (one, two)]
    same = (one[0].replace("\0", ""), one[1]) == (two[0].replace("\0", ""), two[1])
    assert (made[0] == made[1]) is same


def test_another_vault_makes_other_tokens() -> None:
    assert links(MemoryStaff()).token("i", "s") != links(MemoryStaff(), b"m" * 32).token("i", "s")


@pytest.mark.parametrize("change", [{"agent": "ag_2"}, {"voucher": ""}, {"leaf": "other"}])
def test_a_link_changed_behind_our_back_signs_nobody_on(change: dict[str, str]) -> None:
    store = MemoryStaff()
    book = links(store)
    token = book.token("i", "s")
    book.put(token, "ag_1", "leaf")
    (row,) = store.links()
    store.put_link(replace(row, **change))
    store._links = {each.subject: each for each in store.links() if each != row}
    with pytest.raises(TamperError, match="link the account anew"):
        book.holder(token)


def test_a_link_is_replaced_and_dropped() -> None:
    store = MemoryStaff()
    book = links(store)
    first, second = book.token("i", "s1"), book.token("i", "s2")
    book.put(first, "ag_1", "leaf")
    book.put(second, "ag_1", "leaf")
    assert (book.holder(first), book.holder(second)) == ("", "ag_1")
    book.drop("ag_1")
    book.drop("ag_1")
    assert book.holder(second) == ""
