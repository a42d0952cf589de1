"""`quietline store`: which stores are open, and shutting one for now. Root only, but for the list."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from quietline.chain import closures
from quietline.chain.model import Chain, Store
from quietline.chain.reading import local_moment
from quietline.cli.breakglass import moment, tell_rows
from quietline.cli.controller import ask_controller
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.person import asked
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError, Unavailable
from quietline.files.model import nearest
from quietline.live.chain_source import ChainSource
from quietline.routing.hours import Closure, closes_at, next_opening, shut_at, zone_of
from quietline.vault.client import AdminVaultClient

app = typer.Typer(help="Stores: open or shut, and why.", no_args_is_help=True)

StoreId = Annotated[str, typer.Argument(help="The store's id.", show_default=False)]
Until = Annotated[
    str, typer.Option(help="14:00 for the next such time, or 2026-12-24 14:00: local time there. Without it: for good.")
]
Since = Annotated[str, typer.Option("--from", help="The same; without it, now.")]
Reason = Annotated[str, typer.Option(help="For colleagues and the ledger of your day; callers do not hear it.")]


@app.command("list")
def list_stores(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every store: open or shut now, why, and until when."""
    chain, now = ChainSource(load(config)).now, time.time()
    show([row(store, now) for store in chain.stores], as_json)


@app.command("log")
def log_of(
    store: StoreId,
    since: Annotated[str, typer.Option(help="Such as 2026-11-24; without it, today (UTC).")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Who looked at the customers of this store's company, by QUIETLINE_SESSION's person; outsiders are marked."""
    tell_rows(asked(config, "store_log", store=store, since=moment(since)), as_json, "Nobody looked.")


@app.command()
def close(
    store: StoreId, until: Until = "", since: Since = "", reason: Reason = "", config: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Shut a store, now or for a while: its phones stop ringing; overflow and the flow's closed branch hold."""
    desk = _Desk.open(config, store)
    closure = desk.closure(since, until, reason)
    desk.write(lambda current: (*current, closure))
    typer.echo(f"{store}: shut {_span(desk.store, closure)}{desk.reload()}")


@app.command("open")
def open_(store: StoreId, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Take back what `close` did; the chain file's hours hold again."""
    desk = _Desk.open(config, store)
    if not desk.current():
        raise ConfigError(f"{store}: was not shut from here; its hours and closures are in the chain file")
    desk.write(lambda _: ())
    typer.echo(f"{store}: its hours hold again{desk.reload()}")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What both commands do with the file of closures."""

    config: Config
    store: Store
    now: float

    @classmethod
    def open(cls, config: Any, name: str) -> _Desk:
        settings = load(config)
        need_root("store", "for it changes whose phones ring")
        return cls(settings, known(ChainSource(settings).now, name), time.time())

    def current(self) -> tuple[Closure, ...]:
        return tuple(
            each for each in closures.load(self.config.paths.state).get(self.store.id, ()) if each.end > self.now
        )

    def closure(self, since: str, until: str, reason: str) -> Closure:
        zone = self.store.hours.zone
        start = moment_of(since, zone, self.now) if since else self.now
        end = moment_of(until, zone, start) if until else math.inf
        if end <= max(start, self.now):
            raise ConfigError(f"--until {until}: is over, or not after --from; give a later time")
        if len(reason) > closures.MAX_REASON:
            raise ConfigError(f"--reason: at most {closures.MAX_REASON} characters")
        return Closure(start, end, reason)

    def write(self, change: Callable[[tuple[Closure, ...]], tuple[Closure, ...]]) -> None:
        state = self.config.paths.state
        every = closures.load(state)
        closures.save(state, {**every, self.store.id: change(every.get(self.store.id, ()))}, self.now)

    def reload(self) -> str:
        """Tell the ledger and the controller; what to add to the line where one of them does not run."""
        return asyncio.run(self._tell())

    async def _tell(self) -> str:
        """A store is shut even where the vault is locked: people stand before its door."""
        said = ""
        try:
            await self._write_down()
        except Unavailable:
            said = " (not in the ledger: the vault does not answer)"
        try:
            await ask_controller(self.config, "reload")
        except Unavailable:
            return " (from the next start on: nothing runs now)"
        return said

    async def _write_down(self) -> None:
        state = self.config.paths.state
        digest = hashlib.sha256(closures.closures_path(state).read_bytes()).hexdigest()
        vault = AdminVaultClient(self.config.paths.vault_socket)
        try:
            await vault.call("config_applied", digest=digest, counts={"stores_shut": len(closures.load(state))})
        finally:
            await vault.close()


def known(chain: Chain, name: str) -> Store:
    """The store. Raises ConfigError, with the nearest name."""
    try:
        return chain.store(name)
    except KeyError:
        stores = [each.id for each in chain.stores]
        raise ConfigError(f"no store is called `{name}`; {nearest(name, stores)}") from None


def moment_of(text: str, zone: str, after: float) -> float:
    """UTC seconds of "14:00", the first after `after`, or of "2026-12-24 14:00", there. Raises ConfigError."""
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        today = datetime.fromtimestamp(after, zone_of(zone)).date()
        days = (today + timedelta(number) for number in (0, 1))
        return next(at for day in days if (at := local_moment(f"{day} {text}", zone)) > after)
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007 - a local time; its zone comes next
    except ValueError:
        raise ConfigError(f"{text!r}: want a time such as 14:00 or 2026-12-24 14:00") from None
    return local_moment(text, zone)


def row(store: Store, now: float) -> dict[str, str]:
    """One line of the list. `now`: UTC seconds."""
    shut = shut_at(store.hours, now)
    turn = next_opening(store.hours, now) if shut else closes_at(store.hours, now)
    return {
        "store": store.id,
        "name": store.name,
        "now": "shut" if shut else "open",
        "until": _local(turn, store.hours.zone) if turn is not None else "",
        "why": (shut.reason or shut.why) if shut else "",
        "zone": store.hours.zone,
    }


def _local(wall: float, zone: str) -> str:
    return datetime.fromtimestamp(wall, zone_of(zone)).strftime("%a %Y-%m-%d %H:%M")


def _span(store: Store, closure: Closure) -> str:
    if math.isinf(closure.end):
        return "until it is opened again"
    return f"until {_local(closure.end, store.hours.zone)} ({store.hours.zone})"
