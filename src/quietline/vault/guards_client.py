"""What the web process may ask about work grants, break-glass, who looked, and receipts; and the client for it.

`token` is the session cookie's value; a receipt's `link` needs none. Every method raises Unavailable where the vault
does not answer, NotSignedIn for no session, and Denied with the word that a page explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from quietline.errors import Unavailable
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.client import OPEN_SECONDS
from quietline.wire import WireClient

_SEND = Ticket("client", "send", SIGNALLING)  # the value goes to the vault, which alone decides
BOOK_SECONDS = 30.0  # a book of looks is read from the ledger
Plain = dict[str, Any]


class GuardsVault(Protocol):
    """See `vault/work.py`, `emergency.py`, `look_book.py`, `guarding.py` and `receipts.py` for what each refuses."""

    async def mistaken(self, token: str, grant: str, field: str) -> None: ...

    async def listen(self, token: str, leg: str) -> int: ...

    async def work_ask(
        self, token: str, grant: str, assignee: str, fields: Sequence[str], reason: str, until: float
    ) -> Plain: ...

    async def work_agree(self, token: str, work: str) -> Plain: ...

    async def work_revoke(self, token: str, work: str) -> Plain: ...

    async def work_open(self, token: str, work: str, field: str) -> Sealed[str]: ...

    async def work_list(self, token: str) -> list[Plain]: ...

    async def glass_ask(
        self,
        token: str,
        field: str,
        value: Sealed[str],
        controller: str,
        classes: Sequence[str],
        justification: Sealed[str],
        minutes: int = 0,
    ) -> Plain: ...

    async def glass_approve(self, token: str, case: str) -> Plain: ...

    async def glass_refuse(self, token: str, case: str) -> Plain: ...

    async def glass_end(self, token: str, case: str) -> Plain: ...

    async def glass_review(self, token: str, case: str, finding: str) -> Plain: ...

    async def glass_open(self, token: str, case: str, field: str) -> Sealed[str]: ...

    async def glass_list(self, token: str) -> list[Plain]: ...

    async def my_looks(self, token: str, since: float) -> Plain: ...

    async def store_looks(self, token: str, store: str, since: float) -> Plain: ...

    async def alerts(self, token: str, since: float) -> Plain: ...

    async def receipt_send(self, token: str, grant: str) -> None: ...

    async def receipt_document(self, link: str) -> Plain: ...

    async def receipt_choose(self, link: str, purpose: str, given: bool) -> Plain: ...


class GuardsVaultClient:
    """The web process's side."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, OPEN_SECONDS, Unavailable)

    async def mistaken(self, token: str, grant: str, field: str) -> None:
        await self._wire.call("mistaken", token=token, grant=grant, field=field)

    async def listen(self, token: str, leg: str) -> int:
        return int((await self._wire.call("listen", token=token, leg=leg))["entry"])

    async def work_ask(
        self, token: str, grant: str, assignee: str, fields: Sequence[str], reason: str, until: float
    ) -> Plain:
        wish: Plain = {"assignee": assignee, "fields": list(fields), "reason": reason, "until": until}
        return dict((await self._wire.call("work_ask", token=token, grant=grant, **wish))["work"])

    async def work_agree(self, token: str, work: str) -> Plain:
        return dict((await self._wire.call("work_agree", token=token, work=work))["work"])

    async def work_revoke(self, token: str, work: str) -> Plain:
        return dict((await self._wire.call("work_revoke", token=token, work=work))["work"])

    async def work_open(self, token: str, work: str, field: str) -> Sealed[str]:
        return Sealed(str((await self._wire.call("work_open", token=token, work=work, field=field))["value"]))

    async def work_list(self, token: str) -> list[Plain]:
        return list((await self._wire.call("work_list", token=token))["work"])

    async def glass_ask(
        self,
        token: str,
        field: str,
        value: Sealed[str],
        controller: str,
        classes: Sequence[str],
        justification: Sealed[str],
        minutes: int = 0,
    ) -> Plain:
        answer = await self._wire.call(
            "glass_ask",
            token=token,
            field=field,
            value=value.open(_SEND),
            controller=controller,
            classes=list(classes),
            justification=justification.open(_SEND),
            minutes=minutes,
        )
        return dict(answer["case"])

    async def glass_approve(self, token: str, case: str) -> Plain:
        return dict((await self._wire.call("glass_approve", token=token, case=case))["case"])

    async def glass_refuse(self, token: str, case: str) -> Plain:
        return dict((await self._wire.call("glass_refuse", token=token, case=case))["case"])

    async def glass_end(self, token: str, case: str) -> Plain:
        return dict((await self._wire.call("glass_end", token=token, case=case))["case"])

    async def glass_review(self, token: str, case: str, finding: str) -> Plain:
        return dict((await self._wire.call("glass_review", token=token, case=case, finding=finding))["case"])

    async def glass_open(self, token: str, case: str, field: str) -> Sealed[str]:
        return Sealed(str((await self._wire.call("glass_open", token=token, case=case, field=field))["value"]))

    async def glass_list(self, token: str) -> list[Plain]:
        return list((await self._wire.call("glass_list", token=token))["cases"])

    async def my_looks(self, token: str, since: float) -> Plain:
        return await self._wire.call("my_looks", BOOK_SECONDS, token=token, since=since)

    async def store_looks(self, token: str, store: str, since: float) -> Plain:
        return await self._wire.call("store_looks", BOOK_SECONDS, token=token, store=store, since=since)

    async def alerts(self, token: str, since: float) -> Plain:
        return await self._wire.call("alerts", BOOK_SECONDS, token=token, since=since)

    async def receipt_send(self, token: str, grant: str) -> None:
        await self._wire.call("receipt_send", token=token, grant=grant)

    async def receipt_document(self, link: str) -> Plain:
        return await self._wire.call("receipt_document", link=link)

    async def receipt_choose(self, link: str, purpose: str, given: bool) -> Plain:
        return await self._wire.call("receipt_choose", link=link, purpose=purpose, given=given)

    async def close(self) -> None:
        await self._wire.close()
