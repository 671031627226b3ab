"""What is promised of working with an agent: questions, rules, plans, parts and deliveries."""

from tests.interaction.promises.promise import Promise

ASKING = "interaction/agent/test_asking.py::"
DELEGATING = "interaction/agent/test_delegating.py::"
ENGINE = "conformance/test_engine.py::"
PARTS = "conformance/test_engine_delegation.py::"

PROMISES = {
    # Questions.
    "asking:parks": Promise(
        "issue",
        "A UI tool parks the run as `waiting_for_tool`, and the answer is its result.",
        proof=(ASKING + "test_a_question_parks_the_run_and_its_answer_is_the_result",),
    ),
    "asking:first-wins": Promise(
        "issue",
        "The first answer wins; a wrong call id and a second answer are refused.",
        proof=(ASKING + "test_only_the_first_answer_counts",),
    ),
    "asking:fits": Promise(
        "issue",
        "An answer that does not fit the question is refused.",
        proof=("unit/tools/test_asking.py::test_an_answer_that_does_not_fit_is_refused",),
    ),
    "asking:default": Promise(
        "design",
        "A question has a deadline and a default, and the model is told that nobody answered.",
        proof=(
            ASKING + "test_without_an_answer_the_default_is_taken_and_said",
            ASKING + "test_a_question_lasts_no_longer_than_its_run",
        ),
    ),
    "asking:restart": Promise(
        "issue",
        "A question survives a restart and a kill at any point.",
        proof=(
            ASKING + "test_a_question_survives_a_restart",
            "crash/test_log_crash.py::"
            "test_no_kill_of_the_agent_loop_loses_an_event_or_repeats_an_effect",
        ),
    ),
    "asking:wakes": Promise(
        "issue",
        "An answer wakes the mission that waits for it, on every database.",
        proof=(ENGINE + "test_an_answer_wakes_the_mission_that_waits_for_it",),
    ),
    "asking:missions-only": Promise(
        "issue",
        "Tools that ask are offered in missions only, where somebody may answer.",
        proof=("unit/tools/test_standard.py::test_nobody_is_asked_where_nobody_is",),
    ),
    # Rules.
    "approvals:deny": Promise(
        "issue",
        "A call that a rule denies is not made, and the model is told which rule.",
        proof=(ASKING + "test_a_call_that_a_rule_forbids_is_not_made_and_the_model_is_told_which",),
    ),
    "approvals:ask": Promise(
        "issue",
        "A call that a rule asks about waits until somebody allows it; without an answer, denied.",
        proof=(
            ASKING + "test_a_call_is_made_once_somebody_allows_it",
            ASKING + "test_what_nobody_allows_in_time_is_not_done",
            ASKING + "test_calls_that_read_are_asked_about_one_by_one_where_a_rule_says_so",
        ),
    ),
    "approvals:no-bypass": Promise(
        "design",
        "No way to write a command gets it past a rule that denies it, or in by one that allows.",
        proof=("unit/agent/test_policy.py",),
    ),
    "approvals:default": Promise(
        "issue",
        "Without rules everything is allowed.",
        proof=("unit/agent/test_policy.py::test_without_rules_everything_is_allowed",),
    ),
    "approvals:checked": Promise(
        "design",
        "A rule that would not do what was meant keeps the server from starting.",
        proof=(
            "unit/test_approval_settings.py::"
            "test_rules_that_would_not_do_what_was_meant_are_refused",
        ),
    ),
    # Plans and ends.
    "planning:plan": Promise(
        "issue",
        "The agent's plan is on the log as it was given.",
        proof=(ASKING + "test_a_plan_is_on_the_log_as_it_was_given",),
    ),
    "planning:status": Promise(
        "issue",
        "A mission's status is the agent's word, and a run's outcome the machine's.",
        proof=(ASKING + "test_the_agent_closes_its_mission_and_its_run_ends_by_itself",),
    ),
    # Parts.
    "delegating:comes-back": Promise(
        "issue",
        "The result of delegated work always comes back, also when it fails or takes too long.",
        proof=(
            DELEGATING + "test_a_part_is_done_by_a_mission_of_its_own",
            DELEGATING + "test_a_part_that_fails_comes_back_as_a_failure",
            DELEGATING + "test_a_part_that_takes_too_long_is_stopped_and_said_to_be",
            DELEGATING + "test_a_part_that_somebody_cancels_comes_back",
        ),
    ),
    "delegating:one-budget": Promise(
        "issue",
        "Delegated work has a share of the same budget.",
        proof=(
            DELEGATING + "test_a_child_gets_a_share_of_what_is_left_and_draws_on_the_same_budget",
            DELEGATING + "test_what_a_child_spent_is_gone_for_its_parent",
        ),
    ),
    "delegating:stops": Promise(
        "design",
        "A cancel or an interrupt ends what was delegated first.",
        proof=(
            PARTS + "test_a_cancel_of_the_parent_ends_what_it_delegated_first",
            PARTS + "test_a_cut_ends_what_was_delegated_too",
            DELEGATING + "test_an_interrupt_ends_the_part_before_the_new_message_is_worked_on",
        ),
    ),
    "delegating:once": Promise(
        "design",
        "Whatever crashes, a call opens one child and its result comes back.",
        proof=(
            DELEGATING + "test_after_a_crash_the_same_part_is_waited_for",
            PARTS + "test_a_drained_engine_leaves_delegated_work_to_be_gone_on_with",
        ),
    ),
    "delegating:no-deadlock": Promise(
        "issue",
        "With room for one mission, delegation goes on.",
        proof=(PARTS + "test_what_waits_for_its_own_part_lends_it_its_place",),
    ),
    # Deliveries.
    "deliveries:cancel-holds": Promise(
        "issue",
        "A cancel ends the run and holds the queue until the next message or a release.",
        proof=(ENGINE + "test_a_cancel_holds_the_queue_until_it_is_released",),
    ),
    "deliveries:late-change": Promise(
        "issue",
        "A message that is edited, moved or removed before its run starts is taken as it is then.",
        proof=(
            "interaction/agent/test_starting.py::"
            "test_a_message_changed_at_the_last_moment_is_taken_as_it_is_then",
        ),
    ),
    "parallel:shared-folder": Promise(
        "issue",
        "A run that starts in a folder where another mission works is told so.",
        proof=(DELEGATING + "test_a_mission_that_shares_its_folder_is_told_so",),
    ),
    "parallel:fair": Promise(
        "issue",
        "Missions run side by side up to MAX_PARALLEL_MISSIONS for each user, fairly.",
        proof=(
            ENGINE + "test_an_owner_has_no_more_at_once_than_allowed_and_the_rest_waits",
            ENGINE + "test_an_owner_with_much_work_does_not_hold_up_another",
        ),
    ),
}
