"""What the controller may ask: calls, one-time codes, callbacks, events for the ledger.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from typing import Any

from quietline.errors import Denied
from quietline.plain import plain
from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.operations import Answer, Fields
from quietline.vault.ports import CallEvent
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _arrive_and_match(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.arrive_and_match(fields.sealed("leg")))


async def _arrive(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.arrive(fields.sealed("leg"))
    return {}


async def _match(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.match(fields.sealed("leg")))


async def _connect(parts: Unsealed, fields: Fields) -> Frame:
    return {"grant": await parts.calls.connect(fields.text("leg"), fields.sealed("agent_leg"))}


async def _send_code(parts: Unsealed, fields: Fields) -> Frame:
    return {"sent": await parts.calls.send_code(fields.text("leg"))}


async def _check_code(parts: Unsealed, fields: Fields) -> Frame:
    return {"assurance": await parts.calls.check_code(fields.text("leg"), fields.sealed("digits"))}


async def _keep_digits(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.keep_digits(fields.text("leg"), fields.sealed("digits"))
    return {}


async def _hang_up(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.hang_up(fields.text("leg"))
    return {}


async def _keep_callback(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.keep_callback(fields.sealed("leg")))


async def _dial_callback(parts: Unsealed, fields: Fields) -> Frame:
    number = await parts.calls.dial_callback(fields.text("callback"), fields.sealed("agent_leg"))
    return {"number": number.open(Ticket("controller", "dial", SIGNALLING))}


async def _answer_callback(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.answer_callback(fields.text("callback"), fields.sealed("leg")))


async def _drop_callback(parts: Unsealed, fields: Fields) -> Frame:
    await parts.calls.callbacks.drop(fields.text("callback"), fields.text("why", "withdrawn"))
    return {}


async def _staff(parts: Unsealed, fields: Fields) -> Frame:
    return {"staff": [plain(member) for member in await parts.admin.in_service()]}


async def _note_events(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.note_events(_events(fields.raw("events")))
    return {}


def _events(raw: Any) -> list[CallEvent]:
    try:
        events = [CallEvent(**each) for each in raw]
    except TypeError:
        raise Denied("event-refused", "give a list of kind, leg and fields") from None
    if not all(isinstance(event.fields, dict) for event in events):
        raise Denied("event-refused", "fields: give an object")
    return events


ANSWERS: dict[str, Answer[Unsealed]] = {
    "arrive_and_match": _arrive_and_match,
    "arrive": _arrive,
    "match": _match,
    "connect": _connect,
    "send_code": _send_code,
    "check_code": _check_code,
    "keep_digits": _keep_digits,
    "hang_up": _hang_up,
    "keep_callback": _keep_callback,
    "dial_callback": _dial_callback,
    "answer_callback": _answer_callback,
    "drop_callback": _drop_callback,
    "staff": _staff,
    "note_events": _note_events,
}
