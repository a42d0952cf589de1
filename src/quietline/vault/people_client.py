"""What the web process may ask for people who look after their own sign-in, and the client that carries it.

`token` is the session cookie's value, `visit` the cookie of a sign-in page. `answer` is what the browser made of the
options, as JSON text. Every method raises Unavailable where the vault does not answer, and NotSignedIn for no session.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from quietline.errors import Unavailable
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.client import OPEN_SECONDS
from quietline.vault.ports import Session
from quietline.wire import WireClient

PROVIDER_SECONDS = 25.0  # four questions to the identity provider at most, of five seconds each
_SEND = Ticket("client", "send", SIGNALLING)  # the value goes to the vault, which alone decides
Plain = dict[str, Any]


class PeopleVault(Protocol):
    """See `vault/people.py` for what each does and refuses."""

    async def passkey_options(self, visit: str) -> Plain: ...

    async def passkey_sign_in(self, visit: str, answer: str) -> tuple[str, Session]: ...

    async def step_up_options(self, token: str) -> Plain: ...

    async def step_up(self, token: str, password: Sealed[str], code: Sealed[str], answer: str) -> None: ...

    async def factors(self, token: str) -> Plain: ...

    async def passkey_begin(self, token: str) -> Plain: ...

    async def passkey_add(self, token: str, answer: str, label: str) -> list[str]: ...

    async def passkey_remove(self, token: str, passkey: str) -> None: ...

    async def app_begin(self, token: str) -> dict[str, str]: ...

    async def app_confirm(self, token: str, code: Sealed[str]) -> list[str]: ...

    async def app_remove(self, token: str) -> None: ...

    async def recovery_renew(self, token: str) -> list[str]: ...

    async def change_password(self, token: str, password: Sealed[str]) -> None: ...

    async def sessions(self, token: str) -> list[Plain]: ...

    async def end_session(self, token: str, session: str) -> bool: ...

    async def end_other_sessions(self, token: str) -> int: ...

    async def sign_on_start(self, visit: str) -> str:
        """Where to send the browser."""

    async def sign_on_finish(self, visit: str, state: str, code: str) -> tuple[str, Session]: ...

    async def token_floor(self, bearer: str) -> dict[str, str]: ...

    async def token_about(self, bearer: str) -> Plain: ...


class PeopleVaultClient:
    """The web process's side."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, OPEN_SECONDS, Unavailable)

    async def passkey_options(self, visit: str) -> Plain:
        return await self._wire.call("passkey_options", visit=visit)

    async def passkey_sign_in(self, visit: str, answer: str) -> tuple[str, Session]:
        found = await self._wire.call("passkey_sign_in", visit=visit, answer=answer)
        return str(found["token"]), Session(**found["session"])

    async def step_up_options(self, token: str) -> Plain:
        return await self._wire.call("step_up_options", token=token)

    async def step_up(self, token: str, password: Sealed[str], code: Sealed[str], answer: str) -> None:
        words: Plain = {"password": password.open(_SEND), "code": code.open(_SEND)}
        await self._wire.call("step_up", token=token, answer=answer, **words)

    async def factors(self, token: str) -> Plain:
        return await self._wire.call("factors", token=token)

    async def passkey_begin(self, token: str) -> Plain:
        return await self._wire.call("passkey_begin", token=token)

    async def passkey_add(self, token: str, answer: str, label: str) -> list[str]:
        return list((await self._wire.call("passkey_add", token=token, answer=answer, label=label))["codes"])

    async def passkey_remove(self, token: str, passkey: str) -> None:
        await self._wire.call("passkey_remove", token=token, passkey=passkey)

    async def app_begin(self, token: str) -> dict[str, str]:
        return dict(await self._wire.call("app_begin", token=token))

    async def app_confirm(self, token: str, code: Sealed[str]) -> list[str]:
        return list((await self._wire.call("app_confirm", token=token, code=code.open(_SEND)))["codes"])

    async def app_remove(self, token: str) -> None:
        await self._wire.call("app_remove", token=token)

    async def recovery_renew(self, token: str) -> list[str]:
        return list((await self._wire.call("recovery_renew", token=token))["codes"])

    async def change_password(self, token: str, password: Sealed[str]) -> None:
        await self._wire.call("change_password", token=token, password=password.open(_SEND))

    async def sessions(self, token: str) -> list[Plain]:
        return list((await self._wire.call("sessions", token=token))["sessions"])

    async def end_session(self, token: str, session: str) -> bool:
        return bool((await self._wire.call("end_session", token=token, session=session))["ended"])

    async def end_other_sessions(self, token: str) -> int:
        return int((await self._wire.call("end_other_sessions", token=token))["ended"])

    async def sign_on_start(self, visit: str) -> str:
        return str((await self._wire.call("sign_on_start", PROVIDER_SECONDS, visit=visit))["address"])

    async def sign_on_finish(self, visit: str, state: str, code: str) -> tuple[str, Session]:
        found = await self._wire.call("sign_on_finish", PROVIDER_SECONDS, visit=visit, state=state, code=code)
        return str(found["token"]), Session(**found["session"])

    async def token_floor(self, bearer: str) -> dict[str, str]:
        return dict(await self._wire.call("token_floor", bearer=bearer))

    async def token_about(self, bearer: str) -> Plain:
        return await self._wire.call("token_about", bearer=bearer)

    async def close(self) -> None:
        await self._wire.close()
