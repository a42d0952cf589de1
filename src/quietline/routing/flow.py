"""A call flow as data: what a caller hears and is asked, step by step. Frozen values; tokens and names only.

A flow is a graph. Each step does one thing and names the steps that may follow, its *ways*. `flow_run.py` walks it,
`flow_check.py` says what is wrong with it, `flows/drawing.py` draws it. Words are named here and spoken elsewhere.
Times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from quietline.routing.model import Need

KEYS = "0123456789*#"
YES, NO = "1", "2"  # the keys of consent and of the callback's offer
END = ""  # a way that leads nowhere: the built-in words, then the end


@dataclass(frozen=True, slots=True)
class Way:
    """One way on from a step. `silent`: taken also when the caller does nothing, so these alone must lead to an end."""

    label: str
    to: str
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """The privacy notice. It is heard out: keys pressed meanwhile are kept for the menu."""

    kind: ClassVar[str] = "notice"
    go: str
    say: str = "notice"

    def ways(self) -> tuple[Way, ...]:
        return (Way("", self.go),)


@dataclass(frozen=True, slots=True)
class Play:
    """Words, then on."""

    kind: ClassVar[str] = "play"
    say: str
    go: str

    def ways(self) -> tuple[Way, ...]:
        return (Way("", self.go),)


@dataclass(frozen=True, slots=True)
class Consent:
    """A question with two answers. Silence is not consent (GDPR 4(11), recital 32), and no is served like yes.

    `wording` and `version` name the words that were heard; the ledger keeps both.
    """

    kind: ClassVar[str] = "consent"
    wording: str
    version: str
    say: str
    yes: str
    no: str
    tries: int = 2
    wait: float = 8.0

    def ways(self) -> tuple[Way, ...]:
        return (Way(f"{YES} yes", self.yes, silent=False), Way(f"{NO} no, or silence", self.no))


@dataclass(frozen=True, slots=True)
class Choice:
    """One key of a menu. `language`: what is spoken from here on."""

    key: str
    go: str
    label: str = ""  # for drawings and dry runs
    language: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """Keys to choose from. `invalid`: said after a wrong key, before the menu again; "": wrong keys are overheard."""

    kind: ClassVar[str] = "menu"
    say: str
    choices: tuple[Choice, ...]
    otherwise: str
    invalid: str = ""
    tries: int = 2
    wait: float = 8.0

    def ways(self) -> tuple[Way, ...]:
        """One for each key, and the one of silence."""
        keys = (Way(f"{each.key} {each.label}".strip(), each.go, silent=False) for each in self.choices)
        return (*keys, Way("no key", self.otherwise))


@dataclass(frozen=True, slots=True)
class Collect:
    """Digits from the caller. They are sealed as they arrive and go to `to`; the flow only learns that they came."""

    kind: ClassVar[str] = "collect"
    say: str
    go: str
    otherwise: str
    least: int = 1
    most: int = 12
    end: str = "#"  # "": only the count ends it
    to: str = "card"  # the agent's card, by way of the vault
    invalid: str = ""
    tries: int = 2
    wait: float = 10.0

    def ways(self) -> tuple[Way, ...]:
        return (Way("digits", self.go, silent=False), Way("none", self.otherwise))


@dataclass(frozen=True, slots=True)
class Verify:
    """A one-time code to the contact on record, keyed in by the caller. Known and unknown callers hear the same."""

    kind: ClassVar[str] = "verify"
    passed: str
    failed: str

    def ways(self) -> tuple[Way, ...]:
        return (Way("passed", self.passed, silent=False), Way("failed", self.failed))


@dataclass(frozen=True, slots=True)
class Hours:
    """Open or closed now: the store the caller dialled, or a queue."""

    kind: ClassVar[str] = "hours"
    open: str
    closed: str
    queue: str = ""  # "": the store

    def ways(self) -> tuple[Way, ...]:
        return (Way("open", self.open), Way("closed", self.closed))


@dataclass(frozen=True, slots=True)
class Branch:
    """By store, language or assurance; never by who calls. For assurance a case means "at least"."""

    kind: ClassVar[str] = "branch"
    on: str  # "store" | "language" | "assurance"
    cases: Mapping[str, str]
    otherwise: str

    def ways(self) -> tuple[Way, ...]:
        """One for each case, and the one for everything else."""
        least = "≥ " if self.on == "assurance" else ""
        return (*(Way(f"{least}{case}", to) for case, to in self.cases.items()), Way("else", self.otherwise))


@dataclass(frozen=True, slots=True)
class Queue:
    """Wait for an agent. With an agent the flow ends; every other way out of the wait is named.

    `closed`: neither the store nor one that takes its calls is open; `waited`: the longest wait is over; `keys`: may be
    pressed while waiting. Coming back to the same queue keeps the place.
    """

    kind: ClassVar[str] = "queue"
    queue: str
    needs: tuple[Need, ...] = ()  # on top of the queue's own
    head_start: float = 0.0
    hold: str = "hold"  # said once; "": the music at once
    longest_wait: float = 0.0  # 0: the queue's own
    keys: Mapping[str, str] = field(default_factory=dict)
    waited: str = END
    closed: str = END

    def ways(self) -> tuple[Way, ...]:
        """Those without an agent; with one the flow is over."""
        pressed = (Way(f"{key} while waiting", to, silent=False) for key, to in self.keys.items())
        return (*pressed, Way("waited too long", self.waited), Way("closed", self.closed))


@dataclass(frozen=True, slots=True)
class Callback:
    """Offer to ring back and keep the place. `impossible`: there is no number to ring (withheld, no named trunk)."""

    kind: ClassVar[str] = "callback"
    accepted: str
    refused: str
    impossible: str
    queue: str = ""  # "": the one the caller waited in
    say: str = "callback_offer"
    tries: int = 2
    wait: float = 8.0

    def ways(self) -> tuple[Way, ...]:
        return (
            Way(f"{YES} yes", self.accepted, silent=False),
            Way(f"{NO} no, or silence", self.refused),
            Way("no number", self.impossible, silent=False),
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """On with another store's flow, from its start, in the language spoken now if that flow speaks it."""

    kind: ClassVar[str] = "transfer"
    store: str

    def ways(self) -> tuple[Way, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class HangUp:
    """The end, with words or without."""

    kind: ClassVar[str] = "hang_up"
    say: str = ""
    outcome: str = "flow_ended"

    def ways(self) -> tuple[Way, ...]:
        return ()


FlowStep = Notice | Play | Consent | Menu | Collect | Verify | Hours | Branch | Queue | Callback | Transfer | HangUp
WAITING = (Consent, Menu, Collect, Verify, Queue, Callback)  # steps in which time passes that the caller may use


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole flow. `languages`: those it is spoken in, the first until the caller chooses another."""

    id: str
    start: str
    steps: Mapping[str, FlowStep]
    languages: tuple[str, ...] = ("en",)


def default_flow(queues: tuple[tuple[str, str, str], ...], notice: bool = True, flow: str = "default") -> Flow:
    """Notice, the menu of the queues' keys, the queue: what the TOML file's [[queue]] tables stand for.

    queues: (id, key, label) of each, at least one; with one there is no menu. A caller who chooses nothing goes to the
    first.
    """
    steps: dict[str, FlowStep] = {name: Queue(name) for name, _, _ in queues}
    first = queues[0][0]
    if len(queues) > 1:
        choices = tuple(Choice(key, name, label) for name, key, label in sorted(queues, key=lambda each: each[1]))
        steps = {"menu": Menu("menu", choices, otherwise=first)} | steps
        first = "menu"
    if notice:
        steps = {"notice": Notice(first)} | steps
        first = "notice"
    return Flow(flow, first, steps)
