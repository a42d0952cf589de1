"""Asking the edge: Kamailio's JSON-RPC over its Unix datagram socket. Who may is decided by the socket's mode.

Only digests (HA1) travel, never passwords. Answers of the dialog module name the caller, so they are read for their
state and dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from quietline.errors import EdgeUnavailable
from quietline.legs import LegTicket

_MAX_ANSWER = 65_536
_FULL_QUEUE_RETRY = 0.001  # seconds
_NOT_FOUND = (404, 500)
# dialog module: 1 unconfirmed, 2 early, 3 confirmed without ACK, 4 confirmed, 5 deleted
_DIALOG_ENDED = 5


class RpcFault(Exception):
    """Kamailio answered with an error; `code` is its own. Only `EdgeRpc.call` raises it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"edge fault {code}")
        self.code = code


class EdgeRpc:
    """One client; safe to share between tasks of one event loop. Opens its socket on first use, again after a restart.

    wait: seconds per request. Every method raises EdgeUnavailable when the edge does not answer in time or refuses.
    """

    def __init__(self, path: Path, wait: float = 0.5) -> None:
        self._path = path
        self._wait = wait
        self._ids = itertools.count(1)
        self._socket: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def instance(self) -> str:
        """Changes whenever Kamailio has started anew, and so has forgotten every credential and registration."""
        return str(await self._item("state", "instance"))

    async def put_credential(self, user: str, ha1: str) -> None:
        """Let this agent's phone sign in. ha1: MD5 of user:realm:password in hex (RFC 7616 §3.4.2)."""
        await self._must("htable.sets", "ha1", user, ha1)

    async def remove_credential(self, user: str) -> None:
        """End it: no new sign-in, and no offer to a phone that is signed in."""
        await self._absent_is_fine("htable.delete", "ha1", user)
        await self._absent_is_fine("ul.rm", "location", user)

    add = put_credential  # vault.ports.PhoneBook
    remove = remove_credential

    async def put_trunk_credential(self, user: str, ha1: str) -> None:
        """Let the trunk with this `digest_user` sign its calls."""
        await self._must("htable.sets", "trunk_ha1", user, ha1)

    async def remove_trunk_credential(self, user: str) -> None:
        """No new call by it; calls that are up go on."""
        await self._absent_is_fine("htable.delete", "trunk_ha1", user)

    async def registered(self, user: str) -> bool:
        """Whether a phone of this agent can be rung now."""
        return await self._absent_is_fine("ul.lookup", "location", user) is not None

    async def leg_alive(self, ticket: LegTicket) -> bool:
        """Whether the dialog of this ticket is up: early and confirmed ones are, ended and unknown ones are not."""
        found = await self._absent_is_fine("dlg.dlg_list", ticket.call_id, ticket.from_tag)
        dialogs = found if isinstance(found, list) else [found] if found else []
        return any(_is_up(dialog, ticket) for dialog in dialogs)

    async def bans(self) -> list[str]:
        """Banned source addresses."""
        return [item["name"] for item in await self._items("ban")]

    async def unban(self, address: str) -> None:
        """Lift a ban before its time."""
        await self._absent_is_fine("htable.delete", "ban", address)

    async def calls(self) -> int:
        """Dialogs that are up or being set up, both kinds of legs."""
        counts = await self._must("dlg.stats_active")
        return sum(int(counts.get(state, 0)) for state in ("starting", "connecting", "answering", "ongoing"))

    async def reload_certificates(self) -> None:
        """Take renewed certificate files for connections from now on; those that stand keep theirs."""
        await self._must("tls.reload")

    def close(self) -> None:
        """Drop the socket; harmless when there is none. Whoever waits for an answer gets EdgeUnavailable."""
        old, self._socket = self._socket, None
        if old is None:
            return
        with suppress(RuntimeError):  # the loop has ended
            asyncio.get_running_loop().remove_reader(old)
        old.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("closed"))

    async def call(self, method: str, *params: str) -> Any:
        """One request and its answer; several may be under way. Raises RpcFault when Kamailio refuses it."""
        number = next(self._ids)
        request = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": number}).encode()
        try:
            async with asyncio.timeout(self._wait):
                await self._send(request)
                answer = self._waiting[number] = asyncio.get_running_loop().create_future()
                found = await answer
        except (OSError, TimeoutError) as error:
            self.close()
            raise EdgeUnavailable(
                f"the edge did not answer on {self._path} ({type(error).__name__}); is it up?"
            ) from None
        finally:
            self._waiting.pop(number, None)
        if "error" in found:
            raise RpcFault(int(found["error"].get("code", 0)))
        return found.get("result")

    async def _send(self, request: bytes) -> None:
        # A restarted Kamailio has made its socket anew, and sending to the old one is refused: then open once more.
        try:
            await self._try_to_send(request)
        except ConnectionError:
            self.close()
            await self._try_to_send(request)

    async def _try_to_send(self, request: bytes) -> None:
        while True:
            try:
                self._open().send(request)
            except BlockingIOError:  # Kamailio's queue is full (unix(7), max_dgram_qlen)
                await asyncio.sleep(_FULL_QUEUE_RETRY)
            else:
                return

    def _read(self) -> None:
        """Take every answer that is there. One that nobody waits for any more came too late."""
        while self._socket is not None:
            try:
                raw = self._socket.recv(_MAX_ANSWER)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._take(raw)

    def _take(self, raw: bytes) -> None:
        """Give an answer to whoever waits for it. A phone's words in it may be no UTF-8; nonsense is passed over."""
        try:
            answer = json.loads(raw.decode(errors="replace"))
        except ValueError:
            return
        number = answer.get("id") if isinstance(answer, dict) else None
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting and not waiting.done():
            waiting.set_result(answer)

    def _open(self) -> socket.socket:
        if self._socket is None:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            client.setblocking(False)
            # An abstract name, so that Kamailio's user needs no rights in any folder of ours. Being connected, the
            # socket takes answers from Kamailio's alone (unix(7)), whoever learns its name.
            client.bind(f"\0quietline-edge-rpc-{os.getpid()}-{secrets.token_hex(8)}")
            self._socket = client
            client.connect(str(self._path))
            asyncio.get_running_loop().add_reader(client, self._read)
        return self._socket

    async def _must(self, method: str, *params: str) -> Any:
        try:
            return await self.call(method, *params)
        except RpcFault as fault:  # just started and not ready yet, or of a kind that lacks this
            raise EdgeUnavailable(f"the edge refused {method} with {fault.code}") from None

    async def _absent_is_fine(self, method: str, *params: str) -> Any:
        try:
            return await self.call(method, *params)
        except RpcFault as fault:
            if fault.code not in _NOT_FOUND:
                raise EdgeUnavailable(f"the edge refused {method} with {fault.code}") from None
            return None

    async def _item(self, table: str, key: str) -> Any:
        found = await self._must("htable.get", table, key)
        return found["item"]["value"]

    async def _items(self, table: str) -> list[dict[str, Any]]:
        slots = await self._must("htable.dump", table) or []
        return [item for slot in slots for item in slot["slot"]]


def _is_up(dialog: dict[str, Any], ticket: LegTicket) -> bool:
    same = dialog.get("call-id") == ticket.call_id and dialog.get("caller", {}).get("tag") == ticket.from_tag
    answered_alike = not ticket.to_tag or dialog.get("callee", {}).get("tag") == ticket.to_tag
    return same and answered_alike and int(dialog.get("state", _DIALOG_ENDED)) < _DIALOG_ENDED
