"""What the crash harness puts between a program and its log: failpoints, and a list of promises.

The product has no hooks for this: the log is wrapped at its port, and the writer's stages are
told through a callable that its constructor takes.
"""

import hashlib
import itertools
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.codec import encode_event
from open_agent.events.log import (
    Appended,
    CommitListener,
    Copy,
    EncodedRecord,
    EventLog,
    Opened,
)
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.union import Event, ExternalEvent
from open_agent.events.record import Record


class Journal:
    """Lines in a file that a killed process leaves behind: one write each, never buffered."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, line: dict[str, Any]) -> None:
        """Add a line."""
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Failpoint:
    """Counts the points that a life passes, and ends it at the chosen one.

    Attributes:
        folder: Where the life's files are.
        journal: What somebody outside was told.
    """

    def __init__(self, folder: Path, journal: Journal, die_at: int) -> None:
        self.folder = folder
        self.journal = journal
        self._effects = Journal(folder / "effects")
        self._die_at = die_at
        self._count = itertools.count(1)
        self._passed = 0

    def __call__(self, name: str) -> None:
        """Pass a point, or die at it. Safe from any thread."""
        self._passed = next(self._count)
        if self._passed == self._die_at:
            (self.folder / "died").write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    @property
    def passed(self) -> int:
        """How many points this life has passed."""
        return self._passed

    def effect(self, call_id: str) -> None:
        """Do what cannot be undone."""
        self("effect:before")
        self._effects.write({"call_id": call_id})
        self("effect:after")


def tell(journal: Journal, mission_id: str, seq: int | None, event: Any) -> None:
    """Promise somebody outside that an event is durable, at this place if it is known."""
    digest = hashlib.sha256(encode_event(event)).hexdigest()
    journal.write({"mission": mission_id, "seq": seq, "type": event.type, "event": digest})


class WatchedLog:
    """An `EventLog` that dies around its appends and tells of each that succeeded."""

    def __init__(self, log: EventLog, failpoint: Failpoint) -> None:
        self._log = log
        self._failpoint = failpoint

    async def open_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        message: MessageReceived | None,
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission with its first events, once per owner and `key`."""
        self._failpoint("open:before")
        opened = await self._log.open_mission(mission_id, created, message, key=key, digest=digest)
        self._tell("open", opened.records)
        return opened

    async def fork_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        copies: Sequence[Copy],
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission that begins with copies."""
        self._failpoint("fork:before")
        opened = await self._log.fork_mission(mission_id, created, copies, key=key, digest=digest)
        self._tell("fork", opened.records)
        return opened

    async def delete_mission(
        self,
        mission_id: MissionId,
        children: Sequence[MissionId],
        *,
        by: UserId,
        owner: UserId,
        known_seq: int | None = None,
    ) -> Appended:
        """Remove a mission and what it delegated."""
        self._failpoint("delete:before")
        done = await self._log.delete_mission(
            mission_id, children, by=by, owner=owner, known_seq=known_seq
        )
        self._tell("delete", done.records)
        return done

    async def append(
        self,
        mission_id: MissionId,
        epoch: int,
        events: Sequence[Event],
        *,
        run_id: RunId | None,
        known_seq: int,
    ) -> Appended:
        """Append as the holder of the mission's lease; durable when this returns."""
        self._failpoint(f"append:{events[0].type}:before")
        done = await self._log.append(mission_id, epoch, events, run_id=run_id, known_seq=known_seq)
        self._tell(f"append:{events[0].type}", done.records)
        return done

    async def append_external(
        self, mission_id: MissionId, event: ExternalEvent, *, key: str, owner: UserId
    ) -> Appended:
        """Append without a lease, once per mission and `key`."""
        self._failpoint("external:before")
        done = await self._log.append_external(mission_id, event, key=key, owner=owner)
        self._tell("external", done.records)
        return done

    async def read_owned(
        self, owner: UserId, *, after: int = 0, limit: int = 1000
    ) -> list[EncodedRecord]:
        """Records of all that is the owner's, with `owner_seq > after`, in that order."""
        return await self._log.read_owned(owner, after=after, limit=limit)

    async def read(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        owner: UserId | None = None,
    ) -> list[Record]:
        """Records with `after < seq < before`, in order; with `owner`, only if it is theirs."""
        return await self._log.read(
            mission_id, after=after, before=before, limit=limit, owner=owner
        )

    async def read_encoded(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
    ) -> list[EncodedRecord]:
        """As `read`, but as the bytes that streams send; callers have checked the owner."""
        return await self._log.read_encoded(mission_id, after=after, before=before, limit=limit)

    async def last_compaction(self, mission_id: MissionId) -> Record | None:
        """The newest `history.compacted`, where a fold may start."""
        return await self._log.last_compaction(mission_id)

    def on_commit(self, listener: CommitListener) -> None:
        """Tell `listener` of every record this process commits from now on."""
        self._log.on_commit(listener)

    def _tell(self, name: str, records: Sequence[Record]) -> None:
        self._failpoint(f"{name}:acknowledged")
        for record in records:
            tell(self._failpoint.journal, record.mission_id, record.seq, record.event)
        self._failpoint(f"{name}:told")
