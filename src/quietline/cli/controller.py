"""How the command line asks the running controller."""

from __future__ import annotations

from typing import Any

from quietline.cli.status import not_running
from quietline.config import Config
from quietline.wire import WireClient

ASK_SECONDS = 10.0


async def ask_controller(config: Config, operation: str, **fields: Any) -> dict[str, Any]:
    """One question to the controller, as root. Raises Unavailable when nothing runs, or it does not answer."""
    if not config.paths.controller_socket.exists():
        raise not_running(config)
    client = WireClient(config.paths.controller_socket, timeout=ASK_SECONDS)
    try:
        return await client.call(operation, **fields)
    finally:
        await client.close()
