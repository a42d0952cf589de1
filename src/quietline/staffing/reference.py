"""`docs/reference/scenario.md`, made from the models of `scenario_file.py`; a test keeps the page true.

`python -m quietline.staffing.reference > docs/reference/scenario.md`
"""

from __future__ import annotations

import sys

from quietline.files.reference import section
from quietline.reports.table import COLUMNS
from quietline.staffing import scenario_file as s
from quietline.staffing.calls_csv import FORECAST, RECORDED
from quietline.vault.reference import table

HEAD = """\
# Scenarios and forecasts

Made from `src/quietline/staffing/` by `python -m quietline.staffing.reference`; a test keeps it true. Change the
source, not this page.

`quietline simulate FILE` runs a scenario, a YAML file; [`examples/peak-day.yaml`](../../examples/peak-day.yaml) is a
whole one. Times are seconds where nothing else is said, and times of day are local ones of `zone`. Files that it names
are looked for beside it.

A `chain` file brings more than queues and people. Who dials a `store` of it meets that store's hours and overflow, by
the rules and at the rhythm of the live system: a store or queue that is shut rings nobody; when it shuts, who waits
gives up. Who comes to a closed door is in no queue and so in no figure; `closed` says how many they were. What is not
simulated: menus, warm transfers, a callback's second try and its night's rest (who still waits to be rung back when
the store shuts has given up).
"""

SECTIONS = (
    (s.ScenarioFile, "The scenario"),
    (s.ServiceModel, "`service_level`"),
    (s.CallersModel, "`callers`"),
    (s.TimesModel, "`talk`, `wrap_up`, `patience`, `pick_up`"),
    (s.LogNormalModel, "`lognormal`"),
    (s.TransferModel, "`transfer`"),
    (s.CallbackModel, "`callback`"),
    (s.AgentsModel, "`agents`"),
    (s.BehaviourModel, "`behaviour`"),
)

CSV = {
    "arrived": "when the call came: 2026-11-27 09:00:10, local, or with an offset",
    "queue": "which queue it was for; without the column, all are the callers' queue",
    "talk": "seconds of talk and hold",
    "wrap_up": "seconds after the call",
    "patience": "seconds until the caller hangs up",
    "start": "when the interval begins",
    "calls": "expected in it",
    "handle": "mean handle time, seconds; without the column, `--handle`",
}


def page() -> str:
    """The whole page."""
    parts = [section(model, title) for model, title in SECTIONS]
    return "\n".join([HEAD, *parts, *_files(), "## Figures\n", _figures()])


def _files() -> list[str]:
    recorded = table(("column", "must be there", "meaning"), _columns(RECORDED))
    forecast = table(("column", "must be there", "meaning"), _columns(FORECAST))
    return [
        "## Recorded calls: a CSV file\n",
        "The first line names the columns. What is not recorded is drawn from the callers' distributions.\n",
        recorded,
        "## Forecasts for `quietline plan`: a CSV file\n",
        forecast,
    ]


def _columns(columns: dict[str, bool]) -> list[tuple[str, str, str]]:
    return [(f"`{name}`", "yes" if needed else "no", CSV[name]) for name, needed in columns.items()]


def _figures() -> str:
    """The columns of every table, JSON and CSV that reports and simulations give."""
    return table(("figure", "meaning"), ((f"`{name}`", meaning) for name, meaning in COLUMNS.items()))


if __name__ == "__main__":
    sys.stdout.write(page())
