"""Fixtures of the integration tests. This folder is importable for them: shared parts are modules beside the tests."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from relay_parts import RelayProcess

    from quietline.telephony.prompts import Prompts
    from quietline.telephony.rtpengine import RtpengineRelay


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Prompts:
    """The real prompts, made with espeak-ng and sox."""
    from quietline.telephony.prompts import make

    return make(tmp_path_factory.mktemp("prompts"))


@pytest.fixture(scope="module")
def relay_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """A real rtpengine on free ports."""
    from relay_parts import running, settings

    with running(settings(), tmp_path_factory.mktemp("relay") / "relay.log") as process:
        yield process


@pytest.fixture
async def relay(relay_process: RelayProcess, prompts: Prompts) -> AsyncIterator[RtpengineRelay]:
    """A client of it, on this test's event loop."""
    from relay_parts import client

    async with client(relay_process.relay, prompts) as opened:
        yield opened
