"""What the web process may ask: sessions, phones, the card and its looks.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from dataclasses import asdict

from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _sign_in(parts: Unsealed, fields: Fields) -> Frame:
    token, session = await parts.desk.sign_in(
        fields.sealed("login"),
        fields.sealed("password"),
        fields.text("source"),
        Sealed(fields.text("new_password", "")),
        Sealed(fields.text("code", "")),
    )
    return {"token": token, "session": asdict(session)}


async def _session(parts: Unsealed, fields: Fields) -> Frame:
    return asdict(await parts.desk.session(fields.text("token")))


async def _sign_out(parts: Unsealed, fields: Fields) -> Frame:
    await parts.desk.sign_out(fields.text("token"))
    return {}


async def _phone(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.desk.phone(fields.text("token")))


async def _ring_at(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.desk.ring_at(fields.text("token"), fields.raw("own") is True))


async def _card(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    return (await parts.desk.looks.card(who, fields.text("grant"), fields.text("reason", ""))).as_frame()


async def _open(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    value = await parts.desk.looks.open(who, fields.text("grant"), fields.text("field"), fields.text("reason"))
    return {"value": value.open(Ticket(who.agent, fields.text("reason"), SIGNALLING))}


async def _write_note(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    await parts.desk.looks.write_note(who, fields.text("grant"), fields.sealed("text"))
    return {}


async def _wrap_up(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    return dict(await parts.desk.looks.wrap_up(who, fields.text("grant")))


async def _colleagues(parts: Unsealed, fields: Fields) -> Frame:
    return {"names": await parts.desk.colleagues(fields.text("token"), fields.text("grant"), fields.texts("agents"))}


async def _roster(parts: Unsealed, fields: Fields) -> Frame:
    return asdict(await parts.desk.roster(fields.text("token")))


ANSWERS: dict[str, Answer[Unsealed]] = {
    "sign_in": _sign_in,
    "session": _session,
    "sign_out": _sign_out,
    "phone": _phone,
    "ring_at": _ring_at,
    "card": _card,
    "open": _open,
    "write_note": _write_note,
    "wrap_up": _wrap_up,
    "colleagues": _colleagues,
    "roster": _roster,
}
