"""Receipts of calls: the agent sends one; who has its link reads it and makes their choices. For the web process."""

from __future__ import annotations

from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _send(parts: Unsealed, fields: Fields) -> Frame:
    await parts.guards.receipts.send(await parts.desk.who(fields.text("token")), fields.text("grant"))
    return {}


async def _document(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.guards.receipts.document(fields.text("link"))


async def _choose(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.guards.receipts.choose(fields.text("link"), fields.text("purpose"), fields.flag("given"))


WEB: dict[str, Answer[Unsealed]] = {
    "receipt_send": _send,
    "receipt_document": _document,
    "receipt_choose": _choose,
}
