"""Reference pages say what the code says; the example is a right configuration."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from quietline import config, config_reference
from quietline.cli import reference as cli_reference
from quietline.config import Config
from quietline.config_file import dump, load, parse
from quietline.ledger import reference as ledger_reference
from quietline.ledger.vocabulary import Kind
from quietline.telephony.edge import check_edge
from quietline.vault.schema import CLASSES

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = {
    "chain": "chain.reference",
    "configuration": "config_reference",
    "flow": "flows.reference",
    "cli": "cli.reference",
    "ledger": "ledger.reference",
    "policy": "access.reference",
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    module: ModuleType = importlib.import_module(f"quietline.{PAGES[name]}")
    current = (REFERENCE / f"{name}.md").read_text()
    assert current == module.page(), f"run: python -m quietline.{PAGES[name]} > docs/reference/{name}.md"


# Configuration


def rows(page: str, section: str) -> dict[str, list[str]]:
    """The cells of a section's table, by key."""
    text = page.split(f"## `{section}`\n")[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {each[0].strip("`"): each for each in cells}


@pytest.mark.parametrize(
    ("section", "kind"),
    [("[edge]", config.Edge), ("[vault]", config.Vault), ("[[trunk]]", config.Trunk), ("[[queue]]", config.Queue)],
)
def test_every_key_of_a_section_is_there(section: str, kind: type) -> None:
    assert list(rows(config_reference.page(), section)) == [field.name for field in fields(kind)]  # type: ignore[arg-type]


def test_every_section_is_there() -> None:
    headers = re.findall(r"^## `\[+(\w+)\]+`$", config_reference.page(), re.MULTILINE)
    assert [header.rstrip("s") for header in headers] == [field.name.rstrip("s") for field in fields(Config)]


def test_a_row_has_type_default_and_the_comment_of_the_source() -> None:
    page = config_reference.page()
    assert rows(page, "[edge]")["wss_port"][1:] == ["whole number", "`8443`", "browsers"]
    assert rows(page, "[[trunk]]")["name"][1:3] == ["text", "must be given"]
    assert rows(page, "[controller]")["notice"][1:3] == ["true or false", "`true`"]
    assert rows(page, "[edge]")["addresses"][1:3] == ["list of texts", '`["127.0.0.1"]`']
    assert rows(page, "[controller]")["ring_seconds"][1:3] == ["number", "`15.0`"]


def test_a_bar_in_a_comment_does_not_break_the_table() -> None:
    assert '"to" \\| "diversion"' in config_reference.page()


def test_every_key_of_the_configuration_has_an_effect() -> None:
    """A key that nothing reads would be a promise nobody keeps."""
    code = [path for path in (ROOT / "src/quietline").rglob("*.py") if path.name not in ("config.py", "config_file.py")]
    read = {
        node.attr
        for path in code
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    templates = " ".join(path.read_text() for path in (ROOT / "src/quietline").rglob("*.j2"))
    kinds = (config.Paths, config.Edge, config.Trunk, config.Relay, config.Controller, config.Vault, config.Web)
    keys = {field.name for kind in (*kinds, config.Certificates, config.Store, config.Queue) for field in fields(kind)}
    assert {key for key in keys if key not in read and f".{key}" not in templates} == set()


# The example


def test_the_example_is_right() -> None:
    settings = load(ROOT / "examples" / "chain.toml")
    check_edge(settings)
    assert (len(settings.stores), len(settings.queues), len(settings.trunks)) == (4, 3, 2)


def test_the_example_shows_every_section() -> None:
    text = (ROOT / "examples" / "chain.toml").read_text()
    sections = set(re.findall(r"^#? ?\[+(\w+)\]+$", text, re.MULTILINE))
    assert sections == {field.name for field in fields(Config)} - {
        "users",
        "trunks",
        "carriers",
        "stores",
        "queues",
        "fields",
    } | {
        "carrier",
        "trunk",
        "store",
        "queue",
        "field",
    }


def test_what_is_commented_out_in_the_example_is_right_too() -> None:
    text = (ROOT / "examples" / "chain.toml").read_text()
    shown = re.sub(r"^# (\[certificates\]|certificate = .*|key = .*)$", r"\1", text, flags=re.MULTILINE)
    assert parse(shown).certificates.key == "/etc/quietline/privkey.pem"


def test_the_example_survives_being_written_again() -> None:
    settings = load(ROOT / "examples" / "chain.toml")
    assert parse(dump(settings)) == settings


def test_the_how_tos_configurations_are_right() -> None:
    """Every TOML block of a how-to parses; what it leaves out comes from the example's first trunk."""
    blocks = [
        block
        for page in (ROOT / "docs" / "howto").glob("*.md")
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    ]
    assert len(blocks) == 5
    for block in blocks:
        parse(block)


# Command line


def test_every_command_and_option_is_on_the_page() -> None:
    page = (REFERENCE / "cli.md").read_text()
    for name, command in cli_reference.commands():
        section = page.split(f"## `quietline {name}")[1].split("\n## ")[0]
        assert command.help.strip().splitlines()[0] in section
        for param in command.params:
            word = param.name.upper() if param.param_type_name == "argument" else param.opts[0]
            assert f"`{word}`" in section, (name, word)


def test_every_option_and_argument_is_explained() -> None:
    silent = [
        (name, each.name) for name, command in cli_reference.commands() for each in command.params if not each.help
    ]
    assert silent == []


# Ledger


@pytest.mark.parametrize("kind", Kind)
def test_every_word_of_the_ledger_is_explained_or_said_to_be_unused(kind: Kind) -> None:
    (line,) = [line for line in ledger_reference.page().splitlines() if line.startswith(f"| `{kind.value}` |")]
    assert ledger_reference.MEANING.get(kind.value) or line.endswith("| not written yet |")


def test_no_meaning_without_a_word() -> None:
    assert set(ledger_reference.MEANING) <= {kind.value for kind in Kind}


def test_fields_come_from_the_places_that_write_them() -> None:
    page = ledger_reference.page()
    row = {line.split("`")[1]: line.rsplit("|", 2)[1] for line in page.splitlines() if line.startswith("| `")}
    assert row["code.passed"].split("`")[1::2] == ["assurance", "leg"]
    assert row["call.queued"].split("`")[1::2] == ["call", "leg", "queue"]
    assert {"field", "reason", "agent", "grant"} <= set(row["look.allowed"].split("`")[1::2])


# Privacy


def test_the_privacy_page_promises_no_time_that_the_schema_does_not_know() -> None:
    text = (REFERENCE / "privacy.md").read_text()
    assert "nothing deletes by itself yet" in text
    data = (REFERENCE / "data.md").read_text()
    assert all(spec.kept in data and spec.basis in data for spec in CLASSES.values())
    assert "(data.md#retention-classes)" in text


def test_the_privacy_page_speaks_of_the_notice_that_is_played() -> None:
    words = (ROOT / "src/quietline/telephony/prompt_words.py").read_text()
    assert "telephony/prompt_words.py" in (REFERENCE / "privacy.md").read_text()
    assert "Prompt.NOTICE" in words
    assert "This call is not recorded." in words, "the page says that nothing is recorded"
