"""Puts together what people sign in with, once per unsealing."""

from __future__ import annotations

import asyncio

from quietline.access.factor_book import FactorBook
from quietline.access.identity import Identity
from quietline.access.passkeys import Party
from quietline.access.ports import FactorStore
from quietline.access.second import Proofs
from quietline.access.vouch import Voucher
from quietline.clock import Clock
from quietline.config import Config
from quietline.vault.keys import Keyring
from quietline.vault.staff_sealer import VaultStaffSealer

HTTPS = 443


def party_of(config: Config) -> Party:
    """Our name toward browsers is the page's host; origins are the page's own and those of the configuration."""
    host, port = config.edge.realm, config.web.port
    own = f"https://{host}" if port == HTTPS else f"https://{host}:{port}"
    return Party(host, (own, *config.edge.origins))


async def proofs_of(
    config: Config,
    clock: Clock,
    store: FactorStore,
    voucher: Voucher,
    keyring: Keyring,
    parts: tuple[VaultStaffSealer, Identity],
) -> Proofs:
    """Second factors over the staff's own file."""
    sealer, identity = parts
    key = await asyncio.to_thread(keyring.secret, "staff/recovery")
    return Proofs(FactorBook(store, voucher, sealer, identity), party_of(config), key, clock)
