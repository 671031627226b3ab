"""The settings that say what workspaces may be made of, and what they may take."""

from pydantic_settings import BaseSettings

from open_agent.settings.types import Count, Megabytes, Protocols, setting

_BOUND = "a whole number, 0 or above; 0 means no bound"


class WorkspaceSettings(BaseSettings):
    """What workspaces may be made of, and what they may take."""

    clone_protocols: Protocols = setting(
        ("https", "ssh", "file"),
        "By which git repositories may be cloned; `file` is this machine's disk.",
        "some of https, http, ssh and file, separated by commas",
    )
    clone_seconds: Count = setting(
        1800, "Seconds that making a clone or a worktree may take.", "a whole number above 0"
    )
    workspace_max_mb: Megabytes = setting(
        20_480,
        "Megabytes that one workspace of our making may have; a run that makes more is told once, "
        "and then ended. 0 means no bound.",
        _BOUND,
    )
    workspaces_max_mb: Megabytes = setting(
        0,
        "Megabytes that all workspaces of our making may have before no new one begins. 0 means no "
        "bound.",
        _BOUND,
    )
    disk_reserve_mb: Megabytes = setting(
        1024, "Megabytes that stay free on the disk: with less, no new workspace begins.", _BOUND
    )
