"""What is promised of choosing who carries out a run, and of an OpenCode that may.

What is promised of its runs is in `opencode_runs.py`.
"""

from tests.interaction.promises.promise import Promise

ATTACHED = "interaction/opencode/test_attached.py::"
FEED = "interaction/opencode/test_feed.py::"
MANAGED = "interaction/opencode/test_managed.py::"
SETTINGS = "unit/test_opencode_settings.py::"
STARTING = "interaction/opencode/test_starting.py::"

PROMISES = {
    "backends:choice": Promise(
        "issue",
        "Tasks, missions and messages name who carries them out; one that is not here is refused.",
    ),
    "backends:default": Promise(
        "issue",
        "OpenCode is the default where one is set up, and `AGENT_BACKEND` has the last word;"
        " settings that contradict each other are refused at start.",
        proof=(
            SETTINGS + "test_opencode_carries_runs_out_where_it_is_set_up",
            SETTINGS + "test_what_does_not_go_together_is_said_at_start",
        ),
    ),
    "backends:models": Promise(
        "issue",
        "Model ids are settled once, at the edge: a bare id is matched to the one model that ends in"
        " it, and an unknown one is refused with those that are near.",
    ),
    "backends:unreachable": Promise(
        "issue",
        "An OpenCode that cannot be asked is said to be so, with what to do.",
    ),
    "backends:health": Promise(
        "issue",
        "Health and doctor say whether OpenCode is reachable, its version, and what is wrong, and"
        " do not wait long for it.",
    ),
    "backends:version": Promise(
        "issue",
        "Version 1.x is spoken; another major version is recognised and refused plainly.",
        proof=(
            ATTACHED + "test_another_major_version_is_recognised_and_refused",
            STARTING + "test_another_major_version_is_recognised_and_ended",
        ),
    ),
    "backends:managed:start": Promise(
        "issue",
        "An OpenCode of ours is started when it is first needed, once, and a start that hangs is"
        " given up in its time.",
        proof=(
            MANAGED + "test_it_starts_when_it_is_first_asked_for",
            STARTING + "test_several_who_need_it_at_once_start_one",
            STARTING + "test_a_start_that_hangs_is_given_up_in_its_time",
            STARTING + "test_a_request_that_is_never_answered_is_asked_again",
        ),
    ),
    "backends:managed:password": Promise(
        "design",
        "An OpenCode of ours listens on loopback and asks for a random password, which is in no"
        " argument and in no command's environment.",
        proof=(
            MANAGED + "test_strangers_are_refused_and_the_password_is_in_no_argument",
            MANAGED + "test_commands_know_nothing_of_the_servers_environment",
            MANAGED + "test_no_environment_but_the_servers_own_has_the_password_and_none_the_key",
            MANAGED + "test_mcp_servers_that_it_starts_do_not_inherit_the_password",
        ),
    ),
    "backends:managed:restart": Promise(
        "issue",
        "An OpenCode of ours that dies or hangs is started again, with its sessions and without its"
        " orphans.",
        proof=(
            MANAGED
            + "test_after_a_kill_it_is_there_again_with_its_sessions_and_without_its_orphans",
            MANAGED + "test_one_that_hangs_is_ended_and_started_again",
        ),
    ),
    "backends:managed:idle": Promise(
        "issue",
        "An OpenCode of ours that nobody needs is ended after a while, and starts with the next run;"
        " one in which a run is at work or waits for a person is kept.",
        proof=(
            STARTING + "test_one_that_nobody_needs_is_ended_and_starts_again_when_it_is_needed",
            STARTING + "test_one_that_is_needed_while_it_ends_is_started_again",
        ),
    ),
    "backends:managed:end": Promise(
        "issue",
        "An OpenCode of ours ends with everything it started, and what a session's commands left"
        " running can be ended by itself.",
        proof=(
            MANAGED + "test_it_ends_with_everything_it_started",
            MANAGED + "test_what_a_session_left_running_is_ended_and_no_other_sessions",
        ),
    ),
    "backends:managed:untouched": Promise(
        "issue",
        "An OpenCode of ours reads and writes nothing of the person's, and runs no code of the"
        " project's.",
        proof=(
            MANAGED + "test_nothing_of_the_person_is_run_or_written",
            MANAGED + "test_its_folders_are_private_and_the_key_lies_in_a_file",
        ),
    ),
    "backends:forget": Promise(
        "issue",
        "What OpenCode keeps of a mission's conversation is deleted with the mission, or when"
        " OpenCode next runs.",
        proof=(
            MANAGED + "test_what_is_deleted_here_is_forgotten_there",
            MANAGED + "test_one_that_does_not_run_is_not_started_to_forget",
        ),
    ),
    "backends:attached": Promise(
        "design",
        "An OpenCode that answers whoever asks is refused where it is not this machine's, or where a"
        " password is set, unless that is overridden.",
        proof=(
            ATTACHED + "test_one_of_another_machine_that_asks_for_no_password_is_refused",
            ATTACHED + "test_one_that_does_not_look_at_the_password_is_refused",
            MANAGED + "test_it_can_be_attached_to_with_its_password",
        ),
    ),
    "backends:feed": Promise(
        "issue",
        "What happens in OpenCode is heard by session, subagents included, through one stream; a"
        " lost stream comes back and says that something is missing.",
        proof=(
            FEED + "test_each_listener_hears_its_session_and_all_below_it",
            FEED + "test_a_lost_stream_comes_back_and_whoever_listens_is_told_of_the_gap",
            FEED + "test_a_stream_without_a_byte_is_dead",
        ),
    ),
    "backends:feed:slow": Promise(
        "design",
        "A listener that does not keep up costs bounded memory, and loses nothing unsaid.",
        proof=(
            FEED + "test_text_is_joined_and_dropped_for_who_does_not_keep_up_and_nothing_else",
            FEED + "test_where_even_the_rest_is_too_much_all_of_it_is_a_gap",
        ),
    ),
}
