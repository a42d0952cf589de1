"""`quietline status`: the parts, the vault and the floor, as they are now."""

from __future__ import annotations

import asyncio
from typing import Any

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import QuietlineError, Unavailable
from quietline.wire import WireClient

ASK_SECONDS = 2.0


def command(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Say what runs, whether the vault is open and how many calls wait."""
    settings = load(config)
    need_root("status", "to ask the supervisor")
    show(asyncio.run(_status(settings)), as_json)


async def _status(config: Config) -> list[dict[str, Any]]:
    lives = await tell(config, "status")
    vault = await _ask(WireClient(config.paths.vault_socket, timeout=ASK_SECONDS), "status")
    floor = await _ask(WireClient(config.paths.controller_socket, timeout=ASK_SECONDS), "floor")
    notes = {"vault": vault_line(vault), "controller": floor_line(floor)}
    return [
        {"part": name, "pid": life["pid"] or "-", "starts": life["starts"], "says": notes.get(name, "")}
        for name, life in lives.items()
    ]


async def tell(config: Config, operation: str) -> dict[str, Any]:
    """One word to the supervisor. Raises Unavailable when it does not run."""
    if not config.paths.supervisor_socket.exists():
        raise not_running(config)
    client = WireClient(config.paths.supervisor_socket)
    try:
        return await client.call(operation)
    finally:
        await client.close()


def not_running(config: Config) -> Unavailable:
    """What is said where nothing listens."""
    return Unavailable(f"it does not run (nothing listens below {config.paths.run}); start it with `quietline up`")


async def _ask(client: WireClient, operation: str) -> dict[str, Any]:
    try:
        return await client.call(operation)
    except QuietlineError as error:
        return {"error": str(error)}
    finally:
        await client.close()


def vault_line(answer: dict[str, Any]) -> str:
    """The vault's state in a line: "open, 200 customers, ledger ok, memory locked"."""
    if "error" in answer:
        return str(answer["error"])
    if not answer["initialised"]:
        return "has no key yet: quietline vault init"
    if answer["locked"]:
        return "locked: quietline vault unseal"
    memory = "memory locked" if answer.get("memory_locked") else "memory NOT locked: keys may reach swap"
    return f"open, {answer['customers']} customers, ledger {answer['ledger']}, {memory}"


def floor_line(answer: dict[str, Any]) -> str:
    """The floor in a line: who waits, and for how long; then agents by state."""
    if "error" in answer:
        return str(answer["error"])
    parts = [f"{answer['waiting']} waiting, longest {answer['longest_wait']:.0f} s"]
    states = answer.get("agents")
    if isinstance(states, dict):
        parts += [f"{count} {state}" for state, count in sorted(states.items()) if count]
    return ", ".join(parts)
