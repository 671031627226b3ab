"""The tools that every run has."""

from open_agent.tools.clipping import Clipped
from open_agent.tools.delete_file import delete_file
from open_agent.tools.edit_file import edit_file
from open_agent.tools.list_directory import list_directory
from open_agent.tools.read_file import read_file
from open_agent.tools.registry import Toolbox
from open_agent.tools.run_command import run_command
from open_agent.tools.write_file import write_file


def standard_tools() -> Toolbox:
    """All of them, in the order in which models see them."""
    return Toolbox(
        Clipped(tool)
        for tool in (read_file, write_file, edit_file, delete_file, list_directory, run_command)
    )
