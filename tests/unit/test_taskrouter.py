"""TaskRouter workflows: expressions, what becomes of filters and targets, and that nothing is lost in silence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.chain.reading import read as read_chain
from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse as parse_yaml
from quietline.taskrouter.expression import Compare, Either, Every, Name, Not, always, conditions, parse, written
from quietline.taskrouter.workflow import CARRIED, LOST, PARTLY, Imported, read

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "taskrouter-workflow.json"
UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STORE = "stores:\n  north: {name: Northgate, numbers: [+442079460101], flow: imported}\n"


# Expressions


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('language == "fr"', Compare(Name("language"), "==", "fr")),
        ("language = 'fr'", Compare(Name("language"), "==", "fr")),
        ('task.language <> "fr"', Compare(Name("task.language"), "!=", "fr")),
        ("level >= 4", Compare(Name("level"), ">=", 4.0)),
        ("-1.5 < level", Compare(-1.5, "<", Name("level"))),
        ('skills HAS "returns"', Compare(Name("skills"), "HAS", "returns")),
        ('skills contains "returns"', Compare(Name("skills"), "HAS", "returns")),
        ('"returns" in skills', Compare("returns", "IN", Name("skills"))),
        ('topic IN ["a", "b"]', Compare(Name("topic"), "IN", ("a", "b"))),
        ("topic NOT IN []", Compare(Name("topic"), "NOT IN", ())),
        ("vip == true", Compare(Name("vip"), "==", True)),
        ("vip == null", Compare(Name("vip"), "==", None)),
        ("NOT vip == true", Not(Compare(Name("vip"), "==", True))),
    ],
)
def test_a_comparison(text: str, tree: Any) -> None:
    assert parse(text) == tree


def test_and_binds_closer_than_or_and_brackets_closest() -> None:
    a, b, c = (Compare(Name(name), "==", 1.0) for name in "abc")
    assert parse("a == 1 OR b == 1 AND c == 1") == Either((a, Every((b, c))))
    assert parse("(a == 1 or b == 1) and c == 1") == Every((Either((a, b)), c))
    assert conditions(parse("a == 1 AND (b == 1 AND c == 1)")) == (a, b, c)


@pytest.mark.parametrize("text", ["1 == 1", "1==1", "true == true", "'x' == 'x'"])
def test_what_says_nothing(text: str) -> None:
    assert always(parse(text))
    assert not always(parse("a == a"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too soon"),
        ("language ==", "ends too soon"),
        ("language", "ends too soon"),
        ("language fr", "`fr` here"),
        ('(a == "b"', r"ends too soon; want \)"),
        ('a == "b" c', "cannot be read from `c` on"),
        ("a == ;", "cannot be read from `;` on"),
        ("a == AND", "`AND` where a value belongs"),
        ("a == )", r"`\)` where a value belongs"),
        ("(" * 60 + "a == 1", "more than 50 brackets"),
        ("a IN " + "[" * 60, "more than 50 brackets"),
        ("a == 1 AND " * 500, "longer than 4,000"),
    ],
)
def test_what_cannot_be_read(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(text)


names = st.builds(Name, st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True)).filter(
    lambda name: name.text.upper() not in ("AND", "OR", "NOT", "IN", "HAS", "TRUE", "FALSE", "NULL")
)
values = st.one_of(
    st.text("abc xyz", max_size=6), st.integers(-99, 99).map(float), st.sampled_from((True, False, None)), names
)
comparisons = st.builds(
    Compare, names, st.sampled_from(("==", "!=", ">", ">=", "<", "<=", "HAS", "IN", "NOT IN")), values
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Either, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@UNHURRIED
@given(trees)
def test_an_expression_reads_as_it_was_written(tree: Any) -> None:
    assert parse(written(tree)) == tree


@UNHURRIED
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text)


# Workflows


def workflow(*filters: dict[str, Any], default: str = "", **more: Any) -> Imported:
    routing: dict[str, Any] = {"filters": list(filters)} | ({"default_filter": {"queue": default}} if default else {})
    return read(json.dumps({"task_routing": routing, **more}))


def filter_(name: str, expression: str = "", *targets: dict[str, Any]) -> dict[str, Any]:
    return {"filter_friendly_name": name, "expression": expression, "targets": list(targets)}


def became(imported: Imported, where: str) -> list[str]:
    return [note.became for note in imported.notes if note.where.endswith(where)]


def queue(imported: Imported, name: str = "") -> dict[str, Any]:
    queues = imported.part["queues"]
    return dict(queues[name or next(iter(queues))])


def chain_of(imported: Imported) -> Any:
    """The part beside a store, read as `quietline chain check` reads it."""
    text = STORE + yaml.safe_dump(imported.part, sort_keys=False, allow_unicode=True)
    return read_chain(parse_yaml(text, "chain.yaml"), ROOT).chain


def test_the_example_becomes_a_right_chain() -> None:
    imported = read(EXAMPLE.read_bytes())
    chain = chain_of(imported)
    assert [each.id for each in chain.queues] == ["french-returns", "orders", "returns", "default"]
    rule = chain.queue("french-returns").rule
    assert [(step.after, {need.skill: need.level for need in step.needs}) for step in rule.steps] == [
        (0.0, {"lang:fr": 1, "returns": 4}),
        (60.0, {"lang:fr": 1, "returns": 1, "wq12": 1}),
    ]
    assert (rule.head_start, rule.longest_wait, rule.ring) == (120.0, 600.0, 20.0)
    assert chain.queue("orders").rule.strategy == "best-skill"
    assert chain.queue("orders").rule.sticky == 20.0


def test_the_example_leads_french_callers_to_the_french_queue_and_others_through_a_menu() -> None:
    steps = read(EXAMPLE.read_bytes()).part["flows"]["imported"]["steps"]
    assert steps["speaks"]["cases"] == {"fr": "french-returns"}
    assert {key: each["go"] for key, each in steps["choose"]["choices"].items()} == {"1": "orders", "2": "returns"}
    assert steps["choose"]["otherwise"] == "default"


def test_what_the_example_loses_is_said() -> None:
    imported = read(EXAMPLE.read_bytes())
    lost = [f"{note.where}: {note.what}" for note in imported.notes if note.became == LOST]
    assert len(lost) == 3
    assert any("skip_if" in each for each in lost)
    assert any('site != "mill"' in each for each in lost)


@pytest.mark.parametrize(
    ("expression", "needs"),
    [
        ('language == "fr"', ["lang:fr"]),
        ('task.selected_language = "pt-BR"', ["lang:pt"]),
        ('languages HAS "cy"', ["lang:cy"]),
        ('skills HAS "Product Advice"', ["product-advice"]),
        ('"returns" IN worker.skills', ["returns"]),
        ("worker.levels.orders > 2", ["orders:3"]),
        ("4 <= orders", ["orders:4"]),
        ("vip == true", ["vip"]),
        ('skills HAS "a" AND a >= 2', ["a:2"]),
        ("1 == 1", []),
    ],
)
def test_conditions_that_are_needs(expression: str, needs: list[str]) -> None:
    assert queue(workflow(filter_("x", expression, {"expression": ""})))["needs"] == needs


@pytest.mark.parametrize(
    "expression",
    ['topic == "orders"', 'skills HAS "a" OR skills HAS "b"', "NOT vip == true", "level >= 9", "level >= 2.5",
     'language == "french"', "vip == false", "orders < 3", "a == b", 'skills != "a"', 'topic IN ["a"]'],
)  # fmt: skip
def test_other_conditions_of_filters_are_for_the_menu(expression: str) -> None:
    imported = workflow(filter_("x", expression, {}))
    assert queue(imported)["needs"] == []
    assert became(imported, "filters[0].expression") == [PARTLY]


def test_an_expression_that_cannot_be_read_is_said_and_the_rest_goes_on() -> None:
    imported = workflow(filter_("x", "language ==", {}), filter_("y", 'language == "fr"', {}))
    assert became(imported, "filters[0].expression") == [LOST]
    assert queue(imported, "y")["needs"] == ["lang:fr"]


def test_targets_become_steps_by_their_timeouts() -> None:
    targets = [
        {"expression": 'skills HAS "a"', "timeout": 30},
        {"expression": "a >= 1", "timeout": "30"},
        {"expression": 'skills HAS "b"', "timeout": 40},
    ]
    made = queue(workflow(filter_("x", "", *targets)))
    assert made["needs"] == ["a"]
    assert made["relax"] == [{"after": 30.0, "needs": ["a:1"]}, {"after": 60.0, "needs": ["b"]}]
    assert made["longest_wait"] == 100.0


def test_a_target_that_asks_the_same_is_no_step() -> None:
    made = queue(workflow(filter_("x", 'skills HAS "a"', {"timeout": 20}, {"timeout": 30})))
    assert made == {"name": "x", "needs": ["a"], "longest_wait": 50.0}


def test_targets_behind_one_without_a_timeout_are_left_out_and_it_is_said() -> None:
    imported = workflow(filter_("x", "", {"expression": 'skills HAS "a"'}, {"expression": 'skills HAS "b"'}))
    assert queue(imported) == {"name": "x", "needs": ["a"]}
    assert became(imported, "targets[0]") == [LOST]


def test_a_task_queue_that_is_unknown_is_a_skill_to_give() -> None:
    imported = workflow(filter_("x", "", {"queue": "WQ0011"}))
    assert queue(imported)["needs"] == ["wq0011"]
    assert became(imported, "targets[0].queue") == [PARTLY]
    known = workflow(
        filter_("x", "", {"queue": "WQ1"}),
        task_queues=[{"sid": "WQ1", "friendly_name": "Team", "target_workers": "orders >= 2"}],
    )
    assert queue(known)["needs"] == ["orders:2"]


@pytest.mark.parametrize(
    ("target", "where", "word", "keys"),
    [
        ({"priority": 3}, "priority", CARRIED, {"head_start": 180.0}),
        ({"skip_if": "1 == 1"}, "skip_if", LOST, {}),
        ({"order_by": "worker.level DESC"}, "order_by", PARTLY, {"strategy": "best-skill"}),
        ({"order_by": "worker.seniority ASC"}, "order_by", LOST, {}),
        ({"known_worker_sid": "task.agent"}, "known_worker", PARTLY, {"sticky": 30.0}),
        ({"known_worker_friendly_name": "task.agent", "timeout": 50}, "known_worker", PARTLY, {"sticky": 50.0}),
        ({"weight": 1}, "weight", LOST, {}),
    ],
)
def test_what_becomes_of_a_targets_extras(target: dict[str, Any], where: str, word: str, keys: dict[str, Any]) -> None:
    imported = workflow(filter_("x", "", target))
    assert became(imported, f"targets[0].{where}") == [word]
    assert keys.items() <= queue(imported).items()


def test_a_priority_that_changes_is_not_carried() -> None:
    imported = workflow(filter_("x", "", {"priority": 1, "timeout": 5}, {"priority": 9}))
    assert queue(imported)["head_start"] == 60.0
    assert became(imported, "targets[1].priority") == [LOST]


def test_names_become_ids_that_differ() -> None:
    imported = workflow(*(filter_(name) for name in ("Réclamation!", "reclamation", "RECLAMATION", "—")))
    assert list(imported.part["queues"]) == ["reclamation", "reclamation-2", "reclamation-3", "unnamed"]


def test_more_filters_than_keys_make_a_second_menu() -> None:
    imported = workflow(*(filter_(f"f{number}") for number in range(12)), default="WQ1")
    steps = imported.part["flows"]["imported"]["steps"]
    assert [each["go"] for each in steps["choose"]["choices"].values()] == [*(f"f{n}" for n in range(8)), "choose-more"]
    assert [each["go"] for each in steps["choose-more"]["choices"].values()] == ["f8", "f9", "f10", "f11"]
    assert len(chain_of(imported).queues) == 13


def test_more_languages_than_keys_share_the_menu_of_all() -> None:
    codes = ("fr", "de", "es", "it", "nl", "pl", "pt", "ar", "cy", "ga")
    imported = workflow(*(filter_(code, f'language == "{code}"') for code in codes), default="WQ1")
    assert len(imported.part["flows"]["imported"]["steps"]["language"]["choices"]) == 9
    assert [note.where for note in imported.notes if "no key is left" in note.what] == ["queue cy", "queue ga"]
    assert len(chain_of(imported).queues) == 11


def test_a_language_without_words_of_ours_is_chosen_and_spoken_to_in_english() -> None:
    imported = workflow(filter_("Cymraeg", 'language == "cy"', {"expression": ""}), default="WQ1")
    flow = imported.part["flows"]["imported"]
    assert flow["languages"] == ["en"]
    assert flow["steps"]["language"]["choices"]["2"] == {"label": {"en": "Cymraeg"}, "go": "cymraeg"}
    assert chain_of(imported).queue("cymraeg")


def test_a_workflow_out_of_the_api_with_its_configuration_as_a_text() -> None:
    inner = json.dumps({"task_routing": {"filters": [filter_("x")]}})
    assert (
        queue(read(json.dumps({"sid": "WW1", "configuration": inner, "task_reservation_timeout": 500})))["ring"] == 300
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is not JSON"),
        ("[]", "`task_routing` is missing"),
        ('{"configuration": "x"}', "`configuration` is not JSON"),
        ('{"configuration": "[]"}', "`task_routing` is missing"),
        ('{"task_routing": {"filters": {}}}', "want a list of filters"),
        ('{"task_routing": {"filters": [1]}}', "want a list of filters"),
        ('{"task_routing": {}}', "neither filters nor a default filter"),
        ("[" * 100_000, "is not JSON"),
        (json.dumps({"task_routing": {"filters": [{}] * 201}}), "more than 200"),
        (" " * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_what_is_no_workflow(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(text)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 500), st.text("ab\"' =<>()", max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=3), inner, max_size=3)),
    max_leaves=5,
)
TARGET_KEYS = ("queue", "expression", "priority", "timeout", "skip_if", "order_by", "known_worker_sid", "odd")
targets = st.fixed_dictionaries({}, optional=dict.fromkeys(TARGET_KEYS, json_values))
filters = st.fixed_dictionaries(
    {},
    optional={
        "filter_friendly_name": json_values,
        "expression": json_values,
        "targets": st.one_of(json_values, st.lists(targets, max_size=3)),
    },
)


def test_one_filter_and_the_rest_are_told_apart_by_one_key() -> None:
    flow = workflow(filter_("Orders"), default="WQ1").part["flows"]["imported"]
    assert flow["steps"]["choose"]["choices"] == {"1": {"label": {"en": "Orders"}, "go": "orders"}}
    assert flow["steps"]["choose"]["otherwise"] == "default"


@UNHURRIED
@given(st.lists(filters, min_size=1, max_size=4), json_values)
def test_any_workflow_becomes_a_chain_that_can_be_read_or_is_refused(given_: list[Any], default: Any) -> None:
    try:
        imported = read(json.dumps({"task_routing": {"filters": given_, "default_filter": {"queue": default}}}))
    except ConfigError:
        return
    chain_of(imported)
