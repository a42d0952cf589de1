"""The controller's composition root; the vault's and the desk's are `vault/process.py` and `web/process.py`.

The supervisor starts `python -m quietline.wiring CONFIG`; secrets come as one JSON line on standard input.
"""

from __future__ import annotations

import asyncio
import json
import pwd
import signal
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path

import uvloop

from quietline import collector, logs
from quietline.clock import SystemClock
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.live.callbacks import CallbackBook
from quietline.live.chain_source import ChainSource
from quietline.live.controller import Controller
from quietline.live.desk_server import DeskServer
from quietline.live.floor import Floor
from quietline.live.history import History
from quietline.live.house import House
from quietline.live.journal import SealedJournal
from quietline.live.outlook import Outlook
from quietline.live.plan import PlanInForce
from quietline.live.recorder import VaultRecorder
from quietline.live.wallboard import Wallboard
from quietline.reports import history_file
from quietline.reports.history_file import HistoryFile
from quietline.strategies import installed
from quietline.telephony import prompts
from quietline.telephony.endpoint import SipEndpoint
from quietline.telephony.prompt_scripts import needed
from quietline.telephony.rtpengine import RtpengineRelay
from quietline.vault.client import CallVaultClient
from quietline.wire import WireServer

Secrets = Mapping[str, str]


async def run_controller(config: Config, secrets: Secrets) -> None:
    """The call controller. Secrets: `journal_key` and `history_key`, 32 bytes in hex each."""
    clock, paths = SystemClock(), config.paths
    source = ChainSource(config)
    floor = Floor(source.now.rules(), clock, installed())
    vault = CallVaultClient(paths.vault_socket)
    recorder = VaultRecorder(vault)
    journal = SealedJournal(paths.state / "controller" / "journal", bytes.fromhex(secrets["journal_key"]))
    voice = prompts.make(paths.state / "prompts", needed(source.now.scripts, source.now.flows.values()))
    source.watch(lambda chain: voice.add(needed(chain.scripts, chain.flows.values())))  # `apply` has made the files
    source.watch(lambda chain: floor.configure(chain.rules()))
    plans = PlanInForce(source.now)
    source.watch(plans.use)
    relay = await RtpengineRelay.open(config.relay, voice)
    endpoint = await SipEndpoint.open(config)
    outlook = Outlook(floor, clock)
    file = HistoryFile(paths.state / history_file.FILE)
    history = History(
        *(file, clock, bytes.fromhex(secrets["history_key"]), config.controller.history_days),
        *(outlook.store_of, outlook.handled),
    )
    floor.watch(history.book)
    callbacks = CallbackBook(config, relay)
    house = House(endpoint, vault, floor, journal, recorder, clock, plans, outlook, voice, callbacks)
    controller = Controller(house, relay, journal, callbacks)
    board = Wallboard(floor, outlook, plans, clock, file.path)
    desk = DeskServer(floor, controller.calls, _ids(config.users.web), source.reload, callbacks.trying, board)
    server = WireServer(paths.controller_socket, desk.handle, desk.subscribe)
    await server.start()
    collector.settle()
    try:
        async with asyncio.TaskGroup() as tasks:
            works = (recorder.run(), history.run(), plans.keep_time(clock))
            carrying = [tasks.create_task(work) for work in works]
            await controller.run()
            for each in carrying:
                each.cancel()
    finally:
        await server.stop()
        endpoint.close()
        relay.close()
        journal.close()
        file.close()


def _ids(user: str) -> frozenset[int]:
    return frozenset({pwd.getpwnam(user).pw_uid}) if user else frozenset()


async def _until_told(work: Awaitable[None]) -> None:
    """Run until SIGTERM or SIGINT, then let the work end itself."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def main(arguments: list[str]) -> int:
    """Start the controller; the exit code is 2 for a wrong call or configuration."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m quietline.wiring CONFIG\n")
        return 2
    logs.configure("controller")
    secrets = json.loads(sys.stdin.readline() or "{}")
    try:
        uvloop.run(_until_told(run_controller(load(Path(arguments[0])), secrets)))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
