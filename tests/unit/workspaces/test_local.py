"""A workspace on the host: paths, files, the environment of its processes."""

import os
import stat
from pathlib import Path

import anyio
import pytest

from open_agent.workspaces.environment import process_environment
from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.processes import SERVER
from open_agent.workspaces.supervised import SupervisedProcesses


@pytest.fixture
def workspace(tmp_path: Path, processes: SupervisedProcesses) -> LocalWorkspace:
    (tmp_path / "work").mkdir()
    base = {"PATH": os.environ["PATH"], "HOME": "/home/user"}
    return LocalWorkspace(tmp_path / "work", processes, base, {"rg": "/opt/rg"})


async def test_paths_start_at_the_root_at_home_or_at_the_top(workspace: LocalWorkspace) -> None:
    assert workspace.resolve("a/b") == workspace.root / "a/b"
    assert workspace.resolve(".") == workspace.root
    assert workspace.resolve("/etc") == Path("/etc")
    assert workspace.resolve("~") == Path("/home/user")
    assert workspace.resolve("~/x") == Path("/home/user/x")
    assert workspace.resolve("~x") == workspace.root / "~x"


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
async def test_names_that_no_file_can_have_are_refused(
    workspace: LocalWorkspace, path: str
) -> None:
    with pytest.raises(OSError, match="path"):
        workspace.resolve(path)


async def test_an_environment_is_what_was_given_made_quiet() -> None:
    env = process_environment({"PATH": "/bin", "LC_ALL": "C", "TERM": "xterm"})
    assert (env["PATH"], env["LC_ALL"], env["TERM"], env["PAGER"]) == ("/bin", "C", "dumb", "cat")
    assert process_environment({})["PATH"].endswith("/bin")


async def test_processes_start_at_the_root_with_its_environment(
    workspace: LocalWorkspace,
) -> None:
    process = await workspace.start(["env"], owner=SERVER, env={"MORE": "1"})
    output = b""
    while data := await process.stdout.read():
        output += data
    lines = output.decode().splitlines()
    assert "MORE=1" in lines
    assert "HOME=/home/user" in lines
    assert not any(line.startswith("PYTEST_CURRENT_TEST") for line in lines)
    assert (workspace.program("rg"), workspace.program("git")) == ("/opt/rg", "git")


async def test_a_file_is_written_whole_or_not_at_all(workspace: LocalWorkspace) -> None:
    file = workspace.root / "file"
    reads: set[bytes] = set()

    async def watch() -> None:
        while True:
            reads.add(await workspace.read_with(file, lambda opened: opened.read()))

    versions = [bytes([number]) * 300_000 for number in range(20)]
    await workspace.write(file, versions[0])
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for version in versions:
            await workspace.write(file, version)
        group.cancel_scope.cancel()
    assert reads <= set(versions)
    assert [path.name for path in workspace.root.iterdir()] == ["file"]


async def test_a_failed_write_leaves_what_was_there(workspace: LocalWorkspace) -> None:
    target = workspace.root / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="a directory"):
        await workspace.write(target, b"x")
    long = workspace.root / ("x" * 256)
    with pytest.raises(OSError, match="too long"):
        await workspace.write(long, b"x")
    assert [path.name for path in workspace.root.iterdir()] == ["folder"]


async def test_a_new_file_has_the_mode_that_files_have(workspace: LocalWorkspace) -> None:
    file = workspace.root / "file"
    await workspace.write(file, b"x")
    before = os.umask(0o022)
    os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~before


async def test_a_file_whose_name_has_the_longest_length_is_written(
    workspace: LocalWorkspace,
) -> None:
    file = workspace.root / ("x" * 255)
    await workspace.write(file, b"x")
    assert file.read_bytes() == b"x"


async def test_a_dead_link_is_written_through(workspace: LocalWorkspace) -> None:
    (workspace.root / "link").symlink_to("target")
    await workspace.write(workspace.root / "link", b"x")
    assert (workspace.root / "target").read_bytes() == b"x"


async def test_directories_are_listed_by_name_with_links_told_and_not_followed(
    workspace: LocalWorkspace,
) -> None:
    (workspace.root / "b").mkdir()
    (workspace.root / "a").touch()
    (workspace.root / "link").symlink_to("b")
    found = await workspace.list(workspace.root, limit=10)
    assert [(entry.name, entry.is_directory, entry.link_target) for entry in found.entries] == [
        ("a", False, None), ("b", True, None), ("link", False, "b"),
    ]  # fmt: skip
    assert not found.is_cut
    assert (await workspace.list(workspace.root, limit=2)).is_cut
