"""Commands that need nothing to run: configuration, doctor, ledger, trunk, run, call, demo."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from quietline.cli import call, doctor, run, up
from quietline.cli.options import said
from quietline.config import Certificates, Config, Edge, Paths, Users
from quietline.config_file import dump, load, parse
from quietline.errors import ConfigError
from quietline.testing.sample import sample_chain

Cli = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


# config


def test_check_says_that_it_is_right(cli: Cli, house: Path) -> None:
    assert cli("config", "check", "-c", house).out == f"{house}: right (1 stores, 0 queues, 2 trunks)\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[edge]\nrealm = 3\n", "line 2: [edge] realm: want a text, found a whole number"),
        ("[edeg]\n", "did you mean `edge`?"),
        ("[edge]\nwss_port = 5061\n", "port 5061 is taken by edge.tls_port"),
        ('[[trunk]]\nname = "a"\n', "how is it known?"),
        ('[[store]]\nid = "a"\nname = "A"\nnumbers = ["020"]\n', "is not E.164"),
        ("edge = 1\n", "write it as a table"),
        ("[edge\n", "this is not TOML"),
    ],
)
def test_check_names_line_key_and_fix(cli: Cli, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "q.toml").write_text(text)
    result = cli("config", "check", "-c", tmp_path / "q.toml")
    assert result.code == 2
    assert says in result.error
    assert "q.toml" in result.error


def test_show_prints_what_differs(cli: Cli, house: Path) -> None:
    out = cli("config", "show", "-c", house).out
    assert parse(out) == load(house)
    assert "[edge]" not in out, "all defaults"


def test_new_writes_a_right_file_once(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "etc" / "quietline.toml"
    assert cli("config", "new", "-c", path).code == 0
    assert cli("config", "check", "-c", path).code == 0
    assert "left as it is" in cli("config", "new", "-c", path).error.replace("was left as it was", "left as it is")


# doctor


def test_doctor_finds_what_is_missing_and_how_to_get_it(cli: Cli, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_programs", lambda: {"sox": "sox", "kamailio": "kamailio"})
    result = cli("doctor", "-c", house, "--json")
    assert result.code == 1
    found = {each["check"]: each for each in json.loads(result.out)}
    assert found["sox"] == {"check": "sox", "ok": "NO", "found": "missing", "fix": "apt-get install sox"}
    assert found["kamailio"]["fix"] == "apt-get install kamailio"
    assert found["configuration"]["ok"] == "yes"


def test_doctor_looks_for_programs_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from quietline import installation

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation.shutil, "which", lambda name, path: None if str(tmp_path) in path else name)
    assert set(installation.missing_programs()) == {"kamailio", "rtpengine", "espeak-ng", "sox"}


def test_doctor_without_a_configuration_still_looks_at_the_rest(cli: Cli, tmp_path: Path) -> None:
    result = cli("doctor", "-c", tmp_path / "none.toml", "--json")
    found = {each["check"]: each for each in json.loads(result.out)}
    assert result.code == 1
    assert "cannot be read" in found["configuration"]["found"]
    assert found["Python"]["ok"] == "yes"


def test_doctor_tells_a_normal_user_about_root(as_nobody: Cli, house: Path) -> None:
    found = {each["check"]: each for each in json.loads(as_nobody("doctor", "-c", house, "--json").out)}
    assert found["root"]["ok"] == "NO"
    assert "sudo" in found["root"]["fix"]


def test_doctor_names_a_user_the_system_lacks() -> None:
    config = Config(users=Users(vault="quietline-nobody-has-this"))
    (finding,) = [each for each in doctor._users(config) if not each[1]]
    assert finding[0] == "user quietline-nobody-has-this"
    assert "useradd" in finding[3]


def test_doctor_sees_a_taken_port() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = Config(edge=Edge(tls_port=taken.getsockname()[1]))
        finding = next(iter(doctor._ports(config)))
    assert not finding[1]
    assert finding[2] == "in use"


@pytest.mark.parametrize(("mode", "fine"), [(0o400, False), (0o444, True), (0o440, False)])
def test_doctor_sees_a_key_that_the_edge_cannot_read(tmp_path: Path, mode: int, fine: bool) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(mode)
    config = Config(users=Users(edge="nobody"), certificates=Certificates("cert.pem", str(key)))
    (finding,) = doctor._own_key(config)
    assert finding[1] == fine or os.geteuid() != 0
    assert "chgrp nobody" in finding[3]


def test_doctor_asks_for_no_key_where_the_local_ca_makes_one() -> None:
    assert list(doctor._own_key(Config())) == []


# trunk


def test_trunks_are_listed(cli: Cli, house: Path) -> None:
    found = json.loads(cli("trunk", "list", "--json", "-c", house).out)
    assert [(each["trunk"], each["known by"]) for each in found] == [
        ("carrier-a", "certificate carrier-a.example"),
        ("carrier-b", "digest user line1"),
    ]
    assert "carrier-a" in cli("trunk", "list", "-c", house).out


def test_a_certificate_for_a_carrier(cli: Cli, house: Path, tmp_path: Path) -> None:
    result = cli("trunk", "certificate", "carrier-a", tmp_path / "out", "-c", house)
    assert result.code == 0
    certificate = x509.load_pem_x509_certificate((tmp_path / "out" / "carrier-a.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=carrier-a.example"
    assert stat.S_IMODE((tmp_path / "out" / "carrier-a.key").stat().st_mode) == 0o400


@pytest.mark.parametrize("name", ["carrier-b", "carrier-z"])
def test_no_certificate_for_a_carrier_that_shows_none(cli: Cli, house: Path, tmp_path: Path, name: str) -> None:
    assert "certificate_name" in cli("trunk", "certificate", name, tmp_path / "out", "-c", house).error
    assert not (tmp_path / "out").exists()


# ledger


def test_a_copy_that_is_none(cli: Cli, tmp_path: Path) -> None:
    assert "cannot be read" in cli("ledger", "verify", tmp_path / "none").error


@pytest.mark.parametrize("words", [("show",), ("export", "copy")])
def test_no_ledger_here(cli: Cli, house: Path, words: tuple[str, ...]) -> None:
    assert "no ledger can be read here" in cli("ledger", *words, "-c", house).error


# run, call and the sample


@pytest.mark.parametrize(("text", "says"), [(None, "cannot be read"), ("", "first line is empty"), ("\nx", "is empty")])
def test_a_passphrase_file_that_is_none(cli: Cli, house: Path, tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "passphrase"
    if text is not None:
        path.write_text(text)
    assert says in cli("run", "-c", house, "--passphrase-file", path).error


def test_the_passphrase_is_the_files_first_line(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse\r\nsecond line\n")
    assert run._passphrase(tmp_path / "passphrase") == "correct horse"


@pytest.mark.parametrize("customer", [-1, 201, "many"])
def test_there_are_200_customers(cli: Cli, customer: object) -> None:
    assert cli("call", "--customer", customer).code == 2


def test_the_stranger_is_no_customer() -> None:
    chain = sample_chain()
    assert len(chain.customers) == call.CUSTOMERS
    assert call.STRANGER not in {each.phone for each in chain.customers}


def test_a_call_needs_the_sample(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(up, "SECRETS", tmp_path / "none.json")
    assert "make up" in cli("call").error


def test_the_sample_is_on_this_machine_only() -> None:
    settings = up.sample_settings()
    assert settings.edge.addresses == settings.web.addresses == settings.relay.interfaces == ("127.0.0.1",)
    assert parse(dump(settings)) == settings
    assert settings.paths == Paths(up.SAMPLE / "state", up.SAMPLE_RUN, up.SAMPLE / "log")


def test_an_unfinished_sample_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(up, "SAMPLE", tmp_path / "sample")
    monkeypatch.setattr(up, "SAMPLE_RUN", tmp_path / "run")
    monkeypatch.setattr(up, "SECRETS", tmp_path / "run" / "secrets.json")
    (tmp_path / "sample").mkdir()
    first = up._secrets()
    assert first["passwords"] == {}
    assert not (tmp_path / "sample").exists()
    assert stat.S_IMODE(up.SECRETS.stat().st_mode) == 0o600
    assert up._secrets()["passphrase"] != first["passphrase"], "it was never finished"
    up.SECRETS.write_text(json.dumps({**first, "passwords": {"mia": "x"}}))
    assert up._secrets()["passphrase"] == first["passphrase"], "it is up, or was"


@pytest.mark.parametrize(("value", "text"), [(True, "yes"), (False, "no"), (None, ""), (3, "3"), ("a", "a")])
def test_values_as_people_read_them(value: object, text: str) -> None:
    assert said(value) == text


def test_an_unknown_error_of_the_vault_is_still_one_line(cli: Cli, house: Path, vault: Any) -> None:
    vault.answers["status"] = ConfigError("something is off")
    assert cli("vault", "status", "-c", house).error == "something is off"


class SlowSite:
    """A vault that is locked for its first answers."""

    def __init__(self, locked: int, initialised: bool = True) -> None:
        self.locked, self.initialised = locked, initialised

    async def ready(self) -> None: ...

    def admin(self) -> SlowSite:
        return self

    async def status(self) -> dict[str, bool]:
        self.locked -= 1
        return {"locked": self.locked >= 0, "initialised": self.initialised}

    async def close(self) -> None: ...


@pytest.mark.parametrize(("site", "opens"), [(SlowSite(2), True), (SlowSite(99), False), (SlowSite(99, False), True)])
async def test_the_sample_waits_for_its_vault_to_open(monkeypatch: pytest.MonkeyPatch, site: Any, opens: bool) -> None:
    monkeypatch.setattr(up, "UNSEAL_WAIT", 1.0)
    assert await up._opens(site) == opens
