"""Staff: accounts as they are made, changed, read and vouched for."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from quietline.access.decide import Role
from quietline.access.identity import Identity, Member, NewStaff, new_agent_token, normal_login
from quietline.access.staff_memory import MemoryStaff
from quietline.access.vouch import Voucher
from quietline.config import Store
from quietline.errors import ConfigError, Denied, NotSignedIn, TamperError
from quietline.sealed import Sealed, Ticket
from quietline.vault.schema import DataClass

NOW = 1_790_000_000.0
TICKET = Ticket("admin", "staff", 1)
STORES = (Store("store-1", "Mill Lane"), Store("store-9", "Harbour", controller="franchise-9"), Store("hub", "Hub"))


class Sealer:
    """Stands in for the vault: an index that is a hash, a name that is bound to its agent."""

    def index(self, login: str) -> str:
        return hashlib.sha256(login.encode()).hexdigest()

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes:
        return f"{agent}|{name.open(TICKET)}".encode()[::-1]

    def open_name(self, agent: str, sealed: bytes) -> Sealed[str]:
        holder, _, name = sealed[::-1].decode().partition("|")
        if holder != agent:
            raise TamperError("name: sealed for somebody else")
        return Sealed(name)


@pytest.fixture
def store() -> MemoryStaff:
    return MemoryStaff()


@pytest.fixture
def identity(store: MemoryStaff) -> Identity:
    return Identity(store, Voucher(b"k" * 32), Sealer(), STORES)


def newcomer(login: str = "nora.quill@example.test", **values: object) -> NewStaff:
    made = NewStaff(Sealed(login), Sealed("Nora Quill"), "$argon2id$hash", Role.AGENT, "store-1", {"orders": 4})
    return replace(made, **values)  # type: ignore[arg-type]


def test_an_account_is_made_and_read(identity: Identity) -> None:
    agent = identity.add(newcomer(starts=NOW, ends=NOW + 10), "leaf-1", TICKET)
    assert agent.startswith("ag_")
    assert identity.member(agent) == Member(agent, Role.AGENT, "store-1", {"orders": 4}, NOW, NOW + 10, {})
    assert identity.display_name(agent).open(TICKET) == "Nora Quill"


def test_the_store_sees_neither_login_nor_name(identity: Identity, store: MemoryStaff) -> None:
    identity.add(newcomer(), "leaf-1", TICKET)
    assert "nora" not in repr(store.all_staff()).casefold()
    assert "argon2" not in repr(store.all_staff())
    assert "Nora" not in repr(newcomer())


def test_a_login_is_found_however_it_is_typed(identity: Identity) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    for typed in ("nora.quill@example.test", "  Nora.Quill@EXAMPLE.test "):
        row = identity.by_login(identity.login_token(Sealed(typed), TICKET))
        assert row is not None
        assert row.agent == agent
    assert identity.by_login(identity.login_token(Sealed("somebody"), TICKET)) is None


@pytest.mark.parametrize("login", ["", "   ", "x" * 255])
def test_a_login_has_a_length(login: str) -> None:
    with pytest.raises(ConfigError, match="254"):
        normal_login(login)


def test_a_login_or_token_is_taken_once(identity: Identity) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    with pytest.raises(ConfigError, match="login"):
        identity.add(newcomer("NORA.quill@example.test"), "leaf-2", TICKET)
    with pytest.raises(ConfigError, match=agent):
        identity.add(newcomer("other@example.test"), "leaf-2", TICKET, agent=agent)


@pytest.mark.parametrize(("starts", "ends"), [(-1.0, 0.0), (0.0, float("inf")), (float("nan"), 0.0)])
def test_times_are_seconds(identity: Identity, starts: float, ends: float) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        identity.add(newcomer(starts=starts, ends=ends), "leaf-1", TICKET)
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    with pytest.raises(ConfigError, match="seconds"):
        identity.set_service(agent, starts, ends, "leaf-2")


def test_certificates_are_given_renewed_and_taken_away(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    for expires, leaf in ((NOW + 5, "leaf-2"), (NOW + 50, "leaf-3"), (0.0, "leaf-4")):
        identity.set_certificate(agent, DataClass.CONTACT, expires, leaf)
        assert identity.member(agent).certificates == {"contact": expires}
    (row,) = store.certificates(agent)
    assert (row.leaf, row.version) == ("leaf-4", 3)
    assert identity.principal(agent, NOW).current(NOW) == frozenset()
    with pytest.raises(ConfigError):
        identity.set_certificate(agent, DataClass.CONTACT, float("inf"), "leaf-5")
    with pytest.raises(Denied):
        identity.set_certificate("ag_nobody", DataClass.CONTACT, NOW, "leaf-5")


@pytest.mark.parametrize(
    ("store_id", "controllers"),
    [("store-1", {"brand"}), ("store-9", {"franchise-9"}), ("hub", {"brand", "franchise-9"}), ("closed", set())],
)
def test_a_principal_carries_whose_customers_they_serve(
    identity: Identity, store_id: str, controllers: set[str]
) -> None:
    agent = identity.add(newcomer(store=store_id), "leaf-1", TICKET)
    assert identity.principal(agent, NOW).controllers == controllers


@pytest.mark.parametrize(
    ("starts", "ends", "at", "serving"),
    [
        (NOW, 0.0, NOW, True),
        (NOW, 0.0, NOW - 1, False),
        (0.0, NOW, NOW - 1, True),
        (0.0, NOW, NOW, False),
        (0.0, 0.0, NOW, True),
    ],
)
def test_an_account_ends_with_the_contract(
    identity: Identity, starts: float, ends: float, at: float, serving: bool
) -> None:
    agent = identity.add(newcomer(starts=starts, ends=ends), "leaf-1", TICKET)
    assert identity.member(agent).in_service(at) is serving
    if serving:
        assert identity.principal(agent, at).agent == agent
        return
    with pytest.raises(NotSignedIn):
        identity.principal(agent, at)


def test_changes_carry_their_own_leaf_and_version(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    identity.set_role(agent, Role.SUPERVISOR, "leaf-2")
    identity.set_password(agent, "$argon2id$other", "leaf-3")
    identity.set_service(agent, NOW, NOW + 9, "leaf-4")
    (row,) = store.all_staff()
    assert (row.role, row.password, row.ends, row.leaf, row.version) == (
        "supervisor",
        "$argon2id$other",
        NOW + 9,
        "leaf-4",
        4,
    )
    assert identity.member(agent).role is Role.SUPERVISOR


def test_a_row_changed_behind_our_back_is_not_honoured(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    (row,) = store.all_staff()
    store.put_staff(replace(row, role="administrator"))
    for reading in (
        lambda: identity.member(agent),
        lambda: identity.principal(agent, NOW),
        lambda: identity.by_login(row.login),
        lambda: identity.display_name(agent),
        lambda: identity.set_role(agent, Role.AGENT, "leaf-2"),
        lambda: identity.set_certificate(agent, DataClass.CONTACT, NOW, "leaf-2"),
    ):
        with pytest.raises(TamperError):
            reading()
    assert store.certificates(agent) == []


def test_a_certificate_changed_behind_our_back_is_not_honoured(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    identity.set_certificate(agent, DataClass.CONTACT, NOW - 1, "leaf-2")
    (row,) = store.certificates(agent)
    store.put_certificate(replace(row, expires=NOW + 1_000))
    with pytest.raises(TamperError, match="contact"):
        identity.principal(agent, NOW)


def test_the_roll_leaves_out_what_was_tampered_with_and_names_it(identity: Identity, store: MemoryStaff) -> None:
    agents = [identity.add(newcomer(f"a{number}@example.test"), "leaf", TICKET) for number in range(3)]
    for agent in agents:
        identity.set_certificate(agent, DataClass.CONTACT, NOW + 9, "leaf")
        identity.set_certificate(agent, DataClass.INVOICE, NOW + 9, "leaf")
    store.put_staff(replace(store.by_agent(agents[0]), skills=("vip",)))  # type: ignore[type-var]
    store.put_certificate(replace(store.certificates(agents[1])[0], expires=NOW + 99))
    roll = identity.roll()
    held = {member.agent: set(member.certificates) for member in roll.members}
    assert held == {agents[1]: {"invoice"}, agents[2]: {"contact", "invoice"}}
    assert sorted(text.split(":")[0] for text in roll.tampered) == sorted(
        [f"staff of {agents[0]}", f"certificate of {agents[1]} contact"]
    )


def test_nobody_is_denied_like_anybody_without_rights(identity: Identity) -> None:
    for reading in (lambda: identity.member("ag_nobody"), lambda: identity.display_name("ag_nobody")):
        with pytest.raises(Denied, match="policy"):
            reading()


def test_tokens_are_random() -> None:
    made = {new_agent_token() for _ in range(50)}
    assert len(made) == 50
    assert {len(token) for token in made} == {19}


def test_a_row_from_before_levels_still_counts(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf", TICKET)
    row = store.by_agent(agent)
    assert row
    assert row.skills == ("orders:4",)
    older = replace(row, skills=("orders", "lang:fr"), version=row.version + 1)
    store.put_staff(Voucher(b"k" * 32).staff(older))
    assert identity.member(agent).skills == {"orders": 3, "lang:fr": 3}


def test_what_was_read_is_at_hand_until_something_is_written(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf", TICKET)
    assert not identity.at_hand(agent)
    assert identity.principal(agent, NOW).role is Role.AGENT
    assert identity.at_hand(agent)
    identity.set_role(agent, Role.SUPERVISOR, "leaf-2")
    assert not identity.at_hand(agent)
    assert identity.principal(agent, NOW).role is Role.SUPERVISOR


def test_what_is_at_hand_lapses_and_ends_like_what_is_read(identity: Identity) -> None:
    agent = identity.add(newcomer(ends=NOW + 10), "leaf", TICKET)
    identity.set_certificate(agent, DataClass.CONTACT, NOW + 5, "leaf")
    for now, current in ((NOW, True), (NOW + 6, False)):
        assert (identity.principal(agent, now).certificates["contact"] > now) is current
    assert identity.at_hand(agent)
    with pytest.raises(NotSignedIn):
        identity.principal(agent, NOW + 10)


def test_a_row_changed_behind_our_back_is_not_at_hand(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf", TICKET)
    identity.principal(agent, NOW)
    row = store.by_agent(agent)
    assert row
    store.put_staff(replace(row, role="administrator"))
    with pytest.raises(TamperError):
        identity.principal(agent, NOW)


def test_the_roll_is_at_hand_until_something_is_written(identity: Identity, store: MemoryStaff) -> None:
    agent = identity.add(newcomer(), "leaf", TICKET)
    assert not identity.roll_at_hand()
    assert [member.agent for member in identity.roll().members] == [agent]
    assert identity.roll_at_hand()
    identity.set_certificate(agent, DataClass.CONTACT, NOW + 9, "leaf")
    assert not identity.roll_at_hand()
    assert identity.roll().members[0].certificates == {"contact": NOW + 9}
    row = store.by_agent(agent)
    assert row
    store.put_staff(replace(row, role="administrator"))
    assert (identity.roll().members, len(identity.roll().tampered)) == ([], 1)


def test_a_seasonal_contract_ends(identity: Identity) -> None:
    with pytest.raises(ConfigError, match="seasonal agent's contract ends"):
        identity.add(newcomer(role=Role.SEASONAL_AGENT), "leaf-1", TICKET)
    agent = identity.add(newcomer(role=Role.SEASONAL_AGENT, ends=NOW + 10), "leaf-1", TICKET)
    with pytest.raises(ConfigError, match="seasonal"):
        identity.set_service(agent, 0.0, 0.0, "leaf-2")
    identity.set_service(agent, 0.0, NOW + 20, "leaf-2")
    assert identity.member(agent).ends == NOW + 20


def test_nobody_becomes_seasonal_without_an_end(identity: Identity) -> None:
    agent = identity.add(newcomer(), "leaf-1", TICKET)
    with pytest.raises(ConfigError, match="seasonal"):
        identity.set_role(agent, Role.SEASONAL_AGENT, "leaf-2")
    assert identity.member(agent).role is Role.AGENT
