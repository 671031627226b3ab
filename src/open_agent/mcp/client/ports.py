"""What sessions with MCP servers need from above, and what is asked of them: values and ports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio

from open_agent.core.clock import Clock
from open_agent.core.ids import MissionId, UserId
from open_agent.core.mcp import McpListing, McpSecret, McpServer
from open_agent.tools.definition import ToolImage
from open_agent.workspaces.isolation import Isolation

SIGN_IN_SECONDS = 600.0
"""How long a person has to come back."""


class Keeper(Protocol):
    """Where servers are configured: it has their secrets, and is told what they say."""

    async def secrets(self, server: McpServer, owner: UserId) -> Sequence[McpSecret]:
        """What a session of the owner's with the server needs to know."""
        ...

    async def keep_oauth(self, server: McpServer, owner: UserId, name: str, value: str) -> None:
        """Keep what signing in has given."""
        ...

    async def listed(self, server: McpServer, listing: McpListing) -> None:
        """Hear what the server offers now."""
        ...

    def counted(self, server_id: str, *, is_error: bool) -> None:
        """Hear of a call that was made."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """On what servers run.

    Attributes:
        folder: Where it is remembered which directories they have; each has one of its own.
        working_dir: Where those start that belong to no mission.
        own: Settings of ours that count for programs of ours.
        rules: Those of them that no entry changes.
    """

    isolation: Isolation
    clock: Clock
    folder: Path
    working_dir: Path
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    rules: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Place:
    """For whom a session is.

    Attributes:
        mission_id: Where the server keeps state, whose it is; none for all of the owner's.
        workspace: The mission's directory.
    """

    owner: UserId
    mission_id: MissionId | None = None
    workspace: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a server answered to a call."""

    text: str
    images: tuple[ToolImage, ...] = ()
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class LinkState:
    """How it stands with a user's session with a server.

    Attributes:
        error: Why there is none.
        stderr: The end of what it complained.
        sign_in_url: Where a person has to go first.
        protocol: Which version of MCP is spoken.
    """

    is_open: bool = False
    is_opening: bool = False
    error: str | None = None
    stderr: str = ""
    sign_in_url: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """With what a person came back."""

    code: str
    issuer: str | None = None


class SignIns:
    """People who are away signing in, by the state that only they were given."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[anyio.Event, list[SignInAnswer]]] = {}

    async def wait_for(self, state: str) -> SignInAnswer:
        """Wait until the person with this state comes back.

        Raises:
            TimeoutError: They did not.
        """
        event, answers = anyio.Event(), list[SignInAnswer]()
        self._waiting[state] = (event, answers)
        try:
            with anyio.fail_after(SIGN_IN_SECONDS):
                await event.wait()
        finally:
            del self._waiting[state]
        return answers[0]

    def come_back(self, state: str, answer: SignInAnswer) -> bool:
        """Hand over with what somebody came back; false when nobody waits for them."""
        waiting = self._waiting.get(state)
        if waiting is None or waiting[1]:
            return False
        waiting[1].append(answer)
        waiting[0].set()
        return True


Json = dict[str, Any]
"""A JSON object, as the API shows it."""
