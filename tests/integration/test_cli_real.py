"""The commands of docs/howto/run-it.md, one after the other, on the real product: from an empty folder to a restart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quietline.config import Config
from quietline.config_file import dump
from quietline.testing.site import sample_config

pytestmark = pytest.mark.real

QUIETLINE = Path(sys.executable).parent / "quietline"
HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "run-it.md"
PASSPHRASE = "a passphrase for one test"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def config() -> Iterator[Config]:
    """The sample chain on free ports. Not below pytest's own folder, which the parts' users may not enter."""
    with tempfile.TemporaryDirectory(prefix="ql-cli-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = sample_config(folder)
        (folder / "quietline.toml").write_text(dump(made))
        yield made


@pytest.fixture(scope="module")
def quietline(config: Config) -> Iterator[Command]:
    """Runs `quietline WORDS` on that configuration; stops the product at the end, whatever happened."""
    path = config.paths.state.parent / "quietline.toml"

    def run(*words: object, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            (str(QUIETLINE), *map(str, words)),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            cwd=path.parent,
            env={"QUIETLINE_CONFIG": str(path), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "120"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    yield run
    run("down")


def customers() -> str:
    """The customers of the how-to."""
    (block,) = re.findall(r"^```json\n(.*?)^```", HOWTO.read_text(), re.DOTALL | re.MULTILINE)
    return block


def test_from_an_empty_folder_to_a_restart(quietline: Command, config: Config) -> None:
    folder = config.paths.state.parent
    assert "it does not run" in quietline("status", code=1).stderr

    # up, and the vault's key
    assert "vault init" in quietline("up").stdout
    assert "runs already" in quietline("up", code=2).stderr
    assert "vault init" in quietline("status").stdout
    assert "open" in quietline("vault", "init", stdin=PASSPHRASE + "\n").stdout
    assert quietline("vault", "init", stdin=PASSPHRASE + "\n", code=2).stderr.startswith("quietline: ")

    # customers, twice: what is known is updated
    (folder / "customers.json").write_text(customers())
    for _ in range(2):
        assert quietline("vault", "import", "customers.json").stdout == "1 customers stored.\n"
    assert json.loads(quietline("vault", "status", "--json").stdout)[0]["customers"] == 1

    # people
    mia = quietline(
        "staff",
        "add",
        "mia",
        "hub",
        "--skill",
        "orders:4",
        "--skill",
        "lang:fr",
        stdin="Mia Thornfold\na long password\n",
    ).stdout.strip()
    assert quietline("staff", "find", "mia").stdout.strip() == mia
    assert "invoice: until" in quietline("staff", "certify", "mia", "invoice", 365).stdout
    assert "one of" in quietline("staff", "certify", "mia", "no-such-class", 365, code=2).stderr
    (row,) = json.loads(quietline("staff", "list", "--json").stdout)
    assert row["agent"] == mia
    assert row["skills"] == {"orders": 4, "lang:fr": 3}
    assert set(row["certificates"]) == {"invoice"}
    assert mia in quietline("staff", "list").stdout
    assert "Mia" not in quietline("staff", "list").stdout
    assert "another account" in quietline("staff", "add", "mia", "hub", stdin="X\na long password\n", code=2).stderr

    # phones and carriers
    (phone,) = json.loads(quietline("phone", "issue", "mia", "--json").stdout)
    assert phone["user"] == mia
    assert quietline("phone", "revoke", mia).stdout == "Revoked.\n"
    assert "carrier-a.pem" in quietline("trunk", "certificate", "carrier-a", folder / "for-carrier-a").stdout

    # seal and unseal
    quietline("vault", "seal")
    assert "locked" in quietline("status").stdout
    assert "vault unseal" in quietline("staff", "list", code=1).stderr
    assert "passphrase" in quietline("vault", "unseal", stdin="a wrong passphrase\n", code=1).stderr
    quietline("vault", "unseal", stdin=PASSPHRASE + "\n")

    # the ledger, as docs/howto/verify-the-ledger.md goes
    assert "verifier key" in quietline("ledger", "show").stdout
    quietline("ledger", "export", "copy")
    assert json.loads(quietline("ledger", "verify", "copy", "--json").stdout)["verified"]
    (folder / "earlier").write_bytes((folder / "copy" / "checkpoint").read_bytes())
    quietline("staff", "end", "mia")
    quietline("ledger", "export", "copy")
    later = quietline("ledger", "verify", "copy", "--checkpoint", "earlier", "--entry", 0).stdout
    assert "It continues the earlier checkpoint" in later
    assert "Entry 0 is in it" in later

    # the end
    assert quietline("down").stdout == "Stopped.\n"
    assert quietline("down").stdout == "It does not run.\n"

    # and again: everything is there once it is unsealed
    assert "vault unseal" in quietline("up").stdout
    quietline("vault", "unseal", stdin=PASSPHRASE + "\n")
    assert json.loads(quietline("vault", "status", "--json").stdout)[0]["customers"] == 1
    (row,) = json.loads(quietline("staff", "list", "--json").stdout)
    assert not row["in_service"]
    assert quietline("down").stdout == "Stopped.\n"
