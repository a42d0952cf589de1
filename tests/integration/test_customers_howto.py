"""The guides to imports and to the shop's connector: their files written, their commands run, their words true."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.config import Shop
from quietline.config_file import dump, parse
from quietline.connector.webhooks import PATH
from quietline.customers.batches import clean
from quietline.customers.running import TWIN
from quietline.testing.vault_house import VaultHouse
from quietline.testing.woo_shop import WooShop

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.getuid() != 0, reason="root's"),
]

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
IMPORT, CONNECT = ((HOWTO / name).read_text() for name in ("import-customers.md", "connect-your-shop.md"))


def blocks(page: str, language: str) -> list[str]:
    return [text for word, text in FENCE.findall(page) if word == language]


def commands(page: str, word: str) -> list[list[str]]:
    """The page's `quietline` commands that hold this word, without sudo."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if "quietline" in line]
    return [shlex.split(line.removeprefix("sudo "))[1:] for line in lines if f" {word} " in f"{line} "]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VaultHouse]:
    folder = tmp_path_factory.mktemp("howto")
    async with WooShop() as shop:
        made = VaultHouse(folder)
        (folder / "key").write_text("\n".join(shop.key))
        (folder / "webhook").write_text(shop.webhook_secret)
        made.config = replace(made.config, shop=Shop(shop.url, str(folder / "key"), str(folder / "webhook")))
        (folder / "quietline.toml").write_text(dump(made.config))
        shop.sells()
        async with made:
            yield made


async def runs(house: VaultHouse, words: list[str]) -> str:
    """The output of one command of a page; it must succeed."""
    folder = house.config.paths.state.parent
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "quietline.cli", *words, cwd=folder, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env={**os.environ, "QUIETLINE_CONFIG": str(folder / "quietline.toml")},
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, (words, err.decode())
    return " ".join(re.sub(r"[│┃━╇]", " ", out.decode()).split())


async def test_import_customers(house: VaultHouse) -> None:
    folder = house.config.paths.state.parent
    (folder / "people.csv").write_text(blocks(IMPORT, "csv")[0])
    (folder / "mapping.yaml").write_text(blocks(IMPORT, "yaml")[0])
    dry, real = commands(IMPORT, "import")
    assert "would be new 2" in await runs(house, dry)
    assert (await house.admin.status())["customers"] == 0
    told = await runs(house, real)
    assert "new 2" in told
    assert "rejected 1" in told
    assert (await house.admin.status())["customers"] == 2
    wanted = next(block for block in blocks(IMPORT, "") if block.startswith("row,reason"))
    assert (folder / "people.csv.rejects.csv").read_text().replace("\r", "") == wanted
    assert "unchanged 2" in await runs(house, real)


async def test_the_lists_of_fields_and_the_schema(house: VaultHouse) -> None:
    (fields,), (schema,) = commands(IMPORT, "fields"), commands(IMPORT, "schema")
    assert "contact.loyalty" in await runs(house, fields)
    assert "json-schema.org" in await runs(house, schema)


async def test_every_reason_of_the_table_is_one_that_is_given() -> None:
    source = " ".join(path.read_text() for part in ("customers", "vault") for path in sorted((SRC / part).glob("*.py")))
    rows = [line.split("|")[1].strip() for line in IMPORT.splitlines() if line.startswith("| ") and "---" not in line][
        1:
    ]
    assert len(rows) == 6
    for reason in rows:
        known = re.split(r" utf-8| \d+ columns| …", reason)[0]
        assert known in source or known in TWIN, reason


async def test_what_a_spreadsheet_writes_is_understood() -> None:
    assert clean("contact.phone", '="0770"') == "0770"


async def test_connect_your_shop(house: VaultHouse) -> None:
    once, running = commands(CONNECT, "shop")
    assert "1 orders brought in step" in await runs(house, once)
    assert running[-2:] == ["connect", "shop"]
    assert PATH in CONNECT


async def test_its_configuration_is_right() -> None:
    text = blocks(CONNECT, "toml")[0]
    assert parse(text).shop.url == "https://shop.example"
    assert set(tomllib.loads(text)) == {"users", "shop"}


SRC = Path(__file__).resolve().parents[2] / "src" / "quietline"
