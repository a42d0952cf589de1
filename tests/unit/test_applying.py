"""`quietline apply` step by step: the vault and the controller are played; the files are real."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quietline.chain import applying
from quietline.chain import reading as chain_reading
from quietline.chain.applying import Plan, apply, plan
from quietline.chain.in_force import active_path, chain_folder
from quietline.config import Config, Paths
from quietline.errors import ConfigError, Unavailable
from quietline.live.chain_source import PREVIOUS
from quietline.testing.large_chain import large_chain, write_yaml
from quietline.vault.ports import StaffPlan

SMALL = """\
stores:
  mill: {name: Old Mill, numbers: [+442079460103], flow: shop}
queues:
  orders: {name: Orders}
flows:
  shop:
    steps:
      orders: {do: queue, queue: orders}
"""
AGENTS = "agents: [{login: mia, name: Mia Thornfold, store: mill, skills: [orders:4]}]\n"
Fault = Callable[[str], None]


@dataclass
class House:
    """The vault and the controller, as one list of what they were asked. `fails`: raises at that point."""

    config: Config
    asked: list[str] = field(default_factory=list)
    staff: list[dict[str, object]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    fails: str = ""
    error: Exception = field(default_factory=lambda: Unavailable("gone"))

    def note(self, what: str) -> None:
        active = active_path(self.config.paths.state)
        digest = hashlib.sha256(active.read_bytes()).hexdigest()[:6] if active.exists() else "none"
        self.asked.append(f"{what} with {digest} in force")
        if what == self.fails:
            raise self.error

    async def staff_apply(self, people: list[dict[str, object]], digest: str, dry_run: bool) -> StaffPlan:
        self.note("compare" if dry_run else "people")
        known = {each["login"] for each in self.staff}
        added = [each for each in people if each["login"] not in known]
        words = {} if dry_run else {str(each["login"]): "word" for each in added}
        if not dry_run:
            self.staff = people
        return StaffPlan(len(added), {}, [], len(people) - len(added), words)

    async def config_applied(self, digest: str, counts: dict[str, int]) -> None:
        self.note(f"ledger {digest[:6]}")

    async def reload(self) -> None:
        self.note("reload")

    async def run(self, file: Path) -> Plan:
        made = await plan(self.config, file, self)
        await apply(self.config, made, self, self, self.words.update)
        return made


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(applying.prompts, "make", lambda *_: None)  # making sound is tested where it is made
    state = tmp_path / "state"
    state.mkdir()
    return House(replace(Config(), paths=Paths(state, tmp_path, tmp_path)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chain.yaml"
    path.write_text(SMALL + AGENTS)
    return path


def active(house: House) -> str:
    return active_path(house.config.paths.state).read_text()


async def test_the_order_of_things(house: House, file: Path) -> None:
    made = await house.run(file)
    name = made.digest[:6]
    assert house.asked == [
        "compare with none in force",
        f"ledger {name} with none in force",
        f"people with {name} in force",
        f"reload with {name} in force",
    ]
    assert house.words == {"mia": "word"}
    assert active(house) == chain_reading.active_text(made.reading.model)
    assert hashlib.sha256(active(house).encode()).hexdigest() == made.digest
    assert "mia" not in active(house)


async def test_a_second_time_there_is_nothing_to_do(house: House, file: Path) -> None:
    await house.run(file)
    before = active_path(house.config.paths.state).stat()
    house.asked.clear()
    house.words.clear()
    made = await house.run(file)
    assert made.nothing
    assert [each.split()[0] for each in house.asked] == ["compare", "people", "reload"], "no entry, no new file"
    assert active_path(house.config.paths.state).stat().st_ino == before.st_ino
    assert house.words == {}


async def test_comments_and_order_of_agents_are_nothing(house: House, file: Path) -> None:
    await house.run(file)
    file.write_text("# hello\n" + AGENTS + SMALL)
    assert (await plan(house.config, file, house)).nothing


async def test_without_people_in_the_file_the_vault_is_not_asked_for_them(house: House, file: Path) -> None:
    file.write_text(SMALL)
    made = await house.run(file)
    assert made.people is None
    assert [each.split()[0] for each in house.asked] == ["ledger", "reload"]


async def test_the_one_before_is_kept(house: House, file: Path) -> None:
    await house.run(file)
    first = active(house)
    file.write_text(SMALL.replace("Old Mill", "New Mill"))
    made = await house.run(file)
    assert [(each.id, each.keys) for each in made.changes] == [("mill", ("name",))]
    assert (chain_folder(house.config.paths.state) / PREVIOUS).read_text() == first
    assert "New Mill" in active(house)


async def test_a_plan_changes_nothing(house: House, file: Path) -> None:
    made = await plan(house.config, file, house)
    assert not made.nothing
    assert not chain_folder(house.config.paths.state).exists()


async def test_a_wrong_file_is_refused_before_anybody_is_asked(house: House, file: Path) -> None:
    file.write_text(SMALL.replace("flow: shop", "flow: shpo"))
    with pytest.raises(ConfigError, match="did you mean `shop`"):
        await house.run(file)
    assert house.asked == []


@pytest.mark.parametrize("point", ["compare", "people", "reload"])
async def test_stopped_anywhere_asking_again_finishes_it(house: House, file: Path, point: str) -> None:
    house.fails = point
    with pytest.raises(Unavailable):
        await house.run(file)
    house.fails = ""
    made = await house.run(file)
    assert hashlib.sha256(active(house).encode()).hexdigest() == made.digest
    assert house.asked[-1].startswith("reload")
    assert [each["login"] for each in house.staff] == ["mia"]
    assert house.words == {"mia": "word"}


async def test_no_entry_in_the_ledger_nothing_in_force(house: House, file: Path) -> None:
    made = await plan(house.config, file, house)
    house.fails = f"ledger {made.digest[:6]}"
    with pytest.raises(Unavailable):
        await house.run(file)
    assert not active_path(house.config.paths.state).exists()
    assert house.staff == []


async def test_a_chain_that_the_controller_refuses_is_put_back(house: House, file: Path) -> None:
    await house.run(file)
    first = active(house)
    file.write_text(SMALL.replace("Old Mill", "New Mill"))
    house.fails, house.error = "reload", ConfigError("queue orders: strategy")
    with pytest.raises(ConfigError, match="strategy"):
        await house.run(file)
    assert active(house) == first


async def test_the_first_chain_refused_leaves_none(house: House, file: Path) -> None:
    house.fails, house.error = "reload", ConfigError("no")
    with pytest.raises(ConfigError):
        await house.run(file)
    assert not active_path(house.config.paths.state).exists()


async def test_two_at_once(house: House, file: Path) -> None:
    made = await plan(house.config, file, house)

    async def meanwhile() -> None:
        with pytest.raises(ConfigError, match="another `quietline apply` is at work"):
            await apply(house.config, made, house, house, house.words.update)

    class Slow(House):
        async def reload(self) -> None:
            await meanwhile()

    slow = Slow(house.config)
    await apply(house.config, made, slow, slow, slow.words.update)
    await house.run(file)  # the lock is gone


def wav(path: Path, seed: bytes) -> None:
    """A tenth of a second of 8 kHz, 16-bit, mono."""
    data = (seed * 1_600)[:1_600]
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    layout = b"\x01\x00\x01\x00" + (8_000).to_bytes(4, "little") + (16_000).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    path.write_bytes(head + layout + b"data" + len(data).to_bytes(4, "little") + data)


async def test_recordings_are_kept_by_digest_and_those_of_old_dropped(house: House, file: Path) -> None:
    recordings = chain_folder(house.config.paths.state) / "recordings"
    text = SMALL + "prompts:\n  welcome: {en: {file: hello.wav}}\n"
    text = text.replace("      orders: {do", "      hello: {do: play, say: welcome, go: orders}\n      orders: {do")
    file.write_text(text)
    seen: list[Any] = []
    for seed in (b"\x01", b"\x02", b"\x03"):
        wav(file.with_name("hello.wav"), seed)
        made = await house.run(file)
        assert made.changes, "another recording under the same name is a change"
        assert (await plan(house.config, file, house)).nothing
        seen.append({each.name for each in recordings.iterdir()})
        active_chain = chain_reading.load(active_path(house.config.paths.state)).chain
        assert active_chain.scripts["welcome", "en"][0].path.read_bytes()[44:45] == seed  # type: ignore[union-attr]
    assert [len(each) for each in seen] == [1, 2, 2]
    assert len(seen[0] & seen[2]) == 0


async def test_a_recording_that_is_not_there(house: House, file: Path) -> None:
    file.write_text(SMALL + "prompts: {welcome: {en: {file: none.wav}}}\n")
    with pytest.raises(ConfigError, match=r"none\.wav: cannot be read"):
        await house.run(file)


async def test_the_largest_chain(house: House, file: Path) -> None:
    file.write_text(write_yaml(large_chain()))
    made = await house.run(file)
    assert made.people is not None
    assert made.people.added == 2_000
    assert (await plan(house.config, file, house)).nothing
