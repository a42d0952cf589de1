"""`quietline ledger`: copy the log out, and verify a copy anywhere, offline, with nothing but the verifier key."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.config_file import load
from quietline.errors import ConfigError, TamperError
from quietline.ledger.checkpoint import NoteVerifier
from quietline.ledger.export import CHECKPOINT, VKEY, export_ledger
from quietline.ledger.proof import Proof
from quietline.ledger.store import open_reader, read_head
from quietline.ledger.verify import Copy, VerifyError
from quietline.witness.cosignature import CosignatureVerifier, Seen, require

app = typer.Typer(help="The append-only ledger: export it, verify a copy.", no_args_is_help=True)

Database = Annotated[Path | None, typer.Option("--database", help="The ledger's file, if not the configured one.")]
Key = Annotated[str, typer.Option("--key", help="The verifier key, or a file that has it. Default: the copy's own.")]
Earlier = Annotated[Path | None, typer.Option("--checkpoint", help="An earlier checkpoint this log must continue.")]
Witnesses = Annotated[list[str] | None, typer.Option("--witness", help="The key of a witness; may be given again.")]
Need = Annotated[int | None, typer.Option("--need", min=0, help="How many must have signed. Default: all.")]
Index = Annotated[int | None, typer.Option("--entry", help="Also prove that this entry is in the log.")]


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="An exported copy.")],
    key: Key = "",
    checkpoint: Earlier = None,
    entry: Index = None,
    witness: Witnesses = None,
    need: Need = None,
    as_json: AsJson = False,
) -> None:
    """Check signature, every entry, every tile and the root; exit 1 if anything does not fit."""
    verifier = NoteVerifier(_key(directory, key))
    witnesses = [CosignatureVerifier(each) for each in witness or ()]
    try:
        copy = Copy(directory, verifier)
        found = asdict(copy.verify(_read(checkpoint) if checkpoint else None))
        seen = _seen(directory, witnesses, len(witnesses) if need is None else need)
        leaf = None if entry is None else copy.check_entry(entry)
    except VerifyError as error:
        _refuse(error, as_json)
    if as_json:
        words = [asdict(each) for each in seen]
        typer.echo(json.dumps({"verified": True, **found, "leaf": leaf, "key_given": bool(key), "witnesses": words}))
        return
    typer.echo(f"Verified: {found['size']} entries of {found['origin']}, root {found['root']}.")
    if checkpoint:
        typer.echo(f"It continues the earlier checkpoint of {found['earlier']} entries.")
    if leaf:
        typer.echo(f"Entry {entry} is in it, leaf {leaf}.")
    for each in seen:
        typer.echo(f"{each.witness} saw it on {datetime.fromtimestamp(each.time, UTC):%Y-%m-%d %H:%M:%S} UTC.")
    if not key:
        typer.echo("The key came with the copy: give --key to know whose log this is.", err=True)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="Where to; empty, new, or an older copy.")],
    config: ConfigPath = DEFAULT_CONFIG,
    database: Database = None,
    bodies: Annotated[bool, typer.Option(help="Include the sealed bodies.")] = True,
) -> None:
    """Write a copy in the C2SP tlog-tiles layout; the ledger may be in use meanwhile."""
    made = export_ledger(_database(config, database), directory, bodies=bodies)
    typer.echo(f"{made.size} entries in {made.directory}. Verifier key: {made.vkey}")


@app.command()
def prove(
    directory: Annotated[Path, typer.Argument(help="An exported copy.")],
    entry: Annotated[int, typer.Argument(min=0, help="The entry's index.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the proof.")],
    key: Key = "",
) -> None:
    """Write a proof that this entry is in the log: one small file for a customer or a court."""
    try:
        proof = Copy(directory, NoteVerifier(_key(directory, key))).prove(entry)
    except VerifyError as error:
        _refuse(error, as_json=False)
    out.write_bytes(proof.encode())
    typer.echo(f"Entry {entry}, leaf {proof.leaf}: proof in {out}.")


@app.command("check")
def check_proof(
    file: Annotated[Path, typer.Argument(help="A proof, as `ledger prove` writes it (C2SP tlog-proof).")],
    key: Annotated[str, typer.Option("--key", help="The log's verifier key, or a file that has it.")],
    as_json: AsJson = False,
) -> None:
    """Check a proof with nothing but the log's verifier key; exit 1 if it proves nothing."""
    try:
        proof = Proof.parse(_read(file))
        under = proof.check(NoteVerifier(_key(file.parent, key)))
    except TamperError as error:
        _refuse(VerifyError(str(error), str(file), "It does not prove that the entry is in the log"), as_json)
    facts = {"entry": proof.index, "leaf": proof.leaf, "log": under.origin, "entries": under.size}
    if as_json:
        typer.echo(json.dumps({"verified": True, **facts}))
    else:
        typer.echo(f"Verified: entry {proof.index} (leaf {proof.leaf}) is in {under.origin} of {under.size} entries.")


@app.command()
def cosign(
    directory: Annotated[Path, typer.Argument(help="An exported copy.")],
    witness: Annotated[list[str], typer.Option("--witness", help="URL=KEY of a witness; may be given again.")],
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask witnesses for their word on a copy, and put it on its checkpoint; exit 1 if any refused."""
    from quietline.witness.submit import Place, cosign_over_http

    told = cosign_over_http(directory, _key(directory, key), [Place.parse(each) for each in witness])
    show([{"witness": t.witness, "signed": not t.refused, "why not": t.refused} for t in told], as_json)
    if any(each.refused for each in told):
        raise typer.Exit(1)


@app.command("show")
def show_head(config: ConfigPath = DEFAULT_CONFIG, database: Database = None, as_json: AsJson = False) -> None:
    """Size, root and key of the ledger on this machine. What entries say stays with the vault."""
    path = _database(config, database)
    with closing(open_reader(path)) as db:
        head = read_head(db)
        (bodies,) = db.execute("SELECT count(*) FROM body").fetchone()
    signed = NoteVerifier(head.vkey).checkpoint(head.note)
    facts: dict[str, Any] = {
        "origin": signed.origin,
        "entries": signed.size,
        "bodies kept": bodies,
        "root": signed.root.hex(),
        "verifier key": head.vkey,
    }
    show([facts] if as_json else [{"what": name, "is": value} for name, value in facts.items()], as_json)


def _seen(directory: Path, witnesses: list[CosignatureVerifier], needed: int) -> list[Seen]:
    try:
        return require(_read(directory / CHECKPOINT), witnesses, needed)
    except VerifyError:
        raise
    except TamperError as error:
        meaning = "Nobody outside has confirmed that this is the history that others were shown"
        raise VerifyError(str(error), CHECKPOINT, meaning) from None


def _database(config: Path, given: Path | None) -> Path:
    return given or load(config).paths.state / "vault" / "ledger.db"


def _key(directory: Path, given: str) -> str:
    """The key as given, or the text of the file it names, or what came with the copy."""
    if given and not Path(given).is_file():
        return given
    return _read(Path(given) if given else directory / VKEY).decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file that is there") from None


def _refuse(error: VerifyError, as_json: bool) -> NoReturn:
    if as_json:
        report = {"verified": False, "what": error.what, "where": error.where, "meaning": error.meaning}
        typer.echo(json.dumps(report))
    else:
        typer.echo(f"NOT verified. {error}.", err=True)
    raise typer.Exit(1)
