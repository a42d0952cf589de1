"""Flows from YAML: what is read, and every mistake by file, line, step and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse
from quietline.flows import file as flow_file
from quietline.flows.file import FlowBook, FlowFile, load, read, said
from quietline.routing import flow as f
from quietline.routing.model import Need
from quietline.telephony.prompt_scripts import Recorded, Spoken, built_in

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "flows.yaml"
HEAD = "flows:\n  shop:\n    steps:\n"
END = "      end: {do: hang_up}\n"


def book(text: str) -> FlowBook:
    return read(parse(text, "flows.yaml"), Path("/srv"))


def steps(text: str, more: str = "") -> FlowBook:
    """A flow of these steps and an end; `more` stands at the top level after it."""
    return book(HEAD + "".join(f"      {line}\n" for line in text.splitlines()) + END + more)


def mistake(text: str, more: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        steps(text, more)
    return str(caught.value)


# What is read


def test_the_example_is_right_and_has_every_kind_of_step_it_needs() -> None:
    found = load(EXAMPLE)
    assert found.findings == ()
    shop = found.flows["shop"]
    assert (shop.start, shop.languages) == ("language", ("en", "fr"))
    assert {step.kind for step in shop.steps.values()} == {
        "menu", "hours", "hang_up", "notice", "collect", "queue", "consent", "branch", "callback",
    }  # fmt: skip
    assert shop.steps["advice-in-french"] == f.Queue("advice", (Need("lang:fr"),), 60.0, waited="sorry")


def test_every_key_of_a_step_arrives() -> None:
    found = steps(
        """\
ask: {do: collect, say: hold, go: wait, otherwise: wait, least: 3, most: 5, end: "*", to: card, tries: 3, wait: 4}
wait: {do: queue, queue: orders, needs: [returns:4, lang:fr], prefers: [vip], head_start: 30, hold: null,
  longest_wait: 90, keys: {1: call}, waited: check, closed: end}
call: {do: callback, accepted: end, refused: wait, impossible: check, queue: returns, say: hold, tries: 1, wait: 3.5}
check: {do: verify, passed: over, failed: end}
over: {do: branch, on: assurance, cases: {2: end}, otherwise: end}"""
    ).flows["shop"]
    assert found.steps["ask"] == f.Collect("hold", "wait", "wait", 3, 5, "*", "card", "invalid", 3, 4.0)
    needs = (Need("returns", 4), Need("lang:fr"), Need("vip", preferred=True))
    assert found.steps["wait"] == f.Queue("orders", needs, 30.0, "", 90.0, {"1": "call"}, "check", "end")
    assert found.steps["call"] == f.Callback("end", "wait", "check", "returns", "hold", 1, 3.5)
    assert found.steps["check"] == f.Verify("over", "end")
    assert found.steps["over"] == f.Branch("assurance", {"2": "end"}, "end")


def test_the_first_step_is_the_start_unless_another_is_named() -> None:
    assert steps("hello: {do: notice, go: end}").flows["shop"].start == "hello"
    named = book("flows:\n  shop:\n    start: b\n    steps:\n      a: {do: hang_up}\n      b: {do: notice, go: a}\n")
    assert named.flows["shop"].start == "b"


def test_a_menus_words_are_made_of_its_labels_each_language_in_its_own_voice() -> None:
    found = load(EXAMPLE)
    assert found.scripts["menu shop/topic", "fr"][0] == Spoken("Pour votre commande, tapez 1.", "fr")
    assert found.scripts["menu shop/topic", "en"][3] == Spoken("For these choices again, press star.", "en")
    both = (Spoken("For English, press 1.", "en"), Spoken("Pour le français, tapez 2.", "fr"))
    assert found.scripts["menu shop/language", "en"] == found.scripts["menu shop/language", "fr"] == both


def test_prompts_are_texts_or_recordings_and_may_replace_ours() -> None:
    found = steps(
        "hello: {do: play, say: jingle, go: end}",
        "prompts:\n  jingle: {en: {file: sounds/jingle.wav}}\n  hold: {en: One moment.}\n",
    )
    assert found.scripts["jingle", "en"] == (Recorded(Path("/srv/sounds/jingle.wav")),)
    assert found.scripts["hold", "en"] == (Spoken("One moment.", "en"),)
    assert found.scripts["hold", "fr"] == built_in()["hold", "fr"]


def test_a_chain_file_tells_which_stores_and_queues_there_are() -> None:
    text = "stores: {north: {flow: shop}}\nqueues: {orders: {}}\n" + HEAD
    assert book(text + "      a: {do: queue, queue: orders}\n").stores == {"north": "shop"}
    with pytest.raises(ConfigError, match="no queue is called `order`; did you mean `orders`"):
        book(text + "      a: {do: queue, queue: order}\n")
    with pytest.raises(ConfigError, match="no store is called `nort`; did you mean `north`"):
        book(text + "      a: {do: transfer, store: nort}\n")


def test_a_flow_in_a_language_of_its_own_brings_all_its_words() -> None:
    text = "flows:\n  shop:\n    languages: [cy]\n    steps:\n      a: {do: queue, queue: orders}\n"
    with pytest.raises(ConfigError) as caught:
        book(text)
    for prompt in ("hold", "sorry", "closed"):
        assert f"the prompt `{prompt}` is missing in `cy`" in str(caught.value)
    words = "".join(f"  {name}: {{cy: Helo}}\n" for name in ("hold", "sorry", "closed"))
    assert book(f"{text}prompts:\n{words}").flows["shop"].languages == ("cy",)


# Mistakes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {do: notice, go: ends}", "4: flows.shop.steps.a: no step is called `ends`; did you mean `end`?"),
        ("a: {do: notice}", "4: flows.shop.steps.a: `go` is missing; add it"),
        ("a: {do: notice, goo: end}", "4: flows.shop.steps.a.goo: unknown key; did you mean `go`?"),
        ("a: {do: notices, go: end}", "4: flows.shop.steps.a: `notices` is not known; did you mean `notice`?"),
        ("a: {go: end}", "4: flows.shop.steps.a: `do` is missing; add it"),
        ("a: {do: play, say: helo, go: end}", "4: flows.shop.steps.a.say: no prompt is called `helo`; known: "),
        ("a: {do: play, say: hodl, go: end}", "4: flows.shop.steps.a.say: no prompt is called `hodl`; did you mean"),
        ("a: {do: menu, otherwise: end, choices: {11: {go: end}}, say: hold}", "`11` is no key of a phone"),
        ("a: {do: menu, otherwise: end, choices: {1: {go: end}}}", "key 1 has no label in `en`; add one"),
        ("a: {do: menu, otherwise: end, choices: {}}", "4: flows.shop.steps.a.choices: want at least 1 of them"),
        ("a: {do: queue, queue: x, needs: [1]}", "4: flows.shop.steps.a.needs[0]: want a text, found a whole number"),
        ('a: {do: queue, queue: x, needs: ["a:9"]}', "4: flows.shop.steps.a.needs[0]: skill 'a:9': the level"),
        ("a: {do: queue, queue: x, head_start: -1}", "4: flows.shop.steps.a.head_start: want at least 0"),
        ("a: {do: collect, say: hold, go: end, otherwise: end, least: 9, most: 4}", "want at most as many as `most`"),
        ("a: {do: collect, say: hold, go: end, otherwise: end, to: log}", "`log` is not known; known: card"),
        ("a: {do: menu, tries: 0, otherwise: end, choices: {1: {go: end}}}", "a.tries: want at least 1"),
        ("a: {do: hours, open: end, closed: a}", "a loop that never waits: a → a"),
        ("a: {do: notice, go: end}\nb: {do: notice, go: end}", "5: flows.shop.steps.b: no way leads here"),
        ("a: {do: branch, on: customer, cases: {x: end}, otherwise: end}", "`customer` is not known; "),
        ("A b: {do: hang_up}", "4: flows.shop.steps.A b"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_and_step_with_the_fix(text: str, says: str) -> None:
    assert says in mistake(text)
    assert mistake(text).startswith("flows.yaml:")


def test_a_key_twice_is_told_with_both_lines() -> None:
    menu = "a:\n  do: menu\n  say: hold\n  otherwise: end\n  choices:\n    1: {go: end}\n    1: {go: end}"
    assert mistake(menu) == "flows.yaml:10: flows.shop.steps.a.choices.1: stands on line 9 too; keep one"


def test_all_mistakes_are_told_at_once() -> None:
    told = mistake("a: {do: notice, go: ends}\nb: {do: play, say: x, go: nowhere}").splitlines()
    assert [line.split(":")[1] for line in told] == ["4", "5", "5", "5", "6"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "flows.yaml:1: `flows` is missing; add it"),
        ("flows: {}\n", "flows.yaml:1: flows: want at least 1 of them"),
        ("flow: {}\n", "flows.yaml:1: flow: unknown key; did you mean `flows`?"),
        (HEAD + END + "prompts: {hello: Hello}\n", "flows.yaml:5: prompts.hello: want keys with values, found a text"),
        (HEAD + END + "prompts: {hello: {english: Hello}}\n", "prompts.hello.english"),
        (HEAD + END + "prompts: {hello: {en: ''}}\n", "prompts.hello.en"),
        ("flows:\n  shop: {steps: {a: {do: hang_up}}, languages: []}\n", "languages: want at least 1 of them"),
        ("flows:\n  shop: {steps: {}}\n", "flows.shop.steps: want at least 1 of them"),
    ],
)
def test_a_file_of_another_shape(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        book(text)
    assert says in str(caught.value)


def test_a_warning_is_a_finding_of_the_book() -> None:
    text = HEAD + "      a: {do: branch, on: assurance, cases: {1: end}, otherwise: end}\n" + END
    (finding,) = book(text).findings
    assert said(finding, parse(text, "f")).startswith("f:4: flows.shop.steps.a.cases: what follows tells a caller")


# The schema


def test_every_step_of_the_interpreter_can_be_written_and_no_other() -> None:
    kinds: dict[str, Any] = flow_file.schema()["$defs"]["FlowModel"]["properties"]["steps"]
    (kinds,) = kinds["patternProperties"].values()
    assert set(kinds["discriminator"]["mapping"]) == {kind.kind for kind in f.FlowStep.__args__}


def test_the_schema_is_strict_and_says_what_each_step_is() -> None:
    made = flow_file.schema()
    assert (made["title"], made["required"]) == ("Quietline flows", ["flows"])
    models = [each for name, each in made["$defs"].items() if name.endswith("Model")]
    assert len(models) > 12
    assert all(each["additionalProperties"] is False and each["description"] for each in models)


def test_what_the_file_may_leave_out_is_what_the_values_leave_out() -> None:
    """A default that stands in two places must be the same in both."""
    for kind, model in (
        (f.Menu, "MenuModel"),
        (f.Collect, "CollectModel"),
        (f.Consent, "ConsentModel"),
        (f.Callback, "CallbackModel"),
    ):
        fields = getattr(flow_file, model).model_fields
        for name in ("tries", "wait", "say", "least", "most", "end", "to"):
            if name in fields and not fields[name].is_required() and fields[name].default is not None:
                assert fields[name].default == kind.__dataclass_fields__[name].default, (model, name)


def test_the_example_fits_the_model() -> None:
    assert set(FlowFile.model_fields) == {"flows", "prompts"}
