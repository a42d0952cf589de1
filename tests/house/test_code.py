"""House rules of the code, read from its syntax. Each rule is also shown a breach, so that it is known to bite."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Trees = dict[Path, ast.Module]
Rule = Callable[[Trees], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_FUNCTION = 50  # lines
LONGEST_FILE = 500  # lines; call.py, the story of a call, is the longest
P90_FUNCTION = 35
LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}

# Tasks outside a TaskGroup, each with its owner. (file, function): reason
OWNED_OTHERWISE = {
    ("cli/call.py", "_press_keys"): "a thread's future, awaited in the same loop",
    ("wiring.py", "_until_told"): "the process's one task, awaited at once; a signal cancels it",
    ("vault/process.py", "_until_told"): "the same",
    ("telephony/media.py", "play"): "kept in the media's own field, cancelled by the next verb and by release",
    ("telephony/stream.py", "connection_lost"): "a protocol callback: kept in a field, cancelled by close",
    ("wire.py", "_connected"): "the reader of a connection: kept in a field, cancelled by close",
    ("testing/baresip.py", "__aenter__"): "cancelled and awaited by __aexit__",
    ("testing/browser.py", "_finished"): "a browser's callback: one short message, awaited when the browser closes",
    ("testing/browser.py", "signs_out"): "awaited two lines below",
    ("testing/desk_client.py", "events"): "ends with the reader's `async with`",
    ("testing/remote_desk.py", "listens"): "cancelled by __aexit__",
    ("testing/sip_wire.py", "open"): "cancelled by close",
    ("testing/vault_house.py", "start"): "cancelled by stop",
}


def functions(trees: Trees) -> Iterator[tuple[Path, Function]]:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def calls(trees: Trees) -> Iterator[tuple[Path, ast.Call, str]]:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func)


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_functions(trees: Trees) -> list[str]:
    return [f"{path}: {node.name}" for path, node in functions(trees) if length(node) > LONGEST_FUNCTION]


def prints(trees: Trees) -> list[str]:
    """Processes log, commands echo; nothing prints. (A console's own print method is not meant.)"""
    return [f"{path}:{node.lineno}" for path, node, name in calls(trees) if name == "print"]


def made_up_log_messages(trees: Trees) -> list[str]:
    """A log's message is one constant text; what changes is a named field (style, habit 12)."""
    found = []
    for path, node, name in calls(trees):
        owner, _, method = name.rpartition(".")
        if owner in ("log", "self._log", "logger") and method in LOG_METHODS:
            one_text = len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
            if not one_text or any(each.arg is None for each in node.keywords):
                found.append(f"{path}:{node.lineno}")
    return found


def swallowed(trees: Trees) -> list[str]:
    """`except Exception` that neither raises nor says a word, and `suppress(Exception)`."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _broad(node.type) and not _says_something(node)
    ]
    found += [
        f"{path}:{node.lineno}"
        for path, node, name in calls(trees)
        if name.endswith("suppress") and any(_broad(each) for each in node.args)
    ]
    return found


def _broad(node: ast.expr | None) -> bool:
    return node is None or ast.unparse(node) in ("Exception", "BaseException")


def _says_something(handler: ast.ExceptHandler) -> bool:
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    logs = any(isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.") for node in inside)
    return logs or any(isinstance(node, ast.Raise) for node in inside)


def unowned_tasks(trees: Trees) -> list[str]:
    """Every task is owned: made by a TaskGroup, or one of the few above (style, habit 19)."""
    found = []
    for path, function in functions(trees):
        for node in ast.walk(function):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            bare = name in ("asyncio.create_task", "asyncio.ensure_future") or name.endswith("loop().create_task")
            if (bare or name == "loop.create_task") and (str(path), function.name) not in OWNED_OTHERWISE:
                found.append(f"{path}:{function.name}")
    return found


def opened_without_ticket(trees: Trees) -> list[str]:
    """A value opens with one argument that reads as a ticket: `Ticket(...)`, `ticket`, or a constant in capitals.

    mypy checks the type; this keeps the ticket visible in the line that opens (style, habit 11). Files are opened
    with a constant mode and sockets by their class or address, so neither is meant.
    """
    found = []
    for path, node, name in calls(trees):
        if name.endswith(".open") and len(node.args) == 1 and not isinstance(node.args[0], ast.Constant | ast.Tuple):
            word = ast.unparse(node.args[0]).split("(")[0].split(".")[-1]
            visible = word == "Ticket" or "ticket" in word.lower() or word.lstrip("_").isupper()
            if not visible and not name[0].isupper() and name != "self.open":
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    return found


def undocumented(trees: Trees) -> list[str]:
    """Every public module, class and function; and every public method that is longer than one line, unless a port of
    the package documents it.
    """
    ports = {name for tree in trees.values() for name in _port_methods(tree)}
    found = []
    for path, tree in trees.items():
        if tree.body and not ast.get_docstring(tree):
            found.append(f"{path}")
        for node in tree.body:
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
                found += [f"{path}: {node.name}"] * (not ast.get_docstring(node))
                found += [f"{path}: {node.name}.{each}" for each in _bare_methods(node) if each not in ports]
    return found


def _port_methods(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
            yield from (each.name for each in node.body if isinstance(each, Function))


def _bare_methods(node: ast.AST) -> Iterator[str]:
    for each in node.body if isinstance(node, ast.ClassDef) else ():
        public = isinstance(each, Function) and not each.name.startswith("_")
        if public and len(each.body) > 1 and not ast.get_docstring(each):
            yield each.name


RULES: dict[str, tuple[Rule, str]] = {
    "no function above 50 lines": (long_functions, "def f():\n" + "    x = 1\n" * 50),
    "nothing prints": (prints, "print('hello')"),
    "log messages are constant": (made_up_log_messages, "log.info(f'call {call}')"),
    "log fields are named": (made_up_log_messages, "log.info('call', **fields)"),
    "no error is swallowed": (swallowed, "try:\n    x()\nexcept Exception:\n    pass"),
    "no error is suppressed wholesale": (swallowed, "with suppress(Exception):\n    x()"),
    "every task has an owner": (unowned_tasks, "async def f():\n    asyncio.create_task(g())"),
    "every task has an owner, by the loop too": (
        unowned_tasks,
        "async def f():\n    asyncio.get_running_loop().create_task(g())",
    ),
    "a value opens with a visible ticket": (opened_without_ticket, "def f(password):\n    password.open(self._who)"),
    "functions are documented": (undocumented, '"""A module."""\ndef f():\n    return 1'),
    "classes are documented": (undocumented, '"""A module."""\nclass C:\n    x = 1'),
    "modules are documented": (undocumented, "x = 1"),
    "methods are documented": (
        undocumented,
        '"""A module."""\nclass C:\n    """A class."""\n    def f(self):\n        x = 1\n        return x',
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str, trees: Trees) -> None:
    rule, _ = RULES[name]
    assert rule(trees) == []


@pytest.mark.parametrize("name", RULES)
def test_the_rule_can_fail(name: str, tree_of: Callable[[str], Trees]) -> None:
    rule, breach = RULES[name]
    assert rule(tree_of(breach)) != []


def test_the_exceptions_are_all_needed(trees: Trees) -> None:
    """An exception whose place is gone would let a new one in."""
    there = {(str(path), function.name) for path, function in functions(trees)}
    assert set(OWNED_OTHERWISE) <= there


def test_no_file_is_long(root: Path) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (root / "src").rglob("*.py")}
    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_are_short_as_a_rule(trees: Trees) -> None:
    lengths = sorted(length(node) for _, node in functions(trees))
    assert lengths[len(lengths) * 9 // 10] <= P90_FUNCTION
    assert lengths[len(lengths) // 2] <= 10


def test_there_is_as_much_test_as_code(root: Path) -> None:
    """The issue asks for 1; the simulated far side counts for neither."""
    code = [path for path in (root / "src").rglob("*.py") if not {"testing", "demo"} & set(path.parts)]
    tests = list((root / "tests").rglob("*.py"))
    count = lambda paths: sum(len(path.read_text().splitlines()) for path in paths)  # noqa: E731
    assert count(tests) >= count(code)
