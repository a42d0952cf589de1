"""Cedar, made to fail closed. Cedar itself fails open: a `forbid` whose evaluation errors is skipped.

So: a policy set loads only if it passes strict schema validation and every policy has an @id of its own, and a verdict
allows only on exactly `Allow` without a single evaluation error. Everything is parsed once, at load; the entities of
each agent are parsed once and kept.

Trusted: the policy files (read-only, part of the package; `digest` goes into the ledger when they load).
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final, Protocol

import cedarpy

from quietline.errors import ConfigError

POLICIES: Final = Path(__file__).with_name("policies")
SCHEMA: Final = "schema.cedarschema"
CLOCK_WORDS: Final = ("minuteOfDay", "weekday")
MAX_PRINCIPALS: Final = 1_024  # parsed agents kept; the least recently used goes first

Uid = tuple[str, str]  # entity type, id
Value = str | int | list[str]


@dataclass(frozen=True, slots=True)
class Node:
    """One entity as data: who it is, what it has, what it is in."""

    uid: Uid
    attributes: tuple[tuple[str, str | int | frozenset[str]], ...] = ()
    parents: tuple[Uid, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """May `principal` do `action` to `resource` in this `context`?"""

    principal: Node
    action: str
    resource: Uid
    context: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The engine's answer. `policies`: @id of those that decided (permits when allowed, forbids when not), sorted.

    `error` is true when anything went wrong in evaluation: then `allowed` is false.
    """

    allowed: bool
    policies: tuple[str, ...]
    error: bool


class Rules(Protocol):
    """What answers questions: one policy set, or whichever is in force (`in_force.PoliciesInForce`)."""

    @property
    def digest(self) -> str:
        """SHA-256 over schema and policies, hex."""

    @property
    def zone(self) -> tzinfo:
        """By whose clock the policies tell the time of day."""

    @property
    def by_the_clock(self) -> bool:
        """Whether any rule asks for the time of day: then an answer is good for its minute only."""

    def ask_all(self, questions: Sequence[Question]) -> list[Verdict]:
        """See `Policies.ask_all`."""


class Policies:
    """A validated policy set with its schema and its fixed entities. Immutable but for the memory of parsed agents.

    Not safe across threads. Raises ConfigError from the constructor when anything is not exactly right.
    """

    def __init__(self, policies: str, schema: str, nodes: Iterable[Node], zone: tzinfo = UTC) -> None:
        self.digest = hashlib.sha256(f"{schema}\0{policies}".encode()).hexdigest()
        self.text = policies
        self.zone = zone
        self.by_the_clock = any(word in policies for word in CLOCK_WORDS)
        self._schema = _schema(schema)
        _validate(policies, self._schema)
        self.ids = _ids(policies)
        self._policies = cedarpy.PolicySet.from_str(policies)
        self._entities = _entities(nodes, self._schema)
        self._principals: OrderedDict[Node, cedarpy.Entities] = OrderedDict()

    @classmethod
    def load(cls, nodes: Iterable[Node], directory: Path = POLICIES, zone: tzinfo = UTC) -> Policies:
        """Read a directory's `*.cedar` (in the order of their names) and, if it has one, its `schema.cedarschema`.

        Blocking. A folder of the house's own speaks of the same fields and actions, so it needs no schema of its own;
        one that has one must still allow every question that is asked. Raises ConfigError, naming the folder.
        """
        try:
            texts = [path.read_text("utf-8") for path in sorted(directory.glob("*.cedar"))]
            own = directory / SCHEMA
            schema = (own if own.is_file() else POLICIES / SCHEMA).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"policies: {directory}: a file cannot be read as text; nothing was loaded") from None
        if not texts:
            raise ConfigError(f"policies: {directory} needs at least one .cedar file")
        return cls("\n".join(texts), schema, nodes, zone)

    def ask(self, question: Question) -> Verdict:
        """One decision. Never raises for a bad question: it is not allowed, with `error` set."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[Question]) -> list[Verdict]:
        """Several decisions about one principal, in order; cheaper than one by one."""
        if not questions:
            return []
        try:
            entities = self._entities_with(questions[0].principal)
            requests = [_request(question, questions[0].principal) for question in questions]
            results = cedarpy.is_authorized_batch(requests, self._policies, entities, self._schema)
        except ValueError:  # what cedarpy raises for entities or requests that do not fit the schema
            return [Verdict(False, (), True)] * len(questions)
        return [_verdict(result) for result in results]

    def _entities_with(self, principal: Node) -> cedarpy.Entities:
        known = self._principals.pop(principal, None)
        if known is None:
            known = self._entities.with_added_json_str(json.dumps([_as_json(principal)]), self._schema)
        self._principals[principal] = known
        if len(self._principals) > MAX_PRINCIPALS:
            self._principals.popitem(last=False)
        return known


def _schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise ConfigError(f"schema.cedarschema: not a Cedar schema: {error}") from None


def _validate(policies: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(policies, schema)
    if not result.validation_passed:
        first = result.errors[0] if result.errors else "no detail given"
        raise ConfigError(f"policies: do not pass strict validation against schema.cedarschema: {first}")


def _ids(policies: str) -> frozenset[str]:
    """Every policy's @id. Raises ConfigError when one is missing or used twice: denials are explained by it."""
    document = json.loads(cedarpy.policies_to_json_str(policies))
    parts: list[dict[str, Any]] = list(document.get("staticPolicies", {}).values())
    ids = [str(part.get("annotations", {}).get("id") or "") for part in parts]
    if not ids or document.get("templates"):
        raise ConfigError("policies: need at least one policy, and no templates")
    if "" in ids or len(set(ids)) != len(ids):
        raise ConfigError("policies: every policy needs an @id of its own")
    return frozenset(ids)


def _entities(nodes: Iterable[Node], schema: cedarpy.Schema) -> cedarpy.Entities:
    try:
        return cedarpy.Entities.from_json_str(json.dumps([_as_json(node) for node in nodes]), schema)
    except ValueError as error:
        raise ConfigError(f"policies: the entities do not fit schema.cedarschema: {error}") from None


def _as_json(node: Node) -> dict[str, Any]:
    attributes = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in node.attributes}
    return {"uid": _uid(node.uid), "attrs": attributes, "parents": [_uid(parent) for parent in node.parents]}


def _uid(uid: Uid) -> dict[str, str]:
    return {"type": uid[0], "id": uid[1]}


def _request(question: Question, principal: Node) -> dict[str, Any]:
    if question.principal != principal:
        raise ValueError("one batch asks about one principal")
    return {
        "principal": _uid(question.principal.uid),
        "action": _uid(("Action", question.action)),
        "resource": _uid(question.resource),
        "context": dict(question.context),
    }


def _verdict(result: cedarpy.AuthzResult) -> Verdict:
    diagnostics = result.diagnostics
    error = bool(diagnostics.errors) or result.decision is cedarpy.Decision.NoDecision
    allowed = result.decision is cedarpy.Decision.Allow and not error
    return Verdict(allowed, tuple(sorted(diagnostics.id_annotations_by_reason.values())), error)
