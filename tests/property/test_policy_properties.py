"""The policy set over every combination: what product.md promises, written a second time in Python and compared."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings

from quietline.access.cedar import Policies
from quietline.access.decide import (
    TAKES_CALLS,
    Action,
    Circumstances,
    Phase,
    Principal,
    Role,
    decide,
    entities_of,
)
from quietline.access.in_force import load_policies
from quietline.errors import Denied
from quietline.vault.schema import FIELDS, MINIMUM, DataClass, Reason

POLICIES = load_policies()
# The same rules over fields whose own level somebody set to 0 by mistake.
LAX = Policies.load(entities_of([replace(spec, assurance=0) for spec in FIELDS.values()], MINIMUM))
NOW = 1_790_000_000

ORDER = {"order.reference", "order.status", "order.items"}
NEEDS = {  # written a second time by hand, so that a slip in reasons.py or in the policies is seen
    Reason.ORDER_STATUS: ORDER | {"contact.name"},
    Reason.DELIVERY_CHANGE: ORDER | {"contact.name", "contact.phone", "delivery.address", "delivery.instructions"},
    Reason.RETURN_REFUND: ORDER
    | {"order.total", "order.placed", "invoice.number", "contact.name", "contact.email", "service.note"},
    Reason.PRODUCT_ADVICE: {"order.reference", "order.items"},
    Reason.COMPLAINT: ORDER
    | {"order.total", "contact.name", "contact.email", "contact.language", "service.note"}
    | {"ticket.subject", "ticket.text", "ticket.status"},
}
CHANGED = {"delivery.address", "delivery.instructions"}

certificates = st.dictionaries(st.sampled_from([each.value for each in DataClass]), st.integers(NOW - 5, NOW + 5))
controllers = st.frozensets(st.sampled_from(["brand", "franchise-9"]))
principals = st.builds(
    Principal,
    agent=st.text(max_size=12),
    role=st.sampled_from(Role),
    store=st.text(max_size=12),
    controllers=controllers,
    certificates=certificates,
)
calls = st.builds(
    Circumstances,
    phase=st.sampled_from(Phase),
    controller=st.sampled_from(["brand", "franchise-9", ""]),
    assurance=st.integers(0, 3),
    now=st.just(float(NOW)),
)
field_actions = st.sampled_from([Action.CARD, Action.REVEAL, Action.CHANGE, Action.WRAP_UP])


def allowed(
    who: Principal,
    action: Action,
    call: Circumstances,
    field: str,
    reason: Reason | None,
    policies: Policies = POLICIES,
) -> bool:
    why = "shown"
    try:
        decide(policies, who, action, call, FIELDS[field], reason)
    except Denied as denial:
        why = denial.reason
    assert why != "policy-error"
    return why == "shown"


def promised(who: Principal, action: Action, call: Circumstances, field: str, reason: Reason) -> bool:
    """The promises in plain words."""
    spec = FIELDS[field]
    needed = {
        Action.CARD: field in MINIMUM,
        Action.REVEAL: field in NEEDS[reason],
        Action.CHANGE: reason is Reason.DELIVERY_CHANGE and field in CHANGED,
        Action.WRAP_UP: field == "order.reference",
    }[action]
    phase = Phase.WRAP_UP if action is Action.WRAP_UP else Phase.LIVE
    least = 3 if action is Action.CHANGE else max(1, spec.assurance)
    return (
        needed
        and who.role in TAKES_CALLS
        and call.controller in who.controllers
        and call.phase is phase
        and call.assurance >= least
        and who.certificates.get(spec.data_class.value, 0) > call.now
    )


@settings(max_examples=600, deadline=None)
@given(
    who=principals,
    action=field_actions,
    call=calls,
    field=st.sampled_from(sorted(FIELDS)),
    reason=st.sampled_from(Reason),
)
def test_what_is_allowed_is_what_was_promised(
    who: Principal, action: Action, call: Circumstances, field: str, reason: Reason
) -> None:
    given_reason = reason if action in (Action.REVEAL, Action.CHANGE) else None
    assert allowed(who, action, call, field, given_reason) == promised(who, action, call, field, reason)


deadlines = st.sampled_from([NOW - 1.0, float(NOW), NOW + 1.0, NOW + 3_600.0])
calls_with_deadline = st.builds(
    Circumstances,
    phase=st.sampled_from(Phase),
    controller=st.sampled_from(["brand", "franchise-9", ""]),
    assurance=st.integers(0, 3),
    now=st.just(float(NOW)),
    until=deadlines,
)


@settings(max_examples=400, deadline=None)
@given(who=principals, call=calls_with_deadline, field=st.sampled_from(sorted(FIELDS)), reason=st.sampled_from(Reason))
def test_work_after_a_call_opens_what_the_call_would_have_until_its_deadline(
    who: Principal, call: Circumstances, field: str, reason: Reason
) -> None:
    live = replace(call, phase=Phase.LIVE)
    expected = promised(who, Action.REVEAL, live, field, reason) and call.now < call.until
    assert allowed(who, Action.WORK, call, field, reason) == expected


@settings(max_examples=400, deadline=None)
@given(who=principals, call=calls_with_deadline, field=st.sampled_from(sorted(FIELDS)))
def test_break_glass_is_for_who_stays_in_training_of_this_company_and_in_time(
    who: Principal, call: Circumstances, field: str
) -> None:
    expected = (
        who.role in (Role.AGENT, Role.SUPERVISOR, Role.STORE_MANAGER, Role.PRIVACY_OFFICER)
        and FIELDS[field].data_class is not DataClass.RECORDING
        and call.controller in who.controllers
        and call.now < call.until
        and who.certificates.get(FIELDS[field].data_class.value, 0) > call.now
    )
    assert allowed(who, Action.BREAK_GLASS, call, field, None) == expected


def may(who: Principal, action: Action, call: Circumstances) -> bool:
    """For what is about a call or a customer whole."""
    why = "allowed"
    try:
        decide(POLICIES, who, action, call)
    except Denied as denial:
        why = denial.reason
    assert why != "policy-error"
    return why == "allowed"


@given(who=principals, call=calls)
def test_what_is_about_no_field(who: Principal, call: Circumstances) -> None:
    ours = call.controller in who.controllers
    assert may(who, Action.EXPORT, call) == (ours and who.role is Role.PRIVACY_OFFICER)
    assert may(who, Action.LISTEN, call) == (ours and who.role is Role.SUPERVISOR and call.phase is Phase.LIVE)
    assert may(who, Action.NOTE, call) == (ours and who.role in TAKES_CALLS and call.phase is not Phase.OVER)


@given(who=principals, call=calls_with_deadline, field=st.sampled_from(sorted(FIELDS)))
def test_only_role_training_company_and_deadline_decide_a_break_glass(
    who: Principal, call: Circumstances, field: str
) -> None:
    """Assurance and phase are a caller's; here is none, so they change nothing."""
    before = allowed(who, Action.BREAK_GLASS, call, field, None)
    for assurance in range(4):
        assert allowed(who, Action.BREAK_GLASS, replace(call, assurance=assurance), field, None) == before
    assert allowed(who, Action.BREAK_GLASS, replace(call, phase=Phase.OVER), field, None) == before


@given(field=st.sampled_from(sorted(FIELDS)), reason=st.sampled_from(Reason), action=field_actions)
def test_at_assurance_0_nothing_opens(field: str, reason: Reason, action: Action) -> None:
    who = Principal("ag_1", Role.SUPERVISOR, "hub", frozenset({"brand"}), dict.fromkeys(DataClass, NOW + 1.0))
    for phase in Phase:
        given_reason = reason if action in (Action.REVEAL, Action.CHANGE) else None
        call = Circumstances(phase, "brand", 0, NOW)
        assert not allowed(who, action, call, field, given_reason)
        assert not allowed(who, action, call, field, given_reason, LAX)


@given(
    field=st.sampled_from(sorted(name for name in FIELDS if name.startswith(("contact.", "delivery.")))),
    reason=st.sampled_from(Reason),
)
def test_contact_and_delivery_need_2_even_if_a_fields_own_level_were_lower(field: str, reason: Reason) -> None:
    who = Principal("ag_1", Role.AGENT, "s", frozenset({"brand"}), dict.fromkeys(DataClass, NOW + 1.0))
    call = Circumstances(Phase.LIVE, "brand", 1, NOW)
    assert not allowed(who, Action.REVEAL, call, field, reason)
    assert not allowed(who, Action.REVEAL, call, field, reason, LAX)


@given(
    who=principals.filter(lambda who: who.role in TAKES_CALLS),
    call=calls,
    field=st.sampled_from(sorted(FIELDS)),
    reason=st.sampled_from(Reason),
)
def test_more_assurance_never_shows_less(who: Principal, call: Circumstances, field: str, reason: Reason) -> None:
    shown = [
        allowed(who, Action.REVEAL, Circumstances(call.phase, call.controller, level, call.now), field, reason)
        for level in range(4)
    ]
    assert shown == sorted(shown)
