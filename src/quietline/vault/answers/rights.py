"""The rights desk and the breach desk, for the command line: root carries it, a signed-in person answers for it.

Every act names a session (`session`, an erasure's second person `second`); whose it is and which role they have is
read anew. One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

import base64

from quietline.access.decide import Principal
from quietline.rights.desk import Found
from quietline.rights.erasure import OFFICERS, READERS, require_role
from quietline.sealed import Sealed
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _who(parts: Unsealed, fields: Fields) -> Principal:
    return await parts.desk.who(fields.text("session"))


async def _proved(parts: Unsealed, fields: Fields, name: str = "session") -> Principal:
    """For what cannot be taken back: the person proved themselves a moment ago."""
    return await parts.desk.stepped_up(fields.text(name))


def _found(fields: Fields) -> Found:
    return Found(fields.text("field"), fields.sealed("value"), fields.text("controller", "brand"))


async def _sign_in(parts: Unsealed, fields: Fields) -> Frame:
    """For who acts at the console: as at the page, and the session is like any other."""
    login, password = fields.sealed("login"), fields.sealed("password")
    token, session = await parts.desk.sign_in(login, password, CONSOLE, code=Sealed(fields.text("code", "")))
    return {"session": token, "agent": session.agent, "role": session.role}


async def _sign_out(parts: Unsealed, fields: Fields) -> Frame:
    await parts.desk.sign_out(fields.text("session"))
    return {}


async def _open(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    methods, about = fields.texts("methods"), fields.text("about", "")
    return await parts.rights.desk.open(who, fields.text("right"), _found(fields), methods, about)


async def _list(parts: Unsealed, fields: Fields) -> Frame:
    return {"requests": parts.rights.desk.listed(await _who(parts, fields), fields.flag("everything"))}


async def _show(parts: Unsealed, fields: Fields) -> Frame:
    return parts.rights.desk.show(await _who(parts, fields), fields.text("request"))


async def _move(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return await parts.rights.desk.move(who, fields.text("request"), fields.text("act"), fields.text("why", ""))


async def _told(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return await parts.rights.desk.told(who, fields.text("request"), fields.text("recipient"), fields.text("how"))


async def _access(parts: Unsealed, fields: Fields) -> Frame:
    who, passphrase = await _proved(parts, fields), Sealed(fields.text("passphrase", ""))
    made = await parts.rights.desk.access(
        who, fields.text("request"), fields.text("to", ""), passphrase, fields.texts("withhold")
    )
    return {"file": base64.b64encode(made).decode()}


async def _rectify(parts: Unsealed, fields: Fields) -> Frame:
    who = await _proved(parts, fields)
    value = fields.sealed("value")
    return await parts.rights.desk.rectify(who, fields.text("request"), fields.text("field"), value)


async def _erase(parts: Unsealed, fields: Fields) -> Frame:
    people = [await _proved(parts, fields)]
    if fields.text("second", ""):
        people.append(await _proved(parts, fields, "second"))
    return {"receipts": await parts.rights.desk.erase(people, fields.texts("requests"))}


async def _receipt(parts: Unsealed, fields: Fields) -> Frame:
    return {"receipt": parts.rights.desk.receipt(await _who(parts, fields), fields.text("request"))}


async def _hold(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return await parts.rights.desk.hold(who, _found(fields), fields.text("reason"), fields.number("until"))


async def _lift_hold(parts: Unsealed, fields: Fields) -> Frame:
    await parts.rights.desk.lift_hold(await _proved(parts, fields), fields.text("hold"))
    return {}


async def _holds(parts: Unsealed, fields: Fields) -> Frame:
    return {"holds": parts.rights.desk.holds(await _who(parts, fields))}


async def _recipient(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return {"recipients": await parts.rights.desk.recipient(who, fields.text("name"), fields.text("purpose", ""))}


async def _recipients(parts: Unsealed, fields: Fields) -> Frame:
    require_role(await _who(parts, fields), READERS)
    return {"recipients": dict(parts.rights.desk.books.recipients)}


async def _retention(parts: Unsealed, fields: Fields) -> Frame:
    """A look at what is due needs a reader; a run a privacy officer."""
    who = await _who(parts, fields)
    run = fields.flag("run")
    require_role(who, OFFICERS if run else READERS)
    return await parts.rights.keeping.run(not run, who.agent)


async def _breach(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    times = (fields.number("since"), fields.number("until"))
    return await parts.rights.desk.breach(who, fields.text("agent"), times, fields.number("aware"))


CONSOLE = "console"  # where a sign-in came from, for the limits on tries

ANSWERS: dict[str, Answer[Unsealed]] = {
    "console_sign_in": _sign_in,
    "console_sign_out": _sign_out,
    "right_open": _open,
    "right_list": _list,
    "right_show": _show,
    "right_move": _move,
    "right_told": _told,
    "right_access": _access,
    "right_rectify": _rectify,
    "right_erase": _erase,
    "right_receipt": _receipt,
    "right_hold": _hold,
    "right_lift_hold": _lift_hold,
    "right_holds": _holds,
    "right_recipient": _recipient,
    "right_recipients": _recipients,
    "right_retention": _retention,
    "breach": _breach,
}
