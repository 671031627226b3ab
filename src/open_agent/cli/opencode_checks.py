"""What `doctor` finds out about OpenCode: there, of a version that can be spoken to, and safe."""

import shutil
import tempfile
from pathlib import Path

import anyio
from anyio import to_thread

from open_agent.backends.opencode.protocol.client import SUPPORTED
from open_agent.backends.opencode.servers.attached import Address, AttachedServer
from open_agent.cli.checks import Finding
from open_agent.settings.settings import Settings
from open_agent.workspaces.alone import host_alone
from open_agent.workspaces.processes import ProcessLost

SECONDS = 20.0
INSTALL = "Install it with `npm install -g opencode-ai@1`, or set OPENCODE_PROGRAM to where it is."


async def check_opencode(settings: Settings) -> list[Finding]:
    """The OpenCode of the settings; nothing where they name none. Starts no server."""
    if settings.opencode_managed:
        return [await _check_program(settings)]
    if settings.opencode_base_url is not None:
        return [await _check_server(settings, settings.opencode_base_url)]
    return []


async def _check_server(settings: Settings, base_url: str) -> Finding:
    given = settings.opencode_server_password
    password = given.get_secret_value() if given else None
    server = AttachedServer(Address(base_url, password, settings.opencode_allow_unauthenticated))
    try:
        state = await server.state(is_fresh=True)
    finally:
        await server.close()
    if state.code:
        return Finding("opencode", "FAIL", f"not usable ({state.code})", state.problem)
    text = f"{state.version} at {base_url}"
    if password is None:
        return Finding(
            "opencode",
            "warn",
            f"{text}, which asks for no password: every program here can run commands through it",
            "Start it with OPENCODE_SERVER_PASSWORD, and set the same here.",
        )
    return Finding("opencode", "OK", text)


async def _check_program(settings: Settings) -> Finding:
    search_path = settings.child_environment.get("PATH")
    name = str(settings.opencode_program or "opencode")
    found = await to_thread.run_sync(lambda: shutil.which(name, path=search_path))
    if found is None:
        return Finding("opencode", "FAIL", f"{name} is not there", INSTALL)
    version = await _version(found, settings.child_environment)
    if version is None:
        return Finding("opencode", "FAIL", f"{found} does not say its version", INSTALL)
    if not version.startswith(SUPPORTED):
        return Finding(
            "opencode", "FAIL", f"{found} is version {version}; 1.x can be spoken to", INSTALL
        )
    return Finding("opencode", "OK", f"{version}, {found}, started when a run needs it")


async def _version(program: str, outside: dict[str, str]) -> str | None:
    """What a program says its version is; it is kept from the account's own files."""
    with tempfile.TemporaryDirectory(prefix="open-agent-doctor-") as name:
        home = Path(name)
        folders = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
        env = {**outside, "HOME": name, **dict.fromkeys(folders, name)}
        env["OPENCODE_DISABLE_AUTOUPDATE"] = env["OPENCODE_DISABLE_MODELS_FETCH"] = "1"
        said = b""
        async with host_alone(home, env) as isolation:
            try:
                with anyio.fail_after(SECONDS):
                    process = await isolation.start([program, "--version"], cwd=home, env=env)
                    while piece := await process.stdout.read():
                        said = (said + piece)[:1000]
            except (OSError, TimeoutError, ProcessLost):
                return None
    lines = said.decode("utf-8", "replace").split()
    return lines[-1] if lines and lines[-1][:1].isdigit() else None
