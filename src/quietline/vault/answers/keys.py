"""What root may ask about keys. The end of a key-encryption key names two signed-in administrators.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame

_TICKET = Ticket("admin", "keys", SIGNALLING)


def _secret(fields: Fields, name: str) -> bytes:
    return fields.sealed(name).open(_TICKET).encode()


async def _status(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.keys.status()


async def _rotate(parts: Unsealed, fields: Fields) -> Frame:
    passphrase = _secret(fields, "passphrase") if fields.text("passphrase", "") else b""
    return {"rotations": await parts.keys.rotate(fields.text("what"), passphrase, fields.texts("fields"))}


async def _ask_end(parts: Unsealed, fields: Fields) -> Frame:
    await parts.keys.ask_end(await parts.desk.stepped_up(fields.text("session")), int(fields.number("version")))
    return {}


async def _approve_end(parts: Unsealed, fields: Fields) -> Frame:
    await parts.keys.approve_end(await parts.desk.stepped_up(fields.text("session")), int(fields.number("version")))
    return {}


async def _take_back(parts: Unsealed, fields: Fields) -> Frame:
    await parts.keys.take_back(await parts.desk.stepped_up(fields.text("session")), int(fields.number("version")))
    return {}


async def _end(parts: Unsealed, fields: Fields) -> Frame:
    await parts.keys.end(int(fields.number("version")), _secret(fields, "passphrase"))
    return {}


async def _shares(parts: Unsealed, fields: Fields) -> Frame:
    return {"shares": await parts.keys.shares(_secret(fields, "passphrase"))}


async def _passphrase(parts: Unsealed, fields: Fields) -> Frame:
    await parts.keys.change_passphrase(_secret(fields, "old"), _secret(fields, "new"))
    return {}


ANSWERS: dict[str, Answer[Unsealed]] = {
    "key_status": _status,
    "key_rotate": _rotate,
    "key_end_ask": _ask_end,
    "key_end_approve": _approve_end,
    "key_end_take_back": _take_back,
    "key_end": _end,
    "key_shares": _shares,
    "key_passphrase": _passphrase,
}
