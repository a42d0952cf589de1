"""`quietline customer`: customers from a file, and the fields that a file may fill. Root only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.status import not_running
from quietline.config import Config
from quietline.config_file import load
from quietline.customers import mapping as mappings
from quietline.customers.batches import batches
from quietline.customers.mapping import ColumnMap
from quietline.customers.position import COUNTS, Position, PositionFile, task_of
from quietline.customers.rows import CsvRows, JsonRows, Rows
from quietline.customers.running import ImportRun, RejectFile
from quietline.errors import ConfigError, Unavailable
from quietline.files import marked_yaml
from quietline.vault.client import AdminVaultClient
from quietline.vault.custom import catalogue
from quietline.vault.records import kind_of
from quietline.vault.storing import Twins

app = typer.Typer(help="Customers from a file.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A .csv file with a header, or .jsonl: one JSON object a line.")]
MappingPath = Annotated[
    Path | None, typer.Option("--mapping", "-m", help="YAML: which column is which field. Must be given.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Store nothing; count what would be new or changed.")]
Duplicates = Annotated[
    Twins,
    typer.Option(help="A new key with a known customer's number: keep as a customer, skip the row, or merge the two."),
]
Rejects = Annotated[
    Path | None, typer.Option(help="Where rows that are not stored are listed. [default: FILE.rejects.csv]")
]
Afresh = Annotated[bool, typer.Option("--afresh", help="Begin at the first row, even where an import was cut off.")]


@app.command("import")
def import_(
    file: File,
    mapping: MappingPath = None,
    dry_run: DryRun = False,
    duplicates: Duplicates = Twins.KEEP,
    rejects: Rejects = None,
    afresh: Afresh = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Seal and index a file's customers. Known keys are updated. Cut off, the same command goes on where it was."""
    settings = load(config)
    need_root("customer import", "for the vault answers nobody else")
    if not settings.paths.vault_socket.exists():
        raise not_running(settings)
    if mapping is None:
        raise ConfigError("customer import: --mapping: name the file that says which column is which field")
    columns = mappings.read_mapping(marked_yaml.load(mapping), catalogue(settings.fields))
    with _opened(file) as opened, ExitStack() as stack:
        rows = _rows(file, opened, columns)
        task = task_of(file, mapping.read_bytes(), duplicates.value)
        keeper = PositionFile(settings.paths.state / "import", task)
        begin = Position(task) if dry_run or afresh else keeper.load()
        rejected = RejectFile(rejects or file.with_name(f"{file.name}.rejects.csv"), begin.rejects)
        stack.callback(rejected.close)
        bar = stack.enter_context(_bar(file.stat().st_size, quiet=as_json))
        run = ImportRun(_nobody, rejected, None if dry_run else keeper, bar)
        end = asyncio.run(_run(settings, run, batches(rows, columns, begin.after), begin, duplicates, dry_run))
    keeper.done()
    _tell(begin, end, dry_run, as_json)


async def _nobody(customers: list[dict[str, Any]]) -> dict[str, Any]:
    raise Unavailable("the vault is not connected yet")


async def _run(
    settings: Config, run: ImportRun, source: Iterator[Any], begin: Position, duplicates: Twins, dry_run: bool
) -> Position:
    vault = AdminVaultClient(settings.paths.vault_socket)

    async def store(customers: list[dict[str, Any]]) -> dict[str, Any]:
        words: dict[str, Any] = {"duplicates": duplicates.value, "dry_run": dry_run}
        return await vault.call("customers_import", customers=customers, **words)

    run.store = store
    try:
        return await run.run(source, begin)
    except Unavailable as broken:
        raise Unavailable(f"{broken}; what was stored is kept: the same command goes on there") from None
    finally:
        await vault.close()


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    with opened:
        yield opened


def _rows(file: Path, opened: BinaryIO, columns: ColumnMap) -> Rows:
    if file.suffix == ".jsonl":
        return JsonRows(opened, file.name)
    if file.suffix != ".csv":
        raise ConfigError(f"{file}: want a name that ends in .csv or .jsonl")
    if columns.orders:
        raise columns.file.error(("orders",), "is for JSON files; in CSV each row is one order of its customer")
    rows = CsvRows(opened, file.name, columns.encoding, columns.delimiter)
    columns.check_columns(rows.columns)
    return rows


@contextmanager
def _bar(size: int, quiet: bool) -> Iterator[Any]:
    """A progress bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    look = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*look, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("importing", total=size)

        def told(position: Position) -> None:
            done = position.after[0] if position.after else 0
            progress.update(task, completed=done, description=f"{position.counts['rows']:,} rows")

        yield told


def _tell(begin: Position, end: Position, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**end.counts, "dry_run": dry_run, "resumed": begin.after is not None}))
        return
    if begin.after:
        typer.echo(f"Gone on behind row {begin.counts['rows']:,}, where it was cut off.")
    would = "would be " if dry_run else ""
    words = {"new": f"{would}new", "changed": f"{would}changed"}
    show([{"what": words.get(name, name.replace("_", " ")), "count": end.counts[name]} for name in COUNTS], False)
    if end.counts["rejected"] or end.counts["duplicates"]:
        typer.echo("Which rows, and why: in the reject file.")


@app.command()
def fields(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every field that there is, your own among them: its class, and from which assurance it opens."""
    known = catalogue(load(config).fields).values()
    importable = ("customer", "order")
    show(
        [
            {
                "field": spec.name,
                "on the page": spec.label,
                "class": spec.data_class.value,
                "from": spec.assurance,
                "indexed": spec.indexed,
                "in a mapping": {"customer": "fields", "order": "order"}.get(kind_of(spec.name), ""),
            }
            for spec in known
            if as_json or kind_of(spec.name) in importable
        ],
        as_json,
    )


@app.command()
def schema() -> None:
    """The JSON Schema of the mapping file, for your editor."""
    typer.echo(json.dumps(mappings.schema(), indent=2))
