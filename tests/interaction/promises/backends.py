"""What is promised of choosing who carries out a run, and of an OpenCode that may."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    "backends:choice": Promise(
        "issue",
        "Tasks, missions and messages name who carries them out; one that is not here is refused.",
    ),
    "backends:models": Promise(
        "issue",
        "Model ids are validated and split once; unknown ones are refused with near ones.",
    ),
    "backends:unreachable": Promise(
        "issue",
        "An OpenCode that cannot be asked is said to be so, with what to do.",
    ),
    "backends:health": Promise(
        "issue",
        "Health and doctor say whether OpenCode is reachable, its version, and what is wrong.",
    ),
}
