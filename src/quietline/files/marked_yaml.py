"""YAML as plain values, and the line of each: what the chain file and flow files are read with.

Only `true`, `false`, `null`, whole and decimal numbers are resolved, as YAML 1.2's core schema (§10.3) writes them in
lower case; everything else is the text that stands there. So `no` is "no", `9:30` is "9:30", `2026-12-25` and
`+442079460101` are texts, where YAML 1.1 makes False, 570, a date and a number of them. Keys are always texts.

Anchors, aliases, tags and merge keys are refused: the files have names to refer by, and an alias can stand for a
billion values (the "billion laughs").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from quietline.errors import ConfigError

MAX_BYTES = 8 * 1024 * 1024  # 40 stores, 60 queues and 2,000 agents are 0.4 MB
MAX_DEPTH = 24  # maps and lists in one another
MAX_DIGITS = 18  # of a number; a longer one is a text, and wants quotes

_WORDS = {"true": True, "false": False, "null": None, "": None}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TAB = re.compile(r"[ ]*\t")

Place = tuple[str | int, ...]  # where a value is: keys and positions from the top, ("stores", "mill", "numbers", 0)


@dataclass(frozen=True, slots=True)
class Marked:
    """What a file holds. `value`: dicts with text keys, lists, texts, numbers, booleans, None."""

    value: Any = field(repr=False)
    name: str  # of the file, for messages
    lines: Mapping[Place, int] = field(repr=False)  # 1 for the first; of the key, where a value has one

    def line(self, place: Place) -> int:
        """The line of a value, or of the nearest thing around it when it is not there itself."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def says(self, place: Place, what: str) -> str:
        """One line for a person: "chain.yaml:12: stores.mill.numbers[0]: what is wrong; how to mend it"."""
        where = f"{written(place)}: " if place else ""
        return f"{self.name}:{self.line(place)}: {where}{what}"

    def error(self, place: Place, what: str) -> ConfigError:
        """The same as an error to raise."""
        return ConfigError(self.says(place, what))


def written(place: Place) -> str:
    """A place as people write it: "stores.mill.numbers[0]"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def load(path: Path) -> Marked:
    """The values of a file. Raises ConfigError with file and line."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    return parse(data, str(path))


def parse(data: bytes | str, name: str) -> Marked:
    """The values of a text; `name` stands in messages. Raises ConfigError with file and line."""
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES // 1024 // 1024} MiB; split it, or ask what it holds")
    text = _decoded(raw, name)
    reader = _Reader(name)
    try:
        value = reader.document(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text, name) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(f"{name}:{line}: a control character that no YAML may hold; take it out") from None
    return Marked(value, name, reader.lines)


def dump(value: Any) -> str:
    """A text in block style that `parse` reads back to the same value: texts are quoted where they must be."""
    text = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    return str(text)


class _Dumper(yaml.CSafeDumper):
    """PyYAML's, whose YAML 1.1 quotes all but a few texts that YAML 1.2 takes for numbers, "1e3"."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    resolved = text in _WORDS or _DECIMAL.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if resolved else None)


_Dumper.add_representer(str, _text)


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: is not UTF-8 text; save the file as UTF-8") from None


def _syntax(error: yaml.MarkedYAMLError, text: str, name: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    lines = text.splitlines()
    if number < len(lines) and _TAB.match(lines[number]):
        return ConfigError(f"{name}:{number + 1}: a tab stands where the line begins; indent with spaces")
    context = f" {error.context}" if error.context else ""
    return ConfigError(f"{name}:{number + 1}: this is not YAML:{context} {error.problem}; mend it near this line")


class _Reader:
    """Builds values from the parser's events; refuses as it goes, so nothing grows before it is refused."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Place, int] = {}
        self._name = name

    def document(self, events: Iterator[yaml.Event]) -> Any:
        next(events)  # the stream's start
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            return None
        value = self._value(next(events), events, ())
        next(events)  # the document's end
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._error(after, "a second document begins with ---; one file holds one")
        return value

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], place: Place) -> Any:
        self._refuse(event, len(place))
        self.lines.setdefault(place, _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, place)
        assert isinstance(event, yaml.ScalarEvent)
        return self._scalar(event)

    def _mapping(self, events: Iterator[yaml.Event], place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, len(place))
            below = (*place, key)
            if key in found:
                raise self._error(event, f"{written(below)}: stands on line {self.lines[below]} too; keep one")
            self.lines[below] = _line(event)
            found[key] = self._value(next(events), events, below)
        return found

    def _list(self, events: Iterator[yaml.Event], place: Place) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(event, events, (*place, len(found))))
        return found

    def _key(self, event: yaml.Event, depth: int) -> str:
        self._refuse(event, depth)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, "a list or a map stands as a key; a key is a text")
        if event.value == "<<" and event.implicit[0]:
            raise self._error(event, "merge keys (<<) are not read; write the keys out")
        return str(event.value)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = str(event.value)
        if not event.implicit[0]:  # in quotes, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if not _DECIMAL.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS or math.isinf(float(text)):
            raise self._error(
                event, f"a number too large, or of more than {MAX_DIGITS} digits; if it is a text, put it in quotes"
            )
        return int(text) if _WHOLE.fullmatch(text) else float(text)

    def _refuse(self, event: yaml.Event, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._error(event, f"more than {MAX_DEPTH} levels in one another; flatten it")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._error(event, "anchors (&) and aliases (*) are not read; write it out, or put it in quotes")
        if getattr(event, "tag", None):
            raise self._error(event, "tags (!) are not read; take it away, or put the text in quotes")

    def _error(self, event: yaml.Event, what: str) -> ConfigError:
        return ConfigError(f"{self._name}:{_line(event)}: {what}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
