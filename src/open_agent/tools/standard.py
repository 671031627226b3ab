"""The tools that runs have, by the kind of their mission."""

from open_agent.core.mission import MissionKind
from open_agent.tools.clipping import Clipped
from open_agent.tools.complete_mission import complete_mission
from open_agent.tools.delegate import delegate
from open_agent.tools.delete_file import delete_file
from open_agent.tools.edit_file import edit_file
from open_agent.tools.git.git_commit import git_commit
from open_agent.tools.git.git_diff import git_diff
from open_agent.tools.git.git_log import git_log
from open_agent.tools.git.git_status import git_status
from open_agent.tools.grep_search import grep_search
from open_agent.tools.list_directory import list_directory
from open_agent.tools.read_file import read_file
from open_agent.tools.registry import Toolbox
from open_agent.tools.run_command import run_command
from open_agent.tools.search_files import search_files
from open_agent.tools.ui_data_table import ui_dataTable
from open_agent.tools.ui_option_list import ui_optionList
from open_agent.tools.update_plan import update_plan
from open_agent.tools.web.fetch_url import fetch_url
from open_agent.tools.web.web_search import web_search
from open_agent.tools.write_file import write_file

TOOLS = (
    read_file,
    write_file,
    edit_file,
    delete_file,
    list_directory,
    search_files,
    grep_search,
    run_command,
    git_status,
    git_diff,
    git_log,
    git_commit,
    web_search,
    fetch_url,
)
"""In the order in which models see them."""
FOR_PARTS = (update_plan, delegate)
FOR_PEOPLE = (complete_mission, ui_optionList, ui_dataTable)
"""Where somebody follows what is done, and may be asked."""


def standard_tools(kind: MissionKind = MissionKind.TASK) -> Toolbox:
    """Those of a mission of a kind, none with an answer too long to show."""
    more = {
        MissionKind.TASK: (),
        MissionKind.CHILD: FOR_PARTS,
        MissionKind.MISSION: FOR_PARTS + FOR_PEOPLE,
    }
    return Toolbox(Clipped(tool) for tool in TOOLS + more[kind])
