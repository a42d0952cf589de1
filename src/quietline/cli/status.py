"""`quietline status`: the parts, the vault and the floor, as they are now."""

from __future__ import annotations

import asyncio
from typing import Any

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import QuietlineError
from quietline.wire import WireClient


def command(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Say what runs, whether the vault is open and how many calls wait."""
    show(asyncio.run(_status(load(config))), as_json)


async def _status(config: Config) -> list[dict[str, Any]]:
    lives = await tell(config, "status")
    vault = await _ask(WireClient(config.paths.vault_socket, timeout=2.0), "status")
    floor = await _ask(WireClient(config.paths.controller_socket, timeout=2.0), "floor")
    notes = {"vault": _line(vault), "controller": _line(floor)}
    return [
        {"part": name, "pid": life["pid"] or "-", "starts": life["starts"], "says": notes.get(name, "")}
        for name, life in lives.items()
    ]


async def tell(config: Config, operation: str) -> dict[str, Any]:
    """One word to the supervisor. Raises Unavailable when it does not run."""
    client = WireClient(config.paths.supervisor_socket)
    try:
        return await client.call(operation)
    finally:
        await client.close()


async def _ask(client: WireClient, operation: str) -> dict[str, Any]:
    try:
        return await client.call(operation)
    except QuietlineError as error:
        return {"error": str(error)}
    finally:
        await client.close()


def _line(answer: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in answer.items() if not isinstance(value, (dict, list)))
