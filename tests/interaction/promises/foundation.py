"""What is promised of the log, its store, the engine and the talk with models."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    # The log.
    "log:seq:gapless": Promise(
        "design",
        "`seq` has no gap within a mission, whoever appends at once.",
        proof=("conformance/test_log_appending.py::test_seq_is_gapless_whoever_appends_at_once",),
    ),
    "log:cursor:exact": Promise(
        "design",
        "`owner_seq` follows the order of commits, so a cursor skips nothing.",
        proof=(
            "conformance/test_log_appending.py::test_owner_seq_follows_the_order_of_commits",
            "conformance/test_log_postgres.py::"
            "test_processes_share_a_database_and_every_number_is_given_once",
        ),
    ),
    "log:writer:fenced": Promise(
        "design",
        "A worker that lost its mission can append nothing more.",
        proof=(
            "conformance/test_log_appending.py::test_an_old_epoch_cannot_append",
            "interaction/agent/test_loop.py::test_a_fenced_worker_appends_nothing_more",
        ),
    ),
    "log:external:once": Promise(
        "design",
        "A message or a cancel that is sent many times is appended once.",
        proof=(
            "conformance/test_log_appending.py::"
            "test_an_external_event_sent_many_times_at_once_is_appended_once",
        ),
    ),
    "log:open:once": Promise(
        "issue",
        "A submission with a key opens one mission, however often it is sent.",
        proof=(
            "conformance/test_log_appending.py::"
            "test_opening_at_the_same_time_with_one_key_opens_once",
        ),
    ),
    "log:decision:refused": Promise(
        "design",
        "A decision on a log that has moved is refused, so that no message is overlooked.",
        proof=(
            "conformance/test_log_appending.py::test_a_decision_is_refused_when_the_log_has_moved",
        ),
    ),
    "log:folds:pure": Promise(
        "design",
        "Folding in two parts equals folding once; rows rebuilt from the log are those kept.",
        proof=(
            "unit/events/test_fold.py::test_folding_in_two_parts_equals_folding_once",
            "conformance/test_log_rebuild.py::"
            "test_rows_rebuilt_from_a_stored_log_are_those_that_were_kept",
        ),
    ),
    "log:releases:load": Promise(
        "design",
        "What any release wrote loads, comes to the same, and is gone on with.",
        proof=("golden/test_releases.py",),
    ),
    "log:newer:passed-on": Promise(
        "design",
        "Events of a newer release are passed on as they are, and never acted on.",
        proof=(
            "conformance/test_log_appending.py::test_an_unknown_event_comes_back_as_it_was",
            "unit/events/test_fold.py::test_an_event_of_a_newer_release_is_remembered_by_its_type",
        ),
    ),
    # The store.
    "store:sqlite:durable": Promise(
        "issue",
        "SQLite runs in WAL mode with `synchronous=FULL`; those who wait share a commit.",
        proof=(
            "unit/store/test_opening.py::test_commits_are_durable_and_readers_cannot_write",
            "unit/store/test_sqlite_writer.py::test_appends_that_wait_together_share_a_commit",
        ),
    ),
    "store:postgres:shared": Promise(
        "issue",
        "Several processes share one PostgreSQL; a killed one loses nothing and locks nothing.",
        proof=(
            "conformance/test_log_postgres.py::"
            "test_a_killed_process_loses_nothing_it_was_told_and_locks_nothing",
            "crash/test_postgres_servers.py::"
            "test_a_killed_servers_mission_is_finished_by_the_other",
        ),
    ),
    "store:schema:migrated": Promise(
        "issue",
        "Migrations lead to the tables of today, and one that was killed begins again.",
        proof=(
            "unit/store/test_schema.py::test_migrating_leads_to_the_tables_of_today",
            "unit/store/test_schema.py::test_a_migration_that_was_killed_begins_again",
        ),
    ),
    "store:damaged:refused": Promise(
        "issue",
        "A damaged or newer database is refused with what to do, and left as it is.",
        proof=(
            "unit/store/test_opening.py::test_a_damaged_database_is_refused_and_left_as_it_is",
            "unit/store/test_opening.py::test_a_newer_database_is_refused_and_left_as_it_is",
            "conformance/test_log_postgres.py::test_a_newer_database_is_refused",
        ),
    ),
    "store:full:passes": Promise(
        "design",
        "A full disk fails appends whole, and passes.",
        proof=(
            "unit/store/test_sqlite_writer.py::test_a_full_disk_fails_appends_whole_and_passes",
        ),
    ),
    "store:files:private": Promise(
        "issue",
        "What is kept can be read by its account alone.",
        proof=(
            "unit/store/test_opening.py::test_the_files_are_private_to_their_user",
            "unit/store/test_blobs.py::test_blobs_are_private_to_their_user",
        ),
    ),
    "store:owner:required": Promise(
        "design",
        "Nobody sees another owner's missions.",
        proof=(
            "test_architecture.py::test_a_store_cannot_be_asked_without_an_owner",
            "conformance/test_log_missions.py::test_a_mission_is_shown_to_its_owner_alone",
        ),
    ),
    "store:event:bounded": Promise(
        "design",
        "No reply is too long to be kept: what does not fit an event lies whole beside it.",
        proof=(
            "interaction/agent/test_loop.py::"
            "test_a_reply_too_long_for_an_event_is_kept_whole_beside_it",
            "interaction/agent/test_loop.py::"
            "test_large_arguments_reach_the_tool_whole_and_are_kept",
        ),
    ),
    # The engine.
    "engine:work:taken-up": Promise(
        "issue",
        "Work left by another time is taken up at the start.",
        proof=(
            "conformance/test_engine.py::test_work_left_by_another_time_is_taken_up_at_the_start",
        ),
    ),
    "engine:owners:fair": Promise(
        "design",
        "No owner has more at work than allowed, and none holds up another.",
        proof=(
            "conformance/test_engine.py::"
            "test_an_owner_has_no_more_at_once_than_allowed_and_the_rest_waits",
            "conformance/test_engine.py::test_an_owner_with_much_work_does_not_hold_up_another",
        ),
    ),
    "engine:shared:once": Promise(
        "issue",
        "Engines that share a database do nothing twice.",
        proof=(
            "conformance/test_engine.py::test_two_engines_share_the_work_and_nothing_is_done_twice",
        ),
    ),
    "engine:drain:resumes": Promise(
        "design",
        "A drained engine ends in time, and another goes on.",
        proof=(
            "conformance/test_engine.py::test_a_drained_engine_ends_in_time_and_another_goes_on",
            "interaction/agent/test_loop.py::"
            "test_a_draining_worker_stops_between_moves_and_another_goes_on",
        ),
    ),
    # Models.
    "models:faults:named": Promise(
        "issue",
        "Every fault of a provider ends in time, under a stable code.",
        proof=(
            "interaction/models/test_faults.py::test_every_refusal_has_its_code",
            "interaction/models/test_faults.py::test_silence_ends_whatever_hides_it",
            "interaction/models/test_faults.py::"
            "test_a_stream_cut_anywhere_is_a_failure_until_it_is_finished",
        ),
    ),
    "models:faults:retried": Promise(
        "issue",
        "Passing failures are tried again, then the fallback model takes over, then the run waits.",
        proof=(
            "interaction/agent/test_loop.py::test_a_passing_failure_is_waited_out",
            "interaction/agent/test_loop.py::test_the_fallback_model_takes_over",
            "interaction/agent/test_loop.py::test_a_broken_provider_is_named_and_parks_the_run",
        ),
    ),
    "models:output:survived": Promise(
        "issue",
        "Output of any shape is survived: unknown tools, no JSON, 5 MB, the same id twice.",
        proof=(
            "interaction/agent/test_loop.py::"
            "test_a_call_that_cannot_be_made_is_answered_and_the_run_goes_on",
            "interaction/agent/test_loop.py::test_duplicate_call_ids_become_unique",
            "unit/models/test_assembly.py::test_no_shape_of_chunks_breaks_the_client",
        ),
    ),
    "models:request:valid": Promise(
        "design",
        "Each call has exactly one answer in every request, and requests begin like the last one.",
        proof=(
            "unit/models/test_encoding.py::test_every_request_of_every_valid_log_is_valid_"
            "and_begins_like_the_one_before",
            "interaction/agent/test_loop.py::"
            "test_each_request_begins_with_the_whole_of_the_last_one",
        ),
    ),
    "models:key:kept": Promise(
        "design",
        "The key is in no error, and follows no redirect.",
        proof=(
            "interaction/models/test_faults.py::"
            "test_a_provider_that_repeats_the_key_does_not_get_it_into_the_error",
            "interaction/models/test_faults.py::test_a_redirect_is_not_followed_with_a_key_in_hand",
        ),
    ),
    "models:scripted:judged": Promise(
        "issue",
        "The `openai` SDK understands the scripted model, and gets from it what we get.",
        proof=("interaction/models/test_judge.py::test_our_client_gets_what_the_sdk_gets",),
    ),
}
