"""The policy set: a table of cases to read, and the ways in which it must fail closed."""

from __future__ import annotations

import re
from pathlib import Path

import cedarpy
import pytest

from quietline.access.cedar import MAX_PRINCIPALS, POLICIES, Node, Policies, Question
from quietline.access.decide import (
    Action,
    Basis,
    Circumstances,
    Phase,
    Principal,
    Role,
    controllers_of,
    decide,
    entities_of,
    survey,
)
from quietline.access.in_force import load_policies
from quietline.config import Store
from quietline.errors import ConfigError, Denied
from quietline.reasons import ADVICE, Why
from quietline.vault.schema import FIELDS, MINIMUM, DataClass, Reason

NOW = 1_790_000_000.0
BRAND = frozenset({"brand"})
ALL_CLASSES = dict.fromkeys((each.value for each in DataClass), NOW + 86_400)
SCHEMA = (POLICIES / "schema.cedarschema").read_text("utf-8")

PEOPLE = {
    "trained": Principal("ag_trained", Role.AGENT, "store-1", BRAND, ALL_CLASSES),
    "lapsed": Principal("ag_lapsed", Role.AGENT, "store-1", BRAND, dict.fromkeys(ALL_CLASSES, NOW - 1)),
    "orders-only": Principal("ag_orders", Role.AGENT, "store-1", BRAND, {"invoice": NOW + 60}),
    "newcomer": Principal("ag_new", Role.AGENT, "store-1", BRAND, {}),
    "franchise": Principal("ag_fran", Role.AGENT, "store-9", frozenset({"franchise-9"}), ALL_CLASSES),
    "hub": Principal("ag_hub", Role.AGENT, "hub", frozenset({"brand", "franchise-9"}), ALL_CLASSES),
    "supervisor": Principal("ag_super", Role.SUPERVISOR, "store-1", BRAND, ALL_CLASSES),
    "admin": Principal("ag_admin", Role.ADMINISTRATOR, "hub", BRAND, ALL_CLASSES),
}


@pytest.fixture(scope="module")
def policies() -> Policies:
    return load_policies()


def call(assurance: int = 3, phase: str = "live", controller: str = "brand", now: float = NOW) -> Circumstances:
    return Circumstances(Phase(phase), controller, assurance, now)


def outcome(policies: Policies, *args: object) -> str:
    try:
        basis = decide(policies, *args)  # type: ignore[arg-type]
    except Denied as denial:
        return denial.reason if denial.advice == ADVICE[Why(denial.reason)] else "wrong advice"
    return "shown" if basis.policies else "no basis"


@pytest.mark.parametrize("phase", ["wrap_up", "over"])
@pytest.mark.parametrize("field", FIELDS)
def test_after_the_call_nothing_is_revealed(policies: Policies, field: str, phase: str) -> None:
    for reason in Reason:
        asked = (PEOPLE["trained"], Action.REVEAL, call(3, phase), FIELDS[field], reason)
        assert outcome(policies, *asked) == "call-ended"


def test_a_certificate_lapses_at_its_expiry_and_not_later(policies: Policies) -> None:
    who = Principal("ag_1", Role.AGENT, "store-1", BRAND, {"invoice": NOW + 10})
    asked = (FIELDS["order.status"], Reason.ORDER_STATUS)
    assert outcome(policies, who, Action.REVEAL, call(1, now=NOW + 9), *asked) == "shown"
    assert outcome(policies, who, Action.REVEAL, call(1, now=NOW + 10), *asked) == "training-lapsed"
    assert (who.current(NOW + 9), who.current(NOW + 10)) == (frozenset({"invoice"}), frozenset())


def test_the_allowed_look_names_what_it_rests_on(policies: Policies) -> None:
    basis = decide(policies, PEOPLE["trained"], Action.REVEAL, call(2), FIELDS["contact.name"], Reason.ORDER_STATUS)
    assert basis == Basis(("order-status-needs",))


def test_survey_says_what_decide_says(policies: Policies) -> None:
    specs = list(FIELDS.values())
    surveyed = survey(policies, PEOPLE["orders-only"], Action.REVEAL, call(1), specs, Reason.ORDER_STATUS)
    assert list(surveyed) == list(FIELDS)
    for spec in specs:
        single = outcome(policies, PEOPLE["orders-only"], Action.REVEAL, call(1), spec, Reason.ORDER_STATUS)
        found = surveyed[spec.name]
        assert (found.reason if isinstance(found, Denied) else "shown") == single
    assert survey(policies, PEOPLE["trained"], Action.CARD, call(1), []) == {}


# -- questions that do not fit


def test_a_missing_reason_or_field_is_a_policy_error(policies: Policies) -> None:
    trained = PEOPLE["trained"]
    assert outcome(policies, trained, Action.REVEAL, call(), FIELDS["order.status"]) == "policy-error"
    assert outcome(policies, trained, Action.REVEAL, call(), None, Reason.ORDER_STATUS) == "policy-error"
    assert outcome(policies, trained, Action.CARD, call()) == "policy-error"


def test_a_field_that_the_policies_do_not_know_is_denied(policies: Policies) -> None:
    stranger = FIELDS["order.status"].__class__("order.gift", "Gift", DataClass.INVOICE, 0)
    assert outcome(policies, PEOPLE["trained"], Action.CARD, call(), stranger) == "policy-error"
    assert outcome(policies, PEOPLE["trained"], Action.REVEAL, call(), stranger, Reason.COMPLAINT) == "policy-error"


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_no_number_is_denied(policies: Policies, time: float) -> None:
    asked = (FIELDS["order.status"], Reason.ORDER_STATUS)
    assert outcome(policies, PEOPLE["trained"], Action.REVEAL, call(now=time), *asked) == "policy-error"
    forever = Principal("ag_1", Role.AGENT, "store-1", BRAND, {"invoice": time})
    assert outcome(policies, forever, Action.REVEAL, call(), *asked) == "policy-error"


def test_a_customer_without_a_controller_is_nobodys(policies: Policies) -> None:
    nobody = Principal("ag_1", Role.AGENT, "store-1", frozenset(), ALL_CLASSES)
    for who in (nobody, PEOPLE["trained"]):
        assert outcome(policies, who, Action.CARD, call(controller=""), FIELDS["order.status"]) == "other-store"


AGENT = Node(("Agent", "ag_1"), (("store", "s"), ("controllers", BRAND)), (("Role", "agent"),))
FIT = {"phase": "live", "controller": "brand", "assurance": 2, "now": 1, "certifiedUntil": 2, "reason": "complaint"}
FIT |= {"minuteOfDay": 600, "weekday": 1}


@pytest.mark.parametrize(
    "question",
    [
        Question(AGENT, "sell", ("Field", "contact.name"), FIT),
        Question(AGENT, "reveal", ("Call", "this"), FIT),
        Question(AGENT, "reveal", ("Field", "contact.name"), {}),
        Question(AGENT, "reveal", ("Field", "contact.name"), {**FIT, "extra": 1}),
        Question(AGENT, "reveal", ("Field", "contact.name"), {**FIT, "assurance": "2"}),
        Question(AGENT, "reveal", ("Field", "contact.name"), {**FIT, "now": 10**30}),
        Question(Node(("Agent", "ag_1")), "reveal", ("Field", "contact.name"), FIT),
        Question(Node(("Agent", "ag_1"), (("store", 3),)), "reveal", ("Field", "contact.name"), FIT),
        Question(Node(("Robot", "ag_1")), "reveal", ("Field", "contact.name"), FIT),
        Question(
            Node(("Field", "contact.name"), (("leastAssurance", 0), ("neededFor", frozenset()))),
            "reveal",
            ("Field", "contact.name"),
            FIT,
        ),
    ],
)
def test_a_question_outside_the_schema_is_not_allowed(question: Question) -> None:
    everything = Policies('@id("all") permit (principal, action, resource);', SCHEMA, entities())
    fits = Question(AGENT, "reveal", ("Field", "contact.name"), FIT)
    assert everything.ask(fits).allowed  # or the test could not fail
    verdict = everything.ask(question)
    assert (verdict.allowed, verdict.error) == (False, True)


def test_one_batch_is_about_one_principal() -> None:
    everything = Policies('@id("all") permit (principal, action, resource);', SCHEMA, entities())
    other = Node(("Agent", "ag_2"), AGENT.attributes, AGENT.parents)
    asked = [Question(who, "reveal", ("Field", "contact.name"), FIT) for who in (AGENT, other)]
    assert [verdict.allowed for verdict in everything.ask_all(asked)] == [False, False]


# -- failing closed


def entities() -> list[Node]:
    return entities_of(FIELDS.values(), MINIMUM)


# Passes strict validation, and overflows when it is evaluated (Cedar's Long has 64 bits).
OVERFLOWING = """
@id("all") permit (principal, action, resource);
@id("guard") forbid (principal, action == Action::"reveal", resource)
when { context.now + 9223372036854775807 > 0 };
"""


def test_cedar_itself_allows_when_a_forbid_errs_and_we_do_not() -> None:
    policies = Policies(OVERFLOWING, SCHEMA, entities())
    context = {**FIT, "now": int(NOW)}
    question = Question(AGENT, "reveal", ("Field", "contact.name"), context)
    raw = cedarpy.is_authorized(
        {
            "principal": 'Agent::"ag_1"',
            "action": 'Action::"reveal"',
            "resource": 'Field::"contact.name"',
            "context": context,
        },
        OVERFLOWING,
        [{"uid": {"type": "Agent", "id": "ag_1"}, "attrs": {}, "parents": []}],
    )
    assert (raw.allowed, len(raw.diagnostics.errors)) == (True, 1)  # the trap, still there
    (verdict,) = policies.ask_all([question])
    assert (verdict.allowed, verdict.error) == (False, True)
    asked = (PEOPLE["trained"], Action.REVEAL, call(), FIELDS["order.status"], Reason.ORDER_STATUS)
    assert outcome(policies, *asked) == "policy-error"
    assert outcome(policies, PEOPLE["trained"], Action.CARD, call(), FIELDS["order.status"]) == "shown"


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ('@id("a") permit (principal, action, resource) when { context.nope == 1 };', "nope"),
        (
            '@id("a") permit (principal, action == Action::"reveal", resource) when { context.reason == 1 };',
            "compatible",
        ),
        ('@id("a") permit (principal, action == Action::"reveel", resource);', "reveel"),
        ('@id("a") permit (principal == Person::"x", action, resource);', "Person"),
        ("permit (principal, action, resource);", "@id"),
        ('@id("") permit (principal, action, resource);', "@id"),
        ('@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);', "@id"),
        ('@id("a") permit (principal == ?principal, action, resource);', "template"),
        ("", "at least one policy"),
        ("allow everybody;", "strict validation"),
    ],
)
def test_no_policy_set_loads_that_is_not_exactly_right(policy: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        Policies(policy, SCHEMA, entities())


@pytest.mark.parametrize("schema", ["", "nonsense", "entity Agent;"])
def test_no_policy_set_loads_without_its_schema(schema: str) -> None:
    with pytest.raises(ConfigError):
        Policies('@id("all") permit (principal, action, resource);', schema, entities())


def test_a_directory_without_rules_does_not_load_and_one_without_a_schema_has_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"at least one \.cedar file"):
        Policies.load(entities(), tmp_path)
    rule = '@id("all") permit (principal, action, resource);'
    (tmp_path / "looks.cedar").write_text(rule)
    assert Policies.load(entities(), tmp_path).digest == Policies(rule, SCHEMA, entities()).digest
    (tmp_path / "schema.cedarschema").write_text("entity Agent;")
    with pytest.raises(ConfigError):
        Policies.load(entities(), tmp_path)


def test_a_directory_that_is_no_text_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "looks.cedar").write_bytes(b"\xff\xfe permit")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        Policies.load(entities(), tmp_path)
    with pytest.raises(ConfigError, match="at least one"):
        Policies.load(entities(), tmp_path / "nowhere")


def test_entities_that_do_not_fit_the_schema_do_not_load() -> None:
    with pytest.raises(ConfigError, match="entities"):
        Policies('@id("a") permit (principal, action, resource);', SCHEMA, [Node(("Field", "x"))])


def test_every_shipped_guard_has_a_word_that_a_page_can_explain(policies: Policies) -> None:
    forbids = re.findall(r'@id\("([^"]+)"\)\s*forbid', (POLICIES / "guards.cedar").read_text("utf-8"))
    assert len(forbids) >= 10
    for name in forbids:
        assert Why(name.partition("/")[0]) in ADVICE
    assert set(forbids) < policies.ids
    assert set(ADVICE) == set(Why)


def test_the_digest_changes_with_the_text() -> None:
    policy = '@id("all") permit (principal, action, resource);'
    digests = {Policies(text, SCHEMA, entities()).digest for text in (policy, policy + " ", policy)}
    assert len(digests) == 2


def test_a_change_of_role_counts_at_once_though_agents_are_kept_parsed(policies: Policies) -> None:
    agent = PEOPLE["trained"]
    promoted = Principal(agent.agent, Role.SUPERVISOR, agent.store, agent.controllers, agent.certificates)
    assert outcome(policies, agent, Action.LISTEN, call()) == "role-may-not"
    assert outcome(policies, promoted, Action.LISTEN, call()) == "shown"
    assert outcome(policies, agent, Action.LISTEN, call()) == "role-may-not"


def test_the_memory_of_parsed_agents_is_bounded(policies: Policies) -> None:
    for number in range(MAX_PRINCIPALS + 3):
        who = Principal(f"ag_{number}", Role.AGENT, "store-1", BRAND, ALL_CLASSES)
        decide(policies, who, Action.NOTE, call())
    assert len(policies._principals) == MAX_PRINCIPALS
    assert outcome(policies, PEOPLE["trained"], Action.NOTE, call()) == "shown"


# -- store walls


STORES = (Store("store-1", "Mill Lane"), Store("store-9", "Harbour", controller="franchise-9"), Store("hub", "Hub"))


@pytest.mark.parametrize(
    ("store", "expected"),
    [("store-1", {"brand"}), ("store-9", {"franchise-9"}), ("hub", {"brand", "franchise-9"}), ("nowhere", set())],
)
def test_whose_customers_a_stores_people_serve(store: str, expected: set[str]) -> None:
    assert controllers_of(store, STORES) == expected
