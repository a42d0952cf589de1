"""Work grants, break-glass, canaries, mistakes, listening, and the books of who looked: for the web and for root.

Root carries a question and a signed-in person answers for it (`session`); whose it is and which role they have is read
anew. One small function an operation.
"""

from __future__ import annotations

from quietline.access.decide import Principal
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.emergency import Asked
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.vault.work import wish_of
from quietline.wire import Frame


def _token(fields: Fields) -> str:
    """As the web process or as root names it."""
    return fields.text("token", "") or fields.text("session")


async def _who(parts: Unsealed, fields: Fields) -> Principal:
    return await parts.desk.who(_token(fields))


async def _proved(parts: Unsealed, fields: Fields) -> Principal:
    """For what opens something: the person proved themselves a moment ago."""
    return await parts.desk.stepped_up(_token(fields))


def _value(value: Sealed[str], who: Principal, why: str) -> Frame:
    return {"value": value.open(Ticket(who.agent, why, SIGNALLING))}


async def _mistaken(parts: Unsealed, fields: Fields) -> Frame:
    await parts.desk.looks.mistaken(await _who(parts, fields), fields.text("grant"), fields.text("field"))
    return {}


async def _listen(parts: Unsealed, fields: Fields) -> Frame:
    return {"entry": await parts.guards.listening.allow(await _who(parts, fields), fields.text("leg"))}


async def _work_ask(parts: Unsealed, fields: Fields) -> Frame:
    return {"work": await parts.guards.work.ask(await _who(parts, fields), fields.text("grant"), wish_of(fields))}


async def _work_agree(parts: Unsealed, fields: Fields) -> Frame:
    return {"work": await parts.guards.work.agree(await _who(parts, fields), fields.text("work"))}


async def _work_revoke(parts: Unsealed, fields: Fields) -> Frame:
    return {"work": await parts.guards.work.revoke(await _who(parts, fields), fields.text("work"))}


async def _work_open(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return _value(await parts.guards.work.open(who, fields.text("work"), fields.text("field")), who, "work")


async def _work_list(parts: Unsealed, fields: Fields) -> Frame:
    return {"work": parts.guards.work.mine(await _who(parts, fields))}


async def _glass_ask(parts: Unsealed, fields: Fields) -> Frame:
    who = await _proved(parts, fields)
    asked = Asked(
        fields.text("field"),
        fields.sealed("value"),
        fields.text("controller"),
        fields.texts("classes"),
        fields.sealed("justification"),
        int(fields.number("minutes", 0)),
    )
    return {"case": await parts.guards.emergency.ask(who, asked)}


async def _glass_approve(parts: Unsealed, fields: Fields) -> Frame:
    return {"case": await parts.guards.emergency.approve(await _proved(parts, fields), fields.text("case"))}


async def _glass_refuse(parts: Unsealed, fields: Fields) -> Frame:
    return {"case": await parts.guards.emergency.refuse(await _who(parts, fields), fields.text("case"))}


async def _glass_end(parts: Unsealed, fields: Fields) -> Frame:
    return {"case": await parts.guards.emergency.end(await _who(parts, fields), fields.text("case"))}


async def _glass_review(parts: Unsealed, fields: Fields) -> Frame:
    who = await _proved(parts, fields)
    return {"case": await parts.guards.emergency.review(who, fields.text("case"), fields.text("finding"))}


async def _glass_open(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    value = await parts.guards.emergency.open(who, fields.text("case"), fields.text("field"))
    return _value(value, who, "break-glass")


async def _glass_list(parts: Unsealed, fields: Fields) -> Frame:
    return {"cases": parts.guards.emergency.listed(await _who(parts, fields))}


async def _my_looks(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.guards.book.mine(await _who(parts, fields), fields.number("since"))


async def _store_looks(parts: Unsealed, fields: Fields) -> Frame:
    who = await _who(parts, fields)
    return await parts.guards.book.of_store(who, fields.text("store"), fields.number("since"))


async def _alerts(parts: Unsealed, fields: Fields) -> Frame:
    return await parts.guards.book.alerts(await _who(parts, fields), fields.number("since"))


async def _canary_add(parts: Unsealed, fields: Fields) -> Frame:
    return {"canaries": await parts.guards.canaries.add(await _proved(parts, fields), fields.raw("record"))}


async def _canary_count(parts: Unsealed, fields: Fields) -> Frame:
    return {"canaries": parts.guards.canaries.count(await _who(parts, fields))}


WEB: dict[str, Answer[Unsealed]] = {
    "mistaken": _mistaken,
    "listen": _listen,
    "work_ask": _work_ask,
    "work_agree": _work_agree,
    "work_revoke": _work_revoke,
    "work_open": _work_open,
    "work_list": _work_list,
    "glass_ask": _glass_ask,
    "glass_approve": _glass_approve,
    "glass_refuse": _glass_refuse,
    "glass_end": _glass_end,
    "glass_review": _glass_review,
    "glass_open": _glass_open,
    "glass_list": _glass_list,
    "my_looks": _my_looks,
    "store_looks": _store_looks,
    "alerts": _alerts,
}
ADMIN: dict[str, Answer[Unsealed]] = {
    "canary_add": _canary_add,
    "canary_count": _canary_count,
    "store_log": _store_looks,
    "glass_cases": _glass_list,
    "glass_finding": _glass_review,
    "alert_log": _alerts,
}
