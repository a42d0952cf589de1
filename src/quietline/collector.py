"""The garbage collector of a process that runs for months, and what keeps it idle.

It looks for cycles among what was made since, at every 700th object by default: several times a call, and now and then
through everything that is there, while every call waits: 0.3 s with 200 calls/s (docs/decisions/0008-figures.md).
So what is made for a call must be freed by its last reference, and leave the collector nothing to find.
"""

from __future__ import annotations

import gc
from traceback import clear_frames

YOUNG = 10_000  # objects made before a look at the young ones: some ten calls of the controller, a few MB
OLDER = (
    10,
    100,
)  # looks before one at the older ones: every 100,000 objects, and every 10,000,000 (0.13 s at 200 calls/s)


def settle() -> None:
    """What is here now stays; look at the rest less often. To be called once, when the process has started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *OLDER)


def let_go(error: BaseException) -> None:
    """Empty the frames of an error that has been dealt with. A group's own frames hold the group (TaskGroup.__aexit__,
    until Python 3.13), and an error's frames hold whoever raised it: cycles, both."""
    clear_frames(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            let_go(each)
