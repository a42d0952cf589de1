"""What root may ask about the policies: which are in force, take them in anew, how little was opened.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from quietline.access.minimum import ALL, By, as_rows
from quietline.errors import ConfigError
from quietline.plain import plain
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _status(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.policies.state())


async def _reload(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.policies.reload(fields.text("reviewed", "")))


async def _minimum(parts: Unsealed, fields: Fields) -> Frame:
    try:
        by = By(fields.text("by", By.REASON.value))
    except ValueError:
        raise ConfigError(f"policy minimum: by: one of {', '.join(By)}") from None
    scores, whole = await parts.policies.minimum(by, fields.number("since", 0.0), fields.number("until"))
    return {"rows": as_rows({**scores, ALL: whole}, by) if scores else []}


ANSWERS: dict[str, Answer[Unsealed]] = {
    "policy_status": _status,
    "policy_reload": _reload,
    "policy_minimum": _minimum,
}
