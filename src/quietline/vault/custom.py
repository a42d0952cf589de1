"""A house's own fields, from its configuration: checked, and beside the shipped ones. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from quietline.config import CustomField
from quietline.errors import ConfigError
from quietline.vault.schema import FIELDS, DataClass, FieldSpec, Reason

PREFIX = "custom."
CLASSES = (DataClass.CONTACT, DataClass.DELIVERY, DataClass.INVOICE, DataClass.SERVICE)
GUARDED = (DataClass.CONTACT, DataClass.DELIVERY)  # open from assurance 2 on (product.md, promise 6)
MAX_FIELDS = 40
MAX_LABEL = 60  # characters
_NAME = re.compile(r"custom\.[a-z][a-z0-9_]{0,39}")


def check(own: CustomField, before: Sequence[CustomField]) -> None:
    """Raises ConfigError, "key: what is wrong; how to mend it"."""
    if not _NAME.fullmatch(own.name):
        raise ConfigError(f"name: want {PREFIX} and a word of a-z, 0-9 and _, such as custom.shoe_size")
    if any(each.name == own.name for each in before):
        raise ConfigError("name: stands twice; give each field once")
    if len(before) >= MAX_FIELDS:
        raise ConfigError(f"name: more than {MAX_FIELDS} fields; keep what your agents need")
    if not own.label.strip() or len(own.label) > MAX_LABEL:
        raise ConfigError(f"label: want 1 to {MAX_LABEL} characters, as agents read it")
    if own.data_class not in CLASSES:
        raise ConfigError(f"data_class: want one of {', '.join(CLASSES)}")
    least = 2 if own.data_class in GUARDED else 1
    if not least <= own.assurance <= 3:
        raise ConfigError(f"assurance: want {least} to 3 for {own.data_class}")
    unknown = [each for each in own.reasons if each not in set(Reason)]
    if unknown:
        raise ConfigError(f"reasons: `{unknown[0]}` is not known; want of {', '.join(Reason)}")


def catalogue(own: Iterable[CustomField]) -> dict[str, FieldSpec]:
    """Every field there is, by name: the shipped ones, then a house's own, which `check` has passed."""
    return {**FIELDS, **{each.name: _spec(each) for each in own}}


def _spec(own: CustomField) -> FieldSpec:
    reasons = tuple(Reason(each) for each in own.reasons)
    data_class = DataClass(own.data_class)
    return FieldSpec(own.name, own.label, data_class, own.assurance, own.indexed, own.free_text, reasons)
