"""What the vault lends to identity: a keyed token for logins, a sealed display name, a sealed record of factors."""

from __future__ import annotations

from collections.abc import Iterable

from quietline.sealed import Sealed, Ticket
from quietline.vault.blind_index import LOGIN, BlindIndex
from quietline.vault.bodies import body_owner
from quietline.vault.envelope import Place
from quietline.vault.keys import Keyring, Owner

DATA_CLASS = "staff"


class VaultStaffSealer:
    """Methods block. A person's key is theirs alone, so that leaving can be forgotten."""

    def __init__(self, keyring: Keyring, index: BlindIndex) -> None:
        self._keyring = keyring
        self._index = index

    def index(self, login: str) -> str:
        return self._index.token("", LOGIN, login).hex()

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes:
        key = self._keyring.key_or_new(_owner(agent))
        return key.seal(name.open(Ticket(agent, "store", 0)).encode(), _place(agent))

    def seal_factors(self, agent: str, record: bytes) -> bytes:
        return self._keyring.key_or_new(_owner(agent)).seal(record, _place(agent, "factors"))

    def open_factors(self, agent: str, sealed: bytes) -> bytes:
        return self._keyring.open(sealed, _owner(agent), _place(agent, "factors"))

    def make_keys(self, agents: Iterable[str]) -> None:
        """The keys of new people's names and of their ledger entries, durable in one transaction."""
        self._keyring.make(*(owner for agent in agents for owner in (_owner(agent), body_owner(agent))))

    def open_name(self, agent: str, sealed: bytes) -> Sealed[str]:
        return Sealed(self._keyring.open(sealed, _owner(agent), _place(agent)).decode())


def _owner(agent: str) -> Owner:
    return Owner("", agent, DATA_CLASS)


def _place(agent: str, what: str = "name") -> Place:
    return Place("", agent, what, DATA_CLASS)
