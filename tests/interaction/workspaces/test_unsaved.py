"""Removing a workspace: what is nowhere else is seen, wherever git or somebody has put it."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.crash.server_process import ServerProcess
from tests.interaction.requirements import requirement
from tests.interaction.workspaces.conftest import SETTINGS
from tests.interaction.workspaces.rig import Place, git, make_repository

IDENTITY = ("-c", "user.name=Agent", "-c", "user.email=agent@example.com")


def made(place: Place, **wanted: Any) -> dict[str, Any]:
    """A workspace that was made by itself."""
    status, workspace = place.ask("POST", "/api/workspaces", wanted)
    assert status == 202, workspace
    ready = place.until(
        lambda: place.get(f"/api/workspaces/{workspace['id']}"),
        lambda it: it["state"] != "making",
    )
    assert ready["state"] == "ready", ready
    return ready


def refusal(place: Place, workspace: dict[str, Any]) -> dict[str, Any]:
    """Why a workspace is not removed unless somebody insists."""
    status, answer = place.ask("DELETE", f"/api/workspaces/{workspace['id']}")
    assert status == 409, answer
    assert Path(workspace["path"]).is_dir()
    return answer["error"]


def insist(place: Place, workspace: dict[str, Any]) -> None:
    status, answer = place.ask("DELETE", f"/api/workspaces/{workspace['id']}?force=true")
    assert status == 200, answer
    assert not Path(workspace["path"]).exists()


def commit(folder: Path, name: str = "work.txt") -> None:
    (folder / name).write_text("work\n")
    git(folder, "add", name)
    git(folder, "commit", "-qm", "Work")


@requirement("workspaces:removed:unsaved")
def test_stashes_and_tagged_commits_of_a_clone_are_not_lost(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    stashed = made(place, url=str(repository))
    (Path(stashed["path"]) / "a.txt").write_text("half\n")
    git(Path(stashed["path"]), "stash")
    error = refusal(place, stashed)
    assert (error["code"], error["details"]) == (
        "workspace.unsaved",
        {"files": 0, "commits": 0, "stashes": 1},
    )
    insist(place, stashed)

    tagged = made(place, url=str(repository))
    commit(Path(tagged["path"]))
    git(Path(tagged["path"]), "tag", "v1.1")
    assert refusal(place, tagged)["details"] == {"files": 0, "commits": 1, "stashes": 0}
    git(Path(tagged["path"]), "push", "-q", "origin", "HEAD:refs/heads/pushed")
    assert place.ask("DELETE", f"/api/workspaces/{tagged['id']}")[0] == 200

    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    empty = made(place, url=str(tmp_path / "empty"))
    assert place.ask("DELETE", f"/api/workspaces/{empty['id']}")[0] == 200


@requirement("workspaces:removed:unsaved")
def test_work_in_repositories_inside_a_workspace_is_not_lost(place: Place, tmp_path: Path) -> None:
    library = make_repository(tmp_path / "library")
    repository = make_repository(tmp_path / "repository")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library))
    git(repository, "commit", "-qm", "Use the library")

    clone = made(place, url=str(repository), submodules=True)
    inside = Path(clone["path"]) / "library"
    assert place.get(f"/api/workspaces/{clone['id']}")["progress"]["uncommitted"] == 0
    (inside / "a.txt").write_text("half\n")
    assert refusal(place, clone)["details"] == {"files": 1, "commits": 0, "stashes": 0}
    git(inside, "checkout", "-q", "a.txt")
    assert place.ask("DELETE", f"/api/workspaces/{clone['id']}")[0] == 200

    worktree = made(place, repository=str(make_repository(tmp_path / "plain")))
    root = Path(worktree["path"])
    nested = make_repository(root / "nested")
    git(root, "add", "nested")
    git(root, "commit", "-qm", "Add it as it is")
    status, merged = place.ask("POST", f"/api/workspaces/{worktree['id']}/merge", {})
    assert status == 200, merged
    assert refusal(place, worktree)["details"] == {"files": 0, "commits": 1, "stashes": 0}
    nested.rename(tmp_path / "elsewhere")
    nested.symlink_to(tmp_path / "elsewhere")
    insist(place, worktree)
    assert (tmp_path / "elsewhere" / "a.txt").is_file(), "a link leads nowhere"


@pytest.mark.parametrize("kind", ["url", "repository"])
@requirement("workspaces:removed:unsaved")
def test_a_workspace_whose_repository_was_replaced_is_not_taken_for_another(
    place: Place, tmp_path: Path, kind: str
) -> None:
    outer = place.server.working_dir
    if not (outer / ".git").exists():  # A server whose place lies in somebody's repository.
        git(outer, "init", "-q")
        (outer / ".gitignore").write_text("*\n")
    repository = make_repository(tmp_path / "repository")
    workspace = made(place, **{kind: str(repository)})
    root = Path(workspace["path"])
    (root / "new.txt").write_text("new\n")
    place_of_git = root / ".git"
    place_of_git.rename(tmp_path / "git")

    assert refusal(place, workspace)["code"] == "workspace.replaced"
    assert place.get(f"/api/workspaces/{workspace['id']}")["progress"] is None
    status, answer = place.ask("GET", f"/api/workspaces/{workspace['id']}/diff")
    assert (status, answer["error"]["code"]) == (409, "workspace.replaced")

    git(root, "init", "-q")
    commit(root, "new.txt")
    if kind == "url":
        assert refusal(place, workspace)["details"]["commits"] == 1
    else:
        assert refusal(place, workspace)["code"] == "workspace.replaced"
        status, answer = place.ask("POST", f"/api/workspaces/{workspace['id']}/merge", {})
        assert (status, answer["error"]["code"]) == (409, "workspace.replaced")

    shutil.rmtree(place_of_git)
    (tmp_path / "git").rename(place_of_git)
    assert refusal(place, workspace)["details"]["files"] == 1
    insist(place, workspace)


@requirement("workspaces:deleted", "workspaces:removed:unsaved")
def test_commits_on_no_branch_stay_with_their_worktree(place: Place, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    mission = place.mission(repository=str(repository))
    place.say(
        mission["id"],
        f"run git checkout -q --detach && git {' '.join(IDENTITY)} commit -q --allow-empty -m Lone",
    )
    workspace = place.workspace(mission)
    head = git(Path(workspace["path"]), "rev-parse", "HEAD")
    status, deleted = place.ask("DELETE", f"/api/control/missions/{mission['id']}")
    assert status == 200
    assert "1 commit that is nowhere else" in deleted["notes"][0]
    assert git(Path(workspace["path"]), "rev-parse", "HEAD") == head


@requirement("workspaces:removed:named")
def test_a_directory_that_a_person_named_among_ours_is_never_removed(place: Place) -> None:
    mission = place.mission()
    place.say(mission["id"], "run echo precious > precious.txt")
    own = Path(mission["workspace"])
    named = place.mission(path=str(own))
    place.say(named["id"], "run true")
    shown = place.get(f"/api/workspaces/{named['id']}")
    assert (shown["kind"], shown["path"]) == ("directory", str(own))
    status, answer = place.ask("DELETE", f"/api/workspaces/{named['id']}?force=true")
    assert (status, answer["error"]["code"]) == (409, "workspace.named")
    assert place.ask("DELETE", f"/api/control/missions/{named['id']}")[0] == 200
    assert (own / "precious.txt").is_file()


@requirement("workspaces:removed:named", "workspaces:deleted")
def test_a_missions_own_directory_stays_while_another_works_there(place: Place) -> None:
    mission = place.mission()
    place.say(mission["id"], "run touch here")
    own = Path(mission["workspace"])
    other = place.mission(path=str(own))
    body = {"content": "run sleep 1000", "mission_id": other["id"]}
    assert place.ask("POST", "/api/control/message", body)[0] == 200
    place.until(lambda: place.events(other["id"], "tool.called"), bool)
    status, answer = place.ask("DELETE", f"/api/workspaces/{mission['id']}?force=true")
    assert (status, answer["error"]["code"]) == (409, "workspace.in_use")
    status, deleted = place.ask("DELETE", f"/api/control/missions/{mission['id']}")
    assert status == 200
    assert other["id"] in deleted["notes"][0]
    assert (own / "here").exists()
    assert place.ask("POST", f"/api/control/missions/{other['id']}/cancel")[0] == 200


@requirement("workspaces:names")
def test_names_that_are_no_utf_8_and_names_that_are_not_ascii_will_do(
    place: Place, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repository")
    odd = b"caf\xe9.txt"
    Path(os.fsdecode(bytes(repository) + b"/" + odd)).write_text("odd\n")
    git(repository, "branch", "größe")
    workspace = made(place, repository=str(repository), ref="größe", branch="übung-(1)")
    assert (workspace["base"], workspace["branch"]) == ("größe", "übung-(1)")
    assert workspace["notes"].endswith("caf\ufffd.txt")
    root = Path(workspace["path"])
    Path(os.fsdecode(bytes(root) + b"/" + odd)).write_text("odd\n")
    status, answer = place.ask("POST", f"/api/workspaces/{workspace['id']}/merge", {})
    assert (status, answer["error"]["details"]["files"]) == (409, ["caf\ufffd.txt"])
    git(root, "add", ".")
    git(root, "commit", "-qm", "Odd")
    status, merged = place.ask("POST", f"/api/workspaces/{workspace['id']}/merge", {})
    assert (status, merged["how"], merged["into"]) == (200, "fast_forward", "größe")
    assert place.ask("DELETE", f"/api/workspaces/{workspace['id']}")[0] == 200


@requirement("workspaces:removed:crash")
def test_a_removal_that_a_kill_has_cut_off_leaves_no_half(tmp_path: Path, model_url: str) -> None:
    repository = make_repository(tmp_path / "repository", **{".gitignore": "ignored\n"})
    with ServerProcess(tmp_path / "data", tmp_path / "work", model_url, SETTINGS) as server:
        place = Place(server)
        workspace = made(place, repository=str(repository))
        root = Path(workspace["path"])
        for number in range(20_000):
            folder = root / "ignored" / str(number % 50)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / str(number)).touch()
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(place.ask, "DELETE", f"/api/workspaces/{workspace['id']}")
            folders = [root / "ignored" / str(number) for number in range(50)]
            place.until(lambda: all(map(Path.exists, folders)), lambda is_whole: not is_whole)
            server.kill()
            assert not root.exists()
            assert asked.exception() is not None or asked.result()[0] == 200
        server.start()
        assert place.ask("DELETE", f"/api/workspaces/{workspace['id']}")[0] in (200, 404)
        place.until(lambda: list(root.parent.iterdir()), lambda left: not left)
        assert len(git(repository, "worktree", "list").splitlines()) == 1
        assert git(repository, "branch", "--list", "open-agent/*") == ""
