"""`docs/reference/flow.md`, made from the models of `flows/file.py`; a test keeps the page true.

`python -m quietline.flows.reference > docs/reference/flow.md`
"""

from __future__ import annotations

import sys
from typing import get_args

from quietline.files.model import FileModel
from quietline.files.reference import section
from quietline.flows import file as f
from quietline.telephony import prompt_words as words

HEAD = """\
# Flows and prompts

Made from `src/quietline/flows/file.py` by `python -m quietline.flows.reference`; a test keeps it true. Change the
source, not this page.

A flow is what a caller hears and is asked, step by step. Flows stand under `flows:` of the [chain file](chain.md), or
in a file of their own. A step does one thing, `do:`, and names the steps that may follow. `quietline flow check FILE`
names each mistake by line and step; `quietline flow draw FILE` draws it, `quietline flow try FILE` talks through a
call, `quietline flow schema` prints the JSON Schema. [`examples/flows.yaml`](../../examples/flows.yaml) is a whole one;
[write-a-flow.md](../howto/write-a-flow.md) leads through one.

Refused are: a step, queue, store or prompt that is not there; a step nobody can reach; one without a way on; a key
twice; a loop that never waits for the caller; a caller who does nothing and goes round for ever; a callback offered to
somebody who may not have waited yet. Times are seconds.

Who hangs up in a queue sooner than its `service_level.short_abandon` ends the call as `short_abandon`, everybody else
as `caller_hung_up`.
"""

PROMPTS = """\
## Prompts

Under `prompts:`, each prompt has a text or a recording for each language:

```yaml
prompts:
  welcome:
    en: Welcome to Harbour Goods.
    fr: {{file: sounds/bienvenue.wav}}
```

{recording}

Quietline has these prompts of its own accord, in {languages}: {names}.
One of yours with the same name takes its place, and a flow in another language brings all that it plays.

While a caller waits, the place and the expected wait are said as the queue's `announce` says, in the same languages:
"You are number 3. The wait is about 4 minutes." Texts are spoken by espeak-ng.
"""


def page() -> str:
    """The whole page."""
    steps = [section(model, f"`do: {_word(model)}`") for model in _steps()]
    return "\n".join([HEAD, section(f.FlowModel, "A flow"), *steps, section(f.ChoiceModel, "`choices`"), _prompts()])


def _steps() -> tuple[type[FileModel], ...]:
    union = get_args(f.StepModel)[0]
    return tuple(get_args(union))


def _word(model: type[FileModel]) -> str:
    return str(get_args(model.model_fields["do"].annotation)[0])


def _prompts() -> str:
    names = ", ".join(f"`{name}`" for name in sorted(map(str, words.ENGLISH)))
    languages = ", ".join(sorted(words.CHOICES))
    recording = section(f.RecordingModel, "x").split("\n", 2)[2].strip()
    return PROMPTS.format(recording=recording, languages=languages, names=names)


if __name__ == "__main__":
    sys.stdout.write(page())
