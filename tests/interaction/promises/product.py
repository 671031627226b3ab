"""What is promised of the set-up, the settings, the tools and the way that runs are carried out."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    # Two commands.
    "setup:run:serves": Promise(
        "issue",
        "`make run` sets up a clean clone and serves, without a key or any configuration.",
        proof=("test_packaging.py::test_make_run_serves_from_a_clean_clone",),
    ),
    "setup:run:says-demo": Promise(
        "issue",
        "Without a key the server says that a script answers, and how to set a key.",
        proof=(
            "unit/cli/rendering/test_welcome.py::"
            "test_without_a_key_it_says_what_the_demo_is_and_how_to_set_a_key",
        ),
    ),
    "setup:demo:works": Promise(
        "issue",
        "The demonstration does real work with real tools.",
        proof=("interaction/models/test_demo.py::test_the_demonstration_does_real_work",),
    ),
    "setup:test:postgres": Promise(
        "issue",
        "`make test` brings its own PostgreSQL, also as root, and opens up nobody's home.",
        proof=("conformance/test_log_postgres.py::test_testing_on_postgres_opens_up_no_folder",),
    ),
    "setup:wheel:serves": Promise(
        "issue",
        "The wheel installs in a clean environment, and serves.",
        proof=("test_packaging.py::test_what_is_installed_serves",),
    ),
    "setup:docs:run": Promise(
        "issue",
        "Every example of the documentation runs.",
        proof=("test_docs.py::test_every_shell_block_of_a_page_runs",),
    ),
    "setup:docs:generated": Promise(
        "issue",
        "Reference pages are what the code says.",
        proof=("../tools/check.py",),
    ),
    # Settings.
    "settings:sources:ordered": Promise(
        "issue",
        "The command line is stronger than the environment, and that than the `.env` file.",
        proof=(
            "unit/test_settings.py::"
            "test_the_command_line_is_stronger_than_the_environment_and_that_than_the_file",
        ),
    ),
    "settings:sources:no-current-folder": Promise(
        "issue",
        "A `.env` of the current folder is never read.",
        proof=("unit/test_settings.py::test_the_current_folder_has_no_say",),
    ),
    "settings:wrong:all-named": Promise(
        "issue",
        "One message names every wrong setting.",
        proof=(
            "unit/test_settings.py::test_one_message_names_every_wrong_setting_where_it_came_from_"
            "and_what_is_right",
        ),
    ),
    "settings:words:original": Promise(
        "original",
        "Names, defaults and words for yes and no are the original's.",
        proof=(
            "unit/test_settings.py::test_nothing_needs_to_be_set",
            "unit/test_settings.py::test_the_originals_words_for_yes",
            "unit/test_settings.py::test_a_key_chooses_a_real_model_and_a_named_model_wins",
        ),
    ),
    # The tools.
    "tools:names:original": Promise(
        "original",
        "Thirteen tools with the original's names and parameters, and `edit_file`.",
        proof=("unit/tools/test_standard.py::test_the_schemas_are_as_they_were_read_and_agreed",),
    ),
    "tools:schemas:small": Promise(
        "issue",
        "The system prompt and all schemas stay under 12 KB of JSON.",
        proof=("unit/agent/test_prompt.py::test_the_system_prompt_and_all_tools_are_small",),
    ),
    "tools:workspace:own": Promise(
        "issue",
        "A task without a directory works in one of its own; a named one gets nothing but work.",
        proof=(
            "interaction/http/test_tasks.py::test_a_task_without_a_directory_gets_its_own",
            "crash/test_whole_job.py::test_a_task_by_curl_mends_a_repository_and_commits",
        ),
    ),
    "tools:command:ends": Promise(
        "design",
        "A timeout or a cancel ends everything that a command started, however detached.",
        proof=(
            "interaction/tools/test_run_command.py::"
            "test_a_timeout_ends_everything_and_shows_what_there_was",
            "interaction/tools/test_run_command.py::test_a_cancelled_command_leaves_nothing",
            "unit/workspaces/test_supervised.py::test_ending_a_process_ends_everything_it_started",
        ),
    ),
    "tools:command:ends-with-server": Promise(
        "design",
        "What a dead server started ends with it, before its outcome is called unknown.",
        proof=(
            "unit/workspaces/test_supervisor.py::"
            "test_everything_ends_within_two_seconds_of_the_servers_kill",
        ),
    ),
    "tools:command:never-hangs": Promise(
        "design",
        "Commands that ask, wait or keep a pipe open do not hang the run.",
        proof=(
            "interaction/tools/test_run_command.py::test_what_asks_a_person_finds_nobody_and_ends",
            "interaction/tools/test_run_command.py::"
            "test_a_child_in_the_background_is_reported_and_not_waited_for",
        ),
    ),
    "tools:command:no-secrets": Promise(
        "issue",
        "The server's secrets are not in the environment of commands.",
        proof=(
            "unit/test_settings.py::test_commands_do_not_inherit_our_secrets",
            "interaction/tools/test_run_command.py::"
            "test_the_servers_secrets_are_not_in_the_environment",
        ),
    ),
    "tools:command:hidden-server": Promise(
        "design",
        "Commands that do not run as root cannot read the server's own environment.",
        proof=("crash/test_hidden_server.py",),
    ),
    "tools:output:bounded": Promise(
        "design",
        "Output of any length costs bounded memory, is shown in part and kept whole up to a cap.",
        proof=(
            "interaction/tools/test_run_command.py::"
            "test_a_flood_is_shown_in_part_kept_in_part_and_costs_no_memory",
            "interaction/tools/test_run_command.py::test_a_long_output_is_whole_in_its_file",
        ),
    ),
    "tools:files:exact": Promise(
        "design",
        "Writing and editing change what they say, keep the rest, and show it as a diff.",
        proof=(
            "interaction/tools/test_files.py::test_an_edit_replaces_what_occurs_once",
            "interaction/tools/test_files.py::test_an_edit_keeps_line_endings_and_what_is_no_text",
            "unit/tools/test_texts.py::test_a_diff_is_one_that_git_takes",
        ),
    ),
    "tools:search:never-hangs": Promise(
        "design",
        "No pattern and no file hangs a search or the server.",
        proof=(
            "interaction/tools/test_search.py::"
            "test_no_pattern_and_no_file_hangs_a_search_or_the_server",
        ),
    ),
    "tools:git:hostile": Promise(
        "design",
        "A repository runs no program of its choice when the git tools are used in it.",
        proof=("unit/tools/git/test_hostile.py",),
    ),
    "tools:web:private": Promise(
        "design",
        "Web tools open no private address, through redirects and rebinding neither.",
        proof=(
            "unit/tools/web/test_fetching.py::test_no_url_of_the_corpus_is_opened",
            "unit/tools/web/test_fetching.py::test_every_redirect_is_checked",
            "unit/tools/web/test_fetching.py::"
            "test_a_name_that_changes_its_address_is_not_asked_again",
        ),
    ),
    "tools:text:harmless": Promise(
        "design",
        "No text can command a terminal or turn itself round.",
        proof=(
            "unit/tools/test_texts.py::test_no_text_can_command_a_terminal_or_turn_itself_round",
        ),
    ),
    # A run.
    "run:record:true": Promise(
        "issue",
        "The model really used, its tokens and its cost are on the record of every step.",
        proof=(
            "interaction/agent/test_loop.py::"
            "test_the_model_really_used_its_tokens_and_cost_are_on_the_record",
        ),
    ),
    "run:limits:steps": Promise(
        "original",
        "A run ends when its steps or its time are used up, and says so.",
        proof=(
            "interaction/agent/test_loop.py::test_steps_are_limited",
            "unit/agent/test_moves.py::test_a_run_over_its_time_is_exhausted",
        ),
    ),
    "run:limits:money": Promise(
        "issue",
        "A run never costs more than its budget, however many ask at once.",
        proof=(
            "interaction/agent/test_loop.py::test_money_is_limited_and_never_exceeded",
            "conformance/test_log_budget.py::"
            "test_fifty_runs_that_ask_at_once_never_share_the_same_money",
            "unit/models/test_prices.py::test_no_call_costs_more_than_its_worst_case",
        ),
    ),
    "run:stuck:noticed": Promise(
        "design",
        "Repetition, empty replies and a failing tool are told once, and then end the run.",
        proof=(
            "interaction/agent/test_loop.py::test_the_same_call_again_and_again_ends_the_run",
            "interaction/agent/test_loop.py::test_empty_replies_are_told_and_end_the_run",
            "unit/agent/test_moves.py::"
            "test_a_tool_that_always_fails_is_told_once_and_then_ends_the_run",
        ),
    ),
    "run:cancel:everything": Promise(
        "design",
        "A cancel ends a model call and a command at once, and every call is answered.",
        proof=(
            "interaction/agent/test_loop.py::test_a_cancel_ends_a_model_call_at_once",
            "interaction/agent/test_loop.py::"
            "test_a_cancel_ends_a_running_command_and_answers_every_call",
        ),
    ),
    "run:crash:unknown": Promise(
        "design",
        "After a crash an effect is answered `outcome unknown`; what only reads is done again.",
        proof=(
            "interaction/agent/test_loop.py::"
            "test_after_a_crash_an_effect_is_answered_unknown_and_a_read_is_done_again",
        ),
    ),
    "run:crash:nothing-lost": Promise(
        "design",
        "A kill at any append, or between, loses no event and repeats no effect.",
        proof=(
            "crash/test_log_crash.py::test_no_kill_loses_an_event_or_repeats_an_effect",
            "crash/test_log_crash.py::"
            "test_no_kill_of_the_agent_loop_loses_an_event_or_repeats_an_effect",
            "crash/test_log_crash.py::test_the_checker_finds_a_planted_bug",
        ),
    ),
    "run:history:compacted": Promise(
        "design",
        "A history that fills the context is shortened; the goal and the newest steps stay.",
        proof=(
            "interaction/agent/test_loop.py::test_a_long_history_is_compacted_and_the_goal_stays",
            "unit/models/test_encoding.py::"
            "test_starting_from_a_compaction_gives_the_same_bytes_as_the_whole_log",
        ),
    ),
    "run:instructions:read": Promise(
        "issue",
        "`AGENTS.md` of the working directory is given to the model as instructions.",
        proof=(
            "interaction/agent/test_loop.py::"
            "test_the_instructions_of_the_workspace_reach_the_model",
        ),
    ),
}
