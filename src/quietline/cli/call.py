"""`quietline call`: a customer's phone in the terminal, for the sample of `make up`; TLS and SRTP, like any phone."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from quietline.cli.up import sample_secrets, sample_settings
from quietline.errors import QuietlineError
from quietline.testing.code_gateway import CodeGateway
from quietline.testing.sample import sample_chain
from quietline.testing.site import STORES, Site

if TYPE_CHECKING:
    from quietline.testing.caller import SimulatedCaller

console = Console()

CUSTOMERS = 200  # of the sample
STRANGER = "+447700900999"  # reserved for drama (Ofcom), and no customer's: a test looks

Customer = Annotated[
    int, typer.Option(min=0, max=CUSTOMERS, help="Which of the 200 customers calls, from 1; 0: a stranger.")
]
Number = Annotated[str, typer.Option(help="The store's number to dial.")]


def command(customer: Customer = 1, to: Number = STORES[0].numbers[0]) -> None:
    """Call a store. Type digits to press keys, h to hang up."""
    site = Site(sample_settings(), gateway_token=sample_secrets()["gateway_token"])
    number = sample_chain().customers[customer - 1].phone if customer else STRANGER
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_call(site, number, to))


async def _call(site: Site, number: str, to: str) -> None:
    from quietline.testing.caller import Person, SimulatedCaller  # an extra: every other command must do without it

    caller = SimulatedCaller(site.trunk(), Person(number=number))
    async with site.gateway() as gateway, caller:
        await caller.dials(to)
        await caller.answered()
        console.print("[green]answered[/]; type digits and Enter to press keys, h and Enter to hang up")
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(_read_messages(gateway, number)), tasks.create_task(_hung_up_on(caller))]
            await _press_keys(caller, helpers[1])
            for each in helpers:
                each.cancel()
        with contextlib.suppress(QuietlineError):
            await caller.hangs_up()


async def _press_keys(caller: SimulatedCaller, ended: asyncio.Task[None]) -> None:
    while not ended.done():
        reading = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        line = reading.result().strip() if reading.done() else "h"
        if line == "h" or not reading.result():
            return
        if line:
            await caller.press(line)


async def _read_messages(gateway: CodeGateway, number: str) -> None:
    while True:
        with contextlib.suppress(QuietlineError):
            console.print(f"[yellow]text message:[/] {await gateway.next_message(number, 3600)}")


async def _hung_up_on(caller: SimulatedCaller) -> None:
    await caller.is_hung_up_on(within=14_400)
    console.print("[red]the other side hung up[/]; press Enter")
