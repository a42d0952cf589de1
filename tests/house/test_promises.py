"""The thirteen promises, each with the tests that fail when it breaks; what is not built yet says so and why.

A test named here must exist, be a test, and not be skipped for good; so a promise cannot lose its proof unnoticed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Promise:
    """`proof`: file below tests/, then names. `missing`: what of the promise is not built, and why."""

    says: str
    proof: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: str = ""


PROMISES = {
    1: Promise(
        "Plaintext lives in few places, named",
        (
            (
                "integration/test_product_canaries.py",
                (
                    "test_no_planted_value_is_on_disk_while_the_product_runs",
                    "test_no_planted_value_is_in_a_process_argument_or_environment",
                    "test_no_planted_value_reached_an_agents_phone",
                    "test_no_planted_value_is_in_an_exported_ledger",
                    "test_the_same_search_finds_a_seeded_leak",
                ),
            ),
            (
                "property/test_canaries.py",
                ("test_a_number_however_written_is_found",),
            ),
            ("unit/test_live.py", ("test_promise_1_a_copied_disk_shows_noise",)),
            ("integration/test_vault_process.py", ("test_not_even_its_own_user_reads_its_memory",)),
            ("e2e/test_desk_privacy.py", ("test_nothing_is_stored_in_the_browser",)),
            (
                "integration/test_vault_rights.py",
                ("test_it_is_encrypted_to_the_requesters_own_key", "test_no_plaintext_of_it_is_on_any_disk"),
            ),
            ("integration/test_vault_people.py", ("test_neither_secret_nor_codes_stand_in_the_files",)),
            ("integration/test_vault_backup.py", ("test_a_backup_shows_nothing_to_whoever_lacks_the_identity",)),
            ("unit/test_web_guard.py", ("test_the_log_and_metrics_hold_nothing_personal",)),
        ),
        "traces do not exist",
    ),
    2: Promise(
        "Fail closed; the call itself still routes",
        (
            (
                "integration/test_product_faults.py",
                (
                    "test_a_vault_that_hangs_shows_nothing_and_stops_no_call",
                    "test_a_killed_vault_comes_back_unsealed_and_the_grant_works",
                    "test_a_killed_edge_ends_its_calls_and_knows_the_phones_again",
                ),
            ),
            (
                "integration/test_product_disk.py",
                ("test_a_vault_that_cannot_write_shows_nothing_and_stops_no_call",),
            ),
            ("unit/test_access_policy.py", ("test_cedar_itself_allows_when_a_forbid_errs_and_we_do_not",)),
            (
                "integration/test_vault_policies.py",
                (
                    "test_a_set_that_is_not_right_is_refused_and_the_old_one_stays",
                    "test_no_set_comes_in_that_the_ledger_did_not_take",
                    "test_a_vault_does_not_open_with_a_set_that_is_not_right",
                ),
            ),
            ("contract/test_kms.py", ("test_a_server_that_is_gone_is_unavailable",)),
            ("unit/test_call.py", ("test_nobody_waits_for_a_vault_that_hangs",)),
        ),
    ),
    3: Promise(
        "Written before shown",
        (
            (
                "integration/test_vault_ledger.py",
                (
                    "test_a_sync_that_is_held_up_keeps_the_field_masked",
                    "test_a_sync_that_fails_is_a_refusal_and_calls_go_on",
                ),
            ),
            ("integration/test_vault_faults.py", ("test_the_entry_stands_before_the_value_opens",)),
            (
                "integration/test_product_disk.py",
                ("test_a_look_that_was_refused_for_want_of_a_disk_is_not_in_the_ledger_as_allowed",),
            ),
            ("integration/test_ledger_kill.py", ("test_kill_9",)),
            ("integration/test_vault_retention.py", ("test_it_is_in_the_ledger_before_it_is_done",)),
            ("integration/test_vault_guards.py", ("test_listening_needs_the_vaults_word_and_leaves_an_entry",)),
        ),
    ),
    4: Promise(
        "Bound to the live call",
        (
            (
                "integration/test_product_hangup.py",
                (
                    "test_the_caller_hangs_up",
                    "test_the_agents_phone_hangs_up",
                    "test_the_agents_page_hangs_up",
                    "test_dead_peers_are_gone_within_twenty_seconds",
                ),
            ),
            (
                "e2e/test_desk_privacy.py",
                ("test_the_hang_up_blanks_the_card_at_once", "test_the_back_button_shows_nothing"),
            ),
            ("integration/test_vault_service.py", ("test_a_controller_that_does_not_say_hang_up_opens_nothing",)),
            ("unit/test_access_grants.py", ("test_either_end_hanging_up_closes_the_grant",)),
            (
                "integration/test_vault_guards.py",
                (
                    "test_a_transfer_moves_only_what_the_new_agent_may_have",
                    "test_an_agent_works_on_after_the_call_by_a_work_grant",
                    "test_a_work_grant_shows_no_other_field_and_nobody_else",
                    "test_policy_still_decides_under_a_work_grant",
                ),
            ),
            (
                "property/test_policy_properties.py",
                ("test_work_after_a_call_opens_what_the_call_would_have_until_its_deadline",),
            ),
            (
                "unit/test_policy_promises.py",
                ("test_a_set_without_a_guard_breaks_its_promise",),
            ),
        ),
    ),
    5: Promise(
        "Trained people only",
        (
            ("integration/test_product_talk.py", ("test_an_agent_without_a_current_certificate_gets_no_offer",)),
            ("unit/test_access_policy.py", ("test_a_certificate_lapses_at_its_expiry_and_not_later",)),
            ("integration/test_vault_service.py", ("test_lapsed_training_opens_nothing_and_is_told",)),
            ("integration/test_vault_tampered.py", ("test_an_extended_certificate_counts_for_nothing",)),
            (
                "property/test_policy_properties.py",
                ("test_break_glass_is_for_who_stays_in_training_of_this_company_and_in_time",),
            ),
        ),
        "courses and quizzes: certificates are entered by an administrator until the training issue",
    ),
    6: Promise(
        "Caller ID is a claim",
        (
            (
                "integration/test_product_assurance.py",
                (
                    "test_a_known_number_on_a_named_trunk_is_worth_one",
                    "test_the_same_number_from_the_internet_matches_nothing",
                    "test_a_withheld_number_matches_nothing",
                    "test_three_wrong_codes_end_it_and_a_new_one_may_be_sent",
                    "test_a_code_works_once_and_on_its_own_call_only",
                    "test_an_unknown_caller_goes_through_the_same_steps",
                ),
            ),
            (
                "integration/test_product_canaries.py",
                ("test_known_unknown_and_withheld_callers_hear_the_same_for_as_long",),
            ),
            (
                "property/test_policy_properties.py",
                ("test_at_assurance_0_nothing_opens", "test_more_assurance_never_shows_less"),
            ),
            (
                "unit/test_access_assurance.py",
                (
                    "test_a_number_a_code_and_a_question_are_not_two_factors",
                    "test_what_rests_on_one_thing_never_makes_three",
                    "test_a_carriers_word_is_needed_for_no_level_and_gives_none",
                    "test_a_contact_is_new_for_seven_days",
                ),
            ),
            (
                "unit/test_stir.py",
                ("test_a_header_works_once", "test_another_carriers_key_signs_nothing"),
            ),
        ),
    ),
    7: Promise(
        "Encrypted on every leg",
        (
            (
                "integration/test_edge_refusals.py",
                ("test_tls_1_1_is_refused", "test_only_forward_secret_aead_suites"),
            ),
            (
                "integration/test_edge_trunks.py",
                ("test_signed_by_our_ca_is_not_enough",),
            ),
            (
                "integration/test_edge_claims.py",
                (
                    "test_what_is_not_encrypted_is_refused",
                    "test_cleartext_is_for_the_trunk_named_so_alone",
                    "test_an_encrypted_call_cannot_turn_plain_later",
                ),
            ),
        ),
    ),
    8: Promise(
        "Masked everywhere",
        (
            ("integration/test_edge_calls.py", ("test_an_agent_is_rung_masked_and_the_answer_is_signed",)),
            ("unit/test_live.py", ("test_they_hold_no_digit_and_vary",)),
            ("integration/test_vault_service.py", ("test_the_token_of_a_customer_differs_from_call_to_call",)),
            ("e2e/test_desk_privacy.py", ("test_the_card_is_masked_before_the_step_up",)),
            (
                "integration/test_vault_service.py",
                (
                    "test_masks_hold_nothing_of_the_value",
                    "test_once_a_reason_is_chosen_the_card_holds_only_what_it_needs",
                ),
            ),
            ("integration/test_product_talk.py", ("test_a_call_is_in_the_days_report_by_other_tokens",)),
            ("unit/test_history.py", ("test_no_token_of_the_floor_is_in_a_row",)),
            ("unit/test_cli_customer.py", ("test_an_import_tells_counts_and_no_value",)),
            ("e2e_product/test_e2e_floor.py", ("test_a_call_is_on_the_board_and_nothing_of_the_caller",)),
        ),
        "webhooks of ours do not exist yet",
    ),
    9: Promise(
        "Erasure is final for every copy we hold",
        (
            ("unit/test_vault_keys.py", ("test_destroyed_is_destroyed_in_every_file",)),
            ("unit/test_vault_records.py", ("test_a_restored_row_of_an_erased_customer_does_not_open",)),
            ("integration/test_ledger_log.py", ("test_erasure_breaks_no_proof_and_leaves_nothing",)),
            (
                "integration/test_vault_erasure.py",
                (
                    "test_a_byte_search_of_every_file_and_log_finds_neither_key_nor_value",
                    "test_the_receipt_verifies_offline_and_says_what_went_and_what_stays",
                    "test_recipients_are_told_or_excused_first",
                    "test_a_legal_hold_wins",
                    "test_what_a_crash_breaks_off_is_ended_at_the_next_start",
                ),
            ),
            (
                "unit/test_vault_tombstones.py",
                (
                    "test_a_customer_brought_back_by_older_databases_is_erased_again",
                    "test_the_wrapped_key_is_in_no_file_afterwards",
                ),
            ),
            (
                "integration/test_vault_backup.py",
                (
                    "test_the_drill_before_inside_and_after_the_window",
                    "test_a_backup_from_after_the_erasure_brings_no_one_back",
                ),
            ),
        ),
    ),
    10: Promise(
        "The log verifies elsewhere",
        (
            (
                "integration/test_ledger_verify.py",
                ("test_one_flipped_bit_anywhere", "test_rewritten_by_the_key_s_holder", "test_every_entry_is_included"),
            ),
            ("property/test_ledger_merkle.py", ("test_a_rewritten_past_is_not_consistent",)),
        ),
        "the witness: it needs a second party; until then an earlier checkpoint kept elsewhere shows a rewrite",
    ),
    11: Promise(
        "Calls survive us",
        (
            (
                "integration/test_product_crash.py",
                (
                    "test_media_goes_on_and_the_new_life_knows_the_calls",
                    "test_the_grant_is_kept_and_so_are_its_limits",
                    "test_places_in_the_queue_are_kept_in_order",
                    "test_a_phone_that_rang_is_let_go_and_rung_again",
                    "test_two_kills_in_a_row_leave_the_call_up",
                ),
            ),
        ),
    ),
    12: Promise(
        "No agent gets stuck",
        (
            (
                "integration/test_product_talk.py",
                (
                    "test_ring_no_answer_tries_the_next_agent_and_sends_the_first_away",
                    "test_a_phone_that_declines_is_passed_by",
                    "test_a_phone_that_is_not_registered_is_passed_by",
                ),
            ),
            ("integration/test_product_hangup.py", ("test_dead_peers_are_gone_within_twenty_seconds",)),
        ),
    ),
    13: Promise(
        "Staff are people too",
        (
            ("integration/test_vault_guards.py", ("test_an_agent_sees_their_own_looks_and_nobody_elses",)),
            ("integration/test_vault_people.py", ("test_one_sees_and_ends_ones_own_sessions_alone",)),
            ("unit/test_history.py", ("test_an_agents_token_hangs_on_the_key", "test_retention_is_kept_by_the_task")),
            ("integration/test_vault_erasure.py", ("test_the_receipt_names_neither_the_customer_nor_staff",)),
            ("integration/test_vault_roster.py", ("test_an_agent_lists_nobody",)),
        ),
        "no drill or machine's verdict exists yet; appeal comes with the training issue",
    ),
}
CASES = [
    (number, file, name) for number, promise in PROMISES.items() for file, names in promise.proof for name in names
]


@cache
def _tests_in(file: str) -> frozenset[str]:
    """Names of the test functions and methods of a file below tests/."""
    tree = ast.parse((TESTS / file).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(node.name for node in functions if node.name.startswith("test") and not _skipped(node))


def _skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Skipped or expected to fail for good; `skipif` names a condition and is another thing."""
    marks = (ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list)
    return any(mark.endswith((".skip", ".xfail")) for mark in marks)


def test_there_are_thirteen() -> None:
    assert list(PROMISES) == list(range(1, 14))


@pytest.mark.parametrize(("number", "file", "name"), CASES, ids=[f"{number}-{name}" for number, _, name in CASES])
def test_a_promise_has_its_test(number: int, file: str, name: str) -> None:
    assert (TESTS / file).is_file(), f"promise {number}: tests/{file} is gone; name where its proof is now"
    assert name in _tests_in(file), f"promise {number}: tests/{file} has no {name}; name what proves it now"


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_is_proved_or_says_what_is_missing(number: int) -> None:
    promise = PROMISES[number]
    assert promise.proof or promise.missing


def test_an_absent_or_skipped_test_would_be_noticed(tmp_path: Path) -> None:
    module = "import pytest\n@pytest.mark.skip('later')\ndef test_a(): ...\ndef test_b(): ...\ndef helper(): ...\n"
    (tmp_path / "test_x.py").write_text(module)
    assert _tests_in(str(tmp_path / "test_x.py")) == {"test_b"}
