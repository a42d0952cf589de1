"""Flows and prompts as people write them in YAML: under `flows:` and `prompts:` of the chain file, or in a file apart.

The models are strict and make the JSON Schema; what they read becomes the frozen values of `routing/flow.py` and the
words that `telephony/prompts.py` makes sound of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from quietline.errors import ConfigError
from quietline.files import marked_yaml
from quietline.files.marked_yaml import Marked, Place
from quietline.files.model import FileModel, all_of, nearest, read_model
from quietline.routing import flow as f
from quietline.routing.flow_check import Finding, Surroundings, check
from quietline.routing.model import Need
from quietline.skills import parse_skill
from quietline.telephony.prompt_scripts import (
    Piece,
    Recorded,
    Scripts,
    Spoken,
    built_in,
    menu_pieces,
    menu_prompt,
    own_name,
)

MAX_STEPS = 200  # of one flow
MAX_TEXT = 2_000  # characters of one prompt: two minutes of speech
CHAIN_KEYS = frozenset({"stores", "queues", "agents", "hours", "flows", "prompts", "default_store"})

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="ISO 639: en, fr, cy")]
Seconds = Annotated[float, Field(gt=0, le=86_400, description="Seconds for an answer, from the end of the words on.")]
Tries = Annotated[int, Field(ge=1, le=9, description="How often it is asked.")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Go = Annotated[str, Field(min_length=1, max_length=64, description="The step that follows.")]
Said = Annotated[str, Field(min_length=1, max_length=64, description="A prompt's name.")]


class NoticeModel(FileModel):
    """The privacy notice, heard out."""

    do: Literal["notice"]
    go: Go
    say: Said = "notice"


class PlayModel(FileModel):
    """Words, then on."""

    do: Literal["play"]
    say: Said
    go: Go


class ConsentModel(FileModel):
    """A question: 1 is yes, 2 is no, and silence is no. The ledger keeps it with the wording's name and version."""

    do: Literal["consent"]
    wording: Annotated[Name, Field(description="What is agreed to; with `version`, which words were heard.")]
    version: Annotated[Name, Field(description="Raise it with every change of the words.")]
    say: Said
    yes: Go
    no: Go
    tries: Tries = 2
    wait: Seconds = 8.0


class ChoiceModel(FileModel):
    """What one key does."""

    go: Go
    label: Annotated[
        dict[Language, Text],
        Field(default_factory=dict, description='As the menu says it, by language: "For ..., press 1."'),
    ]
    language: Annotated[Language | None, Field(description="Spoken from here on.")] = None


class MenuModel(FileModel):
    """Keys to choose from. Without `say`, the words are made of the choices' labels."""

    do: Literal["menu"]
    choices: Annotated[dict[str, ChoiceModel], Field(min_length=1, max_length=12, description="By key: 0-9, * or #.")]
    otherwise: Annotated[Go, Field(description="Where a caller goes who presses nothing, or only wrong keys.")]
    say: Annotated[Said | None, Field(description="A prompt's name; nothing: made of the labels.")] = None
    invalid: Annotated[Said | None, Field(description="Said after a wrong key; nothing: wrong keys are overheard.")] = (
        "invalid"
    )
    tries: Tries = 2
    wait: Seconds = 8.0


class CollectModel(FileModel):
    """Digits from the caller, such as an order number. Sealed at once; the flow learns only that they came."""

    do: Literal["collect"]
    say: Said
    go: Go
    otherwise: Go
    least: Annotated[int, Field(ge=1, le=20, description="Fewest digits.")] = 1
    most: Annotated[int, Field(ge=1, le=20, description="Most digits.")] = 12
    end: Annotated[Literal["#", "*", ""], Field(description="The key that ends them before `most`.")] = "#"
    to: Annotated[Literal["card"], Field(description="card: the vault shows them to the agent who takes the call.")] = (
        "card"
    )
    invalid: Annotated[Said | None, Field(description="Said before it is asked again.")] = "invalid"
    tries: Tries = 2
    wait: Annotated[Seconds, Field(description="Seconds for each digit.")] = 10.0


class VerifyModel(FileModel):
    """A one-time code to the contact on record, keyed in by the caller: assurance 2."""

    do: Literal["verify"]
    passed: Go
    failed: Go


class HoursModel(FileModel):
    """Open or closed now: the store that was dialled, or a queue."""

    do: Literal["hours"]
    open: Go
    closed: Go
    queue: Annotated[str | None, Field(description="Nothing: the store.")] = None


class BranchModel(FileModel):
    """By store, language or assurance; never by who calls."""

    do: Literal["branch"]
    on: Annotated[Literal["store", "language", "assurance"], Field(description="What the way depends on.")]
    cases: Annotated[dict[str, Go], Field(min_length=1, description="For assurance: at least so much.")]
    otherwise: Go


class QueueModel(FileModel):
    """Wait for an agent. Without `waited` or `closed`: the words for it, then the end."""

    do: Literal["queue"]
    queue: Annotated[str, Field(min_length=1, max_length=64, description="A queue of the chain file.")]
    needs: Annotated[
        list[str], Field(default_factory=list, description="Skills on top of the queue's: lang:fr, returns:4.")
    ]
    prefers: Annotated[
        list[str], Field(default_factory=list, description="The same, but nobody is left out for lack of them.")
    ]
    head_start: Annotated[float, Field(ge=0, le=86_400, description="Seconds, as if the caller had come earlier.")] = (
        0.0
    )
    hold: Annotated[Said | None, Field(description="Said once, before the music.")] = "hold"
    longest_wait: Annotated[Seconds | None, Field(description="Nothing: the queue's own.")] = None
    keys: Annotated[
        dict[str, Go], Field(default_factory=dict, description="Keys that work while waiting, and where they lead.")
    ]
    waited: Annotated[Go | None, Field(description="After the longest wait.")] = None
    closed: Annotated[Go | None, Field(description="When all that could take the call is closed.")] = None


class CallbackModel(FileModel):
    """Offer to ring back and keep the place: 1 is yes, 2 or silence is no."""

    do: Literal["callback"]
    accepted: Go
    refused: Go
    impossible: Annotated[Go, Field(description="Where a caller goes whose number is withheld.")]
    queue: Annotated[str | None, Field(description="Nothing: the one the caller waited in.")] = None
    say: Said = "callback_offer"
    tries: Tries = 2
    wait: Seconds = 8.0


class TransferModel(FileModel):
    """On with another store's flow. (On to another queue is a `queue` step.)"""

    do: Literal["transfer"]
    store: Annotated[str, Field(min_length=1, max_length=64, description="A store of the chain file.")]


class HangUpModel(FileModel):
    """The end, with words or without."""

    do: Literal["hang_up"]
    say: Annotated[Said | None, Field(description="A prompt's name; nothing: no words.")] = None


StepModel = Annotated[
    NoticeModel
    | PlayModel
    | ConsentModel
    | MenuModel
    | CollectModel
    | VerifyModel
    | HoursModel
    | BranchModel
    | QueueModel
    | CallbackModel
    | TransferModel
    | HangUpModel,
    Field(discriminator="do"),
]


class FlowModel(FileModel):
    """One flow: what a caller hears and is asked, step by step."""

    steps: Annotated[dict[Name, StepModel], Field(min_length=1, max_length=MAX_STEPS, description="By name.")]
    start: Annotated[str | None, Field(description="The first step; nothing: the one that stands first.")] = None
    languages: Annotated[
        list[Language],
        Field(
            default_factory=lambda: ["en"],
            min_length=1,
            max_length=12,
            description="Spoken in it; the first until one is chosen.",
        ),
    ]


class RecordingModel(FileModel):
    """A recording of one's own."""

    file: Annotated[
        str, Field(min_length=1, description="WAV, 8 to 48 kHz, at most 2 minutes; from the folder of this file.")
    ]


PromptModel = Annotated[
    dict[Language, Text | RecordingModel], Field(min_length=1, description="By language: a text, or a recording.")
]


class FlowFile(FileModel):
    """A file of flows. A chain file holds the same two keys beside its own."""

    flows: Annotated[dict[Name, FlowModel], Field(min_length=1)]
    prompts: Annotated[dict[Name, PromptModel], Field(default_factory=dict)]


@dataclass(frozen=True, slots=True)
class FlowBook:
    """What a file says: flows, and the words of every prompt that they may play. `stores`: each store's flow."""

    flows: Mapping[str, f.Flow]
    scripts: Scripts
    stores: Mapping[str, str]
    findings: tuple[Finding, ...] = ()  # warnings; with an error there is no book


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a flow file."""
    made = FlowFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made | {"title": "Quietline flows"}


def load(path: Path) -> FlowBook:
    """The flows of a file, checked: a file of flows, or a whole chain file, whose stores and queues are then known.

    Raises ConfigError with a line for each mistake.
    """
    return read(marked_yaml.load(path), path.parent)


def read(file: Marked, folder: Path) -> FlowBook:
    """The same from values that were parsed. `folder`: where recordings lie."""
    values = file.value if isinstance(file.value, dict) else {}
    unknown = [key for key in values if key not in CHAIN_KEYS]
    if unknown:
        raise all_of(file.says((key,), f"unknown key; {nearest(key, CHAIN_KEYS)}") for key in unknown)
    own = {key: values[key] for key in ("flows", "prompts") if key in values}
    model = read_model(FlowFile, Marked(own, file.name, file.lines))
    names = {key: values[key] for key in ("stores", "queues") if isinstance(values.get(key), dict)}
    flow_of = {name: str(store.get("flow", "")) for name, store in names.get("stores", {}).items()}
    return book(model.flows, model.prompts, file, folder, Surroundings(flow_of, names.get("queues")))


def book(
    flows: Mapping[str, FlowModel],
    prompts: Mapping[str, Mapping[str, str | RecordingModel]],
    file: Marked,
    folder: Path,
    around: Surroundings,
) -> FlowBook:
    """Values and words of models that were read from `file`, all checked. The chain file's reader calls this too.

    Raises ConfigError with a line for each mistake.
    """
    scripts = built_in() | _scripts(prompts, folder)
    values: dict[str, f.Flow] = {}
    mistakes: list[str] = []
    for name, model in flows.items():
        try:
            values[name], made = _flow(name, model)
            scripts |= made
        except _Wrong as wrong:
            mistakes.append(file.says(("flows", name, *wrong.place), wrong.what))
    around = Surroundings(around.stores, around.queues, frozenset(scripts))
    findings = check(values, around) if not mistakes else []
    mistakes += [said(each, file) for each in findings if each.error]
    if mistakes:
        raise all_of(mistakes)
    return FlowBook(values, scripts, around.stores, tuple(findings))


def said(finding: Finding, file: Marked) -> str:
    """A finding as one line, with the line of the file."""
    step = ("steps", finding.step) if finding.step else ()
    place: Place = ("flows", finding.flow, *step, *((finding.key,) if finding.key else ()))
    fix = f"; {nearest(finding.word, finding.known)}" if finding.word else ""
    return file.says(place, finding.what + fix)


class _Wrong(Exception):
    """Something in a flow that its types cannot say."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place, self.what = place, what


def _scripts(prompts: Mapping[str, Mapping[str, str | RecordingModel]], folder: Path) -> Scripts:
    return {
        (name, language): (_piece(value, language, folder),)
        for name, by_language in prompts.items()
        for language, value in by_language.items()
    }


def _piece(value: str | RecordingModel, language: str, folder: Path) -> Piece:
    if isinstance(value, RecordingModel):
        return Recorded((folder / value.file).resolve())
    return Spoken(value, language)


def _flow(name: str, model: FlowModel) -> tuple[f.Flow, Scripts]:
    scripts: Scripts = {}
    steps: dict[str, f.FlowStep] = {}
    for step, each in model.steps.items():
        place: Place = ("steps", step)
        if isinstance(each, MenuModel):
            prompt = each.say or menu_prompt(name, step)
            steps[step] = _menu(each, prompt, model.languages[0])
            scripts |= {} if each.say else dict(_menu_scripts(each, prompt, model.languages, place))
        else:
            steps[step] = _step(each, place)
    return f.Flow(name, model.start or next(iter(steps)), steps, tuple(dict.fromkeys(model.languages))), scripts


def _menu(model: MenuModel, prompt: str, language: str) -> f.Menu:
    choices = tuple(
        f.Choice(key, each.go, each.label.get(language) or own_name(each.language), each.language or "")
        for key, each in model.choices.items()
    )
    return f.Menu(prompt, choices, model.otherwise, model.invalid or "", model.tries, model.wait)


def _menu_scripts(
    model: MenuModel, prompt: str, languages: list[str], place: Place
) -> Iterator[tuple[tuple[str, str], tuple[Piece, ...]]]:
    """A menu's words in each of the flow's languages. A choice of a language is offered in that language."""
    for language in languages:
        try:
            choices = ((key, each.label, each.language or "") for key, each in model.choices.items())
            yield (prompt, language), menu_pieces(choices, language)
        except ConfigError as error:
            raise _Wrong((*place, "choices"), str(error)) from None


def _step(model: Any, place: Place) -> f.FlowStep:
    """The value of any step but a menu: the same names, without what only a file has."""
    given = {name: value for name, value in model if name not in ("do", "needs", "prefers") and value is not None}
    if isinstance(model, QueueModel):
        given["needs"] = (*_needs(model.needs, (*place, "needs")), *_needs(model.prefers, (*place, "prefers"), True))
        given.setdefault("hold", "")
    if isinstance(model, CollectModel):
        given.setdefault("invalid", "")
        if model.least > model.most:
            raise _Wrong((*place, "least"), "want at most as many as `most`")
    value: f.FlowStep = STEPS[model.do](**given)
    return value


def _needs(texts: list[str], place: Place, preferred: bool = False) -> Iterator[Need]:
    for number, text in enumerate(texts):
        try:
            skill, level = parse_skill(text)
        except ConfigError as error:
            raise _Wrong((*place, number), str(error)) from None
        yield Need(skill, level if text != skill else 1, preferred)


STEPS: Mapping[str, Any] = {
    kind.kind: kind
    for kind in (
        f.Notice, f.Play, f.Consent, f.Collect, f.Verify, f.Hours, f.Branch, f.Queue, f.Callback, f.Transfer, f.HangUp,
    )
}  # fmt: skip
