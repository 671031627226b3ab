"""Worktrees: made, compared, merged and removed, and the user's repository is as it was."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.crash.server_process import ServerProcess
from tests.interaction.requirements import requirement
from tests.interaction.workspaces.conftest import SETTINGS
from tests.interaction.workspaces.rig import Place, fingerprint, git, make_repository

COMMIT = "git add -A && git -c user.name=Agent -c user.email=agent@example.com commit -qm 'Work'"


def merge(place: Place, workspace: dict[str, Any], **body: Any) -> tuple[int, Any]:
    return place.ask("POST", f"/api/workspaces/{workspace['id']}/merge", body)


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    status, value = answer
    return status, value["error"]["code"]


@requirement("workspaces:worktree:made", "workspaces:worktree:untouched")
def test_a_worktree_is_made_and_the_users_repository_is_as_it_was(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "a.txt").write_text("dirty\n")
    (repository / "new.txt").write_text("new\n")
    (repository / "b.txt").write_text("staged\n")
    git(repository, "add", "b.txt")
    before = fingerprint(repository)

    task, workspace = place.work(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
    assert fingerprint(repository) == before
    assert workspace["branch"] == f"open-agent/{task['id'][:8]}"
    assert (workspace["base"], workspace["base_commit"]) == (
        "main",
        git(repository, "rev-parse", "main"),
    )
    assert workspace["progress"] == {
        "branch": workspace["branch"],
        "commit": git(Path(workspace["path"]), "rev-parse", "HEAD"),
        "ahead": 1,
        "behind": 0,
        "uncommitted": 0,
    }
    assert "3 files are changed and not committed" in workspace["notes"]
    told = place.events(task["id"], "notice.given")[0]["content"]
    assert workspace["branch"] in told
    assert "not taken along" in told

    assert place.ask("GET", f"/api/workspaces/{workspace['id']}/diff")[0] == 200
    assert code(place.ask("DELETE", f"/api/workspaces/{workspace['id']}")) == (
        409,
        "workspace.unsaved",
    )
    assert fingerprint(repository) == before
    status, _ = place.ask("DELETE", f"/api/workspaces/{workspace['id']}?force=true")
    assert status == 200
    assert fingerprint(repository) == before
    assert git(repository, "branch", "--list", "open-agent/*") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert not Path(workspace["path"]).exists()


@requirement("workspaces:diff")
def test_a_diff_has_all_that_was_changed_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    repository = make_repository(
        tmp_path / "repository",
        **{"old.txt": "x\n" * 50, "gone.txt": "gone\n", "ignored.log": "1\n"},
    )
    (repository / ".gitignore").write_text("*.tmp\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "Two")
    _, workspace = place.work(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
    root = Path(workspace["path"])
    git(root, "mv", "old.txt", "renamed.txt")
    (root / "gone.txt").unlink()
    (root / "näu .txt").write_text("new\n")
    (root / "skip.tmp").write_text("no\n")
    (root / "binary.bin").write_bytes(b"\0\1\2")
    index = Path(git(root, "rev-parse", "--path-format=absolute", "--git-path", "index"))
    before = index.read_bytes(), git(root, "status", "--porcelain")

    diff = place.get(f"/api/workspaces/{workspace['id']}/diff")
    assert (index.read_bytes(), git(root, "status", "--porcelain")) == before
    files = {file["path"]: file for file in diff["files"]}
    assert sorted(files) == ["a.txt", "binary.bin", "gone.txt", "näu .txt", "renamed.txt"]
    assert files["a.txt"] | {"is_new": False} == {
        "path": "a.txt", "old_path": None, "added": 1, "deleted": 1, "is_new": False
    }  # fmt: skip
    assert files["renamed.txt"]["old_path"] == "old.txt"
    assert files["näu .txt"]["is_new"] is True
    assert files["binary.bin"]["added"] is None
    assert diff["is_patch_cut"] is False
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "-q", str(repository), str(fresh))
    cut = place.get(f"/api/workspaces/{workspace['id']}/diff?limit=200")
    assert cut["is_patch_cut"] is True
    assert len(cut["patch"].encode()) <= 200
    assert diff["patch"].startswith(cut["patch"])
    assert len(cut["files"]) == 5


@requirement("workspaces:merge", "workspaces:merge:checked-out")
def test_a_merge_moves_the_base_forward_with_its_clean_working_tree(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    _, first = place.work(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
    _, second = place.work(f"run echo new > b.txt && {COMMIT}", repository=str(repository))
    (repository / "untracked.txt").write_text("mine\n")

    status, merged = merge(place, first)
    assert (status, merged["how"], merged["into"]) == (200, "fast_forward", "main")
    assert merged["checkout"] == str(repository)
    assert (repository / "a.txt").read_text() == "two\n"
    assert git(repository, "status", "--porcelain") == "?? untracked.txt"

    status, merged = merge(place, second, message="Bring b")
    assert (status, merged["how"]) == (200, "merge")
    assert merged["commit"] == git(repository, "rev-parse", "main")
    assert git(repository, "log", "-1", "--format=%s %P").startswith("Bring b ")
    assert (repository / "b.txt").read_text() == "new\n"
    assert merge(place, second)[1]["how"] == "up_to_date"
    assert place.ask("DELETE", f"/api/workspaces/{second['id']}")[0] == 200, "nothing is lost"
    assert git(repository, "branch", "--list", second["branch"]) == ""


@requirement("workspaces:merge:refused")
def test_what_cannot_be_merged_without_force_is_refused_and_nothing_changes(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository", **{"c.txt": "c\n"})
    _, workspace = place.work(
        f"run echo agent > a.txt && echo new > b.txt && {COMMIT}", repository=str(repository)
    )
    root = Path(workspace["path"])
    (root / "half.txt").write_text("half\n")
    status, error = merge(place, workspace)
    assert (status, error["error"]["code"]) == (409, "workspace.uncommitted")
    assert error["error"]["details"]["files"] == ["half.txt"]
    (root / "half.txt").unlink()

    (repository / "c.txt").write_text("mine\n")
    before = fingerprint(repository)
    assert code(merge(place, workspace)) == (409, "workspace.base_dirty")
    assert fingerprint(repository) == before
    git(repository, "checkout", "-q", "c.txt")

    (repository / "b.txt").write_text("untracked and in the way\n")
    before = fingerprint(repository)
    assert code(merge(place, workspace)) == (409, "workspace.base_in_the_way")
    assert {**fingerprint(repository), ".git/ORIG_HEAD": ""} == {**before, ".git/ORIG_HEAD": ""}
    (repository / ".git" / "info" / "exclude").write_text("b.txt\n")
    assert code(merge(place, workspace)) == (409, "workspace.base_in_the_way")
    assert (repository / "b.txt").read_text() == "untracked and in the way\n"
    (repository / "b.txt").unlink()

    (repository / "a.txt").write_text("user\n")
    git(repository, "commit", "-qam", "Mine")
    before = fingerprint(repository)
    status, error = merge(place, workspace)
    assert (status, error["error"]["code"]) == (409, "workspace.merge_conflict")
    assert error["error"]["details"]["files"] == ["a.txt"]
    assert fingerprint(repository) == before

    git(repository, "checkout", "-qb", "busy")
    git(repository, "checkout", "-q", "main")
    assert code(merge(place, workspace, into="nothing")) == (409, "workspace.no_base_branch")


@requirement("workspaces:merge:refused")
def test_what_is_no_branch_or_has_nothing_in_common_is_refused(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-qm", "Other")
    git(repository, "checkout", "-q", "main")
    _, workspace = place.work(f"run echo two > b.txt && {COMMIT}", repository=str(repository))
    before = fingerprint(repository)
    for into in ("main~0", "main\0", "-x", "a b"):
        assert code(merge(place, workspace, into=into)) == (422, "workspace.ref_invalid")
    assert code(merge(place, workspace, into="nope")) == (409, "workspace.no_base_branch")
    assert code(merge(place, workspace, into="other")) == (409, "workspace.git_failed")
    git(repository, "commit", "-q", "--allow-empty", "-m", "Meanwhile")
    assert code(merge(place, workspace, message="a\0b")) == (422, "request.invalid")
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    assert fingerprint(repository)["refs"] == before["refs"]


@requirement("workspaces:merge:refused", "workspaces:clone:hostile")
def test_a_repositorys_own_merge_driver_does_not_run_and_is_named(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository", **{".gitattributes": "* merge=odd\n"})
    git(repository, "config", "merge.odd.driver", f"touch {tmp_path / 'ran'}")
    _, workspace = place.work(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
    (repository / "a.txt").write_text("three\n")
    git(repository, "commit", "-qam", "Meanwhile")
    before = fingerprint(repository)
    status, answer = merge(place, workspace)
    assert (status, answer["error"]["code"]) == (409, "workspace.merge_driver")
    assert "(odd)" in answer["error"]["message"]
    assert fingerprint(repository) == before
    assert not (tmp_path / "ran").exists()


@requirement("workspaces:merge:checked-out")
def test_a_base_that_nobody_has_checked_out_moves_without_a_working_tree(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    _, workspace = place.work(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
    git(repository, "checkout", "-qb", "other")
    (repository / "a.txt").write_text("dirty\n")
    status, merged = merge(place, workspace)
    assert (status, merged["how"], merged["checkout"]) == (200, "fast_forward", None)
    assert (repository / "a.txt").read_text() == "dirty\n"
    assert git(repository, "show", "main:a.txt") == "two"


@requirement("workspaces:worktree:made")
def test_bare_repositories_and_worktrees_of_ones_own_will_do(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(repository, "worktree", "add", "-q", "-b", "mine", str(tmp_path / "mine"))
    git(tmp_path / "mine", "commit", "-q", "--allow-empty", "-m", "Mine")

    _, of_bare = place.work(
        f"run echo two > a.txt && {COMMIT}", repository=str(tmp_path / "bare.git")
    )
    assert (of_bare["base"], of_bare["notes"]) == ("main", None)
    assert merge(place, of_bare)[1]["how"] == "fast_forward"
    assert git(tmp_path / "bare.git", "show", "main:a.txt") == "two"

    _, of_mine = place.work("run true", repository=str(tmp_path / "mine"), branch="feature/named")
    assert (of_mine["base"], of_mine["branch"]) == ("mine", "feature/named")
    again = place.ask(
        "POST",
        "/api/task",
        {"task": "Look.", "workspace": {"repository": str(repository), "branch": "feature/named"}},
    )
    assert code(again) == (409, "workspace.branch_exists")
    _, at_ref = place.work("run true", repository=str(repository), ref="mine~1")
    assert at_ref["base"] is None
    assert at_ref["base_commit"] == git(repository, "rev-parse", "main")


@requirement("workspaces:worktree:many")
def test_twenty_missions_work_in_one_repository_at_once(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    before = fingerprint(repository)

    def submit(number: int) -> str:
        command = f"run echo {number} > {number}.txt && {COMMIT}"
        return place.task(command, repository=str(repository))

    with ThreadPoolExecutor(20) as pool:
        tasks = list(pool.map(submit, range(20)))
    done = [place.done(task) for task in tasks]
    assert [task["status"] for task in done] == ["completed"] * 20
    assert fingerprint(repository) == before
    branches = git(repository, "branch", "--list", "open-agent/*").splitlines()
    assert len(branches) == 20
    for number, task in enumerate(done):
        workspace = place.workspace(task)
        assert git(repository, "show", f"{workspace['branch']}:{number}.txt") == str(number)
        assert workspace["progress"]["ahead"] == 1
    merges = [merge(place, place.workspace(task)) for task in done]
    assert [status for status, _ in merges] == [200] * 20
    assert len(git(repository, "ls-files").splitlines()) == 22


@requirement("workspaces:deleted", "workspaces:kept")
def test_a_worktree_goes_with_its_mission_and_what_would_be_lost_stays(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")

    def delete(command: str, *, is_kept: bool = False) -> tuple[dict[str, Any], list[str]]:
        mission = place.mission(repository=str(repository))
        place.say(mission["id"], command)
        workspace = place.workspace(mission)
        if is_kept:
            body = {"is_kept": True}
            assert place.ask("PATCH", f"/api/workspaces/{workspace['id']}", body)[0] == 200
        status, deleted = place.ask("DELETE", f"/api/control/missions/{mission['id']}")
        assert status == 200, deleted
        return workspace, deleted["notes"]

    clean, notes = delete("run true")
    assert not notes
    assert not Path(clean["path"]).exists()
    assert git(repository, "branch", "--list", clean["branch"]) == ""

    worked, notes = delete(f"run echo two > a.txt && {COMMIT}")
    assert not Path(worked["path"]).exists()
    assert "1 commit on it" in notes[0]
    assert git(repository, "show", f"{worked['branch']}:a.txt") == "two"

    dirty, notes = delete("run echo half > half.txt")
    assert "1 file that is not committed" in notes[0]
    assert (Path(dirty["path"]) / "half.txt").exists()
    assert place.get(f"/api/workspaces/{dirty['id']}")["is_kept"] is True

    kept, notes = delete("run true", is_kept=True)
    assert "is kept" in notes[0]
    assert Path(kept["path"]).is_dir()
    left = git(repository, "worktree", "list", "--porcelain")
    assert left.count("worktree ") == 3
    assert place.ask("DELETE", f"/api/workspaces/{kept['id']}")[0] == 200
    assert place.ask("GET", f"/api/workspaces/{kept['id']}")[0] == 404


@requirement("workspaces:fork", "workspaces:delegated")
def test_a_fork_gets_a_worktree_of_its_own_from_what_is_committed(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    mission = place.mission(repository=str(repository))
    place.say(mission["id"], f"run echo two > a.txt && {COMMIT} && echo half > half.txt")
    last = place.get(f"/api/control/missions/{mission['id']}")["last_seq"]
    status, fork = place.ask(
        "POST", f"/api/control/missions/{mission['id']}/fork", {"at_seq": last}
    )
    assert status == 201
    assert fork["workspace"] != mission["workspace"]
    place.say(fork["id"], "run cat a.txt; ls")
    root = Path(fork["workspace"])
    assert (root / "a.txt").read_text() == "two\n"
    assert not (root / "half.txt").exists()
    forked = place.workspace(fork)
    assert forked["base"] == place.workspace(mission)["branch"]
    notices = [event["content"] for event in place.events(fork["id"], "notice.given")]
    assert any("from what is committed there now" in notice for notice in notices)


@requirement("workspaces:gone")
def test_a_place_that_cannot_be_worked_in_is_a_clear_end(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    mission = place.mission(repository=str(repository))
    place.say(mission["id"], "run true")
    root = Path(mission["workspace"])
    moved = root.rename(root.with_name("elsewhere"))
    assert place.say(mission["id"], "run true")["outcome"] == "failed"
    ends = place.events(mission["id"], "run.finished")
    assert ends[-1]["reason"] == "workspace.gone"
    answer = place.ask("GET", f"/api/workspaces/{mission['workspace_id']}/diff")
    assert code(answer) == (409, "workspace.gone")
    moved.rename(root)
    assert place.say(mission["id"], "run true")["outcome"] == "succeeded"

    named = tmp_path / "named"
    directory = place.mission(path=str(named))
    place.say(directory["id"], "run true")
    named.rmdir()
    place.say(directory["id"], "run true")
    assert place.events(directory["id"], "run.finished")[-1]["reason"] == "workspace.gone"
    assert not named.exists(), "an empty one in its place would hide a drive that is not there"
    named.write_text("a file")
    place.say(directory["id"], "run true")
    assert place.events(directory["id"], "run.finished")[-1]["reason"] == "workspace.unusable"

    status, _ = place.ask("DELETE", f"/api/workspaces/{mission['workspace_id']}?force=true")
    assert status == 200
    place.say(mission["id"], "run true")
    assert place.events(mission["id"], "run.finished")[-1]["reason"] == "workspace.removed"


@requirement("workspaces:bounded")
def test_a_run_that_fills_its_workspace_is_told_once_and_then_ended(place: Place) -> None:
    mission = place.mission()
    place.say(mission["id"], "keep writing: start")
    place.say(mission["id"], "run head -c 9000000 /dev/zero > big.bin; echo keep writing")
    ended = place.events(mission["id"], "run.finished")[-1]
    assert (ended["outcome"], ended["reason"]) == ("exhausted", "disk"), ended
    notices = place.events(mission["id"], "notice.given")
    assert [notice["kind"] for notice in notices].count("disk") == 1
    # The directory is measured, and shown.
    workspace = place.until(
        lambda: place.workspace(mission), lambda it: (it["size_bytes"] or 0) > 9_000_000
    )
    assert workspace["kind"] == "own"
    assert code(place.ask("DELETE", f"/api/workspaces/{workspace['id']}")) == (
        409,
        "workspace.unsaved",
    )
    assert place.ask("DELETE", f"/api/workspaces/{workspace['id']}?force=true")[0] == 200
    assert not Path(workspace["path"]).exists()


@requirement("workspaces:listed")
def test_the_list_has_every_kind_once_and_reads_on(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    made = [
        place.mission()["id"],
        place.mission(path=str(tmp_path / "named"))["id"],
        place.mission(url=str(repository))["workspace_id"],
        place.mission(repository=str(repository))["workspace_id"],
    ]
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = place.get(f"/api/workspaces?limit=3{cursor}")
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    ids = [each["id"] for each in found]
    assert len(ids) == len(set(ids))
    kinds = {each["id"]: each["kind"] for each in found}
    assert [kinds[id_] for id_ in made] == ["own", "directory", "clone", "worktree"]
    assert all(each["isolation"] == "host" for each in found)
    assert code(place.ask("DELETE", f"/api/workspaces/{made[1]}")) == (409, "workspace.named")


@requirement("workspaces:made:message")
def test_a_message_with_a_workspace_begins_a_mission(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    body = {"content": "run cat a.txt", "workspace": {"url": str(repository)}, "key": "once"}
    first = place.ask("POST", "/api/control/message", body)
    again = place.ask("POST", "/api/control/message", body)
    assert first[0] == again[0] == 200
    assert json.dumps(first[1]["mission_id"]) == json.dumps(again[1]["mission_id"])
    mission = place.until(
        lambda: place.get(f"/api/control/missions/{first[1]['mission_id']}"),
        lambda it: it["state"] == "finished",
    )
    assert place.workspace(mission)["kind"] == "clone"
    body = {"content": "x", "workspace": {"url": str(repository)}, "mission_id": mission["id"]}
    assert code(place.ask("POST", "/api/control/message", body)) == (409, "mission.has_workspace")


@requirement("workspaces:made:crash")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worktree_that_a_power_cut_has_cut_off_is_made_on_the_same_branch(
    tmp_path: Path, model_url: str, when: str
) -> None:
    repository = make_repository(tmp_path / "repository")
    reached, hanging = tmp_path / "reached", tmp_path / "bin" / "git"
    hanging.parent.mkdir()
    add = f'{shutil.which("git")} "$@"'
    steps = {
        "before": f"touch {reached}; sleep 100; {add}",
        "after": f"{add}; touch {reached}; sleep 100",
    }
    hanging.write_text(
        f'#!/bin/sh\ncase "$*" in *"worktree add"*) {steps[when]};; *) exec {add};; esac\n'
    )
    hanging.chmod(0o755)
    slow = SETTINGS | {"PATH": f"{hanging.parent}:{os.environ['PATH']}"}
    with ServerProcess(tmp_path / "data", tmp_path / "work", model_url, slow) as server:
        place = Place(server)
        task = place.task(f"run echo two > a.txt && {COMMIT}", repository=str(repository))
        place.until(reached.exists, bool)
        server.kill()
        server.settings = SETTINGS
        server.start()
        ended = place.done(task)
        assert ended["status"] == "completed", ended
        workspace = place.workspace(ended)
        assert workspace["branch"] == f"open-agent/{task[:8]}"
        assert git(repository, "show", f"{workspace['branch']}:a.txt") == "two"
        assert len(git(repository, "worktree", "list").splitlines()) == 2
        assert len(git(repository, "branch", "--list", "open-agent/*").splitlines()) == 1


@requirement("workspaces:gone")
def test_a_workspace_in_which_a_run_works_is_not_removed(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    task = place.task("run sleep 1000", repository=str(repository))
    place.until(lambda: place.events(task, "tool.called"), bool)
    id_ = place.get(f"/api/task/{task}")["workspace_id"]
    for _ in range(100):  # As many idle ones as are listed.
        place.mission(id=id_)
    answer = place.ask("DELETE", f"/api/workspaces/{id_}?force=true")
    assert code(answer) == (409, "workspace.in_use")
    place.ask("POST", f"/api/task/{task}/stop")
    place.done(task)
    assert place.ask("DELETE", f"/api/workspaces/{id_}")[0] == 200
