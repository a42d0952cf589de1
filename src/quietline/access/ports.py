"""What access needs of storage. `SqliteStaff` is the durable adapter, `MemoryStaff` the one for tests and simulation.

Every method blocks (SQLite with synchronous=FULL): call it in a thread. A write returns only once it is durable and is
all or nothing. Methods may be called from several threads. All raise Unavailable when the file cannot be used.

Who is trusted: nobody. Everything that says who may look carries a voucher (`vouch.py`) that storage cannot make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StaffRow:
    """One account. `login`: keyed token; `name`: sealed bytes; times: UTC seconds, `ends` 0 for open-ended.

    `skills`: as `skills.write_skills` writes them, "orders:4"; rows from before levels have "orders", which means 3.
    `leaf`: the ledger entry that set this row; `version`: grows with each change; `voucher`: MAC over all of it.
    """

    agent: str
    login: str
    name: bytes = field(repr=False)
    role: str
    store: str
    skills: tuple[str, ...]
    starts: float
    ends: float
    password: str = field(repr=False)  # argon2id, PHC string
    leaf: str
    version: int = 1
    voucher: str = ""
    second: bool = False  # a second factor is set up: the password alone opens nothing


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A training certificate for one data class. Taking one away is a row with `expires` 0, never a missing row."""

    agent: str
    data_class: str
    expires: float  # UTC seconds
    leaf: str
    version: int = 1
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session. `digest`: SHA-256 of the token, hex; the token itself is kept nowhere. Times: UTC seconds.

    `voucher`: MAC over all but `seen` (`vouch.VouchedState` makes and checks it). `authenticated`: when the person last
    proved who they are; `methods`: how, words of `factors.Method`.
    """

    digest: str
    agent: str
    opened: float
    seen: float
    voucher: str = ""
    authenticated: float = 0.0
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactorRow:
    """Everything beside the password that an account signs in with, sealed (`factors.py`)."""

    agent: str
    record: bytes = field(repr=False)
    leaf: str
    version: int = 1
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Who somebody is at the identity provider. `subject`: keyed token of issuer and subject."""

    subject: str
    agent: str
    leaf: str
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token. `digest`: SHA-256, hex, of the token, which is kept nowhere; `id` names it. Times: UTC seconds."""

    digest: str
    id: str
    agent: str
    scopes: tuple[str, ...]
    made: float
    expires: float
    leaf: str
    voucher: str = ""


class StaffStore(Protocol):
    """Accounts and certificates. Reads see the latest write."""

    def version(self) -> int:
        """Another one after every write, whoever made it. The one method that does not block: it takes microseconds."""

    def by_login(self, login: str) -> StaffRow | None: ...

    def by_agent(self, agent: str) -> StaffRow | None: ...

    def all_staff(self) -> list[StaffRow]:
        """Every account, in the order of their tokens."""

    def put_staff(self, row: StaffRow) -> None:
        """Insert, or replace the row of the same agent. Raises ConfigError when another agent has the login."""

    def put_all(self, rows: Sequence[StaffRow]) -> None:
        """`put_staff` for each, all or none."""

    def certificates(self, agent: str) -> list[CertificateRow]: ...

    def all_certificates(self) -> list[CertificateRow]: ...

    def put_certificate(self, row: CertificateRow) -> None:
        """Insert, or replace the row of the same agent and data class."""


class SessionStore(Protocol):
    """Sessions that outlive a restart."""

    def sessions(self) -> list[SessionRow]: ...

    def put_session(self, row: SessionRow) -> None: ...

    def touch_sessions(self, seen: Sequence[tuple[str, float]]) -> None:
        """(digest, seen) pairs; unknown digests are passed over."""

    def drop_sessions(self, digests: Iterable[str]) -> None:
        """Unknown digests are passed over. Dropped rows leave no trace in the file."""


class GrantStore(Protocol):
    """Legs and grants as `Grants.changes` gives them."""

    def grants(self) -> list[dict[str, Any]]: ...

    def write_grants(self, put: Sequence[dict[str, Any]], drop: Iterable[str]) -> None:
        """Both in one step."""


class FactorStore(Protocol):
    """What people sign in with beside passwords: one record each."""

    def factors(self, agent: str) -> FactorRow | None: ...

    def put_factors(self, row: FactorRow) -> None:
        """Insert, or replace the row of the same agent."""

    def put_factors_and_staff(self, row: FactorRow, account: StaffRow) -> None:
        """Both in one step."""


class LinkStore(Protocol):
    """Who is who at the identity provider; one subject for an account."""

    def links(self) -> list[LinkRow]: ...

    def put_link(self, row: LinkRow) -> None:
        """In place of the account's earlier one, in one step."""

    def drop_links(self, agent: str) -> None: ...


class TokenStore(Protocol):
    """API tokens."""

    def tokens(self) -> list[TokenRow]: ...

    def put_token(self, row: TokenRow) -> None: ...

    def drop_tokens(self, digests: Iterable[str]) -> None:
        """Unknown digests are passed over. Dropped rows leave no trace in the file."""
