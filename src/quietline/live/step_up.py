"""Step-up: a one-time code to the contact on record, keyed in by the caller. The vault makes it and checks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import structlog

from quietline.errors import Denied, Unavailable
from quietline.sealed import Sealed
from quietline.telephony.ports import CallMedia, Prompt
from quietline.telephony.prompt_scripts import spoken
from quietline.vault.ports import CallVault

log = structlog.get_logger()

CODE_DIGITS = 6
CODE_WAIT = 120.0  # seconds: the code's own life (issue: two minutes)


async def step_up(
    vault: CallVault, media: CallMedia, leg: str, language: str, *, private: bool = False, sent: Callable[[], None]
) -> int:
    """The assurance once the keyed code is right, 0 when nothing came of it.

    `private`: an agent is connected and must hear no key. `sent` is called when the code is on its way. Raises
    RelayUnavailable.
    """
    keys = media.digits()  # from before the code is sent: a quick caller keys it while the prompt is starting
    try:
        if private:
            await media.mute_digits(True)  # before as well: no key of the code may reach the agent
        await vault.send_code(leg)
        sent()
        await media.play(spoken(Prompt.CODE, language))
        return await _key_code(vault, media, leg, language, keys)
    except (Unavailable, Denied) as refusal:
        log.info("step-up could not go on", leg=leg, reason=type(refusal).__name__)
        return 0
    finally:
        if private:
            await media.mute_digits(False)


async def _key_code(vault: CallVault, media: CallMedia, leg: str, language: str, keys: AsyncIterator[str]) -> int:
    """The assurance once the keyed code is right; 0 when the tries or the time are used up."""
    while digits := await next_keys(keys, CODE_DIGITS, CODE_WAIT):
        try:
            return await vault.check_code(leg, Sealed(digits))
        except Denied as denied:
            log.info("a keyed code was refused", leg=leg, reason=denied.reason)
            if denied.reason != "code-wrong":
                return 0
            await media.play(spoken(Prompt.CODE_WRONG, language))
    return 0


async def next_keys(keys: AsyncIterator[str], count: int, wait: float) -> str:
    """`count` keys, "" when they did not come in `wait` seconds. `*` begins anew."""
    keyed = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait):
            async for key in keys:
                keyed = "" if key == "*" else keyed + key
                if len(keyed) == count:
                    return keyed
    return ""
