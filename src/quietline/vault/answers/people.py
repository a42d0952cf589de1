"""What the web process may ask for people who look after their own sign-in, and root for everybody's.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from dataclasses import asdict

from quietline.plain import plain
from quietline.sealed import Sealed
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _passkey_options(parts: Unsealed, fields: Fields) -> Frame:
    return parts.people.own.passkey_options(fields.text("visit"))


async def _passkey_sign_in(parts: Unsealed, fields: Fields) -> Frame:
    token, session = await parts.people.own.passkey_sign_in(fields.text("visit"), fields.text("answer"))
    return {"token": token, "session": asdict(session)}


async def _step_up_options(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.own.step_up_options(fields.text("token"))


async def _step_up(parts: Unsealed, fields: Fields) -> Frame:
    password, code = (Sealed(fields.text(name, "")) for name in ("password", "code"))
    await parts.people.own.step_up(fields.text("token"), password, code, fields.text("answer", ""))
    return {}


async def _factors(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.own.factors(fields.text("token"))


async def _passkey_begin(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.own.passkey_begin(fields.text("token"))


async def _passkey_add(parts: Unsealed, fields: Fields) -> Frame:
    codes = await parts.people.own.passkey_add(fields.text("token"), fields.text("answer"), fields.text("label", ""))
    return {"codes": codes}


async def _passkey_remove(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.own.passkey_remove(fields.text("token"), fields.text("passkey"))
    return {}


async def _app_begin(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.people.own.app_begin(fields.text("token")))


async def _app_confirm(parts: Unsealed, fields: Fields) -> Frame:
    return {"codes": await parts.people.own.app_confirm(fields.text("token"), fields.sealed("code"))}


async def _app_remove(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.own.app_remove(fields.text("token"))
    return {}


async def _recovery_renew(parts: Unsealed, fields: Fields) -> Frame:
    return {"codes": await parts.people.own.recovery_renew(fields.text("token"))}


async def _change_password(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.own.change_password(fields.text("token"), fields.sealed("password"))
    return {}


async def _sessions(parts: Unsealed, fields: Fields) -> Frame:
    return {"sessions": await parts.people.own.sessions(fields.text("token"))}


async def _end_session(parts: Unsealed, fields: Fields) -> Frame:
    return {"ended": await parts.people.own.end_session(fields.text("token"), fields.text("session"))}


async def _end_other_sessions(parts: Unsealed, fields: Fields) -> Frame:
    return {"ended": await parts.people.own.end_other_sessions(fields.text("token"))}


async def _sign_on_start(parts: Unsealed, fields: Fields) -> Frame:
    return {"address": await parts.people.sign_on.start(fields.text("visit"))}


async def _sign_on_finish(parts: Unsealed, fields: Fields) -> Frame:
    asked = (fields.text(name) for name in ("visit", "state", "code"))
    token, session = await parts.people.sign_on.finish(*asked)
    return {"token": token, "session": asdict(session)}


async def _token_floor(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.people.tokens.floor(fields.text("bearer")))


async def _token_about(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.tokens.about(fields.text("bearer"))


async def _token_add(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.people.tokens.add(fields.text("agent"), fields.texts("scopes"), fields.number("days"))


async def _token_list(parts: Unsealed, fields: Fields) -> Frame:
    return {"tokens": parts.people.tokens.list()}


async def _token_revoke(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.tokens.revoke(fields.text("api_token"))
    return {}


async def _staff_unlock(parts: Unsealed, fields: Fields) -> Frame:
    return {"was_locked": await parts.people.keeping.unlock(fields.text("agent"))}


async def _staff_locked(parts: Unsealed, fields: Fields) -> Frame:
    return {"locked": await parts.people.keeping.locked()}


async def _staff_reset_factors(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.keeping.reset_factors(fields.text("agent"))
    return {}


async def _staff_link(parts: Unsealed, fields: Fields) -> Frame:
    people = parts.people
    await people.keeping.link(fields.text("agent"), people.sign_on.issuer, fields.text("subject"))
    return {}


async def _staff_unlink(parts: Unsealed, fields: Fields) -> Frame:
    await parts.people.keeping.unlink(fields.text("agent"))
    return {}


async def _staff_import(parts: Unsealed, fields: Fields) -> Frame:
    imported = parts.admin.imported
    done = await imported.run(fields.raw("rows"), fields.text("digest"), dry_run=fields.flag("dry_run"))
    return {"plan": plain(done.plan), "bad": {str(line): why for line, why in done.bad.items()}}


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
    "sign_on_start": _sign_on_start,
    "sign_on_finish": _sign_on_finish,
    "token_floor": _token_floor,
    "token_about": _token_about,
}

ADMIN: dict[str, Answer[Unsealed]] = {
    "token_add": _token_add,
    "token_list": _token_list,
    "token_revoke": _token_revoke,
    "staff_unlock": _staff_unlock,
    "staff_locked": _staff_locked,
    "staff_reset_factors": _staff_reset_factors,
    "staff_link": _staff_link,
    "staff_unlink": _staff_unlink,
    "staff_import": _staff_import,
}
