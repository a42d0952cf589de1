"""The product's own processes, run by its own supervisor, with a part exchanged for a plainer one of the bench.

    python bench/parts.py run CONFIG WITHOUT       as `quietline run`; WITHOUT: of vault,ledger,policy,srtp
    python -I bench/parts.py controller CONFIG STAFF WITHOUT
    python -I bench/parts.py vault CONFIG WITHOUT

Taken away is: `vault`, the whole vault (match, grants, policy, ledger) for one in memory that answers at once;
`ledger`, for one that writes nothing; `policy`, for one that allows everything; `srtp`, on the agent's leg (the
caller's is the carrier's choice). `profile` in WITHOUT takes nothing away: controller and vault run under cProfile and
write it to state/PART/profile when they end.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from quietline import logs, wiring
from quietline.access.cedar import Policies, Question, Verdict
from quietline.clock import Clock
from quietline.config import Config
from quietline.config_file import dump, load
from quietline.installation import BootKeys, parts, prepare
from quietline.ledger.ports import BodySealer, Entry, Receipt
from quietline.skills import parse_skills
from quietline.supervisor import Part, Supervisor
from quietline.telephony import sdp
from quietline.telephony.media_state import PHONES, TRANSPORTS
from quietline.telephony.ports import AgentPhone
from quietline.testing.fake_call import FakeVault
from quietline.vault import process
from quietline.vault.ports import CallEvent, StaffMember


class NoLedger:
    """Says that it wrote."""

    async def append(self, entry: Entry) -> Receipt:
        return Receipt(0, "")

    def append_soon(self, entry: Entry) -> None:
        return None

    def state(self) -> str:
        return "ok"

    async def export(self, directory: Path) -> int:
        return 0


@asynccontextmanager
async def no_ledger(config: Config, seed: bytes, sealer: BodySealer, clock: Clock) -> AsyncIterator[NoLedger]:
    yield NoLedger()


class NoVault(FakeVault):
    """Answers at once and keeps nothing."""

    def _ask(self, operation: str) -> None:
        return None

    async def note_events(self, events: list[CallEvent]) -> None:
        return None


def allow_all(policies: Policies, questions: Sequence[Question]) -> list[Verdict]:
    """In the place of `Policies.ask_all`: no question reaches Cedar."""
    return [Verdict(True, (min(policies.ids),), False)] * len(questions)


def run_vault(config: str, without: str) -> int:
    if "ledger" in without:
        setattr(process, "open_ledger", no_ledger)  # noqa: B010 - an exchange, and it should look like one
    if "policy" in without:
        setattr(Policies, "ask_all", allow_all)  # noqa: B010
    return profiled("vault", config, process.main) if "profile" in without else process.main([config])


def run_controller(config: str, staff: str, without: str) -> int:
    if "vault" in without:
        members = [
            StaffMember(each["agent"], parse_skills(each["skills"]), each["certificates"], each["store"])
            for each in json.loads(Path(staff).read_text())
        ]
        setattr(wiring, "CallVaultClient", lambda _: NoVault(members))  # noqa: B010
    if "srtp" in without:
        PHONES[AgentPhone.SIP] = {"transport_protocol": "RTP/AVP", "ICE": "remove", "DTLS": "off"}
        TRANSPORTS[AgentPhone.SIP] = sdp.PLAIN
    return profiled("controller", config, wiring.main) if "profile" in without else wiring.main([config])


def profiled(part: str, config: str, run: Callable[[list[str]], int]) -> int:
    profile = cProfile.Profile(time.thread_time)
    code = profile.runcall(run, [config])
    profile.dump_stats(load(Path(config)).paths.state / part / "profile")
    return code


def exchanged(part: Part, config: str, staff: str, without: set[str]) -> Part:
    """The part, or the bench's in its place."""
    own = (sys.executable, "-I", str(Path(__file__).resolve()))
    if part.name == "vault" and without & {"ledger", "policy", "profile"}:
        return replace(part, command=(*own, "vault", config, ",".join(without)))
    if part.name == "controller" and without & {"vault", "srtp", "profile"}:
        return replace(part, command=(*own, "controller", config, staff, ",".join(without)))
    return part


async def no_report(part: str, code: int) -> None:
    """The bench fails by its figures when a part dies."""


def run(config: str, without: set[str]) -> None:
    settings, keys = load(Path(config)), BootKeys()
    logs.configure("supervisor")
    prepare(settings, dump(settings), keys)
    passphrase = sys.stdin.readline().strip()
    copy, staff = str(settings.paths.run / "quietline.toml"), str(Path(config).with_name("staff.json"))
    chosen = tuple(exchanged(part, copy, staff, without) for part in parts(settings, keys, passphrase))
    asyncio.run(Supervisor(chosen, settings.paths.log, settings.paths.supervisor_socket, no_report).run())


def main(arguments: list[str]) -> Any:
    match arguments:
        case ["run", config, without]:
            return run(config, set(without.split(",")) - {""})
        case ["controller", config, staff, without]:
            return run_controller(config, staff, without)
        case ["vault", config, without]:
            return run_vault(config, without)
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
