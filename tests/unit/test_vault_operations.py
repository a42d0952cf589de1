"""The table of who may ask what: complete, and equal to the ports."""

from __future__ import annotations

import inspect

import pytest

from quietline.config import Users
from quietline.errors import ConfigError, Denied, ProtocolError
from quietline.vault.answers import ANSWERS, OPERATIONS
from quietline.vault.assurance_client import AssuranceVault, AssuranceVaultClient
from quietline.vault.client import CallVaultClient, DeskVaultClient
from quietline.vault.guards_client import GuardsVault, GuardsVaultClient
from quietline.vault.operations import Fields, Side, Sides
from quietline.vault.people_client import PeopleVault, PeopleVaultClient
from quietline.vault.ports import CallVault, DeskVault
from quietline.wire import Peer

WEB_SIDE: tuple[tuple[type, type], ...] = (
    (DeskVault, DeskVaultClient),
    (PeopleVault, PeopleVaultClient),
    (AssuranceVault, AssuranceVaultClient),
    (GuardsVault, GuardsVaultClient),
)
SIDES = Sides(controller=992, web=991, admin=0, shop=990)


def methods(port: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")}


def test_the_table_mirrors_the_ports() -> None:
    assert {name for name, side in OPERATIONS.items() if side is Side.CONTROLLER} == methods(CallVault)
    web = set().union(*(methods(port) for port, _ in WEB_SIDE))
    assert {name for name, side in OPERATIONS.items() if side is Side.WEB} == web


def test_the_clients_carry_every_method_with_the_ports_parameters() -> None:
    for port, client in ((CallVault, CallVaultClient), *WEB_SIDE):
        for name in methods(port):
            wanted = list(inspect.signature(getattr(port, name)).parameters)
            assert list(inspect.signature(getattr(client, name)).parameters) == wanted, name


def test_every_operation_has_an_answer() -> None:
    assert set(OPERATIONS) == set(ANSWERS) | {"status", "init", "unseal", "seal", "recover"}


def test_a_search_is_not_offered() -> None:
    assert not [name for name in OPERATIONS if "search" in name or "find_customer" in name]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_is_for_one_side_alone(operation: str) -> None:
    side = OPERATIONS[operation]
    uids = {"controller": 992, "web": 991, "admin": 0, "shop": 990, "stranger": 1_000}
    allowed = {name for name, uid in uids.items() if permitted(operation, uid)}
    assert allowed == {side.value}


def permitted(operation: str, uid: int) -> bool:
    try:
        SIDES.require(Peer(1, uid, uid), operation, OPERATIONS.get(operation))
    except Denied:
        return False
    return True


@pytest.mark.parametrize("operation", ["", "_match", "__init__", "run", "find", "subscribe"])
def test_no_other_operation_exists(operation: str) -> None:
    with pytest.raises(ProtocolError):
        SIDES.require(Peer(1, 0, 0), operation, OPERATIONS.get(operation))


def test_a_user_the_system_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match="nobody-here"):
        Sides.of(Users(controller="nobody-here"))


@pytest.mark.parametrize("value", [None, 7, [], {}, True, "x" * 16_385])
def test_a_text_must_be_one(value: object) -> None:
    with pytest.raises(ProtocolError, match="leg"):
        Fields({"leg": value}).text("leg")


@pytest.mark.parametrize("value", [None, "7", [], True])
def test_a_number_must_be_one(value: object) -> None:
    with pytest.raises(ProtocolError, match="until"):
        Fields({"until": value}).number("until")


@pytest.mark.parametrize("value", ["x", [1], {"a": 1}, 5])
def test_a_list_of_texts_must_be_one(value: object) -> None:
    with pytest.raises(ProtocolError, match="skills"):
        Fields({"skills": value}).texts("skills")


def test_defaults_and_sealing() -> None:
    fields = Fields({"a": "x", "n": 3})
    assert (fields.text("b", "d"), fields.number("n"), fields.number("m", 1.5)) == ("d", 3.0, 1.5)
    assert fields.texts("s") == ()
    assert repr(fields.sealed("a")) == "•••"
