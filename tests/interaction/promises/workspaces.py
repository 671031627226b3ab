"""What is promised of the places that missions work in."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    # Making.
    "workspaces:made:visible": Promise(
        "issue", "A workspace being made is seen: its state, its progress, an event of the run."
    ),
    "workspaces:made:again": Promise(
        "issue", "What could not be made is tried again by the next message."
    ),
    "workspaces:made:crash": Promise(
        "issue", "A kill in the middle of making leaves nothing half: it begins again."
    ),
    "workspaces:made:first": Promise(
        "issue", "A workspace can be made by itself, and given to missions by its id."
    ),
    "workspaces:made:shared": Promise("issue", "Several missions can work in one workspace."),
    "workspaces:made:message": Promise("issue", "A message can begin a mission with a workspace."),
    "workspaces:made:unclear": Promise(
        "issue", "What cannot be made is refused at once, with what is wrong."
    ),
    # Clones.
    "workspaces:clone:made": Promise("issue", "A task or mission works in a clone of a git URL."),
    "workspaces:clone:secret": Promise(
        "issue", "Credentials of a URL are used, and neither stored nor shown."
    ),
    "workspaces:clone:fails": Promise(
        "issue", "A clone that fails ends the run by name, in git's own words."
    ),
    "workspaces:clone:stopped": Promise("issue", "A cancel ends a clone at once."),
    "workspaces:clone:hostile": Promise(
        "design", "No hook, filter, transport or program of a repository runs while we use git."
    ),
    "workspaces:clone:ref": Promise("issue", "A clone begins at a branch, a tag or a commit."),
    "workspaces:clone:bounded": Promise("issue", "A clone has a bound of size and of time."),
    "workspaces:clone:guarded": Promise(
        "design",
        "Where there are several users, clones do not reach the server's own network, and it is "
        "said at start and in `/api/health` that users share the server's rights.",
    ),
    # Worktrees.
    "workspaces:worktree:made": Promise(
        "issue",
        "A worktree on a new branch is made of a local repository: bare, dirty, or itself one.",
    ),
    "workspaces:worktree:untouched": Promise(
        "issue", "The user's repository stays as it was: files, index, HEAD and branches."
    ),
    "workspaces:worktree:many": Promise(
        "issue", "Twenty missions work in worktrees of one repository at once."
    ),
    "workspaces:diff": Promise(
        "issue", "A diff against the base has committed, uncommitted and new files, within a bound."
    ),
    "workspaces:merge": Promise("issue", "A worktree is merged into its base branch."),
    "workspaces:merge:checked-out": Promise(
        "issue",
        "A base that is checked out moves with its clean working tree; another one without.",
    ),
    "workspaces:merge:refused": Promise(
        "issue",
        "Nothing is forced: conflicts, dirty trees and files in the way are refused, named.",
    ),
    # Their ends.
    "workspaces:deleted": Promise(
        "issue", "A workspace goes with its mission; what would be lost stays, and that is said."
    ),
    "workspaces:removed:unsaved": Promise(
        "issue",
        "What would be lost with a workspace is found before it is removed: files, commits and "
        "stashes, those of repositories inside it too, and never those of another repository.",
    ),
    "workspaces:removed:crash": Promise(
        "design", "A kill in the middle of removing leaves no half of a workspace in its place."
    ),
    "workspaces:removed:named": Promise(
        "issue", "A directory that a person named stays, wherever it lies."
    ),
    "workspaces:names": Promise("design", "Files and branches may be called whatever git allows."),
    "workspaces:kept": Promise("issue", "A kept workspace outlives its missions."),
    "workspaces:fork": Promise("issue", "A fork gets a workspace of its own, and is told so."),
    "workspaces:delegated": Promise(
        "issue",
        "What a run delegates works in its workspace.",
        proof=(
            "interaction/agent/test_delegating.py::test_a_part_is_done_by_a_mission_of_its_own",
        ),
    ),
    "workspaces:gone": Promise(
        "issue", "A directory that vanished, or is a file, ends the run by name."
    ),
    # Room.
    "workspaces:bounded": Promise(
        "issue", "A run that fills its workspace is told once, and then ended by name."
    ),
    "workspaces:full": Promise(
        "issue", "Without room no workspace begins, and the answer says what to remove."
    ),
    "workspaces:listed": Promise("issue", "Every workspace is listed, once, page by page."),
    "workspaces:commands": Promise("issue", "The command line does all of it."),
    # Isolation.
    "workspaces:isolation": Promise(
        "issue",
        "Everything starts processes through the port of isolation, which another one can fill.",
        proof=(
            "test_architecture.py::test_processes_are_started_through_the_port_of_isolation",
            "conformance/test_isolation.py",
        ),
    ),
}
