"""What is promised of missions as rows: their queues, questions, forks, lists and search."""

from tests.interaction.promises.promise import Promise

QUEUE = "conformance/test_log_queue.py"
ANSWERS = "conformance/test_log_answers.py"
FORKS = "conformance/test_log_forks.py"
LISTS = "conformance/test_log_lists.py"
SEARCH = "conformance/test_log_search.py"

PROMISES = {
    "missions:queue:ten-thousand": Promise(
        "issue",
        "Ten thousand messages wait in one mission and keep their order; more are refused.",
        proof=(f"{QUEUE}::test_ten_thousand_messages_keep_their_order_and_more_are_refused",),
    ),
    "missions:queue:changed": Promise(
        "issue",
        "A message is edited, moved and removed until its run begins, and not after that.",
        proof=(
            f"{QUEUE}::test_a_moved_message_stands_where_it_was_put",
            f"{QUEUE}::test_an_edit_is_what_the_model_is_told_and_keeps_the_place",
            f"{QUEUE}::test_a_removed_message_is_never_carried_out",
            f"{QUEUE}::test_what_does_not_wait_cannot_be_changed",
            f"{QUEUE}::test_of_a_change_and_the_run_that_takes_the_message_one_is_refused",
        ),
    ),
    "missions:queue:held": Promise(
        "issue",
        "A cancel holds what waits until the next message or a release.",
        proof=(
            f"{QUEUE}::test_a_cancel_holds_the_queue_until_it_is_released",
            f"{QUEUE}::test_the_next_message_lets_a_held_queue_go_on",
        ),
    ),
    "missions:answers:first": Promise(
        "issue",
        "Of many answers the first counts; later ones, and answers to nothing, are refused.",
        proof=(
            f"{ANSWERS}::test_of_many_answers_the_first_counts",
            f"{ANSWERS}::test_an_answer_after_the_deadline_is_late",
            f"{ANSWERS}::test_what_nobody_asked_cannot_be_answered",
        ),
    ),
    "missions:fork:free": Promise(
        "design",
        "The copies of a fork keep their times, cost nothing, and leave the other as it was.",
        proof=(
            f"{FORKS}::test_a_fork_has_the_others_history_with_its_times",
            f"{FORKS}::test_the_copies_of_a_fork_cost_nothing",
            f"{FORKS}::test_messages_of_a_fork_can_be_used_in_both",
        ),
    ),
    "missions:delete:nothing-left": Promise(
        "issue",
        "Of a deleted mission, and of what it delegated, nothing is left but that it was.",
        proof=(
            f"{FORKS}::test_nothing_is_left_of_a_deleted_mission_but_that_it_was",
            f"{FORKS}::test_an_old_holder_cannot_append_to_a_deleted_mission",
            f"{FORKS}::test_a_mission_with_a_run_is_not_deleted",
        ),
    ),
    "missions:current:last-selected": Promise(
        "issue",
        "Each user has one current mission: the one selected last.",
        proof=(f"{FORKS}::test_the_last_mission_selected_is_the_current_one",),
    ),
    "missions:list:never-twice": Promise(
        "issue",
        "While missions change, no page shows one that an earlier page has shown.",
        proof=(f"{LISTS}::test_no_mission_is_shown_twice_while_missions_change",),
    ),
    "missions:history:as-it-stands": Promise(
        "issue",
        "What was said is shown as it was edited last, without what was removed.",
        proof=(f"{LISTS}::test_a_history_is_what_was_said_as_it_stands",),
    ),
    "missions:search:any-language": Promise(
        "issue",
        "Titles, messages, answers and results are found in any language, on both databases alike.",
        proof=(
            f"{SEARCH}::test_titles_messages_answers_and_results_are_found",
            f"{SEARCH}::test_any_language_is_found_by_the_beginnings_of_its_words",
            f"{SEARCH}::test_every_database_finds_what_memory_finds",
            f"{SEARCH}::test_what_is_changed_is_found_as_it_stands",
        ),
    ),
    "missions:search:no-syntax": Promise(
        "issue",
        "Nothing that is typed into a search is an error.",
        proof=(f"{SEARCH}::test_nothing_in_a_question_is_an_error",),
    ),
    "missions:migration:queue-kept": Promise(
        "design",
        "A database of the first schema keeps what waited in it.",
        proof=(
            "conformance/test_migrations.py::"
            "test_what_waited_in_a_database_of_the_first_schema_still_waits",
        ),
    ),
    "missions:crash:kept": Promise(
        "issue",
        "No kill breaks a queue, answers twice, or leaves half a fork or half a deletion.",
        proof=("crash/test_log_crash.py::test_no_kill_loses_an_event_or_repeats_an_effect",),
    ),
}
