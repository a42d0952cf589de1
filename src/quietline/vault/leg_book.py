"""The legs the edge has vouched for, without their numbers: enough to ask the edge whether they live.

A ticket is checked once, when it comes in (`check`): the edge's MAC, its age, its kind. Nothing else makes a leg.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from quietline.access.assurance import Factor
from quietline.errors import Denied, EdgeUnavailable, ProtocolError
from quietline.legs import LegTicket, verify_leg
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.ports import LiveLegs

AHEAD_SECONDS = 60  # how far the edge's clock may be ahead of ours; both run on one machine or with NTP
OPEN_TICKET = Ticket("vault", "verify", SIGNALLING)


@dataclass(frozen=True, slots=True)
class KnownLeg:
    """`ticket` without number and header. `controller`: GDPR controller of the store dialled, "" for none of ours.

    `number`: the calling number's blind-index token in hex, whether anybody has it or not; "" for no usable number.
    """

    ticket: LegTicket
    controller: str
    matched: bool
    withheld: bool
    number: str = field(default="", repr=False)
    scope: str = ""  # reasons for which a helper may call (access/helpers.py), in words; "" for no helper


@dataclass(slots=True)
class Standing:
    """What has been shown on a leg, in memory until it ends. After a restart the level that it gave stands in the
    grants; what was shown is shown anew.

    `candidates`: those who share the calling number, where they are several. `attestation`: stir.verdict.Verdict.
    """

    attestation: str = "absent"
    shown: set[Factor] = field(default_factory=set)
    candidates: frozenset[str] = frozenset()
    claims: int = 0
    relayed: bool = False
    failed: bool = False


_NOTHING = Sealed("")


def _without_number(ticket: LegTicket) -> LegTicket:
    """`dataclasses.replace` takes five times as long."""
    return LegTicket(
        ticket.id, ticket.kind, ticket.at, ticket.trunk, ticket.grade, _NOTHING, ticket.private, ticket.dialled,
        ticket.agent, ticket.call_id, ticket.from_tag, ticket.to_tag, _NOTHING,
    )  # fmt: skip


def leg_unknown(advice: str) -> Denied:
    """The refusal of a ticket: the edge did not sign it, or not lately, or for something else."""
    return Denied("leg-unknown", advice)


class LegBook:
    """Not safe across threads; lives on the event loop. `on_change(id)` is told of every leg that came or went."""

    def __init__(self, key: bytes, edge: LiveLegs, life: float, wait: float) -> None:
        self._key = key
        self._edge = edge
        self._life = life
        self._wait = wait
        self._legs: dict[str, KnownLeg] = {}
        self._keyed: dict[str, Sealed[str]] = {}
        self._standings: dict[str, Standing] = {}
        self.on_change: Callable[[str], None] = lambda _: None

    def check(self, header: Sealed[str], kind: str, now: float) -> LegTicket:
        """The ticket, if the edge signed it for such a leg within `life` seconds. Raises Denied("leg-unknown")."""
        try:
            ticket = verify_leg(header.open(OPEN_TICKET), self._key)
        except ProtocolError as error:
            raise leg_unknown(str(error)) from None
        if ticket.kind != kind:
            raise leg_unknown(f"a ticket of kind {kind} is needed")
        if not -AHEAD_SECONDS <= now - ticket.at <= self._life:
            raise leg_unknown("the ticket is too old, or from the future")
        return ticket

    def add(
        self, ticket: LegTicket, controller: str = "", matched: bool = False, number: str = "", scope: str = ""
    ) -> KnownLeg:
        """Keep the leg; its number goes no further."""
        bare = _without_number(ticket)
        known = KnownLeg(bare, controller, matched, ticket.private or not ticket.caller, number, scope)
        self._legs[ticket.id] = known
        self.on_change(ticket.id)
        return known

    def get(self, leg: str) -> KnownLeg | None:
        return self._legs.get(leg)

    def standing(self, leg: str) -> Standing:
        """What has been shown on this leg; of an unknown one nothing, and nothing is kept."""
        return self._standings.setdefault(leg, Standing()) if leg in self._legs else Standing()

    def identified(self, leg: str, matched: bool, scope: str = "") -> None:
        """The caller said who they are, and whether the number agrees."""
        self._legs[leg] = replace(self._legs[leg], matched=matched, scope=scope)
        self.on_change(leg)

    def keep_keyed(self, leg: str, digits: Sealed[str]) -> None:
        """What the caller keyed, in memory until the leg ends. Raises Denied("leg-unknown")."""
        if leg not in self._legs:
            raise leg_unknown("no such leg is here")
        self._keyed[leg] = digits

    def keyed(self, leg: str) -> Sealed[str] | None:
        return self._keyed.get(leg)

    def restore(self, legs: Iterable[KnownLeg]) -> None:
        """Take up the legs of an earlier life."""
        self._legs.update({leg.ticket.id: leg for leg in legs})

    def ids(self) -> set[str]:
        return set(self._legs)

    def forget(self, leg: str) -> None:
        self._keyed.pop(leg, None)
        self._standings.pop(leg, None)
        if self._legs.pop(leg, None):
            self.on_change(leg)

    async def up(self, ticket: LegTicket) -> bool:
        """Whether the leg of a ticket that `check` has passed lives, known here or not. Raises EdgeUnavailable."""
        try:
            async with asyncio.timeout(self._wait):
                return await self._edge.leg_alive(ticket)
        except TimeoutError:
            raise EdgeUnavailable("edge: no word in time on whether the call lives") from None

    async def alive(self, *legs: str) -> bool:
        """Whether all of these live, by the edge's word of now. An unknown leg does not. Raises EdgeUnavailable."""
        known = [self._legs.get(leg) for leg in legs]
        if not all(known):
            return False
        try:
            async with asyncio.timeout(self._wait):
                said = await asyncio.gather(*(self._edge.leg_alive(leg.ticket) for leg in known if leg))
        except TimeoutError:
            raise EdgeUnavailable("edge: no word in time on whether the call lives") from None
        return all(said)


_TEXTS = ("id", "kind", "trunk", "grade", "dialled", "agent", "call_id", "from_tag", "to_tag")


def dump(leg: KnownLeg) -> dict[str, str]:
    """As strings, for `Remembered`."""
    values = {name: str(getattr(leg.ticket, name)) for name in _TEXTS}
    flags = {"private": leg.ticket.private, "matched": leg.matched, "withheld": leg.withheld}
    numbers = {name: str(int(value)) for name, value in flags.items()}
    words = {"controller": leg.controller, "number": leg.number, "scope": leg.scope}
    return {**values, **numbers, **words, "at": str(leg.ticket.at)}


def load(saved: dict[str, str]) -> KnownLeg:
    """The leg again. Raises KeyError or ValueError on what `dump` did not write."""
    ticket = LegTicket(
        **{name: saved[name] for name in _TEXTS},
        at=int(saved["at"]),
        private=saved["private"] == "1",
        caller=_NOTHING,
        raw=_NOTHING,
        identity=_NOTHING,
    )
    flags = saved["matched"] == "1", saved["withheld"] == "1"
    return KnownLeg(ticket, saved["controller"], *flags, saved.get("number", ""), saved.get("scope", ""))
