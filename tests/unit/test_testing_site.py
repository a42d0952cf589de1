"""A site that does not come up leaves nothing running."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quietline.errors import Unavailable
from quietline.testing.site import Site, sample_config


class Silent(Site):
    """Starts a process, and none of its parts ever answers."""

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec("sleep", "60")
        raise Unavailable("controller does not answer")


async def test_a_start_that_fails_stops_what_it_started(tmp_path: Path) -> None:
    site = Silent(sample_config(tmp_path))
    with pytest.raises(Unavailable, match="controller does not answer"):
        await site.__aenter__()
    assert site.process
    assert site.process.returncode == -15  # SIGTERM
