"""What every prompt is made of, before any sound is made: pieces, spoken or recorded, by name and language."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quietline.errors import ConfigError
from quietline.routing.flow import Flow
from quietline.routing.flow_check import prompts_of
from quietline.telephony import prompt_words as words
from quietline.telephony.ports import Prompt


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text, and the language whose voice speaks it."""

    text: str = field(repr=False)
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A WAV file of one's own."""

    path: Path


FALLBACK = "en"  # where a prompt is missing in the language spoken
Piece = Spoken | Recorded
Scripts = dict[tuple[str, str], tuple[Piece, ...]]  # (prompt's name, language) -> what is heard, one after the other


def built_in() -> Scripts:
    """The prompts that Quietline has of its own accord, in the languages it speaks."""
    languages = {"en": words.ENGLISH, "fr": words.FRENCH, "de": words.GERMAN, "es": words.SPANISH}
    return {
        (str(prompt), language): (Spoken(text, language),)
        for language, texts in languages.items()
        for prompt, text in texts.items()
    }


def spoken(name: str, language: str) -> str:
    """The key of a prompt in a language, as `CallMedia.play` takes it."""
    return f"{name}@{language}"


def in_languages(scripts: Scripts, languages: Collection[str]) -> Scripts:
    """Those in these languages."""
    return {(name, language): pieces for (name, language), pieces in scripts.items() if language in languages}


def needed(scripts: Scripts, flows: Iterable[Flow]) -> Scripts:
    """Those that callers of these flows may hear, the ones that no step names included: each in the flow's languages,
    and in English where there is no other."""
    wanted = {(str(prompt), FALLBACK) for prompt in Prompt}
    for flow in flows:
        names = {str(prompt) for prompt in Prompt} | {each for step in flow.steps.values() for each in prompts_of(step)}
        wanted |= {(name, language) for name in names for language in flow.languages}
    return {key: pieces for key, pieces in scripts.items() if key in wanted}


def menu_prompt(flow: str, step: str) -> str:
    """The name of a menu's words that are made of its choices."""
    return f"menu {flow}/{step}"


def menu_pieces(choices: Iterable[tuple[str, Mapping[str, str], str]], language: str) -> tuple[Piece, ...]:
    """A menu's words from (key, label by language, language chosen by the key), in the order given.

    A key that chooses a language is offered in that language's own words and voice. Raises ConfigError for a label that
    is missing, and for a language in which we have no sentence.
    """
    return tuple(_offered(key, labels, chosen, chosen or language) for key, labels, chosen in choices)


def own_name(language: str | None) -> str:
    """How a language calls itself, "" for none and for one that we do not know."""
    return words.OWN_NAMES.get(language or "", "")


def _offered(key: str, labels: Mapping[str, str], chosen: str, spoken: str) -> Spoken:
    label = labels.get(spoken) or own_name(chosen)
    if not label:
        raise ConfigError(
            f"key {key} has no label in `{spoken}`; add one, or give the menu words of its own with `say`"
        )
    sentence = words.choice(spoken, label, key)
    if sentence is None:
        raise ConfigError(f"Quietline has no sentence for a menu in `{spoken}`; give the menu words with `say`")
    return Spoken(sentence, spoken)
