"""What is promised of runs whoever carries them out, and of those that OpenCode does."""

from tests.interaction.promises.promise import Promise

RUNS = "conformance/backends/test_runs.py::"
OPENCODE = "conformance/backends/test_opencode.py::"
RECOVERY = "conformance/backends/test_recovery.py::"

PROMISES = {
    # Every backend.
    "runs:visible": Promise(
        "issue",
        "Text, reasoning, tool calls with inputs, outputs and times, model, tokens and cost are shown.",
        proof=(RUNS + "test_a_run_is_shown_with_all_it_says_and_does",),
    ),
    "runs:continued": Promise(
        "issue",
        "The second run of a mission knows the first.",
        proof=(RUNS + "test_a_second_run_knows_the_first",),
    ),
    "runs:deliveries": Promise(
        "design",
        "Steering is seen within the run, a queued message after it, an interrupting one at once.",
        proof=(
            RUNS + "test_a_steering_message_is_seen_within_the_run",
            RUNS + "test_a_queued_message_is_the_next_run",
            RUNS + "test_an_interrupting_message_is_carried_out_at_once",
        ),
    ),
    "runs:stop": Promise(
        "design",
        "Stop ends the run and every process that it started, detached ones too.",
        proof=(RUNS + "test_a_cancel_ends_the_run_and_its_processes",),
    ),
    "runs:limits": Promise(
        "issue",
        "Steps, time and budget end a run by name, and so does the same call again and again.",
        proof=(
            RUNS + "test_a_run_ends_at_its_limit_of_steps",
            RUNS + "test_a_run_ends_at_its_time",
            RUNS + "test_a_run_ends_when_its_budget_is_spent",
            RUNS + "test_the_same_call_again_and_again_ends_the_run",
        ),
    ),
    "runs:model-fails": Promise(
        "issue",
        "A model call that fails is made again where that helps, and ends the run by name if not.",
        proof=(
            RUNS + "test_a_call_that_failed_is_made_again",
            RUNS + "test_a_refusal_by_the_provider_ends_the_run_by_name",
        ),
    ),
    "runs:history": Promise(
        "issue",
        "What a run leaves is a history that our own loop can go on with, and folds as any other.",
        proof=(
            RUNS + "test_what_a_run_leaves_is_a_valid_history_for_our_own_loop",
            RUNS + "test_a_log_folds_in_two_parts_as_at_once",
        ),
    ),
    "runs:mending": Promise(
        "issue",
        "A failing test is mended and committed on each backend, by API and command line, with every"
        " step seen and its cost recorded, and through a kill of each process in turn.",
        proof=("crash/test_mending.py",),
    ),
    "runs:original-client": Promise(
        "original",
        "A client of the original sees a run on OpenCode as any other, and answers what it asks.",
    ),
    # OpenCode alone.
    "opencode:subagents": Promise(
        "issue",
        "What a subagent does is on the log, costs, and stands in the tree.",
        proof=(OPENCODE + "test_what_a_subagent_does_is_on_the_log_and_in_the_tree",),
    ),
    "opencode:plan": Promise(
        "issue",
        "Its todo items are the mission's plan.",
        proof=(OPENCODE + "test_its_plan_is_the_missions_plan",),
    ),
    "opencode:files": Promise(
        "issue",
        "The files that a run changed are listed.",
        proof=(OPENCODE + "test_files_that_were_changed_are_listed",),
    ),
    "opencode:live": Promise(
        "issue",
        "Text, reasoning and output are shown while they are written.",
        proof=(OPENCODE + "test_live_text_and_output_reach_those_who_watch",),
    ),
    "opencode:rules": Promise(
        "issue",
        "The rules of APPROVALS hold for OpenCode's calls, in permissive mode too.",
        proof=(
            OPENCODE + "test_a_rule_that_asks_holds_in_permissive_mode_too",
            OPENCODE + "test_a_rule_that_forbids_holds_and_the_model_goes_on",
            "unit/backends/test_permissions.py",
        ),
    ),
    "opencode:asks": Promise(
        "issue",
        "What OpenCode and its subagents ask is asked here, with a deadline and a default.",
        proof=(
            OPENCODE + "test_what_opencode_asks_is_asked_and_refused_when_nobody_answers",
            OPENCODE + "test_what_a_subagent_asks_is_asked",
            OPENCODE + "test_a_question_is_asked_and_answered",
        ),
    ),
    "opencode:session-lost": Promise(
        "issue",
        "A session that OpenCode no longer has is replaced by one that is told what was said.",
        proof=(OPENCODE + "test_a_session_that_is_gone_is_replaced_and_told_what_was_said",),
    ),
    "opencode:bounded": Promise(
        "issue",
        "Silence, endless empty turns and a retry an hour off end the run by name.",
        proof=(
            OPENCODE + "test_a_silent_model_ends_the_run",
            OPENCODE + "test_a_model_that_sends_nothing_again_and_again_ends_the_run",
            OPENCODE + "test_a_retry_that_is_an_hour_off_ends_the_run",
            OPENCODE + "test_an_empty_last_word_is_prodded",
        ),
    ),
    "opencode:unknown-model": Promise(
        "issue",
        "A model that OpenCode does not have is refused by name.",
        proof=(OPENCODE + "test_an_unknown_model_is_refused_by_name",),
    ),
    "opencode:killed": Promise(
        "issue",
        "After `kill -9` of OpenCode the run goes on, and what was under way is marked.",
        proof=(
            RECOVERY + "test_a_killed_opencode_is_started_again_and_the_run_goes_on",
            RECOVERY + "test_opencode_killed_while_it_writes",
            RECOVERY + "test_both_killed",
            RECOVERY + "test_an_opencode_that_dies_again_and_again_ends_the_run_by_name",
        ),
    ),
    "opencode:taken-up": Promise(
        "issue",
        "A run whose worker is gone is taken up where it is: no event twice, nothing missing.",
        proof=(
            RECOVERY + "test_a_worker_that_is_gone_is_followed_by_one_that_goes_on",
            RECOVERY + "test_what_happened_meanwhile_is_recorded_once",
            RECOVERY + "test_a_drained_worker_leaves_the_run_to_the_next",
            RECOVERY + "test_a_prompt_that_was_not_sent_is_sent_once",
            RECOVERY + "test_a_prompt_that_opencode_has_and_forgot_is_worked_on_at_once",
            "crash/test_opencode_kill.py",
        ),
    ),
    "opencode:stop-hung": Promise(
        "issue",
        "A stop, of a run or of the server, waits neither for an OpenCode that hangs nor for one"
        " that does not start; ours is ended with its commands, and of others' it is said that"
        " they may go on.",
        proof=("conformance/backends/test_stopping.py",),
    ),
    "opencode:gone": Promise(
        "issue",
        "An OpenCode that is not there is waited for, within limits, and a stop needs none.",
        proof=(
            RECOVERY + "test_an_opencode_that_is_not_there_is_waited_for_and_then_named",
            RECOVERY + "test_a_cancel_ends_a_run_whose_opencode_is_not_there",
        ),
    ),
}
