"""`quietline witness`: run on somebody else's machine; it signs a ledger's checkpoints only while they agree."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import AsJson, show
from quietline.errors import ConfigError
from quietline.witness import house
from quietline.witness.memory import SqliteMemory

app = typer.Typer(help="Watch somebody else's ledger, and sign what you saw.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The witness's folder: its key, its memory, the logs it knows.")]


@app.command()
def init(folder: Folder, name: Annotated[str, typer.Argument(help="Its name, e.g. witness.example/w1.")]) -> None:
    """Make a witness: a key of its own, and an empty memory."""
    cosigner = house.create(folder, name)
    typer.echo(f"A witness in {folder}. Give its key to whoever verifies: {cosigner.vkey}")


@app.command()
def trust(folder: Folder, key: Annotated[str, typer.Argument(help="The log's verifier key.")]) -> None:
    """Know one more log, by its verifier key. A running witness learns of it when it is started again."""
    house.load_key(folder)
    typer.echo(f"{house.trust(folder, key)} is known to this witness.")


@app.command()
def status(folder: Folder, as_json: AsJson = False) -> None:
    """What it has seen of each log, and how many contradictions it has kept."""
    cosigner, memory = house.load_key(folder), SqliteMemory(folder / house.MEMORY)
    rows = []
    for origin in house.load_logs(folder):
        seen = memory.latest(origin)
        forks = len(memory.evidence(origin))
        rows.append({"log": origin, "entries seen": seen.size if seen else 0, "contradictions": forks})
    memory.close()
    show(rows, as_json, f"{cosigner.name}: {cosigner.vkey}")


@app.command()
def run(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port.")] = 8450,
    certificate: Annotated[Path | None, typer.Option(help="PEM; without it only on this machine.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM, of the certificate.")] = None,
) -> None:
    """Answer logs, until stopped."""
    from quietline.witness.server import Listen, server  # FastAPI takes a while, and the others need none of it

    if certificate is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(f"witness run: {host} needs --certificate and --key; plain HTTP is for this machine only")
    witness, memory = house.open_witness(folder, time.time)
    typer.echo(f"Listening on {host}, port {port}.", err=True)
    try:
        server(witness, Listen(host, port, certificate, key)).run()
    finally:
        memory.close()
