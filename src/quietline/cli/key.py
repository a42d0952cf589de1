"""`quietline key`: rotate keys, see how far that is, recovery shares, the end of an old key-encryption key (KEK)."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import asked
from quietline.cli.vault import ask, ask_secret
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import SIGNALLING, Sealed, Ticket

app = typer.Typer(help="The vault's keys: rotation, recovery, the end of an old one.", no_args_is_help=True)

_SEND = Ticket("admin", "keys", SIGNALLING)
_LOOK = 0.2  # seconds between two looks at the progress
Version = Annotated[int, typer.Argument(help="The KEK's version, as `key status` shows it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Show the progress until it is over.")]


@app.command()
def status(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Which KEKs there are and what is wrapped under each; rotations and how far they are."""
    answer = ask(config, lambda vault: vault.call("key_status"))
    if as_json:
        show([answer], as_json)
        return
    show([_kek(each) for each in answer["keks"]], as_json, f"KEKs ({answer['service']})")
    if answer["rotations"]:
        show([_rotation(each) for each in answer["rotations"]], as_json, "Rotations")


@app.command()
def rotate(
    what: Annotated[str, typer.Argument(help="kek, data (customers' keys) or index (keys of blind indexes).")],
    field: Annotated[list[str] | None, typer.Option(help="With index: only this field's. Repeatable.")] = None,
    wait: Wait = True,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """New keys in the place of the old ones, while calls run. It goes on by itself after a restart.

    For kek the passphrase is asked for.
    """
    secret = _passphrase(config) if what == "kek" else ""
    given = {"what": what, "fields": field or [], "passphrase": secret}
    rotations = ask(config, lambda vault: vault.call("key_rotate", **given))["rotations"]
    while wait and any(_runs(each, what) for each in rotations):
        _tell(rotations, what)
        time.sleep(_LOOK)
        rotations = ask(config, lambda vault: vault.call("key_status"))["rotations"]
    mine = [each for each in rotations if _is(each, what)]
    show(mine if as_json else [_rotation(each) for each in mine], as_json)
    if any(each["state"] == "blocked" for each in mine):
        raise typer.Exit(1)


@app.command()
def shares(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print three recovery shares, any two of which open the vault; the ones printed before are void from now on."""
    secret = _passphrase(config)
    made = ask(config, lambda vault: vault.call("key_shares", passphrase=secret))["shares"]
    if as_json:
        show([{"share": each} for each in made], as_json)
        return
    typer.echo("\n".join(made))
    sys.stderr.write("Give each to another person, on paper. Two together open the vault; one alone says nothing.\n")


@app.command()
def recover(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Open the vault with two recovery shares and set a new passphrase; all three are asked for."""
    two = [ask_secret(f"Share {number}").open(_SEND) for number in (1, 2)]
    new = _new_passphrase("key recover")
    ask(config, lambda vault: vault.call("recover", shares=two, passphrase=new.open(_SEND)))
    typer.echo("The vault is open; the new passphrase holds. The shares hold as well: `key shares` voids them.")


@app.command()
def passphrase(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Change the passphrase; the old one and the new one are asked for."""
    old, new = ask_secret("Passphrase").open(_SEND), _new_passphrase("key passphrase")
    ask(config, lambda vault: vault.call("key_passphrase", old=old, new=new.open(_SEND)))
    typer.echo("The new passphrase holds.")


@app.command("ask-end")
def ask_end(version: Version, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """An administrator, signed in, asks for the end of an old KEK that wraps nothing any more."""
    asked(config, "key_end_ask", version=version)
    typer.echo("Asked. Another administrator agrees with `quietline key agree-end`.")


@app.command("agree-end")
def agree_end(version: Version, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Another administrator, signed in, agrees; the waiting window begins."""
    asked(config, "key_end_approve", version=version)
    hours = load(config).vault.kek_window_seconds / 3_600
    typer.echo(f"Agreed. `quietline key end` does it in {hours:g} hours; until then `key keep` takes it back.")


@app.command()
def keep(version: Version, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """An administrator, signed in, takes the end of a KEK back."""
    asked(config, "key_end_take_back", version=version)
    typer.echo("It stays.")


@app.command()
def end(version: Version, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Destroy an old KEK for good, after two people's word and the waiting window; the passphrase is asked for."""
    secret = _passphrase(config)
    ask(config, lambda vault: vault.call("key_end", version=version, passphrase=secret))
    typer.echo(f"Version {version} is no more.")


def _passphrase(config: Path) -> str:
    """ "" where a server keeps the KEKs."""
    return ask_secret("Passphrase").open(_SEND) if load(config).vault.kms == "file" else ""


def _new_passphrase(command: str) -> Sealed[str]:
    new = ask_secret("New passphrase")
    if sys.stdin.isatty() and ask_secret("Once more") != new:
        raise ConfigError(f"{command}: the two passphrases differ; nothing was changed")
    return new


def _is(rotation: dict[str, Any], what: str) -> bool:
    return str(rotation["what"]).partition("/")[0] == what


def _runs(rotation: dict[str, Any], what: str) -> bool:
    return _is(rotation, what) and rotation["state"] in ("running", "clearing")


def _tell(rotations: list[dict[str, Any]], what: str) -> None:
    said = ", ".join(f"{each['what']} {each['done']}/{each['total']}" for each in rotations if _runs(each, what))
    sys.stderr.write(f"{said}\n")


def _kek(kek: dict[str, Any]) -> dict[str, Any]:
    end = kek["end"] and f"{kek['end']}{', not before ' + _day(kek['not_before']) if kek['not_before'] else ''}"
    return {"version": str(kek["version"]), "wraps now": kek["present"], "keys under it": kek["wraps"], "end": end}


def _rotation(rotation: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": rotation["what"],
        "state": rotation["state"],
        "done": f"{rotation['done']} of {rotation['total']}",
        "since": _day(rotation["started"]),
        "ended": _day(rotation["finished"]) if rotation["finished"] else "",
    }


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
