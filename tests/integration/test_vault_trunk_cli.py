"""`quietline trunk` against a running vault: a password once, none after, a certificate that the trunk port takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

from quietline.cli import build
from quietline.config_file import dump
from quietline.errors import ConfigError
from quietline.telephony.certificates import ensure_certificates
from quietline.testing.edge_kit import TRUNKS
from quietline.testing.vault_house import VaultHouse
from quietline.vault.phones import ha1


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    house = VaultHouse(tmp_path)
    house.config = replace(house.config, trunks=tuple(each for each in TRUNKS if not each.cleartext))
    (tmp_path / "quietline.toml").write_text(dump(house.config))
    async with house:
        yield house


async def trunk(house: VaultHouse, *arguments: str) -> Result:
    """As typed, in a thread of its own, for a command has its own event loop."""
    file = house.config.paths.state.parent / "quietline.toml"
    line = ["trunk", *arguments, "--config", str(file)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(build(), line))


async def test_a_password_is_shown_once_and_taken_back(house: VaultHouse) -> None:
    issued = await trunk(house, "issue", "carrier-d", "--json")
    assert issued.exit_code == 0, issued.output
    (shown,) = json.loads(issued.output)
    assert house.edge.trunks == {"digcarrier": ha1("digcarrier", shown["realm"], shown["password"])}
    assert (await trunk(house, "revoke", "carrier-d")).output == "Revoked.\n"
    assert house.edge.trunks == {}
    assert (await trunk(house, "revoke", "carrier-d")).output == "It had no password.\n"


@pytest.mark.parametrize(("name", "said"), [("carrier-x", "trunk: one of"), ("carrier-a", "set digest_user")])
async def test_a_trunk_without_digest_gets_none(house: VaultHouse, name: str, said: str) -> None:
    refused = await trunk(house, "issue", name)
    assert isinstance(refused.exception, ConfigError)
    assert said in str(refused.exception)


async def test_a_certificate_carries_the_trunks_name_and_its_key_is_for_the_owner(house: VaultHouse) -> None:
    ensure_certificates(house.config)
    folder = house.config.paths.state.parent / "carrier"
    made = await trunk(house, "certificate", "carrier-a", str(folder))
    assert made.exit_code == 0, made.output
    leaf = x509.load_pem_x509_certificate((folder / "carrier-a.pem").read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=carrier-a.example"
    key = serialization.load_pem_private_key((folder / "carrier-a.key").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    assert (folder / "carrier-a.key").stat().st_mode & 0o777 == 0o400
    ca = x509.load_pem_x509_certificate((house.config.paths.state / "ca" / "ca.pem").read_bytes())
    leaf.verify_directly_issued_by(ca)
