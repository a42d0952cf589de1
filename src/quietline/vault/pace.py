"""Answers that take the same time whatever was found, so that a caller cannot hear whether the shop knows them.

Both paths do the same work; then the answer waits for a fixed moment after the question. Only work that takes longer
than the floor could show, and it is the same work for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def paced(floor: float) -> AsyncIterator[None]:
    """Leave no earlier than `floor` seconds after entering, by a return or by an error alike."""
    loop = asyncio.get_running_loop()
    until = loop.time() + floor
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, until - loop.time()))
