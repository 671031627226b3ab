"""What clients of the API and of the command line are promised."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    # The task API, as the original's clients know it.
    "tasks:submit:accepted": Promise(
        "original",
        "POST /api/task answers with the id and status `pending`.",
    ),
    "tasks:submit:empty": Promise(
        "issue",
        "An empty task is refused with 422.",
    ),
    "tasks:submit:idempotent": Promise(
        "design",
        "The same Idempotency-Key submits once, across restarts too.",
    ),
    "tasks:submit:key-reused": Promise(
        "design",
        "The same Idempotency-Key for another task is a conflict.",
    ),
    "tasks:submit:not-json": Promise(
        "issue",
        "A body without the JSON content type is refused.",
    ),
    "tasks:show:shape": Promise(
        "original",
        "GET /api/task/{id} has the original's fields, and they are true.",
    ),
    "tasks:show:unknown": Promise(
        "original",
        "An unknown id is 404.",
    ),
    "tasks:list:newest-first": Promise(
        "issue",
        "GET /api/tasks is an array in order of time with a Link header.",
    ),
    "tasks:stats:true": Promise(
        "original",
        "GET /api/stats counts what the tasks really were and cost.",
    ),
    "tasks:stop:ends": Promise(
        "design",
        "Stop ends the run and every process it started.",
    ),
    "tasks:stop:answers": Promise(
        "issue",
        "A stop is answered once the run has ended.",
    ),
    "tasks:stop:finished": Promise(
        "original",
        "Stopping a task that is over says so and changes nothing.",
    ),
    "tasks:stop:while-asking": Promise(
        "design",
        "Stop does not wait for the model to finish its sentence.",
    ),
    "tasks:stream:live": Promise(
        "original",
        "The stream sends log entries as they happen, and `done` at the end.",
    ),
    "tasks:stream:resume": Promise(
        "design",
        "Last-Event-ID and ?after= give the exact remainder.",
    ),
    "tasks:stream:finished": Promise(
        "issue",
        "The stream of a finished task is the same whenever it is asked for.",
    ),
    "tasks:stream:keep-alive": Promise(
        "issue",
        "A silent stream sends keep-alives, which are not events.",
    ),
    # Missions as events.
    "missions:events:paged": Promise(
        "design",
        "Events are read in pages by `after`, `before` and `limit`.",
    ),
    "missions:stream:deltas": Promise(
        "design",
        "The event stream carries live text too, without ids.",
    ),
    "missions:stream:exact": Promise(
        "design",
        "A stream cut anywhere and resumed equals the log.",
    ),
    "missions:stream:slow-client": Promise(
        "design",
        "A client that does not read costs nothing and slows nobody.",
    ),
    # Who may do what.
    "access:token:required": Promise(
        "design",
        "Every path but the public ones needs a credential.",
    ),
    "access:token:file": Promise(
        "issue",
        "The token lies in a file that only its owner can read.",
    ),
    "access:dev-mode:loopback": Promise(
        "issue",
        "DEV_MODE admits loopback without a token, nobody else.",
    ),
    "access:host:checked": Promise(
        "design",
        "A foreign Host header is refused.",
    ),
    "access:origin:checked": Promise(
        "design",
        "A foreign Origin is refused.",
    ),
    "access:errors:shape": Promise(
        "issue",
        "Errors are {error: {code, message, details}} with stable codes.",
    ),
    # The server itself.
    "server:health:public": Promise(
        "original",
        "GET /api/health needs no credential and says little.",
    ),
    "server:ready:draining": Promise(
        "issue",
        "GET /api/ready is 503 while starting or draining.",
    ),
    "server:stop:graceful": Promise(
        "issue",
        "SIGTERM with five runs and fifty streams ends within 25 s; all resume.",
        proof=(
            "crash/test_server_stop.py::test_a_stop_with_five_runs_and_fifty_streams_is_quick_and_everything_goes_on",
        ),
    ),
    "server:kill:resumes": Promise(
        "design",
        "After kill -9 a task finishes by itself at the next start.",
        proof=(
            "crash/test_server_kill.py::test_sixty_kills_lose_nothing_and_repeat_nothing",
            "crash/test_whole_job.py::test_a_task_by_curl_mends_a_repository_and_commits",
        ),
    ),
    "server:start:in-use": Promise(
        "issue",
        "A second server on the same DATA_DIR refuses to start.",
        proof=(
            "crash/test_server_stop.py::test_a_second_server_on_the_same_data_is_refused_and_a_killed_one_leaves_no_lock",
            "unit/store/test_data_dir.py::test_a_second_server_is_refused_by_the_pid_of_the_first",
        ),
    ),
    "server:openapi:complete": Promise(
        "issue",
        "Every route and model is described in the OpenAPI document.",
    ),
    # The command line.
    "cli:run:follows": Promise(
        "issue",
        "`open-agent run` submits, shows the work live, and exits by outcome.",
    ),
    "cli:run:interrupt": Promise(
        "issue",
        "Ctrl-C asks once, then stops the run.",
    ),
    "cli:run:json": Promise(
        "issue",
        "`--json` prints what scripts can read.",
    ),
    "cli:run:in-process": Promise(
        "issue",
        "Without a running server, `run` works all the same.",
    ),
    "cli:follow:restart": Promise(
        "design",
        "A restart of the server is followed across, exactly.",
    ),
    "cli:exits:documented": Promise(
        "issue",
        "Exit codes say what became of the command.",
    ),
    "cli:output:harmless": Promise(
        "issue",
        "Nothing that a model or a tool writes is obeyed by the terminal.",
    ),
    "cli:tasks:listed": Promise(
        "issue",
        "`tasks`, `show` and `stop` find tasks and show them.",
    ),
    "cli:missions:talked": Promise(
        "issue",
        "`missions`, `message` and `answer` work with missions, and `show`, `follow` and `stop` know "
        "them too.",
    ),
    "cli:config:origins": Promise(
        "issue",
        "`open-agent config` shows each value and where it came from.",
    ),
    "cli:doctor:mends": Promise(
        "issue",
        "`open-agent doctor` says what is wrong and how to mend it.",
    ),
    "cli:token:kept": Promise(
        "design",
        "The token goes to the server and to nobody else.",
    ),
    "cli:completion:installed": Promise(
        "issue",
        "The shell completes commands.",
    ),
    "cli:serve:says": Promise(
        "issue",
        "`serve` says what it uses, and stops in good order.",
    ),
}
