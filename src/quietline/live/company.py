"""Company for a caller who waits: words once, music, the place and the wait from time to time; and whatever may end it.

Each of the works below runs beside the matcher's decisions and is cancelled when an agent is there. What ends the wait
is told, and told again, for it may come while a phone rings and nobody minds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

import structlog

from quietline.chain.model import Announcements
from quietline.errors import ConfigError
from quietline.routing.flow_run import Enter, Event, Key, Waited
from quietline.telephony import prompt_words as words
from quietline.telephony.ports import CallMedia, Prompt
from quietline.telephony.prompt_scripts import spoken

log = structlog.get_logger()

SAY_AGAIN = 2.0  # seconds: how soon an end of the wait that nobody minded is told again
QUIET = 0.3  # seconds before words and music: who is connected at once is spared a scrap of them
LOOK_AGAIN = 5.0  # seconds between looks at hours and overflow


class Voice(Protocol):
    """Makes words that are only now known to be needed."""

    async def say(self, name: str, language: str, text: str) -> str:
        """The prompt's key, once it can be played. Raises ConfigError when it cannot be made."""


class Line(Protocol):
    """What is known of the line a call waits in."""

    def place(self, call: str) -> int:
        """1 for the next; 0 for a call that does not wait."""

    def expected(self, call: str) -> float | None:
        """Seconds still to wait; None when nobody can tell."""


class Company:
    """For one wait of one call. `tell` is told what ends it."""

    def __init__(self, call: str, media: CallMedia, voice: Voice, line: Line, tell: Callable[[Event], None]) -> None:
        self._call, self._media, self._voice, self._line, self._tell = call, media, voice, line, tell

    def ends(self, wanted: Enter, left: float) -> Iterator[Awaitable[Any]]:
        """What may end the wait, from its first moment on. `left`: seconds of the step's own longest wait, 0: none."""
        if wanted.keys:
            yield self.listen(wanted.keys)
        if wanted.longest_wait:
            yield self.time_out(left)

    async def entertain(self, hold: str, language: str, announce: Announcements) -> None:
        """Words, music, and announcements at their interval, for as long as it takes. To be begun after QUIET."""
        if hold:
            await asyncio.sleep(await self._media.play(spoken(hold, language)))
        await self._media.loop(Prompt.MUSIC)
        while announce.every:
            await asyncio.sleep(announce.every)
            async for key in self._announced(language, announce):
                await asyncio.sleep(await self._media.play(key))
            await self._media.loop(Prompt.MUSIC)

    async def _announced(self, language: str, announce: Announcements) -> AsyncIterator[str]:
        """ "You are number 3." and "The wait is about 4 minutes.", as far as they are wanted, known and have words."""
        place = self._line.place(self._call) if announce.place else 0
        expected = self._line.expected(self._call) if announce.wait else None
        said = {f"place {place}": words.place_words(language, place)}
        if expected is not None:
            said[f"wait {words.minutes(expected)}"] = words.wait_words(language, expected)
        for name, text in said.items():
            try:
                if text:
                    yield await self._voice.say(name, language, text)
            except ConfigError as error:
                log.error("an announcement could not be made", reason=str(error))

    async def listen(self, keys: str) -> None:
        """The keys that work while waiting."""
        async for key in self._media.digits():
            if key in keys:
                self._tell(Key(key))

    async def time_out(self, seconds: float) -> None:
        """The step's own longest wait, where it is shorter than the queue's."""
        await asyncio.sleep(max(seconds, 0.0))
        while True:
            self._tell(Waited())
            await asyncio.sleep(SAY_AGAIN)
