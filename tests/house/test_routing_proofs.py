"""What routing does, line by line, each with the tests that fail when it breaks; those over SIP are named first.

A reader looks here for "is that so, and how is it known?". A test named here must exist and be a test.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FLOWS, TALK = "integration/test_product_flows.py", "integration/test_product_talk.py"
APPLY, OUT, HANDED = (f"integration/test_product_{name}.py" for name in ("apply", "outbound", "transfer"))
RULES, SIMULATED = "unit/test_match_rules.py", "property/test_simulate_properties.py"

Proof = dict[str, tuple[str, ...]]  # file below tests/ -> its tests

# Over SIP: real phones, edge and relay, the whole product running.
SIP: dict[str, Proof] = {
    "overflow by time": {FLOWS: ("test_another_stores_agents_help_after_a_while",)},
    "overflow by size": {FLOWS: ("test_another_stores_agents_help_once_so_many_wait",)},
    "overflow by expected wait": {FLOWS: ("test_another_stores_agents_help_once_the_wait_would_be_long",)},
    "overflow by hours": {APPLY: ("test_a_call_nobody_of_the_store_takes_overflows_to_the_hub",)},
    "ring-no-answer": {
        TALK: (
            "test_ring_no_answer_tries_the_next_agent_and_sends_the_first_away",
            "test_the_place_is_kept_through_offers_that_fail",
            "test_a_phone_that_declines_is_passed_by",
        )
    },
    "callback that keeps the place": {
        OUT: (
            "test_a_callback_from_the_promise_to_the_talk",
            "test_busy_then_answered_with_a_pause_between",
            "test_a_machine_presses_no_key_and_nobody_answers_so_it_is_used_up",
            "test_a_withheld_number_is_promised_nothing",
            "test_a_kept_callback_outlives_kill_9_of_the_controller",
        )
    },
    "the last agent first (sticky)": {
        FLOWS: ("test_who_calls_again_gets_the_agent_they_know_for_as_long_as_is_stated",),
        "integration/test_vault_last_agent.py": (
            "test_who_is_not_recognised_has_no_last_agent",
            "test_routing_learns_no_customer_no_number_and_no_time",
        ),
    },
    "a closed store never rings": {
        FLOWS: ("test_a_closed_store_never_rings",),
        APPLY: ("test_a_store_that_is_shut_by_hand_does_not_ring",),
    },
    "language menu": {FLOWS: ("test_a_french_caller_waits_for_somebody_who_speaks_french",)},
    "digits, consent, step-up in a flow": {
        FLOWS: (
            "test_digits_reach_the_agents_card_and_nothing_else",
            "test_a_caller_proves_who_they_are_before_an_agent_answers",
        )
    },
    "a maximum wait with a dignified exit": {
        FLOWS: ("test_the_longest_wait_ends_with_words", "test_a_key_while_waiting_leads_on")
    },
    "training as a predicate": {TALK: ("test_an_agent_without_a_current_certificate_gets_no_offer",)},
    "live calls keep their place while the chain changes": {
        FLOWS: ("test_a_new_chain_keeps_the_place_of_who_waits",),
        APPLY: ("test_calls_keep_their_places_while_the_chain_changes",),
    },
    "hand-over blind and after a word": {
        HANDED: (
            "test_a_blind_transfer_to_a_queue_waits_at_the_front_with_music",
            "test_a_warm_transfer_is_completed",
        )
    },
    "hold counts apart from talk": {
        TALK: ("test_the_agents_phone_holds_and_resumes",),
        "unit/test_history.py": ("test_talk_and_hold_are_the_conversation_whatever_is_told",),
    },
}

# On the matcher itself, and beside theory.
PURE: dict[str, Proof] = {
    "skills with levels that relax": {
        RULES: ("test_the_level_asked_for_decides", "test_needs_fall_step_by_step_and_a_timer_moves_the_call")
    },
    "fairness between queues, no starvation": {
        "property/test_fairness.py": (
            "test_nobody_starves",
            "test_nobody_is_overtaken_by_one_who_came_later_than_the_difference_of_the_head_starts",
        )
    },
    "strategies, and one's own": {
        "unit/test_strategies.py": (
            "test_who_has_worked_least_of_late_is_rung",
            "test_the_one_of_the_guide_is_found_and_used",
        )
    },
    "every wait is explained": {
        "unit/test_explain.py": ("test_it_says_who_could_take_it_and_who_not_and_why", "test_every_reason_has_words")
    },
    "hours with zones, closures, clock changes": {
        "property/test_hours_properties.py": ("test_open_is_what_the_definition_says",),
        "unit/test_hours.py": ("test_clocks_forward_a_time_that_does_not_exist_is_the_jump",),
    },
    "wrong files are refused by name": {
        "unit/test_flow.py": ("test_a_loop_that_never_waits", "test_a_prompt_that_is_missing_in_one_language"),
        "unit/test_chain_file.py": ("test_wrong_stores", "test_wrong_hours", "test_warnings"),
        "unit/test_stores.py": ("test_two_stores_on_one_number",),
    },
    "one file of 40 stores, 60 queues, 2,000 agents": {
        "unit/test_chain_file.py": ("test_the_largest_file_we_promise",)
    },
    "reports are right by definition": {
        "unit/test_reports.py": ("test_the_morning", "test_the_definitions_differ"),
    },
    "estimated waits are told right within 15 s": {
        "unit/test_estimate.py": ("test_in_a_loaded_queue_half_the_callers_are_told_right_within_15_s",)
    },
    "the simulator is what theory says": {
        "unit/test_simulate.py": (
            "test_waiting_is_what_theory_says",
            "test_every_wait_is_what_the_recursion_gives",
            "test_the_comparison_can_fail",
        )
    },
    "simulated transfers, callbacks, hours and overflow": {
        SIMULATED: (
            "test_no_call_is_lost_and_none_is_made_up",
            "test_who_is_handed_on_was_just_talking",
            "test_a_callback_was_wanted_and_never_ends_in_a_hang_up",
        ),
        "unit/test_staffing.py": ("test_the_chains_hours_and_overflow_hold_in_a_simulated_day",),
    },
    "Erlang C and A against tables and pyworkforce": {
        "unit/test_erlang.py": ("test_erlang_c_table", "test_garnett_mandelbaum_and_reiman", "test_pyworkforce")
    },
    "the guides are run as they are written": {
        APPLY: ("test_the_how_to_add_a_store_does_what_it_says",),
        "unit/test_flow_howtos.py": ("test_write_a_flow", "test_import_a_workflow"),
        "unit/test_cli_staffing.py": ("test_the_how_to_runs_as_it_is_written",),
    },
}

CASES = [
    (what, file, name)
    for table in (SIP, PURE)
    for what, proof in table.items()
    for file, names in proof.items()
    for name in names
]


@cache
def named_in(file: str) -> frozenset[str]:
    """The test functions and methods of a file below tests/, without those that are skipped for good."""
    functions = (
        node
        for node in ast.walk(ast.parse((TESTS / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(each.name for each in functions if each.name.startswith("test") and not skipped(each))


def skipped(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = (ast.unparse(decorator).split("(")[0] for decorator in function.decorator_list)
    return any(mark.endswith((".skip", ".xfail")) for mark in marks)


@pytest.mark.parametrize(("what", "file", "name"), CASES, ids=[f"{what}: {name}" for what, _, name in CASES])
def test_what_routing_does_has_its_test(what: str, file: str, name: str) -> None:
    assert (TESTS / file).is_file(), f"{what}: tests/{file} is gone; name where its proof is now"
    assert name in named_in(file), f"{what}: tests/{file} has no {name}; name what proves it now"


@pytest.mark.parametrize("what", SIP)
def test_what_is_said_to_run_over_sip_does(what: str) -> None:
    """At least one of its tests is of the whole product."""
    assert any(file.startswith("integration/test_product_") for file in SIP[what])


def test_the_stateful_model_is_there() -> None:
    """Its steps are drawn, so it has no test functions: every decision against a plain scan, every state left."""
    assert "TestFloor" in (TESTS / "property/test_match_stateful.py").read_text()
