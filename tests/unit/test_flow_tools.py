"""A flow drawn, tried at the terminal, and asked about on the command line."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from quietline.cli import build
from quietline.errors import ConfigError
from quietline.flows.drawing import LOOKS, draw
from quietline.flows.dry_run import DryRun, Line
from quietline.flows.file import CHAIN_KEYS, load
from quietline.flows.layered import GAP, Arrow, Box, arrange
from quietline.routing import flow as f
from quietline.routing.flow_run import Facts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "flows.yaml"
UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SVG = "{http://www.w3.org/2000/svg}"


# Layout


def laid(edges: str, widths: float = 100.0) -> Any:
    """A layout of "ab ac bc": arrows by their ends' letters; the first letter is the start."""
    names = sorted(set(edges.replace(" ", "")))
    boxes = [Box(name, widths, 40.0) for name in names]
    return arrange(boxes, [Arrow(a, b, widths / 2) for a, b in edges.split()], names[0])


def test_a_chain_runs_down_in_one_line() -> None:
    layout = laid("ab bc")
    assert len({x for x, _ in layout.places.values()}) == 1
    assert [name for name, _ in sorted(layout.places.items(), key=lambda each: each[1][1])] == ["a", "b", "c"]


def test_boxes_of_one_layer_keep_their_distance_and_stand_below_what_leads_to_them() -> None:
    layout = laid("ab ac ad")
    lefts = sorted(layout.places[name][0] for name in "bcd")
    assert all(right - left >= 100.0 + GAP - 0.01 for left, right in itertools.pairwise(lefts))
    assert layout.places["a"][0] + 50 == pytest.approx(sum(lefts) / 3 + 50, abs=1.0)


def test_a_way_back_is_marked_and_reaches_the_side() -> None:
    layout = laid("ab bc ca")
    down, _, back = layout.routes
    assert (down.back, back.back) == (False, True)
    x, y = layout.places["a"]
    assert back.points[-1] == (x + 100.0, y + 20.0)


def test_a_long_way_bends_round_the_boxes_between() -> None:
    layout = laid("ab bc ac")
    crossing = [x for x, _ in layout.routes[2].points[1:-1]]
    x, _ = layout.places["b"]
    assert crossing
    assert all(not x <= point <= x + 100.0 for point in crossing)


def test_the_order_of_a_layer_spares_crossings() -> None:
    """a leads to b and c; c leads to d, b to e: d stands under c."""
    layout = laid("ab ac cd be")
    places = layout.places
    assert (places["b"][0] < places["c"][0]) == (places["e"][0] < places["d"][0])


edges = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), min_size=1, max_size=20)


@UNHURRIED
@given(edges)
def test_no_two_boxes_overlap_and_every_arrow_is_drawn(pairs: list[tuple[str, str]]) -> None:
    layout = laid(" ".join(a + b for a, b in pairs))
    assert len(layout.routes) == len(pairs)
    placed = list(layout.places.values())
    for number, (x, y) in enumerate(placed):
        assert 0 <= x <= layout.width
        for ox, oy in placed[number + 1 :]:
            assert y != oy or abs(x - ox) >= 100.0 + GAP - 0.01
    for route, (a, b) in zip(layout.routes, pairs, strict=True):
        if not route.back:
            assert layout.places[a][1] < layout.places[b][1]


# The drawing


def svg(flow: f.Flow) -> ET.Element:
    return ET.fromstring(draw(flow))


def test_the_example_is_drawn_with_every_step_and_every_way() -> None:
    book = load(EXAMPLE)
    flow = book.flows["shop"]
    picture = ET.fromstring(draw(flow, book.scripts))
    boxes = [each for each in picture.iter(f"{SVG}rect") if each.get("rx") == "8"]
    assert len(boxes) == len(flow.steps)
    ways = [way for step in flow.steps.values() for way in step.ways() if way.to]
    assert len([each for each in picture.iter(f"{SVG}path") if each.get("marker-end")]) == len(ways)
    texts = "\n".join(each.text or "" for each in picture.iter(f"{SVG}text"))
    for said in ("order-number", "needs lang:fr", "1 your order", "“Thank you for calling. Your", "2 no, or silence"):
        assert said in texts


def test_the_start_is_drawn_bolder() -> None:
    picture = svg(f.Flow("x", "b", {"a": f.HangUp("bye"), "b": f.Play("hello", "a")}))
    widths = [each.get("stroke-width") for each in picture.iter(f"{SVG}rect") if each.get("rx") == "8"]
    assert widths == ["1.3", "2.6"]


def test_what_people_write_cannot_break_the_picture() -> None:
    evil = "<script>\"&'"
    picture = draw(f.Flow(evil, evil, {evil: f.Menu(evil, (f.Choice("1", evil, evil),), otherwise=evil)}))
    assert "<script" not in picture
    assert ET.fromstring(picture) is not None


def test_a_picture_tells_of_nowhere() -> None:
    picture = draw(load(EXAMPLE).flows["shop"])
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]


def test_every_kind_of_step_has_its_looks() -> None:
    assert set(LOOKS) == {kind.kind for kind in f.FlowStep.__args__}


# A dry run


def talked(answers: str, **more: Any) -> tuple[list[Line], str]:
    left = iter(answers.split())
    run = DryRun(load(EXAMPLE), "shop", lambda *_: next(left, None), **more)
    return list(run.lines()), run.outcome


def heard(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines if line.who == "quietline")


def test_a_french_caller_is_spoken_to_in_french() -> None:
    lines, outcome = talked("2 3 1 agent")
    assert outcome == "agent"
    assert "Pour votre commande, tapez 1." in heard(lines)
    assert "Veuillez patienter" in heard(lines)
    notes = [line.text for line in lines if line.who == "flow"]
    assert notes[:2] == ["consent to survey 2026-11 given (key)", "waits in advice for lang:fr 1+"]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ("", "agent"),
        ("1 1 12345 agent", "agent"),
        ("1 1 12345# 1 1 kept", "flow_ended"),
        ("1 1 - - long - -", "flow_ended"),
        ("1 1 99# 4444 closed", "closed"),
        ("1 2 long 1 no-number", "flow_ended"),
        ("* 1 3 - - long", "flow_ended"),
    ],
)
def test_answers_lead_to_an_end(answers: str, outcome: str) -> None:
    assert talked(answers)[1] == outcome


def test_digits_are_counted_and_never_shown() -> None:
    lines, _ = talked("1 1 987654 agent")
    assert "keys 6 digits" in [line.text for line in lines]
    assert "987654" not in str(lines)


def test_a_closed_store_says_so() -> None:
    lines, outcome = talked("1", store="mill", facts=Facts(closed=frozenset({"store:mill"})))
    assert outcome == "flow_ended"
    assert "Our shops are closed now" in heard(lines)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ("1 x", "'x' is no answer here (a key); want 1, 2, 3, *, another key, -"),
        ("1 1 abc", "'abc' is no answer here (digits)"),
        ("1 2 5", "'5' is no answer here (the wait); want agent, long, closed"),
        ("1 1 1234 1 1 maybe", "'maybe' is no answer here (the number); want kept, no-number"),
    ],
)
def test_an_answer_that_fits_nothing(answers: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        talked(answers)
    assert says in str(caught.value)


def test_a_code_is_right_or_wrong(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    steps = {"a": {"do": "verify", "passed": "b", "failed": "c"}, "b": {"do": "hang_up"}, "c": {"do": "hang_up"}}
    file.write_text(yaml.safe_dump({"flows": {"shop": {"steps": steps}}}))
    for answer, step in (("right", "b"), ("wrong", "c")):
        answers = iter([answer])
        lines = list(DryRun(load(file), "shop", lambda *_, left=answers: next(left, None)).lines())
        assert lines[-1].step == step


def test_somebody_who_never_stops_is_stopped() -> None:
    run = DryRun(load(EXAMPLE), "shop", lambda question, _: "*" if question == "a key" else None)
    assert len(list(run.lines())) > 500
    assert run.outcome == "too_long"


# The command line


@pytest.fixture
def quietline() -> Callable[..., Any]:
    def run(*words: str, keys: str = "") -> Any:
        return CliRunner().invoke(build(), ["flow", *map(str, words)], input=keys)

    return run


def test_check(quietline: Callable[..., Any]) -> None:
    done = quietline("check", EXAMPLE)
    assert (done.exit_code, done.output) == (0, f"{EXAMPLE}: right (1 flows, 16 steps)\n")


def test_check_warns(quietline: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    steps = {"a": {"do": "branch", "on": "assurance", "cases": {"1": "b"}, "otherwise": "b"}, "b": {"do": "hang_up"}}
    file.write_text(yaml.safe_dump({"flows": {"shop": {"steps": steps}}}))
    done = quietline("check", file)
    assert done.exit_code == 0
    assert "warning: " in done.output
    assert "whether their number is known" in done.output


@pytest.mark.parametrize("command", ["check", "draw", "try"])
def test_a_wrong_file_is_refused_by_all(quietline: Callable[..., Any], tmp_path: Path, command: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("flows: {shop: {steps: {a: {do: play, say: hold, go: b}}}}\n")
    done = quietline(command, file)
    assert isinstance(done.exception, ConfigError)
    assert "f.yaml:1: flows.shop.steps.a: no step is called `b`" in str(done.exception)


def test_draw(quietline: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "flow.svg"
    assert quietline("draw", EXAMPLE, "--out", out).output == f"{out}: drawn\n"
    assert quietline("draw", EXAMPLE, "--flow", "shop").output == out.read_text()
    assert "cannot be written" in str(quietline("draw", EXAMPLE, "--out", tmp_path / "none" / "x.svg").exception)


def test_try_by_a_list_of_keys_and_as_json(quietline: Callable[..., Any]) -> None:
    told = quietline("try", EXAMPLE, "--keys", "1 2 agent").output
    assert "presses 2" in told
    assert "an agent takes the call" in told
    found = json.loads(quietline("try", EXAMPLE, "--keys", "1 2 agent", "--json").output)
    assert found["outcome"] == "agent"
    assert {"who": "caller", "step": "topic", "text": "presses 2"} in found["lines"]


def test_try_asks_a_person(quietline: Callable[..., Any]) -> None:
    told = quietline("try", EXAMPLE, keys="1\n2\nagent\n").output
    assert "a key (1, 2, another key, -): " in told
    assert "an agent takes the call" in told


def test_try_closed_and_assurance(quietline: Callable[..., Any]) -> None:
    told = quietline("try", EXAMPLE, "--keys", "1", "--store", "mill", "--closed", "store:mill").output
    assert "Our shops are closed" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--flow", "shp"), "no flow is called `shp`; did you mean `shop`?"),
        (("--keys", "1 nonsense"), "is no answer here"),
    ],
)
def test_try_with_what_is_not_there(quietline: Callable[..., Any], words: tuple[str, ...], says: str) -> None:
    assert says in str(quietline("try", EXAMPLE, *words).exception)


def test_try_on_a_chain_file_knows_its_stores(quietline: Callable[..., Any]) -> None:
    chain = ROOT / "examples" / "chain.yaml"
    assert "did you mean `north`" in str(quietline("try", chain, "--keys", "", "--store", "nort").exception)
    assert "waits in" in quietline("try", chain, "--keys", "", "--store", "north").output


def test_schema(quietline: Callable[..., Any]) -> None:
    assert json.loads(quietline("schema").output)["title"] == "Quietline flows"


def test_a_file_of_flows_knows_the_keys_of_a_chain_file() -> None:
    from quietline.chain.file import ChainFile

    assert set(CHAIN_KEYS) == set(ChainFile.model_fields)
