"""`quietline trunk`: the carriers' lines of the configuration, and what a carrier shows to be known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.vault import ask
from quietline.config import Config, Trunk
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.telephony.certificates import issue_trunk
from quietline.telephony.private_files import write_private

app = typer.Typer(help="Carriers' lines.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The trunk's name in the configuration.")]


@app.command("list")
def list_trunks(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Each trunk, how it is known and whether it may be cleartext."""
    show([row(trunk) for trunk in load(config).trunks], as_json)


@app.command()
def issue(name: Name, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Make a digest password; it is shown now and never again, and an older one no longer works."""
    answer = ask(config, lambda vault: vault.call("trunk_issue", trunk=name))
    show([answer] if as_json else [{"what": what, "is": value} for what, value in answer.items()], as_json)


@app.command()
def revoke(name: Name, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Take the digest password back: no new call by it; calls that are up go on."""
    answer = ask(config, lambda vault: vault.call("trunk_revoke", trunk=name))
    typer.echo("Revoked." if answer["revoked"] else "It had no password.")


@app.command()
def certificate(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Where to write NAME.pem and NAME.key.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Issue a client certificate by the local CA, to hand over to the carrier. The key is kept nowhere else."""
    settings = load(config)
    need_root("trunk certificate", "to use the local CA's key")
    issued = issue_trunk(settings, _named(settings, name).certificate_name)
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / f"{name}.key", issued.key_pem, 0o400)
    write_private(folder / f"{name}.pem", issued.certificate_pem, 0o444)
    until = issued.certificate.not_valid_after_utc.date().isoformat()
    typer.echo(f"{folder / name}.pem and .key, until {until}.")


def _named(config: Config, name: str) -> Trunk:
    for trunk in config.trunks:
        if trunk.name == name and trunk.certificate_name:
            return trunk
    raise ConfigError(f"trunk certificate: {name}: no [[trunk]] with this name and a certificate_name; add it there")


def row(trunk: Trunk) -> dict[str, object]:
    """One line of the list."""
    known = [
        *trunk.addresses,
        *filter(None, [trunk.certificate_name and f"certificate {trunk.certificate_name}"]),
        *filter(None, [trunk.digest_user and f"digest user {trunk.digest_user}"]),
    ]
    return {
        "trunk": trunk.name,
        "known by": ", ".join(known),
        "country": trunk.country,
        "encryption": "cleartext allowed" if trunk.cleartext else "required",
        "calls at most": trunk.max_calls,
    }
