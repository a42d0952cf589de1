"""`quietline apply`: what a chain file would change, and making it so. Root's side; the steps are numbered in `apply`.

It may be stopped at any point and asked again: each step finds done what was done. Until (3) nothing is in force; from
then on a restart runs the new chain, and asking again finishes the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Protocol

from quietline.chain import reading as chain_reading
from quietline.chain.diff import Change, counts, diff
from quietline.chain.file import ChainFile
from quietline.chain.in_force import active_path, chain_folder
from quietline.chain.reading import Reading, active_text
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.flows.file import RecordingModel
from quietline.live.chain_source import PREVIOUS
from quietline.telephony import prompts
from quietline.telephony.private_files import write_private
from quietline.telephony.prompt_scripts import needed
from quietline.telephony.recordings import recording
from quietline.vault.ports import StaffPlan

RECORDINGS = "recordings"  # in the chain's folder, by digest


class People(Protocol):
    """The vault, as far as `apply` needs it (vault/ports.py, AdminVault)."""

    async def staff_apply(self, people: list[dict[str, object]], digest: str, dry_run: bool) -> StaffPlan: ...

    async def config_applied(self, digest: str, counts: dict[str, int]) -> None: ...


class Running(Protocol):
    """The controller."""

    async def reload(self) -> None:
        """Take the chain that is on the disk now. Raises ConfigError, and the old one goes on, where it is refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change. `people` is None where the file leaves people to `quietline staff`."""

    reading: Reading = field(repr=False)
    changes: list[Change]
    people: StaffPlan | None

    @property
    def digest(self) -> str:
        """SHA-256, hex, of what will be in force."""
        return self.reading.digest

    @property
    def nothing(self) -> bool:
        """The file is in force already."""
        people = self.people
        return not self.changes and not (people and (people.added or people.changed or people.retired))


async def plan(config: Config, file: Path, vault: People) -> Plan:
    """Compare a file with what is in force; nothing is changed. Raises ConfigError for a file that is wrong."""
    reading = chain_reading.load(file)
    reading = replace(reading, model=with_recordings(reading))
    current = active_path(config.paths.state)
    before = chain_reading.load(current).model if current.exists() else None
    people = None
    if reading.model.agents is not None:
        people = await vault.staff_apply(_people(reading), reading.digest, dry_run=True)
    return Plan(reading, diff(before, reading.model), people)


async def apply(
    config: Config, made: Plan, vault: People, controller: Running, hand_out: Callable[[dict[str, str]], None]
) -> None:
    """Make it so. `hand_out` gets the new people's words, by login, once. Raises ConfigError where it cannot be.

    Live calls keep their places: the controller changes the queues' rules under them.
    """
    folder, chain = chain_folder(config.paths.state), made.reading.chain
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _alone(folder):
        # (1) Words and recordings, as sound, where nobody plays them yet.
        _keep_recordings(made.reading, folder)
        prompts.make(config.paths.state / "prompts", needed(chain.scripts, chain.flows.values()))
        # (2) The ledger knows before it holds.
        if made.changes:
            await vault.config_applied(made.digest, counts(made.changes))
        # (3) The file, whole or not at all. Crash: a restart runs it.
        before = _put_in_force(active_text(made.reading.model), folder) if made.changes else None
        # (4) The people, who may work in stores of this file only. Crash: asking again finds them missing.
        await _staff(made, vault, hand_out)
        # (5) The calls. Refused: the file of before is put back, and calls never knew of this one.
        try:
            await controller.reload()
        except ConfigError:
            _put_back(before, folder)
            raise
        _drop_recordings(folder, made.reading.model)


async def _staff(made: Plan, vault: People, hand_out: Callable[[dict[str, str]], None]) -> None:
    if made.reading.model.agents is None:
        return
    people = await vault.staff_apply(_people(made.reading), made.digest, dry_run=False)
    if people.words:
        hand_out(people.words)


def _people(reading: Reading) -> list[dict[str, object]]:
    return [
        {"login": each.login, "name": each.name, "role": each.role, "store": each.store, "skills": list(each.skills)}
        for each in reading.chain.agents
    ]


# The file


def _put_in_force(text: str, folder: Path) -> str | None:
    """Replace the active file, keeping the one before; its text, None where there was none."""
    active = folder / "active.yaml"
    before = active.read_text(encoding="utf-8") if active.exists() else None
    if before is not None:
        write_private(folder / PREVIOUS, before.encode(), 0o644)
    write_private(active, text.encode(), 0o644)
    _sync(folder)
    return before


def _put_back(before: str | None, folder: Path) -> None:
    if before is None:
        (folder / "active.yaml").unlink(missing_ok=True)
    else:
        write_private(folder / "active.yaml", before.encode(), 0o644)
    _sync(folder)


def _sync(folder: Path) -> None:
    """The rename itself survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _alone:  # noqa: N801 - read as a word: with _alone(folder)
    """One apply at a time on this machine. Raises ConfigError while another runs."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            flock(self._descriptor, LOCK_EX | LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise ConfigError("another `quietline apply` is at work; wait until it has ended") from None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


# Recordings


def with_recordings(reading: Reading) -> ChainFile:
    """The model with each recording under the name of its digest, as the running system finds it."""
    renamed = {
        name: {language: _renamed(value, reading.folder) for language, value in by_language.items()}
        for name, by_language in reading.model.prompts.items()
    }
    return reading.model.model_copy(update={"prompts": renamed})


def _renamed(value: str | RecordingModel, folder: Path) -> str | RecordingModel:
    if isinstance(value, str):
        return value
    digest = hashlib.sha256(recording(folder / value.file)).hexdigest()
    return RecordingModel(file=f"{RECORDINGS}/{digest[:24]}.wav")


def _recordings(model: ChainFile) -> Iterator[RecordingModel]:
    for by_language in model.prompts.values():
        yield from (each for each in by_language.values() if isinstance(each, RecordingModel))


def _keep_recordings(reading: Reading, folder: Path) -> None:
    """Copies of the recordings that the file names, by digest: what is there already is the same."""
    wanted = {each.file for each in _recordings(reading.model)}
    if not wanted:
        return
    (folder / RECORDINGS).mkdir(mode=0o755, exist_ok=True)
    for source in _sources(reading):
        content = recording(source)
        target = folder / RECORDINGS / f"{hashlib.sha256(content).hexdigest()[:24]}.wav"
        if f"{RECORDINGS}/{target.name}" in wanted and not target.exists():
            write_private(target, content, 0o644)


def _sources(reading: Reading) -> Iterator[Path]:
    for pieces in reading.chain.scripts.values():
        for piece in pieces:
            path: Any = getattr(piece, "path", None)
            if isinstance(path, Path):
                yield path


def _drop_recordings(folder: Path, model: ChainFile) -> None:
    """Those that neither this chain nor the one before names."""
    kept = {each.file for each in _recordings(model)}
    if (folder / PREVIOUS).exists():
        kept |= {each.file for each in _recordings(chain_reading.load(folder / PREVIOUS).model)}
    for path in (folder / RECORDINGS).glob("*.wav"):
        if f"{RECORDINGS}/{path.name}" not in kept:
            path.unlink()
