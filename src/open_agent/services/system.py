"""The server about itself: what it is, and whether it is ready."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from open_agent.core.actor import Actor
from open_agent.core.errors import OpenAgentError
from open_agent.core.run import RunState
from open_agent.engine.base import Engine
from open_agent.services.access.rules import Mode
from open_agent.store.missions import Missions

if TYPE_CHECKING:
    from open_agent.backends.opencode.servers.server import OpenCodeServer

SHARED_RIGHTS = (
    "All users share this server's rights on the machine: whatever the account that it runs under "
    "can read, change or delete, every user's agent can, other users' files and the server's own "
    "included. Let in only whom you would give that account."
)


def shared_rights(mode: Mode, isolation: str) -> list[str]:
    """What users of one server should know of each other, while nothing surrounds their work."""
    return [SHARED_RIGHTS] if mode is Mode.MULTI_USER and isolation == "host" else []


class Phase(StrEnum):
    """Where the server is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(slots=True)
class Readiness:
    """Whether to send this process work; `app` says when that changes."""

    phase: Phase = Phase.STARTING

    @property
    def is_ready(self) -> bool:
        """It has started and is not about to stop."""
        return self.phase is Phase.READY


@dataclass(frozen=True, slots=True)
class Installation:
    """What does not change while the server runs.

    Attributes:
        database: Which database, without how to reach it: `sqlite` or `postgresql`.
        engine: Which engine: `embedded` or `distributed`.
        endpoint: The model endpoint's address, without credentials.
        data_dir: Where it keeps what it keeps.
        backend: Who carries out runs that name nobody.
        libraries: Versions of what the server stands on.
    """

    version: str
    max_iterations: int
    database: str
    engine: str
    endpoint: str
    default_model: str
    data_dir: str
    backend: str = "native"
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def python(self) -> str:
        """The Python that runs it, and on what."""
        return f"{platform.python_version()} on {sys.platform}"


@dataclass(frozen=True, slots=True)
class Status:
    """How the server is now.

    Attributes:
        database_problem: Why the database does not answer, when it does not.
        active_here: Missions that this process works on.
        queued: The actor's missions that wait for a worker.
        running: The actor's missions at work, parked ones included.
    """

    database_problem: str | None
    active_here: int
    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class OpenCodeHealth:
    """How OpenCode is.

    Attributes:
        kind: `managed` is ours, `attached` was there.
        phase: `stopped` (starts with the first run), `starting`, `ready` or `failed`.
        version: Its version, as far as it said one.
        code: What is wrong, as a stable code; empty when nothing is.
        problem: The same for whoever may know where it is.
        summary: The same for everybody.
    """

    kind: str
    phase: str
    version: str | None
    code: str
    problem: str
    summary: str


_SUMMARIES = {
    "opencode.unreachable": "It does not answer.",
    "opencode.not_installed": "The program is not there, or cannot be started.",
    "opencode.version": "It is not a version 1.x, which is the one that can be spoken to.",
    "opencode.unauthenticated": "It answers whoever asks, so it is not used.",
    "opencode.password": "It wants another password.",
    "opencode.plugin": "It does not load our plugin: commands can read its password.",
}


class System:
    """What the server says about itself."""

    def __init__(
        self,
        installation: Installation,
        readiness: Readiness,
        engine: Engine,
        missions: Missions,
        opencode: "OpenCodeServer | None" = None,
    ) -> None:
        self.installation = installation
        self.readiness = readiness
        self._engine = engine
        self._missions = missions
        self._opencode = opencode

    async def opencode(self) -> OpenCodeHealth | None:
        """How OpenCode is; none where none is set up. Waits half a second at most."""
        if self._opencode is None:
            return None
        state = await self._opencode.state()
        summary = _SUMMARIES.get(state.code, "It cannot be used.") if state.code else ""
        return OpenCodeHealth(
            state.kind, state.phase, state.version, state.code, state.problem, summary
        )

    async def status(self, actor: Actor) -> Status:
        """Ask the database and the engine how they are."""
        problem: str | None = None
        counts: dict[RunState, int] = {}
        try:
            for total in await self._missions.totals(owner=actor.user_id):
                counts[total.run_state] = counts.get(total.run_state, 0) + total.count
        except OpenAgentError as error:
            problem = error.message
        return Status(
            database_problem=problem,
            active_here=self._engine.active,
            queued=counts.get(RunState.QUEUED, 0),
            running=counts.get(RunState.RUNNING, 0) + counts.get(RunState.WAITING, 0),
        )
