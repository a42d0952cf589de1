"""A caller's way through flows, step by step, and what is wrong with flows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from quietline.plain import plain
from quietline.routing import flow as f
from quietline.routing.flow import Choice, Flow, FlowStep, default_flow
from quietline.routing.flow_check import Finding, Surroundings, check, cycle, prompts_of
from quietline.routing.flow_run import (
    AskDigits,
    AskKey,
    Closed,
    Collected,
    Consented,
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
from quietline.routing.model import Need

END = f.HangUp("sorry")


def flows(*flows_: Flow, **stores: str) -> Flows:
    return Flows({each.id: each for each in flows_}, stores, flows_[0].id)


def shop(start: str = "", languages: tuple[str, ...] = ("en",), **steps: FlowStep) -> Flow:
    return Flow("shop", start or next(iter(steps)), {**steps, "end": END}, languages)


class Walk:
    """One caller; every event at the place where they stand."""

    def __init__(self, book: Flows, store: str = "north", facts: Facts | None = None) -> None:
        self.book, self.facts = book, facts or Facts()
        self.move = book.begin(store, self.facts)
        self.noted: list[Consented] = []

    @property
    def ask(self) -> Any:
        return self.move.ask

    def does(self, *events: Event) -> Any:
        """What is asked for after these events."""
        for event in events:
            self.move = self.book.go(self.move.position, event, self.facts)
            self.noted += self.move.noted
        return self.move.ask


# Steps


def test_the_default_flow_is_notice_menu_queue() -> None:
    queues = (("orders", "1", "your order"), ("returns", "2", "a return"))
    walk = Walk(flows(default_flow(queues)))
    assert walk.ask == Say(("notice",))
    assert walk.does(Done()) == AskKey(("menu",), "12", 8.0)
    assert walk.does(Key("2")) == Enter("returns", hold="hold")
    assert walk.does(Waited()) == Say(("sorry",))
    assert walk.does(Done()) == End("waited_too_long")


def test_the_default_flow_reads_the_menu_twice_and_then_takes_the_first_queue() -> None:
    walk = Walk(flows(default_flow((("returns", "2", ""), ("orders", "1", "")), notice=False)))
    assert walk.ask.keys == "12"
    assert isinstance(walk.does(Silence()), AskKey)
    assert walk.does(Silence()).queue == "returns"


def test_one_queue_has_no_menu() -> None:
    assert Walk(flows(default_flow((("orders", "1", ""),), notice=False))).ask == Enter("orders", hold="hold")


def test_a_wrong_key_is_said_and_counts_as_a_try() -> None:
    menu = f.Menu("topic", (Choice("1", "end"),), otherwise="rest", invalid="invalid", tries=3)
    walk = Walk(flows(shop(menu=menu, rest=f.Play("bye", "end"))))
    assert walk.ask == AskKey(("topic",), "1", 8.0, strict=True)
    assert walk.does(Key("9")).say == ("invalid", "topic")
    assert walk.does(Silence()).say == ("topic",)
    assert walk.does(Key("9")) == Say(("bye",))


def test_a_menu_changes_the_language_to_one_that_the_flow_speaks() -> None:
    choices = (Choice("1", "branch", language="fr"), Choice("2", "branch", language="cy"))
    branch = f.Branch("language", {"fr": "french"}, "end")
    steps: dict[str, FlowStep] = {"menu": f.Menu("m", choices, "end"), "branch": branch, "french": f.Play("oui", "end")}
    book = flows(Flow("shop", "menu", {**steps, "end": END}, ("en", "fr")))
    assert Walk(book).does(Key("1")) == Say(("oui",))
    walk = Walk(book)
    assert walk.does(Key("2")) == Say(("sorry",))
    assert walk.move.position.language == "en"


@pytest.mark.parametrize(
    ("events", "given", "how"),
    [([Key("1")], True, "key"), ([Key("2")], False, "key"), ([Silence(), Silence()], False, "silence")],
)
def test_consent_is_written_down_and_silence_is_no(events: list[Event], given: bool, how: str) -> None:
    consent = f.Consent("survey", "2026-11", "ask", yes="thanks", no="end")
    walk = Walk(flows(shop(consent=consent, thanks=f.Play("thanks", "end"))))
    assert walk.ask == AskKey(("ask",), "12", 8.0, fresh=True)
    after = walk.does(*events)
    assert after == Say(("thanks",) if given else ("sorry",))
    assert walk.noted == [Consented("survey", "2026-11", given, how)]


def test_digits_are_asked_for_and_never_seen() -> None:
    collect = f.Collect("number", go="thanks", otherwise="end", least=4, most=8, invalid="invalid")
    walk = Walk(flows(shop(collect=collect, thanks=f.Play("thanks", "end"))))
    assert walk.ask == AskDigits(("number",), 4, 8, "#", "card", 10.0)
    assert walk.does(Silence()).say == ("invalid", "number")
    assert walk.does(Collected()) == Say(("thanks",))
    assert not any(hasattr(each, "digits") for each in (walk.move.position, Collected(), Silence()))


@pytest.mark.parametrize("passed", [True, False])
def test_verify_leads_by_its_result(passed: bool) -> None:
    walk = Walk(flows(shop(verify=f.Verify("yes", "end"), yes=f.Play("well", "end"))))
    assert walk.ask == Prove()
    assert walk.does(Verified(passed)) == Say(("well",) if passed else ("sorry",))


@pytest.mark.parametrize(
    ("closed", "words"),
    [(frozenset(), "open"), (frozenset({"store:north"}), "shut"), (frozenset({"store:mill"}), "open")],
)
def test_hours_of_the_store_that_was_dialled(closed: frozenset[str], words: str) -> None:
    steps = {"hours": f.Hours("open", "shut"), "open": f.Play("open", "end"), "shut": f.Play("shut", "end")}
    assert Walk(flows(shop(**steps)), facts=Facts(closed=closed)).ask == Say((words,))


def test_hours_of_a_queue() -> None:
    steps = {"hours": f.Hours("end", "shut", queue="returns"), "shut": f.Play("shut", "end")}
    assert Walk(flows(shop(**steps)), facts=Facts(closed=frozenset({"queue:returns"}))).ask == Say(("shut",))


@pytest.mark.parametrize(("assurance", "words"), [(0, "else"), (1, "else"), (2, "two"), (3, "two")])
def test_a_case_of_assurance_means_at_least(assurance: int, words: str) -> None:
    branch = f.Branch("assurance", {"2": "two"}, "other")
    steps = {"branch": branch, "two": f.Play("two", "end"), "other": f.Play("else", "end")}
    assert Walk(flows(shop(**steps)), facts=Facts(assurance)).ask == Say((words,))


def test_the_highest_assurance_reached_wins() -> None:
    branch = f.Branch("assurance", {"2": "two", "3": "three"}, "end")
    steps = {"branch": branch, "two": f.Play("two", "end"), "three": f.Play("three", "end")}
    assert Walk(flows(shop(**steps)), facts=Facts(3)).ask == Say(("three",))


def test_branch_by_store_and_transfer_into_another_stores_flow() -> None:
    north = shop(branch=f.Branch("store", {"north": "over"}, "end"), over=f.Transfer("hub"))
    hub = Flow("hub", "hello", {"hello": f.Play("hub", "wait"), "wait": f.Queue("orders")}, ("fr", "en"))
    walk = Walk(flows(north, hub, north="shop", hub="hub"))
    assert walk.ask == Say(("hub",))
    assert walk.move.position == Position("hub", "hello", "hub", "en")


def test_a_transfer_to_a_flow_that_does_not_speak_the_language() -> None:
    hub = Flow("hub", "hello", {"hello": f.HangUp("hub")}, ("fr",))
    assert Walk(flows(shop(over=f.Transfer("hub")), hub, hub="hub")).move.position.language == "fr"


def test_an_unknown_store_has_the_default_flow() -> None:
    assert Walk(flows(shop(play=f.Play("hello", "end")), mill="shop"), store="nowhere").ask == Say(("hello",))


# Waiting


def waiting(**ways: Any) -> Flow:
    queue = f.Queue("orders", (Need("lang:fr", 2),), 60.0, "", 90.0, **ways)
    callback = f.Callback(accepted="kept", refused="wait", impossible="end")
    return shop(wait=queue, callback=callback, kept=f.HangUp("callback_kept"))


def test_a_queue_says_all_that_the_floor_must_know() -> None:
    walk = Walk(flows(waiting(keys={"1": "callback"})))
    assert walk.ask == Enter("orders", (Need("lang:fr", 2),), 60.0, "", 90.0, "1")
    assert walk.move.position.queue == "orders"


@pytest.mark.parametrize(
    ("event", "words", "outcome"), [(Waited(), "sorry", "waited_too_long"), (Closed(), "closed", "closed")]
)
def test_a_wait_without_a_way_on_ends_with_words(event: Event, words: str, outcome: str) -> None:
    walk = Walk(flows(waiting()))
    assert walk.does(event) == Say((words,))
    assert walk.move.position.ending == outcome
    assert walk.does(Done()) == End(outcome)
    assert walk.book.again(walk.move.position, walk.facts).ask == End(outcome)


def test_a_callback_is_offered_kept_and_said_goodbye_to() -> None:
    walk = Walk(flows(waiting(waited="callback")))
    assert walk.does(Waited()) == AskKey(("callback_offer",), "12", 8.0, fresh=True)
    assert walk.does(Key("1")) == Promise("orders")
    assert walk.does(Promised(True)) == Say(("callback_kept",))
    assert walk.does(Done()) == End("flow_ended")


def test_a_callback_refused_goes_back_to_the_queue_and_one_without_a_number_ends() -> None:
    book = flows(waiting(keys={"1": "callback"}))
    assert isinstance(Walk(book).does(Key("1"), Key("2")), Enter)
    assert isinstance(Walk(book).does(Key("1"), Silence(), Silence()), Enter)
    assert Walk(book).does(Key("1"), Key("1"), Promised(False)) == Say(("sorry",))


def test_the_callbacks_own_queue_wins() -> None:
    flow = shop(callback=f.Callback("end", "end", "end", queue="returns"))
    assert Walk(flows(flow)).does(Key("1")) == Promise("returns")


# A life after a crash, and changed flows


def test_a_position_is_plain_data_and_stands_where_it_was() -> None:
    walk = Walk(flows(waiting(keys={"1": "callback"})))
    walk.does(Key("1"), Silence())
    saved = Position(**json.loads(json.dumps(plain(walk.move.position))))
    assert saved == walk.move.position
    assert walk.book.again(saved, walk.facts).ask == walk.ask


def test_a_step_that_is_gone_begins_the_stores_flow_again() -> None:
    book = flows(shop(hello=f.Play("hello", "end")))
    for lost in (Position("shop", "gone", "north", "en"), Position("gone", "hello", "north", "en")):
        assert not book.knows(lost)
        assert book.again(lost, Facts()).ask == Say(("hello",))


def test_an_event_that_the_step_does_not_know_is_an_error_of_ours() -> None:
    walk = Walk(flows(waiting()))
    with pytest.raises(ValueError, match="queue knows no Verified"):
        walk.does(Verified(True))


def test_a_loop_that_nobody_checked_ends_the_call() -> None:
    flow = Flow("shop", "a", {"a": f.Hours("b", "b"), "b": f.Hours("a", "a")})
    assert Walk(flows(flow)).ask == End("flow_loop")


def test_hanging_up_without_words_ends_at_once() -> None:
    move = flows(shop(bye=f.HangUp())).begin("north", Facts())
    assert move == Move(Position("shop", "bye", "north", "en", ending="flow_ended"), End("flow_ended"))


# What is wrong with flows

PROMPTS = {
    (name, "en") for name in ("hello", "sorry", "closed", "hold", "callback_offer", "code", "code_ok", "code_wrong")
}
AROUND = Surroundings({"north": "shop", "hub": "hub"}, ("orders", "returns"), PROMPTS)
HELLO = f.Play("hello", "end")


def wrong(*flows_: Flow, around: Surroundings = AROUND) -> list[Finding]:
    return check({each.id: each for each in flows_}, around)


def only(*flows_: Flow, around: Surroundings = AROUND) -> Finding:
    (finding,) = wrong(*flows_, around=around)
    return finding


def test_a_right_flow_has_no_findings() -> None:
    callback = f.Callback("end", "end", "end")
    assert wrong(shop(play=replace(HELLO, go="wait"), wait=f.Queue("orders", waited="call"), call=callback)) == []


@pytest.mark.parametrize(
    ("steps", "step", "says", "word"),
    [
        ({"play": f.Play("hello", "ends")}, "play", "no step is called `ends`", "ends"),
        ({"play": f.Play("helo", "end")}, "play", "no prompt is called `helo`", "helo"),
        ({"wait": f.Queue("order")}, "wait", "no queue is called `order`", "order"),
        ({"hours": f.Hours("end", "end", "return")}, "hours", "no queue is called `return`", "return"),
        ({"over": f.Transfer("nord")}, "over", "no store is called `nord`", "nord"),
        ({"branch": f.Branch("language", {"fr": "end"}, "end")}, "branch", "`fr` is no language here", "fr"),
        ({"branch": f.Branch("assurance", {"4": "end"}, "end")}, "branch", "`4` is no assurance here", "4"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(steps: dict[str, FlowStep], step: str, says: str, word: str) -> None:
    rest = {} if "over" not in steps else {"over": steps["over"]}
    flow = shop(**steps) if not rest else Flow("shop", "over", rest)
    found = next(each for each in wrong(flow) if each.word)
    assert (found.step, found.what, found.word) == (step, says, word)
    assert found.known


@pytest.mark.parametrize(
    ("steps", "step", "says"),
    [
        ({"play": HELLO, "lost": HELLO}, "lost", "no way leads here from the start"),
        ({"play": f.Play("hello", "")}, "play", "has no way on (afterwards)"),
        ({"v": f.Verify("end", "")}, "v", "has no way on (failed)"),
        ({"call": f.Callback("end", "end", "end")}, "call", "a caller can come here without having waited"),
        ({"m": f.Menu("hello", (Choice("1", "end"), Choice("1", "end")), "end")}, "m", "key 1 stands twice"),
        ({"m": f.Menu("hello", (Choice("12", "end"),), "end")}, "m", "`12` is no key of a phone"),
        ({"q": f.Queue("orders", keys={"A": "end"})}, "q", "`A` is no key of a phone"),
        ({"m": f.Menu("hello", (Choice("1", "end", language="fr"),), "end")}, "m", "does not speak `fr`"),
    ],
)
def test_mistakes_are_named_by_step(steps: dict[str, FlowStep], step: str, says: str) -> None:
    found = next(each for each in wrong(shop(**steps)) if says in each.what)
    assert (found.flow, found.step, found.error) == ("shop", step, True)


def test_a_start_that_is_not_there() -> None:
    found = only(shop(start="begin", play=HELLO))
    assert (found.key, found.what, found.known) == ("start", "no step is called `begin`", ("play", "end"))


def test_a_prompt_that_is_missing_in_one_language() -> None:
    found = wrong(shop(languages=("en", "fr", "de"), play=HELLO))[0]
    assert found.what == "the prompt `hello` is missing in `fr` and `de`; add it under `prompts`"


def test_what_is_not_known_is_not_checked() -> None:
    assert wrong(shop(q=f.Queue("anything", hold="anything", waited="end")), around=Surroundings({})) == []


def test_a_loop_that_never_waits() -> None:
    found = only(shop(a=f.Hours("b", "end"), b=replace(HELLO, go="a")))
    assert "never waits: a → b → a" in found.what or "never waits: b → a → b" in found.what


def test_a_loop_through_another_stores_flow_names_both() -> None:
    hub = Flow("hub", "back", {"back": f.Transfer("north")})
    found = only(shop(hours=f.Hours("over", "end"), over=f.Transfer("hub")), hub)
    assert "shop/over → hub/back" in found.what


def test_a_caller_who_does_nothing_must_come_to_an_end() -> None:
    menu = f.Menu("hello", (Choice("1", "end"),), otherwise="play")
    assert "does nothing goes round for ever" in only(shop(menu=menu, play=replace(HELLO, go="menu"))).what
    queue = f.Queue("orders", waited="call")
    call = f.Callback("end", "wait", "end")
    assert "does nothing goes round for ever" in only(shop(wait=queue, call=call)).what


def test_a_loop_that_the_caller_chooses_is_right() -> None:
    menu = f.Menu("hello", (Choice("1", "menu"), Choice("*", "menu")), otherwise="end")
    assert wrong(shop(menu=menu)) == []


def test_a_branch_that_tells_whether_a_number_is_known_is_warned_about() -> None:
    found = only(shop(branch=f.Branch("assurance", {"1": "play"}, "end"), play=HELLO))
    assert (found.error, found.key) == (False, "cases")
    assert "tells a caller whether their number is known" in found.what


def test_the_prompts_of_a_step_include_the_built_in_ends() -> None:
    assert prompts_of(f.Queue("orders")) == ("hold", "sorry", "closed")
    assert prompts_of(f.Queue("orders", hold="", waited="a", closed="b")) == ()
    assert prompts_of(f.Hours("a", "b")) == ()


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": "b", "b": "c", "c": "b"}, {"b", "c"}),
        ({"a": "a"}, {"a"}),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, set()),
        ({"a": "", "b": "a", "c": "ab"}, set()),
    ],
)
def test_cycles(graph: Mapping[str, str], found: set[str]) -> None:
    nodes = {("f", name): [("f", each) for each in to] for name, to in graph.items()}
    assert {name for _, name in cycle(nodes)} == found
