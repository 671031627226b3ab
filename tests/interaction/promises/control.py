"""What clients of missions and of the control stream are promised."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    "control:message:current": Promise(
        "issue",
        "A message without a mission goes to the one that is current when it is sent, made if "
        "there is none.",
    ),
    "control:message:idempotent": Promise(
        "issue",
        "The same key sends a message once; another message with it is a conflict.",
    ),
    "control:message:truthful": Promise(
        "original",
        "The reply says whether the message waits, and blank ones are 400 `content is required`.",
    ),
    "control:queue:changes": Promise(
        "issue",
        "Waiting messages are listed, edited, moved and removed; taken ones are a conflict.",
    ),
    "control:queue:held": Promise(
        "issue",
        "A stop holds the queue, shown as held, until a message or a release.",
    ),
    "control:missions:shapes": Promise(
        "original",
        "Missions have the original's fields, history always among them; the list is by update "
        "with a Link header.",
    ),
    "control:missions:found": Promise(
        "issue",
        "Missions are listed lightly, filtered, and found by what was said, with a snippet.",
    ),
    "control:missions:status": Promise(
        "issue",
        "A run's end does not change a mission's status; a message makes it active again.",
    ),
    "control:missions:resume": Promise(
        "original",
        "A mission that stopped before its goal is resumed; others are 400; only our own "
        "directories are emptied.",
    ),
    "control:missions:deleted": Promise(
        "issue",
        "Deleting removes events, outputs and directory of a mission and of what it delegated; "
        "409 while it runs.",
    ),
    "control:missions:stale": Promise(
        "issue",
        "A mission to which nothing happens is set aside as interrupted, never as completed.",
    ),
    "control:missions:fork": Promise(
        "issue",
        "A fork has the history up to any event, its open calls answered; nothing starts by "
        "itself.",
    ),
    "control:answers:first": Promise(
        "issue",
        "The first answer counts; a second is 409, an unknown call 404, a wrong answer 422.",
    ),
    "control:tree:true": Promise(
        "issue",
        "Tree and progress follow from the log: plan and delegated work, of every mission.",
    ),
    "control:runs:shapes": Promise(
        "original",
        "Runs, their events and tasks have the original's fields; memory search is empty.",
    ),
    "control:stream:frames": Promise(
        "original",
        "The stream begins with `status` and has the original's events with its field names.",
        proof=("unit/server/control/test_control_frames.py",),
    ),
    "control:stream:resume": Promise(
        "issue",
        "The stream resumes exactly from any id, across restarts; the rest equals the log.",
    ),
    "control:stream:reset": Promise(
        "issue",
        "An unknown cursor is answered with `reset` and how things stand, never with silence.",
    ),
    "control:stream:live": Promise(
        "issue",
        "Text is shown as it is written: pieces, and the whole so far as `thinking`.",
    ),
    "control:stream:own": Promise(
        "issue",
        "One stream has all of a user's missions, and nothing of another's or of tasks.",
    ),
    "control:original-client": Promise(
        "issue",
        "A client that behaves as the original's web client works in all three modes.",
    ),
    "control:race": Promise(
        "issue",
        "Fifty clients that send, cancel, switch and delete at once leave a consistent log.",
        proof=("crash/test_control_race.py",),
    ),
    "control:crash": Promise(
        "issue",
        "After kill -9 amid parallel missions, a queue, a question and delegated work, all goes "
        "on.",
        proof=("crash/test_control_kill.py",),
    ),
}
