"""TaskRouter's expressions, as far as they are published: `language == "fr" AND (skills HAS "returns" OR level > 3)`.

Read into a tree, and a conjunction of it into needs. Case of AND, OR, NOT, IN, HAS, CONTAINS does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from quietline.errors import ConfigError

MAX_LENGTH = 4_000  # characters
MAX_DEPTH = 50  # brackets in one another
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>"[^"]*"|'[^']*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<sign>==|!=|<>|>=|<=|=|>|<|\(|\)|\[|\]|,)
    | (?P<word>[A-Za-z_][\w.$-]*)
    )""",
    re.VERBOSE,
)
_SAME = {"=": "==", "<>": "!="}
_WORDS = ("AND", "OR", "NOT", "IN", "HAS", "CONTAINS")


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute: `task.language`, `worker.skills`."""

    text: str = field(repr=False)

    @property
    def last(self) -> str:
        """Without `task.` or `worker.`."""
        return self.text.rpartition(".")[2].lower()


Literal = str | float | bool | None
Operand = Name | Literal | tuple["Operand", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison. `op`: == != > >= < <= IN HAS "NOT IN"; CONTAINS reads as HAS."""

    left: Operand
    op: str = field(repr=False)
    right: Operand


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Tree


Tree = Compare | Every | Either | Not


def parse(text: str) -> Tree:
    """The tree. Raises ConfigError saying where the expression cannot be read."""
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"the expression is longer than {MAX_LENGTH:,} characters")
    reader = _Reader(list(_tokens(text)))
    tree = reader.either(0)
    if reader.peek():
        raise ConfigError(f"cannot be read from `{reader.peek()[:20]}` on")
    return tree


def conditions(tree: Tree) -> tuple[Tree, ...]:
    """What must hold at once: the parts of a conjunction, or the one thing it is."""
    if isinstance(tree, Every):
        return tuple(each for part in tree.parts for each in conditions(part))
    return (tree,)


def always(tree: Tree) -> bool:
    """Whether it says nothing: `1 == 1`, `true == true`."""
    return isinstance(tree, Compare) and tree.op == "==" and tree.left == tree.right and not isinstance(tree.left, Name)


def written(tree: Tree) -> str:
    """As people read it."""
    match tree:
        case Compare():
            return f"{_operand(tree.left)} {tree.op} {_operand(tree.right)}"
        case Not():
            return f"NOT ({written(tree.part)})"
        case Either():
            return " OR ".join(f"({written(part)})" for part in tree.parts)
        case Every():
            return " AND ".join(f"({written(part)})" for part in tree.parts)


def _operand(operand: Operand) -> str:
    if isinstance(operand, Name):
        return operand.text
    if isinstance(operand, tuple):
        return f"[{', '.join(map(_operand, operand))}]"
    if isinstance(operand, bool) or operand is None:
        return {True: "true", False: "false", None: "null"}[operand]
    return f'"{operand}"' if isinstance(operand, str) else f"{operand:g}"


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ConfigError(f"cannot be read from `{text[at : at + 20].strip()}` on")
        word = found.group().strip()
        yield word.upper() if word.upper() in _WORDS else word
        at = found.end()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at = tokens, 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if not token or (wanted and token not in wanted):
            raise ConfigError(
                f"ends too soon; want {' or '.join(wanted) or 'more'}" if not token else f"`{token}` here"
            )
        self._at += 1
        return token

    def either(self, depth: int) -> Tree:
        parts = [self._every(depth)]
        while self.peek() == "OR":
            self.take()
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self, depth: int) -> Tree:
        parts = [self._single(depth)]
        while self.peek() == "AND":
            self.take()
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _single(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ConfigError(f"more than {MAX_DEPTH} brackets in one another")
        if self.peek() == "NOT":
            self.take()
            return Not(self._single(depth + 1))
        if self.peek() == "(":
            self.take()
            tree = self.either(depth + 1)
            self.take(")")
            return tree
        return self._compare()

    def _compare(self) -> Tree:
        left = self._value()
        word = self.take("==", "=", "!=", "<>", ">=", "<=", ">", "<", "IN", "NOT", "HAS", "CONTAINS")
        if word == "NOT":
            self.take("IN")
            return Compare(left, "NOT IN", self._value())
        op = "HAS" if word == "CONTAINS" else _SAME.get(word, word)
        return Compare(left, op, self._value())

    def _value(self, depth: int = 0) -> Operand:
        word = self.take()
        if depth > MAX_DEPTH:
            raise ConfigError(f"more than {MAX_DEPTH} brackets in one another")
        if word == "[":
            values: list[Operand] = []
            while self.peek() != "]":
                values.append(self._value(depth + 1))
                if self.peek() != "]":
                    self.take(",")
            self.take("]")
            return tuple(values)
        if word[0] in "\"'":
            return word[1:-1]
        if word[0].isdigit() or (word[0] == "-" and len(word) > 1):
            return float(word)
        constants: dict[str, Literal] = {"true": True, "false": False, "null": None}
        if word.lower() in constants:
            return constants[word.lower()]
        if not (word[0].isalpha() or word[0] == "_") or word in _WORDS:
            raise ConfigError(f"`{word}` where a value belongs")
        return Name(word)
