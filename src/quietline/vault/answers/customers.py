"""What root may ask about customers coming in: imports, and what one would change; and what the shop brings.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _import_customers(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.customers.import_all(fields.raw("customers")))


async def _customers_import(parts: Unsealed, fields: Fields) -> Frame:
    batch, twins = fields.raw("customers"), fields.text("duplicates", "keep")
    return await parts.customers.import_each(batch, twins, fields.flag("dry_run"))


async def _shop_sync(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.customers.sync(fields.raw("customers"), fields.texts("gone"))


SHOP_ANSWERS: dict[str, Answer[Unsealed]] = {"shop_sync": _shop_sync}
ANSWERS: dict[str, Answer[Unsealed]] = {
    "import_customers": _import_customers,
    "customers_import": _customers_import,
}
