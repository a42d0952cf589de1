"""`quietline flow`: check call flows, draw them, talk through a call, print the schema. No product needs to run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from quietline.errors import ConfigError
from quietline.files.marked_yaml import load as load_marked
from quietline.files.model import nearest
from quietline.flows.drawing import draw as drawing
from quietline.flows.dry_run import Answerer, DryRun, Line
from quietline.flows.file import FlowBook, load, schema
from quietline.routing.flow_run import Facts

app = typer.Typer(help="Check, draw and try call flows.", no_args_is_help=True)
console = Console(highlight=False)

File = Annotated[Path, typer.Argument(help="A file of flows, or a chain file.", show_default=False)]
FlowName = Annotated[str, typer.Option("--flow", help="Which flow; without it, the file's first.", show_default=False)]


@app.command()
def check(file: File) -> None:
    """Say that every flow is right, or name each mistake by line, step and what to write instead."""
    book = load(file)
    if book.findings:
        from quietline.flows.file import said

        marked = load_marked(file)
        for each in book.findings:
            typer.echo(f"warning: {said(each, marked)}", err=True)
    steps = sum(len(flow.steps) for flow in book.flows.values())
    typer.echo(f"{file}: right ({len(book.flows)} flows, {steps} steps)")


@app.command("draw")
def draw_(
    file: File,
    flow: FlowName = "",
    out: Annotated[Path | None, typer.Option(help="Where the SVG goes; without it, to the screen.")] = None,
) -> None:
    """Draw a flow as SVG: one box a step, one arrow a way."""
    book = load(file)
    picture = drawing(book.flows[_chosen(book, flow)], book.scripts)
    if out is None:
        typer.echo(picture, nl=False)
        return
    try:
        out.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); name another file with --out") from None
    typer.echo(f"{out}: drawn")


@app.command("try")
def try_(
    file: File,
    flow: FlowName = "",
    store: Annotated[str, typer.Option(help="The store that was dialled.")] = "",
    keys: Annotated[
        str | None,
        typer.Option(
            help="The caller's answers, apart by spaces: a key, digits, - for silence; agent, long or closed for a "
            "wait; right or wrong for a code; kept or no-number for a callback. Without it you are asked."
        ),
    ] = None,
    assurance: Annotated[int, typer.Option(min=0, max=3, help="How sure the caller is of who they are.")] = 0,
    closed: Annotated[list[str] | None, typer.Option(help="Closed now: store:NAME or queue:NAME.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Talk through a call: what the caller hears, what they may press, where it leads."""
    book = load(file)
    name = _chosen(book, flow)
    if store and book.stores and store not in book.stores:
        raise ConfigError(f"{file}: no store is called `{store}`; {nearest(store, book.stores)}")
    answer = _person if keys is None else _listed(keys.split())
    run = DryRun(book, name, answer, store, Facts(assurance, frozenset(closed or ())))
    if as_json:
        typer.echo(json.dumps({"lines": [each.as_row() for each in run.lines()], "outcome": run.outcome}, indent=2))
        return
    _tell(run.lines())


@app.command("schema")
def schema_() -> None:
    """Print the JSON Schema of flow files, for editors and other programs."""
    typer.echo(json.dumps(schema(), indent=2))


def _chosen(book: FlowBook, flow: str) -> str:
    if flow and flow not in book.flows:
        raise ConfigError(f"no flow is called `{flow}`; {nearest(flow, book.flows)}")
    return flow or next(iter(book.flows))


def _tell(lines: Iterator[Line]) -> None:
    looks = {"quietline": "bold", "caller": "green", "flow": "dim"}
    for line in lines:
        text = f"“{line.text}”" if line.who == "quietline" else line.text
        console.print(f"[dim]{escape(line.step):>18}[/]  [{looks[line.who]}]{escape(text)}[/]", soft_wrap=True)


def _listed(answers: list[str]) -> Answerer:
    left = iter(answers)
    return lambda *_: next(left, None)


def _person(question: str, possible: tuple[str, ...]) -> str | None:
    console.print(f"[yellow]{escape(question)}[/] ({escape(', '.join(possible))}): ", end="")
    line = sys.stdin.readline()
    return line.strip() or None if line else None
