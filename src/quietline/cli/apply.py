"""`quietline apply`: show what a chain file changes, ask, and make it so. Root only."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.chain.applying import Plan, apply, plan
from quietline.cli.controller import ask_controller
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.status import not_running
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.vault.client import AdminVaultClient
from quietline.vault.ports import StaffPlan

MOST_ROWS = 50  # of the table; beyond them changes are counted

File = Annotated[Path, typer.Argument(help="The chain file.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Words = Annotated[
    Path | None,
    typer.Option(
        help="Where the words for new people's first sign-in go (mode 0600); else a new file in the state folder.",
        show_default=False,
    ),
]


def command(
    file: File,
    config: ConfigPath = DEFAULT_CONFIG,
    dry_run: DryRun = False,
    yes: Yes = False,
    words: Words = None,
    as_json: AsJson = False,
) -> None:
    """Make the chain file the one in force: stores, queues, hours, flows, prompts, people. Calls keep their places."""
    settings = load(config)
    need_root("apply", "for it changes what everybody works with")
    if not settings.paths.vault_socket.exists():
        raise not_running(settings)
    asyncio.run(_Applying(settings, words, as_json).run(file, dry_run, yes))


class ControllerPort:
    """The running controller."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def reload(self) -> None:
        await ask_controller(self._config, "reload")


class VaultPort:
    """The vault, for `applying.People`."""

    def __init__(self, vault: AdminVaultClient) -> None:
        self._vault = vault

    async def staff_apply(self, people: list[dict[str, object]], digest: str, dry_run: bool) -> StaffPlan:
        return StaffPlan(**await self._vault.call("staff_apply", people=people, digest=digest, dry_run=dry_run))

    async def config_applied(self, digest: str, counts: dict[str, int]) -> None:
        await self._vault.call("config_applied", digest=digest, counts=counts)


class _Applying:
    def __init__(self, config: Config, words: Path | None, as_json: bool) -> None:
        self._config, self._words, self._json = config, words, as_json

    async def run(self, file: Path, dry_run: bool, yes: bool) -> None:
        vault = AdminVaultClient(self._config.paths.vault_socket)
        try:
            made = await plan(self._config, file, VaultPort(vault))
            self._tell(made)
            if dry_run or not (made.nothing or yes or _agreed()):
                return
            await apply(self._config, made, VaultPort(vault), ControllerPort(self._config), self._hand_out)
        finally:
            await vault.close()
        self._say("Nothing to do." if made.nothing else f"In force: {made.digest}")

    def _tell(self, made: Plan) -> None:
        if self._json:
            typer.echo(json.dumps(as_data(made), indent=2))
            return
        for each in made.reading.warnings:
            typer.echo(f"warning: {each}", err=True)
        if not made.nothing:
            found = rows(made)
            show(found if len(found) <= MOST_ROWS else summary(made), as_json=False)

    def _hand_out(self, words: dict[str, str]) -> None:
        path = self._words or self._config.paths.state / f"sign-in-words-{datetime.now(UTC):%Y%m%dT%H%M%S}.csv"
        write_words(path, words)
        self._say(f"{len(words)} new people: the words for their first sign-in are in {path}; hand them out")

    def _say(self, line: str) -> None:
        typer.echo(line, err=self._json)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("apply: nobody is there to ask; say --yes, or --dry-run to look only")
    return typer.confirm("Make it so?")


def rows(made: Plan) -> list[dict[str, str]]:
    """The changes as a table: what, and how. People are counted; they are listed by token with --json."""
    changes = [
        {"kind": each.kind, "what": each.id, "change": each.change, "keys": ", ".join(each.keys)}
        for each in made.changes
    ]
    people = made.people
    counts = {"added": people.added, "changed": len(people.changed), "retired": len(people.retired)} if people else {}
    return changes + [
        {"kind": "agents", "what": str(count), "change": change, "keys": ""}
        for change, count in counts.items()
        if count
    ]


def summary(made: Plan) -> list[dict[str, str]]:
    """The same, counted by kind and change, when it is too long to read; --json has all of it."""
    kinds = Counter((each["kind"], each["change"]) for each in rows(made) if each["kind"] != "agents")
    people = [each for each in rows(made) if each["kind"] == "agents"]
    counted = [
        {"kind": kind, "what": str(count), "change": change, "keys": ""} for (kind, change), count in kinds.items()
    ]
    return counted + people


def as_data(made: Plan) -> dict[str, Any]:
    """The same for programs."""
    people = made.people
    return {
        "digest": made.digest,
        "nothing": made.nothing,
        "changes": [
            {"kind": each.kind, "id": each.id, "change": each.change, "keys": list(each.keys)} for each in made.changes
        ],
        "agents": {
            "added": people.added,
            "changed": people.changed,
            "retired": people.retired,
            "unchanged": people.unchanged,
        }
        if people
        else None,
        "warnings": list(made.reading.warnings),
    }


def write_words(path: Path, words: dict[str, str]) -> None:
    """A CSV that root alone can read; an existing file is never written over. Raises ConfigError."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerows([("login", "word"), *sorted(words.items())])
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); the new people need `staff password`"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.getvalue())
