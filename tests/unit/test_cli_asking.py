"""Commands that ask the vault or the supervisor: what they ask, what they print, and what they make of a refusal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.cli import down as down_command
from quietline.cli.staff import DAY, certificates, date, row
from quietline.cli.status import floor_line, vault_line
from quietline.errors import ConfigError, Denied, VaultLocked
from quietline.vault.schema import DataClass

Cli = Callable[..., Any]
TOKEN = "ag_00112233aabbccdd"
NOW = 1_795_500_000.0  # 2026-11-24
OPEN = {"locked": False, "initialised": True, "customers": 3, "ledger": "ok", "dumpable": False, "memory_locked": True}


def person(**changes: Any) -> dict[str, Any]:
    """One row as the vault tells it."""
    until = {"invoice": NOW + 30 * DAY, "contact": NOW + 30 * DAY}
    plain = {
        "agent": TOKEN,
        "role": "agent",
        "store": "north",
        "skills": {"orders": 4, "returns": 3},
        "in_service": True,
    }
    return {**plain, "certificates": until, "signed_in": False, "phone": "", **changes}


@pytest.fixture
def staffed(vault: Any) -> Any:
    vault.answers["staff_list"] = {"staff": [person()]}
    vault.answers["staff_find"] = {"agent": TOKEN}
    return vault


# vault


def test_init_asks_for_a_passphrase_and_says_so(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["init"] = {}
    assert cli("vault", "init", "-c", house, stdin="correct horse\n").out == "The vault has a key and is open.\n"
    assert vault.asked == [{"op": "init", "passphrase": "correct horse"}]


@pytest.mark.parametrize(("word", "says"), [("unseal", "open"), ("seal", "locked")])
def test_unseal_and_seal(cli: Cli, house: Path, vault: Any, word: str, says: str) -> None:
    vault.answers[word] = {}
    assert says in cli("vault", word, "-c", house, stdin="correct horse\n").out


def test_a_wrong_passphrase_is_one_line_without_it(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["unseal"] = Denied("passphrase", "wrong passphrase")
    result = cli("vault", "unseal", "-c", house, stdin="incorrect pony\n")
    assert result.code == 1
    assert "wrong passphrase" in result.error
    assert "pony" not in result.out + result.err


def test_status_of_the_vault(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["status"] = OPEN
    out = cli("vault", "status", "-c", house).out
    assert "memory_locked" in out
    assert "yes" in out
    assert json.loads(cli("vault", "status", "--json", "-c", house).out) == [OPEN]


def test_import_sends_batches_and_counts(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    vault.answers["import_customers"] = lambda frame: {"stored": len(frame["customers"]), "with_phone": 0}
    file = tmp_path / "customers.json"
    file.write_text(json.dumps([{"key": f"C-{number}"} for number in range(250)]))
    assert cli("vault", "import", file, "-c", house).out == "250 customers stored.\n"
    assert [len(each["customers"]) for each in vault.asked] == [100, 100, 50]


def test_an_import_that_is_refused_says_where(cli: Cli, house: Path, vault: Any, tmp_path: Path) -> None:
    def refuse_the_second(frame: dict[str, Any]) -> dict[str, int]:
        if frame["customers"][0]["key"] == "C-100":
            raise ConfigError("import: customer 3: key: give one")
        return {"stored": 100}

    vault.answers["import_customers"] = refuse_the_second
    file = tmp_path / "customers.json"
    file.write_text(json.dumps([{"key": f"C-{number}"} for number in range(150)]))
    error = cli("vault", "import", file, "-c", house).error
    assert "customer 3" in error
    assert "counted from place 100" in error
    assert "100 are stored" in error


@pytest.mark.parametrize(("text", "says"), [("{", "is not JSON"), ("{}", "give a list"), (None, "cannot be read")])
def test_a_file_that_is_none_is_said(cli: Cli, house: Path, tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "customers.json"
    if text is not None:
        file.write_text(text)
    assert says in cli("vault", "import", file, "-c", house).error


def test_a_locked_vault_says_how_to_open_it(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["staff_list"] = VaultLocked("the vault is locked; unseal it with `quietline vault unseal`")
    assert "vault unseal" in cli("staff", "list", "-c", house).error


# staff and phones


@pytest.mark.parametrize("columns", [72, 80, 120])
def test_the_list_fits_a_terminal(cli: Cli, house: Path, staffed: Any, columns: int) -> None:
    staffed.answers["staff_list"] = {"staff": [person(skills={"orders": 4, "returns": 3, "advice": 1}, signed_in=True)]}
    out = cli("staff", "list", "-c", house, columns=columns).out
    assert TOKEN in out, "a token that is cut cannot be used"
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out


def test_certificates_stand_in_the_list(cli: Cli, house: Path, staffed: Any) -> None:
    assert "contact, invoice until" in cli("staff", "list", "-c", house).out


def test_levels_stand_in_the_list(cli: Cli, house: Path, staffed: Any) -> None:
    assert "orders:4 returns:3" in " ".join(cli("staff", "list", "-c", house, columns=120).out.split())


def test_the_list_as_json_is_what_the_vault_said(cli: Cli, house: Path, staffed: Any) -> None:
    assert json.loads(cli("staff", "list", "--json", "-c", house).out) == [person()]


def test_add_asks_for_name_and_password(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["staff_add"] = {"agent": TOKEN}
    words = ("staff", "add", "mia", "north", "--skill", "orders", "--skill", "returns", "-c", house)
    result = cli(*words, stdin="Mia Thornfold\na long password\n")
    assert result.out == f"{TOKEN}\n"
    (asked,) = vault.asked
    assert asked["skills"] == ["orders", "returns"]
    assert (asked["login"], asked["store"], asked["role"]) == ("mia", "north", "agent")
    assert (asked["name"], asked["password"]) == ("Mia Thornfold", "a long password")


@pytest.mark.parametrize("agent", [TOKEN, "mia"])
@pytest.mark.parametrize(
    ("words", "operation", "says"),
    [
        (("staff", "end"), "end_service", "Ended."),
        (("staff", "password"), "set_password", "Set."),
        (("phone", "revoke"), "phone_revoke", "Revoked."),
    ],
)
def test_an_agent_by_token_or_by_login(
    cli: Cli, house: Path, staffed: Any, agent: str, words: tuple[str, ...], operation: str, says: str
) -> None:
    staffed.answers[operation] = {}
    assert cli(*words, agent, "-c", house, stdin="a long password\n").out.strip() == says
    assert staffed.asked[-1]["op"] == operation
    assert staffed.asked[-1]["agent"] == TOKEN


@pytest.mark.parametrize("words", [("staff", "end"), ("phone", "issue"), ("phone", "revoke"), ("staff", "password")])
def test_a_token_of_nobody_is_said(cli: Cli, house: Path, staffed: Any, words: tuple[str, ...]) -> None:
    result = cli(*words, "ag_nobody", "-c", house, stdin="a long password\n")
    assert result.code == 2
    assert "nobody has this token" in result.error
    assert [each["op"] for each in staffed.asked] == ["staff_list"], "nothing was done"


def test_certify_and_its_end(cli: Cli, house: Path, staffed: Any) -> None:
    staffed.answers["certify"] = {}
    out = cli("staff", "certify", TOKEN, "invoice", 30, "-c", house).out
    assert out == f"invoice: until {date(time.time() + 30 * DAY)}\n"
    assert cli("staff", "certify", TOKEN, "invoice", 0, "-c", house).out == "invoice: none any more\n"
    assert staffed.asked[-1]["until"] == 0.0
    assert cli("staff", "certify", TOKEN, "invoice", "-c", house, "--", -1).code == 2


def test_find(cli: Cli, house: Path, staffed: Any) -> None:
    assert cli("staff", "find", "mia", "-c", house).out == f"{TOKEN}\n"


def test_a_phones_password_is_shown(cli: Cli, house: Path, staffed: Any) -> None:
    answer = {"user": TOKEN, "password": "shown-once", "realm": "quietline.local", "kind": "lasting"}
    staffed.answers["phone_issue"] = answer
    assert "shown-once" in cli("phone", "issue", "mia", "-c", house).out
    assert json.loads(cli("phone", "issue", "mia", "--json", "-c", house).out) == [answer]


def test_a_row_says_what_holds_now() -> None:
    assert row(person(signed_in=True, phone="lasting"), NOW)["now"] == "signed in, own phone"
    assert row(person(in_service=False), NOW)["now"] == "not in service"
    assert row(person(phone="session"), NOW)["now"] == ""


def test_certificates_are_grouped_by_day() -> None:
    soon, late = NOW + 1 * DAY, NOW + 40 * DAY
    assert certificates({"invoice": late, "contact": late}, NOW) == "contact, invoice until 2027-01-03"
    assert certificates({"invoice": late, "contact": soon}, NOW) == "contact until 2026-11-25\ninvoice until 2027-01-03"
    assert certificates(dict.fromkeys(DataClass, late), NOW) == "every class until 2027-01-03"
    assert certificates({"invoice": NOW - 3 * DAY}, NOW) == "invoice lapsed 2026-11-21"
    assert certificates({"invoice": 0.0}, NOW) == certificates({}, NOW) == "none"


@given(st.dictionaries(st.sampled_from(list(DataClass)), st.floats(NOW - 1e7, NOW + 1e7)))
def test_no_certificate_is_left_out_and_lapsed_is_lapsed(until: dict[str, float]) -> None:
    text = certificates(until, NOW)
    for name, seconds in until.items():
        (line,) = [
            line for line in text.splitlines() if name in line or ("every class" in line and date(seconds) in line)
        ]
        assert ("lapsed" in line) == (seconds <= NOW)
        assert date(seconds) in line


# status, up and down

LIVES = {"vault": {"pid": 12, "starts": 1}, "controller": {"pid": 0, "starts": 4}}
FLOOR = {"waiting": 2, "longest_wait": 31.4, "agents": {"ready": 1, "offline": 0}}


def test_status(cli: Cli, house: Path, supervisor: Any, vault: Any, listen: Callable[[Path], Any]) -> None:
    supervisor.answers["status"] = LIVES
    vault.answers["status"] = OPEN
    controller = listen(house.parent / "run" / "controller" / "controller.sock")
    controller.answers["floor"] = FLOOR
    out = cli("status", "-c", house).out
    assert "open, 3 customers, ledger ok, memory locked" in out
    assert "2 waiting, longest 31 s, 1 ready" in out
    found = json.loads(cli("status", "--json", "-c", house).out)
    assert [(each["part"], each["pid"], each["starts"]) for each in found] == [("vault", 12, 1), ("controller", "-", 4)]


def test_status_while_a_part_is_away(cli: Cli, house: Path, supervisor: Any) -> None:
    supervisor.answers["status"] = LIVES
    result = cli("status", "-c", house)
    assert result.code == 0
    assert "cannot connect" in result.out


def test_status_while_nothing_runs(cli: Cli, house: Path) -> None:
    result = cli("status", "-c", house)
    assert result.code == 1
    assert "it does not run" in result.error


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"initialised": False, "locked": True}, "vault init"),
        ({"locked": True}, "vault unseal"),
        ({"memory_locked": False}, "NOT locked"),
        ({"error": "vault.sock: no answer"}, "no answer"),
    ],
)
def test_the_vaults_line(changes: dict[str, Any], says: str) -> None:
    assert says in vault_line({**OPEN, **changes})


def test_the_floors_line() -> None:
    assert floor_line(FLOOR) == "2 waiting, longest 31 s, 1 ready"
    assert floor_line({"error": "away"}) == "away"


def test_down_waits_until_it_has_stopped(cli: Cli, house: Path, supervisor: Any) -> None:
    def stop(frame: dict[str, Any]) -> dict[str, Any]:
        supervisor.socket.unlink()
        return {}

    supervisor.answers["stop"] = stop
    assert cli("down", "-c", house).out == "Stopped.\n"


def test_down_says_when_it_does_not_stop(
    cli: Cli, house: Path, supervisor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.answers["stop"] = {}
    monkeypatch.setattr(down_command, "PATIENCE", 0.2)
    result = cli("down", "-c", house)
    assert result.code == 1
    assert "supervisor.log" in result.error


def test_down_while_nothing_runs_is_no_error(cli: Cli, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("down", "-c", house).out == "It does not run.\n"
    monkeypatch.setattr(down_command, "SAMPLE_CONFIG", house.parent / "no-sample.toml")
    assert cli("down", "--sample").out == "It does not run.\n"


def test_up_does_not_start_it_twice(cli: Cli, house: Path, supervisor: Any) -> None:
    result = cli("up", "-c", house)
    assert result.code == 2
    assert "runs already" in result.error


def test_up_says_that_a_configuration_is_wrong_before_it_starts_anything(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[edge]\ntls_prot = 5061\n")
    error = cli("up", "-c", tmp_path / "wrong.toml").error
    assert "line 2" in error
    assert "did you mean `tls_port`?" in error
    assert not (tmp_path / "log").exists()
