"""`quietline explain`: why a call waits, or went to whom it went. Root only. Agents are tokens, as in `staff list`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from quietline.cli.controller import ask_controller
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root
from quietline.config_file import load
from quietline.errors import ConfigError

MOST_NAMED = 8  # agents of one group; --json has them all

CallId = Annotated[str, typer.Argument(help="The call's id; without it, the calls that can be asked about.")]


def command(call: CallId = "", config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Say why a call waits: who may take it, who may not and why; and its story, for ended calls too."""
    settings = load(config)
    need_root("explain", "to ask the controller")
    answer = asyncio.run(ask_controller(settings, "explain", call=call))
    if call and not answer.get("call"):
        raise ConfigError(f"no call {call!r} is remembered; `quietline explain` lists those that are")
    typer.echo(json.dumps(answer, indent=2) if as_json else "\n".join(told(answer) if call else listed(answer)))


def listed(answer: dict[str, Any]) -> list[str]:
    """The calls that can be asked about: those that wait, then the others of late."""
    waiting = answer["waiting"]
    others = [call for call in answer["latest"] if call not in waiting]
    return [*(f"{call}  waits" for call in waiting), *others] or ["no call waits, and none is remembered"]


def told(answer: dict[str, Any]) -> list[str]:
    """The explanation as lines for people."""
    groups = [f"  {each['words']}: {_agents(each['agents'])}" for each in answer["groups"]]
    stands = [answer["now"], *groups, ""] if answer["now"] else []
    return [*stands, *answer["story"]]


def _agents(agents: list[str]) -> str:
    more = len(agents) - MOST_NAMED
    return ", ".join(agents[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
