"""`docs/reference/configuration.md`, made from `config.py` itself: types, defaults, docstrings and comments.

`python -m quietline.config_reference > docs/reference/configuration.md`; a test keeps the page true.
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, get_type_hints

from quietline import config
from quietline.config import Config
from quietline.config_file import LISTS
from quietline.vault.reference import table

HEAD = """\
# Configuration

Made from `src/quietline/config.py` by `python -m quietline.config_reference`; a test keeps it true. Change the source,
not this page.

One TOML file, `/etc/quietline/quietline.toml` unless `--config` or `QUIETLINE_CONFIG` names another. What is left out
has the default below. `quietline config check` names the line, the key and the fix of a mistake; an unknown key is one.
No secret is ever in this file. [`examples/chain.toml`](../../examples/chain.toml) is a whole one, with comments.
"""

TYPES = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}


def page() -> str:
    """The whole page."""
    comments = _comments(inspect.getsource(config))
    lists = {kind: name for name, kind in LISTS.items()}
    parts = [HEAD]
    for field, hint in zip(fields(Config), get_type_hints(Config).values(), strict=True):
        kind = hint if isinstance(hint, type) and hint not in (tuple,) and hasattr(hint, "__slots__") else None
        kind = kind or next(each for each in lists if each.__name__ in str(hint))
        header = f"[[{lists[kind]}]]" if kind in lists else f"[{field.name}]"
        parts += [f"## `{header}`\n", inspect.cleandoc(kind.__doc__ or "") + "\n", _section(kind, comments)]
    return "\n".join(parts)


def _section(kind: Any, comments: dict[tuple[str, str], str]) -> str:
    rows = (
        (f"`{each.name}`", _type(str(each.type)), _default(each), _cell(comments.get((kind.__name__, each.name), "")))
        for each in fields(kind)
    )
    return table(("key", "type", "default", "meaning"), rows)


def _type(name: str) -> str:
    return "list of texts" if name.startswith("tuple") else TYPES[name]


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "must be given"
    value = field.default
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{each}"' for each in value) + "]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, (int, float)) else f'`"{value}"`'


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _comments(source: str) -> dict[tuple[str, str], str]:
    """(class, field) -> the comment at the end of its line."""
    by_line = dict(_comment_lines(source))
    return {
        (kind.name, item.target.id): by_line.get(item.end_lineno or 0, "")
        for kind in ast.parse(source).body
        if isinstance(kind, ast.ClassDef)
        for item in kind.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


def _comment_lines(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


if __name__ == "__main__":
    sys.stdout.write(page())
