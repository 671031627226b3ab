"""Making a clone: to a temporary place first, so that there is never half of one.

The address comes from a client and may be hostile, and so is what lies behind it: no transport but
the one asked for, no option in place of an address, no prompt, no hook, no program of the
repository, and an end by size and by time.
"""

import base64
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import anyio

from open_agent.core.errors import Invalid, LimitReached, OpenAgentError
from open_agent.core.workspace import WorkspaceEntry
from open_agent.services.workspaces.choosing import COMMIT, Secret, Source, read_url
from open_agent.services.workspaces.git import (
    NO_LFS,
    Answer,
    GitFailed,
    Limits,
    as_environment,
    without_programs,
)
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.measuring import free_bytes, measure
from open_agent.services.workspaces.worktrees import current_branch
from open_agent.tools.web.addresses import AddressGuard, read_address
from open_agent.tools.web.fetching import resolve_host
from open_agent.workspaces.processes import ProcessOwner

TEMPORARY = ".making-"
"""How names begin of what is being made."""
LOOK_SECONDS = 1.0
STALLED_SECONDS = 60
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "GIT_LFS_SKIP_SMUDGE": "1"}
SSH = "ssh -oBatchMode=yes -oConnectTimeout=20"


@dataclass(frozen=True, slots=True)
class Cloned:
    """What a clone began as."""

    branch: str | None
    commit: str | None


class Cloning:
    """Makes clones."""

    def __init__(self, ground: WorkspaceGround) -> None:
        self._ground = ground
        self._git = ground.git

    async def clone(
        self,
        entry: WorkspaceEntry,
        secret: Secret | None,
        owner: ProcessOwner,
        hear: Callable[[str], None],
    ) -> Cloned:
        """Make the clone of an entry at its path.

        Raises:
            GitFailed: Git could not; the message is its own.
            OpenAgentError: It may not be, or takes too long or too much room.
        """
        path = Path(entry.path)
        limits = self._ground.limits
        if not await anyio.Path(path).exists():
            source = read_url(entry.recipe.source or "", limits.protocols)
            temporary = path.parent / f"{TEMPORARY}{entry.id}"
            await anyio.to_thread.run_sync(_clear, temporary)
            try:
                await self._fetch(entry, source, secret, temporary, owner, hear)
                await self._check_size(temporary)  # It may have been quicker than the watch.
                await anyio.to_thread.run_sync(_move, temporary, path)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(_clear, temporary)
        # What is at its place is whole, for it was moved there.
        repository = await self._git.workspace(path)
        commit = await repository.says("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return Cloned(await current_branch(repository), commit)

    async def _fetch(
        self,
        entry: WorkspaceEntry,
        source: Source,
        secret: Secret | None,
        temporary: Path,
        owner: ProcessOwner,
        hear: Callable[[str], None],
    ) -> None:
        recipe = entry.recipe
        env = await self._environment(source, secret, has_lfs=recipe.has_lfs)
        is_commit = bool(recipe.ref and COMMIT.fullmatch(recipe.ref))
        arguments = ["clone", "--progress", "--template=", "--no-recurse-submodules"]
        if recipe.depth is not None:
            arguments += ["--depth", str(recipe.depth), "--no-single-branch"]
        if recipe.ref and not is_commit:
            arguments += ["--branch", recipe.ref]
        arguments += ["--", source.url, str(temporary)]
        limits = Limits(float(self._ground.limits.clone_seconds))

        async def call() -> Answer:
            return await self._git.call(
                temporary.parent, arguments, env, limits=limits, owner=owner, hear=hear
            )

        _check(await self._within_bounds(temporary, call), "clone")
        if is_commit:
            assert recipe.ref is not None
            repository = await self._git.repository(temporary, owner=owner)
            await repository.change("checkout", "--detach", recipe.ref, limits=limits)
        if recipe.has_submodules:
            update = ["submodule", "update", "--init", "--recursive", "--progress"]
            update += ["--depth", "1"] if recipe.depth is not None else []
            done = await self._git.call(
                temporary, update, env, limits=limits, owner=owner, hear=hear
            )
            _check(done, "submodule")

    async def _environment(
        self, source: Source, secret: Secret | None, *, has_lfs: bool
    ) -> dict[str, str]:
        """Git's configuration for one source, all of it where no command line shows it."""
        configuration = without_programs("core.sshCommand", "protocol.allow", "credential.helper")
        configuration |= {
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": str(STALLED_SECONDS),
            "submodule.recurse": "false",
            "clone.defaultRemoteName": "origin",
        }
        if source.host is not None:
            addresses = await self._ground.check_host(source.host, source.port or 0)
            if addresses is not None:
                # Connected to what was checked, and led nowhere else.
                configuration["http.followRedirects"] = "false"
                configuration["http.curloptResolve"] = (
                    f"{source.host}:{source.port}:{','.join(addresses)}"
                )
        if secret is not None:
            pair = f"{secret.user}:{secret.password}".encode()
            header = f"Authorization: Basic {base64.b64encode(pair).decode()}"
            origin = "/".join(source.url.split("/")[:3])
            configuration[f"http.{origin}/.extraHeader"] = header
        env = as_environment(configuration) | QUIET
        env |= {"GIT_ALLOW_PROTOCOL": source.protocol, "GIT_SSH_COMMAND": SSH}
        if has_lfs:
            for name in NO_LFS:
                del env[name]
        return env

    async def _within_bounds(self, path: Path, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """What git answers, unless it is ended first for what it writes."""
        problems: list[OpenAgentError] = []
        answers: list[Answer] = []

        async def watch(scope: anyio.CancelScope) -> None:
            try:
                await self._watch_size(path)
            except LimitReached as error:
                problems.append(error)
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            try:
                answers.append(await call())
            except OpenAgentError as error:
                problems.append(error)
            group.cancel_scope.cancel()
        if problems:
            raise problems[0]
        return answers[0]

    async def _watch_size(self, path: Path) -> None:
        """End a clone that becomes too large, or for which the disk is too small."""
        pause = LOOK_SECONDS
        while True:
            await anyio.sleep(pause)
            before = self._ground.clock.monotonic()
            await self._check_size(path)
            free = await free_bytes(path.parent)
            if free is not None and free < self._ground.limits.reserve_bytes:
                raise LimitReached(
                    "disk.full",
                    f"The clone was ended: only {free:,} bytes are free on the disk. Make room.",
                )
            pause = max(LOOK_SECONDS, 10 * (self._ground.clock.monotonic() - before))

    async def _check_size(self, path: Path) -> None:
        most = self._ground.limits.most_bytes
        size = await measure(self._ground.isolation, path) if most else None
        if size is not None and size > most:
            raise LimitReached(
                "workspace.too_large",
                f"The clone has {size:,} bytes, and may have {most:,} "
                "(WORKSPACE_MAX_MB). Clone with a `depth`, or raise it.",
            )


def _check(answer: Answer, command: str) -> None:
    if answer.exit_code != 0:
        raise GitFailed(answer, command)


def _clear(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        shutil.rmtree(path)


def _move(temporary: Path, path: Path) -> None:
    temporary.rename(path)


async def checked_addresses(guard: AddressGuard, host: str, port: int) -> list[str]:
    """The addresses of a host, if it may be reached at all of them.

    Raises:
        Invalid: It may not be (`workspace.host_refused`), or is not known.
    """
    try:
        literal = read_address(host)
        found = [str(literal)] if literal else list(await resolve_host(host, port))
    except (OSError, ValueError):
        raise Invalid("workspace.host_unknown", f"The host {host} is not known.") from None
    for address in found:
        refusal = guard.refusal(ip_address(address), port)
        if refusal is not None:
            raise Invalid(
                "workspace.host_refused",
                f"Nothing is cloned from {host} here, which is {refusal}. An administrator can "
                "set ALLOW_PRIVATE_HOSTS.",
            )
    return found
