"""The garbage collector of a process that runs for months.

It looks for cycles among what was made since, at every 700th object by default: several times a call, and now and then
through everything that the start has made, which never goes away.
"""

from __future__ import annotations

import gc

YOUNG = 10_000  # objects made before a look at the young ones: some ten calls of the controller, a few MB
OLDER = (10, 10)  # looks before one at the older ones: every 100,000 objects, and every 1,000,000; as is the default


def settle() -> None:
    """What is here now stays; look at the rest less often. To be called once, when the process has started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *OLDER)
