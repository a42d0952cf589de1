"""What holds for all tests: the second try of those on real parts, and the two lanes of `make test`.

Real parts on two cores now and then miss a deadline: such a test is tried once more, and the summary says which. Pure
tests are never tried again. What fails twice has failed. `QUIETLINE_ONE_TRY=1` takes the second try away: for the hunt
of what fails now and then, with the whole story of each failure.

`--lane parts` and `--lane rest` each run their share (lanes.sh runs both beside each other). Tests that make network
interfaces are in one lane with the browsers: Chromium drops its connections when an interface comes or goes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run of `make test`, and no limit of time an example, for the machine may be busy:
# `make soak` looks for new ones.
settings.register_profile(
    "quietline",
    deadline=None,
    derandomize=not os.environ.get("QUIETLINE_SOAK"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("quietline")

REAL = {"integration", "e2e", "e2e_product"}
# So that both lanes take about as long. In the other lane, with the properties, are one command's test of a whole
# installation and those of a vault in this process: each has a folder of its own and starts nothing a browser minds.
PARTS = {"integration", "contract", "sip", "vectors"}
IN_PROCESS = [
    "assurance",
    "backup",
    "erasure",
    "guards",
    "key_desk",
    "people",
    "policies",
    "receipts",
    "rights",
    "service",
    "sign_on",
]
NOT_PARTS = {"test_cli_real.py", *(f"test_vault_{name}.py" for name in IN_PROCESS)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lane", choices=("parts", "rest"), help="only this lane's tests; both lanes are all tests")


def lane_of(item: pytest.Item) -> str:
    """Each test is in exactly one."""
    mine = folder_of(item) in PARTS and item.path.name not in NOT_PARTS
    parts = mine and not item.get_closest_marker("namespaces")
    return "parts" if parts else "rest"


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep this lane's tests; give every test on real parts a second try."""
    lane = config.getoption("--lane")
    if lane:
        config.hook.pytest_deselected(items=[item for item in items if lane_of(item) != lane])
        items[:] = [item for item in items if lane_of(item) == lane]
    if os.environ.get("QUIETLINE_ONE_TRY") == "1":
        return
    for item in items:
        if folder_of(item) in REAL or item.get_closest_marker("real"):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=1))
