"""Puts together what people sign in with, once per unsealing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from quietline.access.decide import Role
from quietline.access.factor_book import FactorBook
from quietline.access.identity import Identity
from quietline.access.links import Links
from quietline.access.oidc import Client
from quietline.access.passkeys import Party
from quietline.access.passwords import Passwords
from quietline.access.second import Proofs
from quietline.access.sessions import Sessions
from quietline.access.sign_in import SignIn
from quietline.access.staff_sqlite import SqliteStaff
from quietline.access.tokens import ApiTokens
from quietline.access.vouch import Voucher
from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.vault.desk import Desk
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.oidc_provider import HttpProvider
from quietline.vault.people import People
from quietline.vault.sign_on import SignOn
from quietline.vault.staff_keeping import StaffKeeping
from quietline.vault.staff_sealer import VaultStaffSealer
from quietline.vault.token_desk import TokenDesk

HTTPS = 443


def party_of(config: Config) -> Party:
    """Our name toward browsers is the page's host; origins are the page's own and those of the configuration."""
    host, port = config.edge.realm, config.web.port
    own = f"https://{host}" if port == HTTPS else f"https://{host}:{port}"
    return Party(host, (own, *config.edge.origins))


@dataclass(frozen=True, slots=True)
class AtHand:
    """What all of it stands on."""

    config: Config
    clock: Clock
    journal: Journal
    store: SqliteStaff
    voucher: Voucher
    keyring: Keyring
    sealer: VaultStaffSealer
    identity: Identity
    sessions: Sessions
    passwords: Passwords


@dataclass(frozen=True, slots=True)
class PeopleSide:
    """Everything about how people sign in. `own`: what they do themselves."""

    own: People
    tokens: TokenDesk
    keeping: StaffKeeping
    sign_on: SignOn


async def sign_in_of(at: AtHand) -> tuple[SignIn, Proofs]:
    """Passwords and second factors over the staff's own file."""
    key = await asyncio.to_thread(at.keyring.secret, "staff/recovery")
    book = FactorBook(at.store, at.voucher, at.sealer, at.identity)
    proofs = Proofs(book, party_of(at.config), key, at.clock)
    return SignIn(at.identity, at.passwords, at.clock, proofs), proofs


async def people_of(at: AtHand, desk: Desk, sign_in: SignIn, proofs: Proofs) -> PeopleSide:
    """The rest, once there is a desk. A planted API token is written down, then dropped. Raises ConfigError."""
    check_roles(at.config)
    links = Links(at.store, at.voucher, await asyncio.to_thread(at.keyring.secret, "staff/links"))
    tokens = ApiTokens(at.store, at.voucher, at.clock)
    for planted in await asyncio.to_thread(tokens.load):
        await at.journal.receipt(Kind.TAMPER_FOUND, part="token")
        await asyncio.to_thread(at.store.drop_tokens, [planted])
    keeping = StaffKeeping(at.journal, at.identity, proofs.book, sign_in.lockout, links, desk)
    provider = await asyncio.to_thread(_provider, at.config, at.clock)
    own = People(at.clock, at.journal, at.identity, at.sessions, sign_in, at.passwords, proofs, desk)
    sign_on = SignOn(provider, at.clock, at.identity, links, desk)
    return PeopleSide(own, TokenDesk(at.journal, at.identity, tokens), keeping, sign_on)


def _provider(config: Config, clock: Clock) -> HttpProvider | None:
    settings = config.oidc
    if not settings.issuer:
        return None
    client = Client(settings.issuer, settings.client_id, f"{party_of(config).origins[0]}/sign-on")
    return HttpProvider(settings, client, clock)


def check_roles(config: Config) -> None:
    """Raises ConfigError for a role that nobody has."""
    for role in config.vault.second_factor_roles:
        if role not in set(Role):
            raise ConfigError(f"[vault] second_factor_roles: {role}: one of {', '.join(Role)}")
