"""What the web process may ask for people who look after their own sign-in, and root for everybody's.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from dataclasses import asdict

from quietline.sealed import Sealed
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _passkey_options(parts: Unsealed, fields: Fields) -> Frame:
    return parts.people.passkey_options(fields.text("visit"))


async def _passkey_sign_in(parts: Unsealed, fields: Fields) -> Frame:
    token, session = await parts.people.passkey_sign_in(fields.text("visit"), fields.text("answer"))
    return {"token": token, "session": asdict(session)}


async def _step_up_options(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.step_up_options(fields.text("token"))


async def _step_up(parts: Unsealed, fields: Fields) -> Frame:
    password, code = (Sealed(fields.text(name, "")) for name in ("password", "code"))
    await parts.people.step_up(fields.text("token"), password, code, fields.text("answer", ""))
    return {}


async def _factors(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.factors(fields.text("token"))


async def _passkey_begin(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.passkey_begin(fields.text("token"))


async def _passkey_add(parts: Unsealed, fields: Fields) -> Frame:
    codes = await parts.people.passkey_add(fields.text("token"), fields.text("answer"), fields.text("label", ""))
    return {"codes": codes}


async def _passkey_remove(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.passkey_remove(fields.text("token"), fields.text("passkey"))
    return {}


async def _app_begin(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.people.app_begin(fields.text("token")))


async def _app_confirm(parts: Unsealed, fields: Fields) -> Frame:
    return {"codes": await parts.people.app_confirm(fields.text("token"), fields.sealed("code"))}


async def _app_remove(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.app_remove(fields.text("token"))
    return {}


async def _recovery_renew(parts: Unsealed, fields: Fields) -> Frame:
    return {"codes": await parts.people.recovery_renew(fields.text("token"))}


async def _change_password(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.change_password(fields.text("token"), fields.sealed("password"))
    return {}


async def _sessions(parts: Unsealed, fields: Fields) -> Frame:
    return {"sessions": await parts.people.sessions(fields.text("token"))}


async def _end_session(parts: Unsealed, fields: Fields) -> Frame:
    return {"ended": await parts.people.end_session(fields.text("token"), fields.text("session"))}


async def _end_other_sessions(parts: Unsealed, fields: Fields) -> Frame:
    return {"ended": await parts.people.end_other_sessions(fields.text("token"))}


WEB: dict[str, Answer[Unsealed]] = {
    "passkey_options": _passkey_options,
    "passkey_sign_in": _passkey_sign_in,
    "step_up_options": _step_up_options,
    "step_up": _step_up,
    "factors": _factors,
    "passkey_begin": _passkey_begin,
    "passkey_add": _passkey_add,
    "passkey_remove": _passkey_remove,
    "app_begin": _app_begin,
    "app_confirm": _app_confirm,
    "app_remove": _app_remove,
    "recovery_renew": _recovery_renew,
    "change_password": _change_password,
    "sessions": _sessions,
    "end_session": _end_session,
    "end_other_sessions": _end_other_sessions,
}
