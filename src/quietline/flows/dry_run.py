"""A call talked through without a phone: the same interpreter that serves callers, answers from a list or a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from quietline.errors import ConfigError
from quietline.flows.file import FlowBook
from quietline.routing.flow import KEYS
from quietline.routing.flow_run import (
    Ask,
    AskDigits,
    AskKey,
    Closed,
    Collected,
    Done,
    End,
    Enter,
    Event,
    Facts,
    Flows,
    Key,
    Move,
    Position,
    Promise,
    Promised,
    Prove,
    Say,
    Silence,
    Verified,
    Waited,
)
from quietline.telephony.prompt_scripts import Recorded

SILENCE, AGENT, LONG, SHUT = "-", "agent", "long", "closed"
RIGHT, WRONG, KEPT, NO_NUMBER = "right", "wrong", "kept", "no-number"
MOST = 500  # lines of one call: a person who goes round in a menu has seen enough

Answerer = Callable[[str, tuple[str, ...]], str | None]  # (question, what may be answered) -> an answer; None: no more


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `who`: "quietline" speaks, "caller" does, "flow" notes."""

    who: str
    step: str
    text: str = field(repr=False)

    def as_row(self) -> dict[str, str]:
        return asdict(self)


class DryRun:
    """One call through `book`. Without an answer left, the caller stays silent and an agent comes at once."""

    def __init__(
        self, book: FlowBook, flow: str, answer: Answerer, store: str = "", facts: Facts | None = None
    ) -> None:
        self.outcome = ""
        self._book, self._answer = book, answer
        self._store, self._facts = store, facts or Facts()
        self._flows = Flows(book.flows, book.stores, flow)

    def lines(self) -> Iterator[Line]:
        """What happens, as it happens. Raises ConfigError for an answer that fits nothing here."""
        move = self._flows.begin(self._store, self._facts)
        for _ in range(MOST):
            yield from self._heard(move.ask, move.position)
            if isinstance(move.ask, End):
                self.outcome = move.ask.outcome
                yield Line("flow", move.position.step, f"hang up: {self.outcome}")
                return
            event, told = self._event(move.ask)
            if told:
                yield Line("caller", move.position.step, told)
            if event is None:
                self.outcome = AGENT
                yield Line("flow", move.position.step, "an agent takes the call")
                return
            move = self._flows.go(move.position, event, self._facts)
            yield from self._noted(move)
        self.outcome = "too_long"
        yield Line("flow", move.position.step, f"{MOST} turns are enough")

    def _heard(self, ask: Ask, position: Position) -> Iterator[Line]:
        said = ask.say if isinstance(ask, (Say, AskKey, AskDigits)) else ()
        if isinstance(ask, Prove):
            said = ("code",)
        if isinstance(ask, Enter):
            needs = ", ".join(f"{need.skill} {need.level}+" for need in ask.needs)
            yield Line("flow", position.step, f"waits in {ask.queue}{f' for {needs}' if needs else ''}")
            said = (ask.hold,) if ask.hold else ()
        for prompt in said:
            yield Line("quietline", position.step, self._words(prompt, position.language))

    def _words(self, prompt: str, language: str) -> str:
        pieces = self._book.scripts[prompt, language]
        return " ".join(f"[{each.path.name}]" if isinstance(each, Recorded) else each.text for each in pieces)

    def _noted(self, move: Move) -> Iterator[Line]:
        for consent in move.noted:
            word = "given" if consent.given else "refused"
            yield Line(
                "flow", move.position.step, f"consent to {consent.wording} {consent.version} {word} ({consent.how})"
            )

    def _event(self, ask: Ask) -> tuple[Event | None, str]:
        """What happens next, None for an agent; and what the caller did."""
        match ask:
            case AskKey():
                key = self._asked("a key", (*ask.keys, *(() if not ask.strict else ("another key",)), SILENCE), ask)
                return (Silence(), "says nothing") if key == SILENCE else (Key(key), f"presses {key}")
            case AskDigits():
                return self._digits(ask)
            case Prove():
                passed = self._asked("the code", (RIGHT, WRONG), ask) == RIGHT
                return Verified(passed), f"keys the {'right' if passed else 'wrong'} code"
            case Enter():
                return self._waited(ask)
            case Promise():
                kept = self._asked("the number", (KEPT, NO_NUMBER), ask) == KEPT
                return Promised(kept), "will be called back" if kept else "has withheld the number"
        return Done(), ""

    def _digits(self, ask: AskDigits) -> tuple[Event, str]:
        keyed = self._asked("digits", (f"{ask.least} to {ask.most} digits", SILENCE), ask).rstrip(ask.end or "#")
        if keyed.isdigit() and ask.least <= len(keyed) <= ask.most:
            return Collected(), f"keys {len(keyed)} digits"
        return Silence(), "says nothing" if keyed == SILENCE else "keys something else"

    def _waited(self, ask: Enter) -> tuple[Event | None, str]:
        answer = self._asked("the wait", (AGENT, LONG, SHUT, *ask.keys), ask)
        ends: dict[str, tuple[Event | None, str]] = {
            AGENT: (None, "waits"),
            LONG: (Waited(), "waits too long"),
            SHUT: (Closed(), "finds nobody there: closed"),
        }
        return ends.get(answer) or (Key(answer), f"presses {answer} while waiting")

    def _asked(self, question: str, possible: tuple[str, ...], ask: Ask) -> str:
        answer = self._answer(question, possible)
        if answer is None:
            return _nothing(ask)
        if not _fits(answer, ask):
            raise ConfigError(f"flow try: {answer!r} is no answer here ({question}); want {', '.join(possible)}")
        return answer


def _nothing(ask: Ask) -> str:
    """What happens when nobody says what: silence, and an agent at once."""
    return {Enter: AGENT, Prove: WRONG, Promise: KEPT}.get(type(ask), SILENCE)


def _fits(answer: str, ask: Ask) -> bool:
    fitting: dict[type, Callable[[Any], bool]] = {
        AskKey: lambda each: answer == SILENCE or (len(answer) == 1 and answer in (KEYS if each.strict else each.keys)),
        AskDigits: lambda each: answer == SILENCE or set(answer) <= set("0123456789*#"),
        Prove: lambda _: answer in (RIGHT, WRONG),
        Enter: lambda each: answer in (AGENT, LONG, SHUT) or (len(answer) == 1 and answer in each.keys),
        Promise: lambda _: answer in (KEPT, NO_NUMBER),
    }
    return fitting[type(ask)](ask)
