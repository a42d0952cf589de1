"""`quietline demo`: one real call with every safeguard on, checked from outside; exit 1 when anything is false."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import need_root
from quietline.demo.tell import Teller

Out = Annotated[Path, typer.Option(help="Where screenshots and the report go.")]


def command(out: Out = Path("out/demo")) -> None:
    """Start everything, make one call, check every promise, stop everything."""
    need_root("demo", "for user ids and network namespaces")
    if not asyncio.run(_demo(out)):
        raise typer.Exit(1)


async def _demo(out: Path) -> bool:
    # Imported here: browser and simulated phone are an extra, and every other command must do without them.
    from quietline.demo.evidence import look_around
    from quietline.demo.forget import forget
    from quietline.demo.scene import scene
    from quietline.demo.story import tell_story

    teller = Teller()
    shutil.rmtree(out, ignore_errors=True)  # of an earlier run: what lies there afterwards is from this one
    teller.chapter(
        "Quietline starts: vault, edge, relay, controller, desk; three stores, a hub, 200 customers, six agents"
    )
    async with scene() as put_up:
        teller.happened("every part answers", "each under its own user id")
        memory = await tell_story(put_up, teller, out)
        forgotten = await forget(put_up, teller, out)
        await look_around(put_up, teller, memory, forgotten)
    return teller.close(out / "report.json")
