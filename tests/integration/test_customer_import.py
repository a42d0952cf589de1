"""`quietline customer import` against a real vault: kill -9 and on again; a house's own field from file to desk."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.config import CustomField
from quietline.config_file import dump
from quietline.errors import ConfigError, Denied
from quietline.sealed import Ticket
from quietline.testing.vault_house import VaultHouse

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.getuid() != 0, reason="the command is root's"),
]

ROWS = 3_000
MAPPING = """\
key: id
fields: {contact.name: name, contact.phone: phone, custom.shoe_size: size}
order: {order.reference: order, order.items: items}
"""
CANARY = "Zebedee Quillfeather"
SHOWN = Ticket("test", "look", 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VaultHouse]:
    folder = tmp_path_factory.mktemp("import")
    house = VaultHouse(folder)
    own = CustomField("custom.shoe_size", "Shoe size", reasons=("product_advice",))
    house.config = replace(house.config, fields=(own,))
    (folder / "quietline.toml").write_text(dump(house.config))
    (folder / "map.yaml").write_text(MAPPING)
    async with house:
        yield house


def folder_of(house: VaultHouse) -> Path:
    return house.config.paths.state.parent


async def command(house: VaultHouse, *words: str) -> asyncio.subprocess.Process:
    """`quietline customer import people.csv …`, started."""
    line = (sys.executable, "-m", "quietline.cli", "customer", "import", "people.csv", "-m", "map.yaml", "--json")
    return await asyncio.create_subprocess_exec(
        *line, *words, "-c", "quietline.toml", cwd=folder_of(house),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def finished(process: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert CANARY.encode() not in out + err
    return dict(json.loads(out))


def position(house: VaultHouse) -> dict[str, Any]:
    for kept in (house.config.paths.state / "import").glob("*.json"):
        return dict(json.loads(kept.read_text()))
    return {}


async def killed_half_way(house: VaultHouse) -> dict[str, Any]:
    """The position that was kept when the command was killed."""
    process = await command(house)
    async with asyncio.timeout(60):
        while not position(house) and process.returncode is None:
            await asyncio.sleep(0.005)
    process.kill()
    await process.wait()
    return position(house)


async def test_killed_with_9_it_goes_on_behind_the_last_batch(house: VaultHouse) -> None:
    people = [f"{n},{CANARY} {n},+4420{n:08d},42,QL-{n},a lamp" for n in range(ROWS - 2)]
    people += ["x,=cmd(),,,,", f"y,{CANARY},,,QL-Y,pay with 4111 1111 1111 1111"]
    (folder_of(house) / "people.csv").write_text("id,name,phone,size,order,items\n" + "\n".join(people) + "\n")
    kept = await killed_half_way(house)
    assert 0 < kept["counts"]["rows"] < ROWS
    told = await finished(await command(house))
    assert told["resumed"]
    assert told["rows"] == ROWS
    assert told["new"] + told["unchanged"] == ROWS - 2
    assert told["rejected"] == 2
    assert (await house.admin.status())["customers"] == ROWS - 2
    assert not position(house)


async def test_the_reject_file_tells_rows_and_reasons_and_no_value(house: VaultHouse) -> None:
    path = folder_of(house) / "people.csv.rejects.csv"
    first, second = path.read_text().splitlines()[1:]
    assert first.startswith(f"{ROWS},contact.name: begins like a spreadsheet")
    assert "order.items: holds a payment card number" in second
    assert "4111" not in second
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_same_file_again_changes_nothing_and_a_dry_run_says_so(house: VaultHouse) -> None:
    told = await finished(await command(house, "--dry-run"))
    assert (told["new"], told["changed"], told["unchanged"]) == (0, 0, ROWS - 2)


async def test_an_own_field_is_asked_for_with_its_reason_alone(house: VaultHouse) -> None:
    agent = await house.agent("eva")
    token = await house.signed_in("eva")
    call = await house.call(agent, "+4420" + "00000007")
    assert await house.step_up(call.leg) == 2
    card = await house.desk.card(token, call.grant)
    fields: Any = card["fields"]
    (own,) = [each for each in fields if each["name"] == "custom.shoe_size"]
    assert (own["label"], own["state"], own["reasons"]) == ("Shoe size", "masked", ["product_advice"])
    value = await house.desk.open(token, call.grant, "custom.shoe_size", "product_advice")
    assert value.open(SHOWN) == "42"
    with pytest.raises(Denied, match="reason-does-not-need-it"):
        await house.desk.open(token, call.grant, "custom.shoe_size", "order_status")
    with pytest.raises(Denied, match="unknown-field"):
        await house.desk.open(token, call.grant, "custom.other", "order_status")


async def test_every_batch_is_in_the_ledger_a_dry_one_too(house: VaultHouse, tmp_path: Path) -> None:
    await house.admin.call("ledger_export", directory=str(tmp_path))
    text = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert text
    assert CANARY.encode() not in text


async def test_nonsense_is_refused_whole(house: VaultHouse) -> None:
    wrong: tuple[Any, ...] = (None, {}, [], [{}] * 1_001)
    for batch in wrong:
        with pytest.raises(ConfigError, match="1 to 1000 customers"):
            await house.admin.call("customers_import", customers=batch)
    with pytest.raises(ConfigError, match="keep, skip, merge"):
        await house.admin.call("customers_import", customers=[{}], duplicates="twice")
    answer = await house.admin.call("customers_import", customers=[{}, 7, {"key": "k", "controller": "nobody"}])
    assert [place for place, _ in answer["rejected"]] == [0, 1, 2]
