"""What the web process may ask about who calls, for the agent on that call; and root about helpers, for a person.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from quietline.access.grants import Grant
from quietline.sealed import Sealed
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _own_call(parts: Unsealed, fields: Fields) -> Grant:
    """The signed-in agent's own grant, of which the edge says now that it lives."""
    who = await parts.desk.who(fields.text("token"))
    await parts.desk.looks.holds(who, fields.text("grant"))
    return parts.grants.find(fields.text("grant"), who.agent)


async def _assurance(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.calls.assuring.view(await _own_call(parts, fields))


async def _claim_caller(parts: Unsealed, fields: Fields) -> Frame:
    grant = await _own_call(parts, fields)
    return {"assurance": await parts.calls.assuring.claim(grant, fields.text("by"), fields.sealed("value"))}


async def _answer_question(parts: Unsealed, fields: Fields) -> Frame:
    grant = await _own_call(parts, fields)
    return {"assurance": await parts.calls.assuring.answer(grant, fields.text("question"), fields.sealed("answer"))}


async def _mark_relayed(parts: Unsealed, fields: Fields) -> Frame:
    await parts.calls.assuring.relayed(await _own_call(parts, fields), fields.flag("relayed"))
    return {}


def _found(fields: Fields) -> tuple[str, str, Sealed[str]]:
    return fields.text("controller", "brand"), fields.text("field"), fields.sealed("value")


async def _helper_name(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.stepped_up(fields.text("session"))
    number, reasons = fields.sealed("number"), fields.texts("reasons")
    return await parts.helper_desk.name(who, _found(fields), number, reasons, fields.number("until"))


async def _helper_list(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("session"))
    return {"helpers": await parts.helper_desk.listed(who, _found(fields))}


async def _helper_end(parts: Unsealed, fields: Fields) -> Frame:
    await parts.helper_desk.end(await parts.desk.who(fields.text("session")), fields.text("helper"))
    return {}


WEB: dict[str, Answer[Unsealed]] = {
    "assurance": _assurance,
    "claim_caller": _claim_caller,
    "answer_question": _answer_question,
    "mark_relayed": _mark_relayed,
}
ADMIN: dict[str, Answer[Unsealed]] = {
    "helper_name": _helper_name,
    "helper_list": _helper_list,
    "helper_end": _helper_end,
}
