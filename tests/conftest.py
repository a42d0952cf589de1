"""Real parts on two cores now and then miss a deadline: such a test is tried once more, and the summary says which.

Pure tests are never tried again. What fails twice has failed. `QUIETLINE_ONE_TRY=1` takes the second try away: for
the hunt of what fails now and then, with the whole story of each failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL = {"integration", "e2e", "e2e_product"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test on real parts a second try."""
    if os.environ.get("QUIETLINE_ONE_TRY") == "1":
        return
    root = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(root).parts[0]
        if folder in REAL or item.get_closest_marker("real"):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=1))
