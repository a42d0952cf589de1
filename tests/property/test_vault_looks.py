"""Whatever happens in whatever order: a value opens exactly when every safeguard says yes, and its entry stands first.

A model beside the real parts (policy, grants, codes, records, envelope) decides what must happen; hypothesis tries to
find an order of events in which the two differ.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quietline.access.codes import CodeLimits, Codes
from quietline.access.decide import Principal, Role
from quietline.access.grants import GrantLimits, Grants
from quietline.access.in_force import load_policies
from quietline.errors import Denied, EdgeUnavailable, LedgerUnavailable
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed, Ticket
from quietline.testing.clock import ManualClock
from quietline.testing.vault import MemoryCodeChannel, MemoryEdge, MemoryKms, MemoryLedger
from quietline.testing.vault_house import ANA, ANA_NUMBER, STORE_NUMBER, vault_config
from quietline.vault.blind_index import BlindIndex
from quietline.vault.callbacks import Callbacks
from quietline.vault.calls import Calls
from quietline.vault.helpers import Helpers
from quietline.vault.importing import read_batch
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.last_agent import LastAgents
from quietline.vault.leg_book import LegBook
from quietline.vault.looks import Looks
from quietline.vault.records import Records, open_records_database
from quietline.vault.remembered import Remembered
from quietline.vault.schema import FIELDS, MINIMUM, DataClass, Reason
from quietline.vault.storing import Importer

T = TypeVar("T")
TICKET = Ticket("test", "test", 0)
LEG_KEY = b"\x44" * 32
ORDER = {"order.reference", "order.status", "order.items"}
NEEDS = {  # docs/decisions/0004-access.md
    "order_status": ORDER | {"contact.name"},
    "delivery_change": ORDER | {"contact.name", "contact.phone", "delivery.address"},
    "return_refund": ORDER | {"order.total", "contact.name", "contact.email", "service.note"},
    "product_advice": {"order.reference", "order.items"},
    "complaint": ORDER | {"order.total", "contact.name", "contact.email", "service.note"},
}
STORED = {*ANA["fields"], *ANA["orders"][0]}  # type: ignore[index]
POLICIES = load_policies()
NUMBERS = (ANA_NUMBER, "020 7946 0001", "+442079460999", "anonymous")


@dataclass
class Model:
    """A call as the test believes it to be."""

    leg: str
    grant: str
    agent: str
    caller_header: Sealed[str]
    agent_header: Sealed[str]
    known: bool
    assurance: int
    caller_up: bool = True
    agent_up: bool = True
    told: bool = False  # the controller said hang-up
    seen_dead: bool = False  # the vault found out by asking the edge

    @property
    def alive(self) -> bool:
        return self.caller_up and self.agent_up and not self.told and not self.seen_dead


@dataclass
class Staff:
    """Agents and when their certificates run out."""

    until: dict[tuple[str, str], float] = field(default_factory=dict)

    def principal(self, agent: str) -> Principal:
        held = {name: until for (whose, name), until in self.until.items() if whose == agent}
        return Principal(agent, Role.AGENT, "high-street", frozenset({"brand"}), held)


class Looking(RuleBasedStateMachine):
    """Calls, certificates, faults and looks in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ql-looks-"))
        self.loop = asyncio.new_event_loop()
        self.clock, self.ledger, self.edge = ManualClock(), MemoryLedger(), MemoryEdge(LEG_KEY)
        self.staff = Staff({(agent, each.value): self.clock.wall() + 1e6 for agent in ("a", "b") for each in DataClass})
        self.calls: list[Model] = []
        self.ledger_fails = False
        self.opened = 0
        self.run(self._build())

    def run(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(work)

    async def _build(self) -> None:
        config = vault_config(self.folder)
        self.keys, self.rows = open_keys_database(self.folder), open_records_database(self.folder)
        ring = Keyring(self.keys, MemoryKms())
        index, records = BlindIndex(self.keys, ring), Records(self.rows, ring)
        Importer(ring, index, records, "GB").store(read_batch([ANA], {"brand"}), TICKET)
        journal = Journal(self.ledger, self.clock, 1.0)
        legs = LegBook(LEG_KEY, self.edge, life=1e9, wait=1.0)
        grants = Grants(GrantLimits(per_leg=10**6, per_minute=10**6, life=1e9))
        codes = Codes(CodeLimits(sends=10**6), make_code=lambda: "123456")
        self.group = asyncio.TaskGroup()
        await self.group.__aenter__()
        channel = MemoryCodeChannel()
        remembered = Remembered(self.rows, ring)
        callbacks = Callbacks(journal, legs, remembered, life=1e9, tries=3)
        last = LastAgents(remembered, self.clock, keep=1e9)
        self.vault = Calls(
            config, self.clock, journal, legs, grants, codes, index, records, callbacks, channel, self.group, last,
            Helpers(remembered),
        )  # fmt: skip
        self.looks = Looks(self.clock, journal, legs, grants, POLICIES, records)
        unseal = records.open

        def counted(customer: str, name: str, ticket: Ticket, record: str = "") -> Sealed[str] | None:
            self.opened += 1
            return unseal(customer, name, ticket, record)

        records.open = counted  # type: ignore[method-assign]

    def teardown(self) -> None:
        self.run(self.group.__aexit__(None, None, None))
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.keys.close()
        self.rows.close()
        shutil.rmtree(self.folder)

    # -- what happens

    @precondition(lambda self: not self.edge.down and len(self.calls) < 4)
    @rule(agent=st.sampled_from("ab"), number=st.sampled_from(NUMBERS))
    def a_call(self, agent: str, number: str) -> None:
        at = str(int(self.clock.wall()))
        caller = self.edge.sign("caller", at=at, trunk="carrier-a", caller=number, dialled=STORE_NUMBER)
        rung = self.edge.sign("agent", at=at, agent=agent)
        match = self.run(self.vault.match(caller))
        known = "0001" in number
        assert (match.assurance, bool(match.customer)) == (int(known), known)
        grant = self.run(self.vault.connect(match.leg, rung))
        self.calls.append(Model(match.leg, grant, agent, caller, rung, known, int(known)))

    @precondition(lambda self: self.calls and not self.edge.down and not self.ledger_fails)
    @rule(data=st.data(), right=st.booleans())
    def a_code(self, data: st.DataObject, right: bool) -> None:
        call = data.draw(st.sampled_from(self.calls))
        try:
            self.run(self.vault.send_code(call.leg))
            level = self.run(self.vault.check_code(call.leg, Sealed("123456" if right else "000000")))
        except Denied:
            assert not right or call.told or not call.caller_up
            return
        assert right
        call.assurance = level
        assert level == (2 if call.known else 0)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from(["caller", "agent", "told"]))
    def a_hang_up(self, data: st.DataObject, how: str) -> None:
        call = data.draw(st.sampled_from(self.calls))
        if how == "told":
            self.vault.hang_up(call.leg)
            call.told = True
        elif how == "caller":
            self.edge.hang_up(call.caller_header)
            call.caller_up = False
        else:
            self.edge.hang_up(call.agent_header)
            call.agent_up = False

    @rule(down=st.booleans())
    def the_edge(self, down: bool) -> None:
        self.edge.down = down

    @rule(fails=st.booleans())
    def the_ledger(self, fails: bool) -> None:
        self.ledger_fails = fails
        self.ledger.fault = LedgerUnavailable("ledger: the disk is full") if fails else None

    @rule(agent=st.sampled_from("ab"), data_class=st.sampled_from(list(DataClass)), current=st.booleans())
    def a_certificate(self, agent: str, data_class: DataClass, current: bool) -> None:
        until = self.clock.wall() + (1e6 if current else -1)
        self.staff.until[agent, data_class.value] = until

    @rule(seconds=st.sampled_from([0.5, 5.0, 40.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # -- looks

    @precondition(lambda self: self.calls)
    @rule(
        data=st.data(),
        agent=st.sampled_from("ab"),
        name=st.sampled_from([*FIELDS, "made.up"]),
        reason=st.sampled_from([*(each.value for each in Reason), "curiosity"]),
    )
    def a_look(self, data: st.DataObject, agent: str, name: str, reason: str) -> None:
        call = data.draw(st.sampled_from(self.calls))
        before = self.opened
        outcome = self._try(self.looks.open(self.staff.principal(agent), call.grant, name, reason))
        wanted = self._may(call, agent, name) and name in NEEDS.get(reason, set())
        self._check_outcome(call, agent, outcome, wanted and name in STORED)
        if outcome == "shown":
            entry = self._last(Kind.LOOK_ALLOWED)
            assert (entry["agent"], entry["grant"]) == (agent, call.grant)
            assert (entry["field"], entry["reason"]) == (name, reason)
        elif not wanted or self.ledger_fails:
            assert self.opened == before

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), agent=st.sampled_from("ab"))
    def a_card(self, data: st.DataObject, agent: str) -> None:
        call = data.draw(st.sampled_from(self.calls))
        before = self.opened
        shown: set[str] = set()

        async def look() -> None:
            card = await self.looks.card(self.staff.principal(agent), call.grant)
            shown.update(view.name for view in card.fields if view.state == "shown")
            assert all(view.mask == "•••" and not view.value for view in card.fields if view.state != "shown")

        wanted = {name for name in MINIMUM if self._may(call, agent, name)}
        alive = call.alive and call.agent == agent
        outcome = self._try(look())
        if wanted and self.ledger_fails and alive and not self.edge.down:
            assert outcome == "LedgerUnavailable"
        else:
            self._check_outcome(call, agent, outcome, alive, ledger=False)
        assert shown == (wanted if outcome == "shown" else set())
        assert self.opened == before + len(shown)

    # -- the model

    def _may(self, call: Model, agent: str, name: str) -> bool:
        spec = FIELDS.get(name)
        if spec is None or not call.known or call.agent != agent or not call.alive:
            return False
        current = self.staff.until[agent, spec.data_class.value] > self.clock.wall()
        return current and call.assurance >= spec.assurance

    def _check_outcome(self, call: Model, agent: str, outcome: str, wanted: bool, ledger: bool = True) -> None:
        told = call.told or call.seen_dead or call.agent != agent
        if not self.edge.down and not told and not call.alive:
            call.seen_dead = True
        if self.edge.down and not told:
            assert outcome in ("EdgeUnavailable", "Denied")
        elif ledger and self.ledger_fails:
            assert outcome != "shown"
        else:
            assert (outcome == "shown") == wanted, outcome

    def _try(self, work: Awaitable[object]) -> str:
        try:
            self.run(work)
        except (Denied, EdgeUnavailable, LedgerUnavailable) as error:
            return type(error).__name__
        return "shown"

    def _last(self, kind: Kind) -> dict[str, object]:
        return dict(self.ledger.of(kind)[-1])

    @invariant()
    def nothing_personal_is_written(self) -> None:
        written = repr(self.ledger.entries)
        assert "Ana Example" not in written
        assert "2079460" not in written  # long enough that no random token holds it
        assert "curiosity" not in written
        assert "made.up" not in written


Looking.TestCase.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLooking = Looking.TestCase
