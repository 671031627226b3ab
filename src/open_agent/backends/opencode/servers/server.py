"""The port: an OpenCode server that runs can be handed to, ours or somebody else's.

Above: the run loop, health and the command line. `attached.py` and `managed.py` implement it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.feed import Feed
from open_agent.core.ids import MissionId

Kind = Literal["attached", "managed"]
Phase = Literal["stopped", "starting", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ServerState:
    """How an OpenCode server is.

    Attributes:
        kind: Whether we started it, or it was there.
        phase: `stopped` starts with the next run; `failed` is tried again by itself.
        base_url: Where it is; empty while ours does not run.
        version: Its version, as far as it said one.
        code: What is wrong, as an error's code; empty when nothing is.
        problem: What is wrong, for a person, with what to do.
        restarts: How often ours died and was started again.
    """

    kind: Kind
    phase: Phase
    base_url: str = ""
    version: str | None = None
    code: str = ""
    problem: str = ""
    restarts: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether a run that is handed to it now would be worked on."""
        return self.phase in {"ready", "stopped", "starting"}


class OpenCodeServer(Protocol):
    """An OpenCode server. Ask it for the client at each step: one of ours may have moved."""

    @property
    def is_managed(self) -> bool:
        """Whether it is ours, with our configuration and our plugin."""
        ...

    @property
    def feed(self) -> Feed:
        """What happens in its sessions, live."""
        ...

    async def client(self) -> OpenCodeClient:
        """A client of the server once it answers and is one that we use; starts ours if need be.

        Raises:
            OpenCodeUnreachable: It does not answer, or ours did not start in time.
            OpenCodeVersion: It is another major version.
            OpenCodeUnsafe: It answers whoever asks, and that is not allowed.
            OpenCodeRefused: 401: the password is wrong.
        """
        ...

    async def state(self, *, is_fresh: bool = False) -> ServerState:
        """How it is; at most two seconds, and kept for some. Starts nothing, raises nothing."""
        ...

    async def end_session_processes(self, *session_ids: str) -> int:
        """End every process that commands of these sessions left behind; returns how many.

        Only of ours, on this machine: in others' nothing tells whose a process is, and 0 is
        returned. Subagents' sessions have their own ids.
        """
        ...

    def hold(self, mission_id: MissionId) -> None:
        """A mission needs it, at work or waiting for a person: one of ours is kept running."""
        ...

    def release(self, mission_id: MissionId) -> None:
        """The mission needs it no more."""
        ...

    async def end(self) -> bool:
        """End ours now, with everything that it started; it starts again with the next run.

        Returns:
            Whether nothing goes on there: others' are not ours to end.
        """
        ...

    async def close(self) -> None:
        """End ours with everything that it started; let go of others'."""
        ...
