"""The edge as the vault needs it: alive legs, credentials. Whatever the edge refuses counts as no answer."""

from __future__ import annotations

from quietline.errors import EdgeUnavailable
from quietline.legs import LegTicket
from quietline.telephony.edge_rpc import EdgeRpc, RpcFault


class EdgeSide:
    """`ports.LiveLegs` and `ports.PhoneBook` over Kamailio's RPC."""

    def __init__(self, rpc: EdgeRpc) -> None:
        self._rpc = rpc

    async def leg_alive(self, ticket: LegTicket) -> bool:
        return await self._rpc.leg_alive(ticket)

    async def instance(self) -> str:
        try:
            return await self._rpc.instance()
        except RpcFault as fault:  # it has just started and does not know itself yet
            raise EdgeUnavailable(str(fault)) from None

    async def add(self, user: str, ha1: str) -> None:
        try:
            await self._rpc.put_credential(user, ha1)
        except RpcFault as fault:
            raise EdgeUnavailable(str(fault)) from None

    async def remove(self, user: str) -> None:
        await self._rpc.remove_credential(user)
