"""The instructions of a working directory: a file of its own, and nothing that it links to."""

from pathlib import Path

from open_agent.agent.instructions import read_instructions
from open_agent.events.model.run import Instructions
from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.supervised import SupervisedProcesses


async def read(root: Path) -> list[Instructions]:
    processes = SupervisedProcesses(root / "never-started.lock")
    return await read_instructions(LocalWorkspace(root, processes, {}))


async def test_the_file_of_the_folder_is_read_also_through_a_link_within_it(tmp_path: Path):
    (tmp_path / "CLAUDE.md").write_text("Test first.")
    (tmp_path / "AGENTS.md").symlink_to("CLAUDE.md")
    assert [found.content for found in await read(tmp_path)] == ["Test first."]


async def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "secret").write_text("a key")
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "AGENTS.md").symlink_to("../secret")
    assert await read(clone) == []
