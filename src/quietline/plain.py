"""Records as plain data, for an encoder that reads them at once.

`dataclasses.asdict` copies every value deeply; for journal and desk that was a quarter of the controller's CPU a call
(docs/decisions/0008-figures.md).
"""

from __future__ import annotations

from typing import Any


def plain(record: Any) -> dict[str, Any]:
    """The fields of a dataclass with slots, by name. Values are shared, not copied, and not looked into."""
    return {name: getattr(record, name) for name in record.__slots__}
