"""`quietline chain`, `apply` and `store` as a user meets them; the vault and the controller answer as told."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quietline.chain import applying, closures
from quietline.chain import reading as chain_reading
from quietline.chain.file import schema
from quietline.chain.in_force import active_path
from quietline.cli import apply as apply_command
from quietline.cli.store import moment_of
from quietline.errors import ConfigError, Unavailable, VaultLocked
from quietline.testing.large_chain import large_chain, write_yaml

Cli = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "chain.yaml"
SMALL = """\
stores:
  mill: {name: Old Mill, numbers: [+442079460103], flow: shop, hours: shop}
hours:
  shop: {zone: Europe/London, week: {mon-sun: "00:00-24:00"}}
queues:
  orders: {name: Orders}
flows:
  shop:
    steps:
      orders: {do: queue, queue: orders}
"""
PLAN = {"added": 1, "changed": {"ag_1": ["skills"]}, "retired": [], "unchanged": 4}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chain.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def controller(house: Path, listen: Callable[[Path], Any]) -> Any:
    running = listen(house.parent / "run" / "controller" / "controller.sock")
    running.answers["reload"] = {"stores": 1, "queues": 1, "flows": 1}
    return running


@pytest.fixture
def running(vault: Any, controller: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Everything runs; prompts are not made."""
    monkeypatch.setattr(applying.prompts, "make", lambda *_: None)
    vault.answers |= {"config_applied": {}, "staff_apply": lambda frame: staff(frame)}
    return vault


def staff(frame: dict[str, Any]) -> dict[str, Any]:
    return {**PLAN, "words": {} if frame["dry_run"] else {"mia": "tulip-anchor-42"}}


def printed(out: str) -> list[list[str]]:
    """The rows of what was printed, without head and lines."""
    return [line.replace("│", " ").split() for line in out.splitlines() if "│" in line]


def state(house: Path) -> Path:
    return house.parent / "state"


# chain


def test_check_counts_what_it_found(cli: Cli) -> None:
    assert cli("chain", "check", EXAMPLE).out == f"{EXAMPLE}: right (4 stores, 4 queues, 2 flows, 6 agents)\n"


def test_check_says_each_mistake_on_a_line(cli: Cli, file: Path) -> None:
    file.write_text(SMALL.replace("flow: shop", "flow: shpo").replace("Europe/London", "Europe/Londno"))
    result = cli("chain", "check", file)
    assert result.code == 2
    assert result.err.count("\n") == 1, "a wrong zone is found before flows are looked for"
    file.write_text(SMALL.replace("flow: shop", "flow: shpo").replace("queue: orders}", "queue: odrers}"))
    lines = cli("chain", "check", file).err.removeprefix("quietline: ").splitlines()
    assert lines == [
        f"{file}:2: stores.mill.flow: no flow is called `shpo`; did you mean `shop`?",
        f"{file}:10: flows.shop.steps.orders.queue: no queue is called `odrers`; did you mean `orders`?",
    ]


def test_check_warns_and_with_strict_fails(cli: Cli, file: Path) -> None:
    file.write_text(SMALL.replace("mon-sun", "mon-sat"))
    result = cli("chain", "check", file)
    assert result.code == 0
    assert "warning: " in result.err
    assert "nothing is said of sun: closed then" in result.err
    assert cli("chain", "check", file, "--strict").code == 1
    assert cli("chain", "check", EXAMPLE, "--strict").code == 0


def test_check_as_json(cli: Cli, file: Path) -> None:
    found = json.loads(cli("chain", "check", file, "--json").out)
    assert found == {"stores": 1, "queues": 1, "flows": 1, "digest": chain_reading.load(file).digest, "warnings": []}


def test_the_schema_is_printed(cli: Cli) -> None:
    assert json.loads(cli("chain", "schema").out) == schema()


def test_show_before_the_first_apply_is_a_file_to_start_from(cli: Cli, tmp_path: Path) -> None:
    shown = tmp_path / "chain.yaml"
    shown.write_text(cli("chain", "show", "-c", ROOT / "examples" / "chain.toml").out)
    assert shown.read_text().startswith("# Nothing was applied yet")
    assert cli("chain", "check", shown, "--strict").out == f"{shown}: right (4 stores, 3 queues, 1 flows)\n"


def test_show_without_queues(cli: Cli, house: Path) -> None:
    assert "a chain needs a store and a queue" in cli("chain", "show", "-c", house).error


def test_show_prints_what_apply_takes_again(cli: Cli, house: Path, file: Path, running: Any, tmp_path: Path) -> None:
    cli("apply", file, "--yes", "-c", house)
    shown = tmp_path / "shown.yaml"
    shown.write_text(cli("chain", "show", "-c", house).out)
    digest = chain_reading.load(file).digest
    assert shown.read_text().startswith(f"# In force. SHA-256: {digest}\n")
    assert chain_reading.load(shown).digest == digest
    assert cli("apply", shown, "-c", house).out == "Nothing to do.\n"
    in_force = json.loads(active_path(state(house)).read_text())
    assert json.loads(cli("chain", "show", "--json", "-c", house).out) == in_force


# apply


def test_apply_shows_asks_and_makes_it_so(
    cli: Cli, house: Path, file: Path, running: Any, controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quietline.cli.apply._agreed", lambda: True)
    out = cli("apply", file, "-c", house).out
    assert printed(out) == [
        ["stores", "mill", "added"],
        ["queues", "orders", "added"],
        ["hours", "shop", "added"],
        ["flows", "shop", "added"],
    ]
    digest = chain_reading.load(file).digest
    assert out.splitlines()[-1] == f"In force: {digest}"
    assert [each["op"] for each in running.asked] == ["config_applied"]
    assert running.asked[0]["digest"] == digest
    assert running.asked[0]["counts"] == {"stores_added": 1, "queues_added": 1, "hours_added": 1, "flows_added": 1}
    assert [each["op"] for each in controller.asked] == ["reload"]


def test_no_is_no(
    cli: Cli, house: Path, file: Path, running: Any, controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quietline.cli.apply._agreed", lambda: False)
    assert cli("apply", file, "-c", house).code == 0
    assert (running.asked, controller.asked, active_path(state(house)).exists()) == ([], [], False)


def test_nobody_to_ask(cli: Cli, house: Path, file: Path, running: Any) -> None:
    result = cli("apply", file, "-c", house)
    assert result.code == 2
    assert "say --yes, or --dry-run" in result.err
    assert not active_path(state(house)).exists()


def test_a_dry_run_changes_nothing(cli: Cli, house: Path, file: Path, running: Any, controller: Any) -> None:
    out = cli("apply", file, "--dry-run", "-c", house).out
    assert "mill" in out
    assert (running.asked, controller.asked, active_path(state(house)).exists()) == ([], [], False)


def test_a_change_names_its_keys(cli: Cli, house: Path, file: Path, running: Any) -> None:
    cli("apply", file, "--yes", "-c", house)
    file.write_text(SMALL.replace("Old Mill", "New Mill"))
    assert "mill" in cli("apply", file, "--dry-run", "-c", house).out
    found = json.loads(cli("apply", file, "--dry-run", "--json", "-c", house).out)
    assert found["changes"] == [{"kind": "stores", "id": "mill", "change": "changed", "keys": ["name"]}]
    assert (found["nothing"], found["agents"]) == (False, None)


def test_people_are_counted_and_their_words_go_to_a_file_of_roots(
    cli: Cli, house: Path, file: Path, running: Any, tmp_path: Path
) -> None:
    file.write_text(SMALL + "agents: [{login: mia, name: Mia Thornfold, store: mill, skills: [orders:4]}]\n")
    words = tmp_path / "words.csv"
    result = cli("apply", file, "--yes", "--words", words, "-c", house)
    assert printed(result.out)[-2:] == [
        ["agents", "1", "added"],
        ["agents", "1", "changed"],
    ]
    assert "tulip" not in result.out + result.err
    assert stat.S_IMODE(words.stat().st_mode) == 0o600
    with words.open() as table:
        assert list(csv.reader(table)) == [["login", "word"], ["mia", "tulip-anchor-42"]]
    sent = next(each for each in running.asked if each["op"] == "staff_apply")
    assert sent["people"] == [
        {"login": "mia", "name": "Mia Thornfold", "role": "agent", "store": "mill", "skills": ["orders:4"]}
    ]


def test_very_many_changes_are_counted(cli: Cli, house: Path, file: Path, running: Any) -> None:
    file.write_text(write_yaml(large_chain(12, 30, 0)))
    out = cli("apply", file, "--dry-run", "-c", house).out
    assert printed(out)[:3] == [["stores", "12", "added"], ["queues", "30", "added"], ["hours", "2", "added"]]
    assert len(json.loads(cli("apply", file, "--dry-run", "--json", "-c", house).out)["changes"]) > 80


def test_words_are_never_written_over(cli: Cli, house: Path, file: Path, running: Any, tmp_path: Path) -> None:
    file.write_text(SMALL + "agents: []\n")
    words = tmp_path / "words.csv"
    words.write_text("mine")
    assert "cannot be written (File exists)" in cli("apply", file, "--yes", "--words", words, "-c", house).err
    assert words.read_text() == "mine"


def test_without_a_place_for_words_they_go_to_the_state_folder(cli: Cli, house: Path, file: Path, running: Any) -> None:
    file.write_text(SMALL + "agents: []\n")
    cli("apply", file, "--yes", "-c", house)
    (found,) = state(house).glob("sign-in-words-*.csv")
    assert "tulip-anchor-42" in found.read_text()


def test_a_refusal_of_the_controller_is_said_and_put_back(
    cli: Cli, house: Path, file: Path, running: Any, controller: Any
) -> None:
    controller.answers["reload"] = ConfigError("queue orders: strategy 'mine' is not known")
    result = cli("apply", file, "--yes", "-c", house)
    assert result.code == 2
    assert "strategy 'mine'" in result.err
    assert not active_path(state(house)).exists()


def test_a_ledger_that_cannot_write_stops_it(cli: Cli, house: Path, file: Path, running: Any) -> None:
    running.answers["config_applied"] = Unavailable("the ledger cannot write")
    assert cli("apply", file, "--yes", "-c", house).code == 1
    assert not active_path(state(house)).exists()


def test_apply_where_nothing_runs(cli: Cli, house: Path, file: Path) -> None:
    assert "it does not run" in cli("apply", file, "-c", house).error


def test_apply_wants_root(as_nobody: Cli, house: Path, file: Path) -> None:
    assert "root is needed" in as_nobody("apply", file, "-c", house).error


# store


@pytest.fixture
def applied(cli: Cli, house: Path, file: Path, running: Any, controller: Any) -> Path:
    cli("apply", file, "--yes", "-c", house)
    controller.asked.clear()
    return house


def test_the_list_says_what_is_open(cli: Cli, applied: Path) -> None:
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert found == {
        "store": "mill",
        "name": "Old Mill",
        "now": "open",
        "until": "",
        "why": "",
        "zone": "Europe/London",
    }
    assert "Old Mill" in cli("store", "list", "-c", applied).out


def test_close_and_open(cli: Cli, applied: Path, controller: Any) -> None:
    said = cli("store", "close", "mill", "--reason", "power cut", "-c", applied).out
    assert said == "mill: shut until it is opened again\n"
    assert [each["op"] for each in controller.asked] == ["reload"]
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert (found["now"], found["why"]) == ("shut", "power cut")
    assert cli("store", "open", "mill", "-c", applied).out == "mill: its hours hold again\n"
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert found["now"] == "open"
    assert "was not shut from here" in cli("store", "open", "mill", "-c", applied).error


def test_the_ledger_names_what_is_shut(cli: Cli, applied: Path, running: Any) -> None:
    running.asked.clear()
    cli("store", "close", "mill", "-c", applied)
    digest = hashlib.sha256(closures.closures_path(state(applied)).read_bytes()).hexdigest()
    assert running.asked == [{"op": "config_applied", "digest": digest, "counts": {"stores_shut": 1}}]
    cli("store", "open", "mill", "-c", applied)
    assert running.asked[-1]["counts"] == {"stores_shut": 0}


def test_a_locked_vault_does_not_keep_a_store_open(cli: Cli, applied: Path, running: Any, controller: Any) -> None:
    running.answers["config_applied"] = VaultLocked("the vault is locked")
    said = cli("store", "close", "mill", "-c", applied)
    assert said.out == "mill: shut until it is opened again (not in the ledger: the vault does not answer)\n"
    assert [each["op"] for each in controller.asked] == ["reload"]


def test_close_until(cli: Cli, applied: Path) -> None:
    said = cli("store", "close", "mill", "--until", "2099-12-24 14:00", "-c", applied).out
    assert said == "mill: shut until Thu 2099-12-24 14:00 (Europe/London)\n"
    (closure,) = closures.load(state(applied))["mill"]
    assert closure.start <= time.time() < closure.end
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert found["until"] == ""  # farther than a year


def test_close_later(cli: Cli, applied: Path) -> None:
    cli("store", "close", "mill", "--from", "2099-12-24 12:00", "--until", "14:00", "-c", applied)
    (closure,) = closures.load(state(applied))["mill"]
    assert closure.end - closure.start == 7_200
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert found["now"] == "open"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mil",), "no store is called `mil`; did you mean `mill`?"),
        (("mill", "--until", "2020-01-01 10:00"), "is over, or not after --from"),
        (("mill", "--until", "25:00"), "want a time such as 14:00"),
        (("mill", "--from", "2099-01-01 10:00", "--until", "2098-01-01 10:00"), "give a later time"),
        (("mill", "--reason", "x" * 300), "--reason: at most 200"),
    ],
)
def test_wrong_closures(cli: Cli, applied: Path, words: tuple[str, ...], says: str) -> None:
    result = cli("store", "close", *words, "-c", applied)
    assert result.code == 2
    assert says in result.error
    assert closures.load(state(applied)) == {}


def test_where_nothing_runs_a_store_can_still_be_shut(cli: Cli, house: Path) -> None:
    said = cli("store", "close", "north", "-c", house).out
    assert said == "north: shut until it is opened again (from the next start on: nothing runs now)\n"
    assert "north" in closures.load(state(house))


def test_store_close_wants_root(as_nobody: Cli, house: Path) -> None:
    assert "root is needed" in as_nobody("store", "close", "north", "-c", house).error


def test_an_apply_keeps_what_was_shut(cli: Cli, applied: Path, file: Path) -> None:
    cli("store", "close", "mill", "-c", applied)
    file.write_text(SMALL.replace("Old Mill", "New Mill"))
    cli("apply", file, "--yes", "-c", applied)
    (found,) = json.loads(cli("store", "list", "--json", "-c", applied).out)
    assert (found["name"], found["now"]) == ("New Mill", "shut")


@pytest.mark.parametrize(
    ("text", "later"), [("14:00", 7_200), ("12:00", 86_400), ("11:59", 86_400 - 60), ("2026-11-24 12:30", 1_800)]
)
def test_a_time_is_the_next_one(text: str, later: int) -> None:
    noon = 1_795_521_600.0  # 2026-11-24 12:00 in London
    assert moment_of(text, "Europe/London", noon) == noon + later


def test_a_time_that_does_not_exist_is_the_jump_and_one_that_exists_twice_the_first() -> None:
    before_the_jump = 1_806_192_000.0  # 2027-03-28 00:00 in London; at 01:00 it is 02:00
    assert moment_of("01:30", "Europe/London", before_the_jump) == before_the_jump + 3_600
    assert moment_of("02:30", "Europe/London", before_the_jump) == before_the_jump + 5_400
    before_the_return = 1_824_937_200.0  # 2027-10-31 00:00 in London; at 02:00 it is 01:00
    assert moment_of("01:30", "Europe/London", before_the_return) == before_the_return + 5_400
    assert moment_of("02:30", "Europe/London", before_the_return) == before_the_return + 12_600


@pytest.mark.parametrize("text", ["", "noon", "24:00", "9:00", "2026-02-30 10:00", "2026-11-24", "2026-11-24T10:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="want a time such as 14:00"):
        moment_of(text, "Europe/London", 0.0)


def test_asking_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_command.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    for answer in (True, False):
        monkeypatch.setattr(apply_command.typer, "confirm", lambda _, answer=answer: answer)
        assert apply_command._agreed() is answer
