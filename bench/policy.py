"""Policy decisions a second and their latency, for the shipped policy set, beside what parsing each time would cost.

Run: python bench/policy.py [seconds for each row, default 2]. Prints a table, writes bench/out/policy.json.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import cedarpy
from rich.console import Console
from rich.table import Table

from quietline.access.cedar import POLICIES, _as_json, _request
from quietline.access.decide import (
    Action,
    Circumstances,
    Phase,
    Principal,
    Role,
    _principal_node,
    decide,
    entities_of,
    question_of,
    survey,
)
from quietline.access.in_force import load_policies
from quietline.errors import Denied
from quietline.vault.schema import FIELDS, MINIMUM, DataClass, Reason

NOW = 1_790_000_000.0
OUT = Path(__file__).with_name("out") / "policy.json"


def person(number: int) -> Principal:
    return Principal(f"ag_{number}", Role.AGENT, "store-1", frozenset({"brand"}), dict.fromkeys(DataClass, NOW + 9))


def call(assurance: int) -> Circumstances:
    return Circumstances(Phase.LIVE, "brand", assurance, NOW)


def decisions() -> dict[str, tuple[Callable[[int], object], int]]:
    """Name -> what to run with a running number, and how many decisions one run makes."""
    policies = load_policies()
    people = [person(number) for number in range(200)]
    shown = (Action.REVEAL, call(2), FIELDS["contact.name"], Reason.ORDER_STATUS)
    fields = list(FIELDS.values())

    def denied(number: int) -> None:
        try:
            decide(policies, people[number % 200], Action.REVEAL, call(1), FIELDS["contact.name"], Reason.ORDER_STATUS)
        except Denied:
            return
        raise AssertionError("a contact field opened at assurance 1")

    return {
        "allow": (lambda number: decide(policies, people[number % 200], *shown), 1),
        "deny": (denied, 1),
        "new_agent": (lambda number: decide(policies, person(1_000 + number), *shown), 1),
        "survey": (
            lambda number: survey(policies, people[number % 200], shown[0], shown[1], fields, shown[3]),
            len(fields),
        ),
        "unparsed": (unparsed(people[0]), 1),
    }


def unparsed(who: Principal) -> Callable[[int], object]:
    """The same question with policies, schema and entities handed over as text each time."""
    text = "\n".join(path.read_text() for path in sorted(POLICIES.glob("*.cedar")))
    schema = (POLICIES / "schema.cedarschema").read_text()
    nodes = [*entities_of(FIELDS.values(), MINIMUM), _principal_node(who)]
    entities = json.dumps([_as_json(node) for node in nodes])
    question = question_of(UTC, who, Action.REVEAL, call(2), FIELDS["contact.name"], Reason.ORDER_STATUS)
    request = _request(question, question.principal)

    def ask(number: int) -> None:
        result = cedarpy.is_authorized(request, text, entities, schema)
        assert result.allowed, "the bench asks what is not allowed"

    return ask


def measure(run: Callable[[int], object], seconds: float) -> list[float]:
    """Seconds of each run, after a warm-up of 200 runs."""
    for number in range(200):
        run(number)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    number = 200
    while (start := time.perf_counter()) < end:
        run(number)
        taken.append(time.perf_counter() - start)
        number += 1
    return taken


def rows(seconds: float) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for name, (run, each) in decisions().items():
        taken = measure(run, seconds)
        p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
        made.append(
            {"name": f"policy.{name}_per_s", "value": round(each * len(taken) / sum(taken)), "unit": "decisions/s"}
        )
        made.append({"name": f"policy.{name}_p50_us", "value": round(p50 * 1e6, 1), "unit": "µs"})
        made.append({"name": f"policy.{name}_p99_us", "value": round(p99 * 1e6, 1), "unit": "µs"})
    value = {str(row["name"]): float(str(row["value"])) for row in made}
    ratio = value["policy.allow_per_s"] / value["policy.unparsed_per_s"]
    made[0] |= {"peer": "policy.unparsed_per_s", "ratio": round(ratio, 1)}
    return made


def show(measured: list[dict[str, object]]) -> None:
    table = Table(title="Policy decisions (one core; survey decides all fields of a card at once)")
    for heading in ("case", "decisions/s", "p50 µs a run", "p99 µs a run"):
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for first in range(0, len(measured), 3):
        rate, p50, p99 = measured[first : first + 3]
        case = str(rate["name"]).removeprefix("policy.").removesuffix("_per_s")
        table.add_row(case, f"{rate['value']:,}", str(p50["value"]), str(p99["value"]))
    Console().print(table)


def main() -> None:
    measured = rows(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", "utf-8")
    show(measured)


if __name__ == "__main__":
    main()
