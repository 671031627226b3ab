"""Follows a mission's stream across broken connections and restarts of the server.

Every record comes exactly once and in order: a connection is taken up again behind the last id
that was seen, and what a server sends twice all the same is passed over.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import anyio
import httpx2
import pydantic_core

from open_agent.cli.ahead import Ahead
from open_agent.cli.connection import Connection
from open_agent.cli.exits import UNREACHABLE_CODE
from open_agent.core.clock import Clock
from open_agent.core.errors import OpenAgentError, Unavailable
from open_agent.core.ids import MissionId
from open_agent.events.delta import Delta
from open_agent.events.record import Record

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Before the first tries to connect again; the last one is repeated."""
GIVE_UP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class RecordSeen:
    """A record, decoded and as the server sent it."""

    record: Record
    json: str


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The connection broke, or is there again."""

    state: Literal["lost", "back"]


@dataclass(frozen=True, slots=True)
class BegunAnew:
    """The server does not know where this reader was: everything comes from the beginning."""


StreamItem = RecordSeen | Delta | ConnectionChanged | BegunAnew


class Follower:
    """One reader's place in a mission's stream."""

    def __init__(self, connection: Connection, mission_id: MissionId, clock: Clock) -> None:
        self._connection = connection
        self._mission_id = mission_id
        self._clock = clock
        self._last_id: str | None = None
        self._seq = 0
        self._failures = 0
        self._lost_at: float | None = None
        self._ahead = Ahead()

    @property
    def is_more_to_come(self) -> bool:
        """Whether the log goes on behind what was seen, or another run is about to begin."""
        return self._ahead.is_more

    async def items(self) -> AsyncGenerator[StreamItem]:
        """What the stream says, for ever; the caller knows when it has seen enough.

        Raises:
            OpenAgentError: The server refuses, or was away for five minutes.
        """
        while True:
            try:
                async with aclosing(self._connected()) as items:
                    async for item in items:
                        yield item
            except httpx2.TransportError:
                pass
            except Unavailable as error:
                # It starts or stops; every other refusal is final.
                if error.code == "server.foreign":
                    raise
            if self._lost_at is None:
                self._lost_at = self._clock.monotonic()
                yield ConnectionChanged("lost")
            if self._clock.monotonic() - self._lost_at > GIVE_UP_SECONDS:
                raise _given_up(self._mission_id)
            await anyio.sleep(PAUSES[min(self._failures, len(PAUSES) - 1)])
            self._failures += 1

    async def _connected(self) -> AsyncGenerator[StreamItem]:
        path = f"/api/missions/{self._mission_id}/stream"
        async with self._connection.events(path, self._last_id) as source:
            async for sent in source:
                if self._lost_at is not None:
                    self._lost_at, self._failures = None, 0
                    yield ConnectionChanged("back")
                for item in self._read(sent):
                    yield item

    def _read(self, sent: httpx2.ServerSentEvent) -> list[StreamItem]:
        match sent.event:
            case "delta":
                return [Delta.model_validate_json(sent.data)]
            case "reset":
                self._last_id, self._seq, self._ahead = None, 0, Ahead()
                return [BegunAnew()]
            case "snapshot":
                self._ahead.reach(int(pydantic_core.from_json(sent.data)["last_seq"]))
                return []
            case name if "." not in name:
                return []  # A hint when to come back, or something of a newer release.
            case _:
                record = Record.model_validate_json(sent.data)
                if record.seq <= self._seq:
                    return []
                self._last_id, self._seq = sent.id, record.seq
                self._ahead.see(record)
                return [RecordSeen(record, sent.data)]


def _given_up(mission_id: MissionId) -> OpenAgentError:
    return Unavailable(
        UNREACHABLE_CODE,
        f"The server has been away for {GIVE_UP_SECONDS / 60:.0f} minutes. Once it is back, "
        f"`open-agent follow {mission_id[:8]}` goes on.",
    )
