"""Plaintext needs a visible ticket: every `.open(` on a sealed or stored value in the vault hands one over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import quietline.vault

FOLDER = Path(quietline.vault.__file__).parent
TICKETS = {"ticket", "TICKET", "T", "OPEN_TICKET", "_READ", "_SEND", "_TICKET"}
# Keys open bytes under a key, sessions and files open no value; looks.py and apart.py decide for themselves.
OTHERS = {"key", "_key", "keyring", "_keyring", "_sessions", "os", "looks", "_apart"}


def openings() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "open":
                yield f"{path.name}:{node.lineno}", node


def receiver(call: ast.Call) -> str:
    value = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")


def hands_over_a_ticket(call: ast.Call) -> bool:
    """A name that holds one, or one made on the spot."""
    return any(
        (isinstance(given, ast.Name) and given.id in TICKETS)
        or (isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.func.id == "Ticket")
        for given in call.args
    )


def opens_a_file(call: ast.Call) -> bool:
    """A mode is its only argument."""
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value in ("rb", "r+b", "w")


def test_every_opening_shows_its_ticket() -> None:
    found = list(openings())
    assert len(found) > 15
    bare = [
        where
        for where, call in found
        if not (receiver(call) in OTHERS or opens_a_file(call) or hands_over_a_ticket(call))
    ]
    assert bare == []
