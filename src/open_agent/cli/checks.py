"""What `doctor` looks at: each check says what it found and, if need be, how to mend it."""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio.to_thread

from open_agent.cli.rendering.facts import size
from open_agent.core.clock import Clock
from open_agent.core.errors import OpenAgentError
from open_agent.core.money import show_dollars
from open_agent.mcp.client.presets import PLAYWRIGHT, missing
from open_agent.mcp.servers.desktop.programs import package_of, unmet
from open_agent.services.access.files import read_token, token_path
from open_agent.settings.settings import Settings
from open_agent.workspaces.programs import find_ripgrep

LITTLE_ROOM = 1_000_000_000
NO_ROOM = 100_000_000
DATABASE_FILE = "open-agent.db"

Level = Literal["OK", "warn", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    level: Level
    text: str
    mend: str = ""
    """What to do about it; nothing when all is well."""


def check_settings(settings: Settings) -> Finding:
    """They could be read, or `doctor` would not have come this far."""
    given = [row.name for row in settings.explain() if row.origin != "default"]
    text = f"{', '.join(given)} set; the rest as by default" if given else "all as by default"
    return Finding("settings", "OK", text)


def check_folder(name: str, setting: str, path: Path) -> Finding:
    """A folder that the server writes to."""
    if not path.exists():
        return Finding(name, "OK", f"{path} (made at the first start)")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            name,
            "FAIL",
            f"{path} cannot be written by this account",
            f"Make it yours (chown), or set {setting} to another folder.",
        )
    return Finding(name, "OK", str(path))


def check_privacy(data_dir: Path) -> Finding:
    """Secrets lie in the data directory: nobody else may read it."""
    for path in (data_dir, token_path(data_dir), data_dir / ".env"):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            return Finding(
                "secrets",
                "warn",
                f"other accounts of this machine may read {path}",
                f"chmod go= {path}",
            )
    try:
        has_token = read_token(data_dir) is not None
    except OpenAgentError as error:
        return Finding("secrets", "FAIL", error.message, f"Delete {token_path(data_dir)}.")
    text = "only this account can read them" if has_token else "no token yet"
    return Finding("secrets", "OK", text)


async def check_database(settings: Settings, clock: Clock) -> Finding:
    """The database, where no server has it open: opened as a server would."""
    path = settings.data_dir / DATABASE_FILE
    if settings.database_url is None and not path.exists():
        return Finding("database", "OK", f"{path} (made at the first start)")
    # 250 ms: the store.
    from open_agent.store.database import open_database

    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    try:
        async with await open_database(settings.data_dir, clock, url=url):
            pass
    except OpenAgentError as error:
        return Finding("database", "FAIL", f"it cannot be opened ({error.code})", error.message)
    if settings.database_url is not None:
        return Finding("database", "OK", "PostgreSQL answers")
    return Finding("database", "OK", f"{path}, {size(path.stat().st_size)}, sound")


def check_program(name: str, find: Callable[[str], str | None], need: str) -> Finding:
    """A program that tools call."""
    path = find(name)
    if path is not None:
        return Finding(name, "OK", path)
    return Finding(name, "FAIL", f"not found; {need}", f"Install {name}, or add it to PATH.")


def check_desktop(find: Callable[[str], str | None]) -> Finding:
    """The programs that `open-agent mcp desktop` is made of; nothing else needs them."""
    needs = unmet(find)
    if not needs:
        return Finding("desktop", "OK", "all that `open-agent mcp desktop` needs is there")
    lacking = ", ".join(f"{need.programs[0]} ({need.purpose})" for need in needs)
    packages = " ".join(package_of(need) for need in needs)
    text = f"`open-agent mcp desktop` lacks {lacking}"
    return Finding("desktop", "warn", text, f"If you want desktops: apt-get install {packages}")


async def check_programs(settings: Settings) -> list[Finding]:
    """What tools need on the machine."""
    search_path = settings.child_environment.get("PATH")

    def which(name: str) -> str | None:
        return shutil.which(name, path=search_path)

    def look() -> list[Finding]:
        return [
            check_program("ripgrep", lambda _: find_ripgrep(search_path), "searches need it"),
            check_program("git", which, "the git tools need it"),
            check_program("bash", which, "commands run in it"),
            check_desktop(which),
        ]

    return await anyio.to_thread.run_sync(look)


async def check_browser(settings: Settings) -> Finding:
    """What the MCP server `playwright` needs, which comes with us and is off at first."""
    search_path = settings.child_environment.get("PATH", "")
    lacking = await anyio.to_thread.run_sync(missing, PLAYWRIGHT, "npx", search_path)
    if not lacking:
        return Finding("browser", "OK", "what the MCP server playwright needs is there")
    return Finding(
        "browser",
        "warn",
        f"the MCP server playwright cannot be enabled: it needs {'; '.join(lacking)}",
        "Install what is named, if agents are to use a browser.",
    )


def check_room(settings: Settings) -> Finding:
    """Room on the disk of the data directory."""
    path = settings.data_dir
    while not path.exists() and path != path.parent:
        path = path.parent
    free = shutil.disk_usage(path).free
    text = f"{size(free)} free for {settings.data_dir}"
    if free >= LITTLE_ROOM:
        return Finding("disk", "OK", text)
    level: Level = "warn" if free >= NO_ROOM else "FAIL"
    return Finding("disk", level, text, "Make room, or move DATA_DIR to a larger disk.")


def check_budget(settings: Settings) -> Finding:
    """What a run may spend at most."""
    budget = settings.limits.budget_microdollars
    if budget:
        return Finding("budget", "OK", f"{show_dollars(budget)} for a run that names none")
    return Finding(
        "budget",
        "warn",
        "none: a run that names no budget may spend without limit",
        "Set DEFAULT_BUDGET_CENTS to what a run may cost.",
    )
