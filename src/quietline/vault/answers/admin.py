"""What root may ask: staff, phones, trunks, the ledger's export.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from pathlib import Path

from quietline.plain import plain
from quietline.vault.admin import NewAccount
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _staff_add(parts: Unsealed, fields: Fields) -> Frame:
    account = NewAccount(
        fields.sealed("login"),
        fields.sealed("name"),
        fields.sealed("password"),
        fields.text("role", "agent"),
        fields.text("store"),
        fields.texts("skills"),
        fields.number("starts", 0.0),
        fields.number("ends", 0.0),
    )
    return {"agent": await parts.admin.staff_add(account)}


async def _staff_find(parts: Unsealed, fields: Fields) -> Frame:
    return {"agent": await parts.admin.staff_find(fields.sealed("login"))}


async def _staff_list(parts: Unsealed, fields: Fields) -> Frame:
    return {"staff": await parts.admin.staff_list()}


async def _staff_apply(parts: Unsealed, fields: Fields) -> Frame:
    applied = parts.admin.applied
    return plain(await applied.apply(fields.raw("people"), fields.text("digest"), dry_run=fields.flag("dry_run")))


async def _config_applied(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.config_applied(fields.text("digest"), fields.raw("counts"))
    return {}


async def _set_password(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.set_password(fields.text("agent"), fields.sealed("password"))
    return {}


async def _end_service(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.end_service(fields.text("agent"))
    return {}


async def _certify(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.certify(fields.text("agent"), fields.text("data_class"), fields.number("until"))
    return {}


async def _phone_issue(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.admin.phone_issue(fields.text("agent")))


async def _phone_revoke(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.phone_revoke(fields.text("agent"))
    return {}


async def _trunk_issue(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.admin.trunks.issue(fields.text("trunk")))


async def _trunk_revoke(parts: Unsealed, fields: Fields) -> Frame:
    return {"revoked": await parts.admin.trunks.revoke(fields.text("trunk"))}


async def _ledger_export(parts: Unsealed, fields: Fields) -> Frame:
    return {"entries": await parts.admin.ledger_export(Path(fields.text("directory")))}


async def _fault(parts: Unsealed, fields: Fields) -> Frame:
    parts.admin.fault(fields.text("part"), int(fields.number("code")))
    return {}


ANSWERS: dict[str, Answer[Unsealed]] = {
    "staff_add": _staff_add,
    "staff_find": _staff_find,
    "staff_list": _staff_list,
    "staff_apply": _staff_apply,
    "config_applied": _config_applied,
    "set_password": _set_password,
    "end_service": _end_service,
    "certify": _certify,
    "phone_issue": _phone_issue,
    "phone_revoke": _phone_revoke,
    "trunk_issue": _trunk_issue,
    "trunk_revoke": _trunk_revoke,
    "ledger_export": _ledger_export,
    "fault": _fault,
}
