"""Deletes OpenCode's sessions of missions that are deleted, at once or when it next runs.

Above: the composition root, which lets it hear of commits. A note of each deletion lies in a folder
until it is done, so that neither a restart nor an OpenCode that does not run leaves a conversation
behind. OpenCode is not started for it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from anyio import to_thread

from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.backends.opencode.session.telling import title_of
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId, UserId, is_uuid
from open_agent.events.log import EncodedRecord

LOOK_SECONDS = 300.0
"""How often it is tried again to delete what could not be deleted."""

_log = structlog.get_logger(__name__)


class Forgetting:
    """Lets OpenCode forget what we forget.

    Args:
        server: Whose sessions.
        folder: Where the notes are. Made with the first of them, where the folder that it is in is
            there: one of ours that never ran has nothing to forget.
        look_seconds: How often it is tried again.
    """

    def __init__(
        self, server: OpenCodeServer, folder: Path, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._server = server
        self._folder = folder
        self._look_seconds = look_seconds
        self._gone: list[MissionId] = []
        self._came = asyncio.Event()

    def committed(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """Hear of what was appended; a listener of commits."""
        gone = [record.mission_id for record in records if record.type == "mission.deleted"]
        if gone:
            self._gone += gone
            self._came.set()

    async def keep_on(self) -> None:
        """Forget what is to be forgotten, for ever."""
        while True:
            await self._note()
            with suppress(OpenAgentError, OSError):  # it is tried again
                await self.forget()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), self._look_seconds)

    async def forget(self) -> None:
        """Delete the sessions that notes name, where OpenCode runs now.

        Raises:
            OpenAgentError: It does not answer after all, or refuses.
        """
        noted = await to_thread.run_sync(self._noted)
        if not noted or (await self._server.state()).phase != "ready":
            return
        client = await self._server.client()
        for mission_id in noted:
            for session in await client.search_sessions(title_of(mission_id)):
                await client.delete_session(session.id)
                _log.info("opencode.session_deleted", session_id=session.id)
            await to_thread.run_sync((self._folder / mission_id).unlink, True)

    async def _note(self) -> None:
        self._came.clear()
        gone, self._gone = self._gone, []
        for mission_id in gone:
            self._server.release(mission_id)
        if gone:
            await to_thread.run_sync(self._write, gone)

    def _write(self, gone: Sequence[MissionId]) -> None:
        with suppress(OSError):  # nor does a full disk keep a mission from being deleted
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for mission_id in gone:
                (self._folder / mission_id).touch()

    def _noted(self) -> list[MissionId]:
        if not self._folder.is_dir():
            return []
        return [MissionId(path.name) for path in self._folder.iterdir() if is_uuid(path.name)]
