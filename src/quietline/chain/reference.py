"""`docs/reference/chain.md`, made from the models of `chain/file.py`; a test keeps the page true.

`python -m quietline.chain.reference > docs/reference/chain.md`
"""

from __future__ import annotations

import sys

from quietline.chain import file as c
from quietline.files.reference import section

HEAD = """\
# The chain file

Made from `src/quietline/chain/file.py` by `python -m quietline.chain.reference`; a test keeps it true. Change the
source, not this page.

One YAML file holds the business: stores, queues, hours, flows, prompts and people. `quietline chain check FILE` names
the line, the key and the fix of a mistake; an unknown key is one. `quietline apply FILE` shows what it changes, asks,
and makes it so; live calls keep their places. `quietline chain schema` prints the JSON Schema for your editor.
[`examples/chain.yaml`](../../examples/chain.yaml) is a whole one, with comments.

Only `true`, `false`, `null` and numbers are read as such; everything else is the text that stands there (`no` is "no",
`09:30` is a time). Anchors, aliases and tags are refused. Times are local to the `zone` of their schedule. A time that
exists twice when the clocks go back is its first occurrence; one that does not exist when they go forward is the moment
of the jump, and `check` names each.
"""

SECTIONS = (
    (c.ChainFile, "The file"),
    (c.StoreModel, "`stores`"),
    (c.OverflowModel, "`stores.*.overflow`"),
    (c.HoursModel, "`hours`"),
    (c.SpecialModel, "`hours.*.special`"),
    (c.ClosureModel, "`hours.*.closures`"),
    (c.QueueModel, "`queues`"),
    (c.StepModel, "`queues.*.relax`"),
    (c.ServiceLevelModel, "`queues.*.service_level`"),
    (c.AnnounceModel, "`queues.*.announce`"),
    (c.CallbacksModel, "`queues.*.callback`"),
    (c.AgentModel, "`agents`"),
)
TAIL = """\
## `flows` and `prompts`

[flow.md](flow.md) has the steps of flows and the forms of prompts.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(model, title) for model, title in SECTIONS), TAIL])


if __name__ == "__main__":
    sys.stdout.write(page())
