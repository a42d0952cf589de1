"""Every operation of the vault's socket: who may ask it, and the function that answers. One file a domain and side."""

from __future__ import annotations

from quietline.vault.answers import (
    admin,
    assurance,
    controller,
    customers,
    grants,
    keys,
    people,
    policies,
    receipts,
    rights,
    web,
)
from quietline.vault.operations import Answer, Side
from quietline.vault.unsealed import Unsealed

TABLES: tuple[tuple[Side, dict[str, Answer[Unsealed]]], ...] = (
    (Side.CONTROLLER, controller.ANSWERS),
    (Side.WEB, web.ANSWERS),
    (Side.WEB, people.WEB),
    (Side.WEB, assurance.WEB),
    (Side.WEB, grants.WEB),
    (Side.WEB, receipts.WEB),
    (Side.ADMIN, grants.ADMIN),
    (Side.ADMIN, people.ADMIN),
    (Side.ADMIN, assurance.ADMIN),
    (Side.ADMIN, admin.ANSWERS),
    (Side.ADMIN, customers.ANSWERS),
    (Side.SHOP, customers.SHOP_ANSWERS),
    (Side.ADMIN, rights.ANSWERS),
    (Side.ADMIN, policies.ANSWERS),
    (Side.ADMIN, keys.ANSWERS),
)
# service.py answers these
LOCKED: dict[str, Side] = dict.fromkeys(("status", "init", "unseal", "seal", "recover"), Side.ADMIN)

ANSWERS: dict[str, Answer[Unsealed]] = {name: answer for _, table in TABLES for name, answer in table.items()}
OPERATIONS: dict[str, Side] = LOCKED | {name: side for side, table in TABLES for name in table}
