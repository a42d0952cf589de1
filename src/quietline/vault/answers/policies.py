"""What root may ask about the policies: which are in force, take them in anew, how little was opened.

One small function an operation: take the fields, ask the part, answer plain data.
"""

from __future__ import annotations

from quietline.plain import plain
from quietline.vault.operations import Answer, Fields
from quietline.vault.unsealed import Unsealed
from quietline.wire import Frame


async def _status(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.policies.state())


async def _reload(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.policies.reload(fields.text("reviewed", "")))


ANSWERS: dict[str, Answer[Unsealed]] = {"policy_status": _status, "policy_reload": _reload}
