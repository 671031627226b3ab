"""What commands that ask a server have in common: finding it, and which task or mission is meant."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio.to_thread

from open_agent.cli.checks import DATABASE_FILE
from open_agent.cli.connection import Connection, connect, unreachable
from open_agent.cli.finding import Address, Finder
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.terminal import Terminal
from open_agent.cli.watching import progress
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.errors import Invalid, NotFound, Unavailable
from open_agent.core.ids import MissionId, is_uuid
from open_agent.settings.settings import Settings

PAGE = 200
SHORTEST_PREFIX = 4
KINDS = ("task", "mission", "child")


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    settings: Settings
    finder: Finder
    terminal: Terminal
    clock: Clock

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Connection]:
        """A client of the running server.

        Raises:
            Unavailable: None answers, or something else does.
        """
        async with connect(self.finder.address) as connection:
            async with progress(self.terminal, self.clock, lambda: "looking for the server"):
                is_answering = await connection.is_answering()
            if not is_answering:
                raise unreachable(connection.url)
            yield connection

    @asynccontextmanager
    async def reading(
        self, builder: Builder, *, may_begin: bool = False
    ) -> AsyncGenerator[Connection]:
        """A client of the running server; where none runs, of one that takes no work up.

        Args:
            builder: Makes that one.
            may_begin: Also where there is no record yet.

        Raises:
            Unavailable: None answers, and there is nothing to read.
        """
        async with connect(self.finder.address) as connection:
            has_record = may_begin or self._has_record()
            if await self.is_running(connection, is_needed=not has_record):
                yield connection
                return
            if self.finder.is_named or not has_record:
                raise unreachable(connection.url)
        activity = "opening the record"
        async with progress(self.terminal, self.clock, lambda: activity):
            servers = await anyio.to_thread.run_sync(builder)
            async with servers.in_process(self.settings, is_working=False) as server:
                activity = ""
                address = Address(server.url, server.token)
                async with connect(lambda: address) as connection:
                    yield connection

    async def is_running(self, connection: Connection, *, is_needed: bool = False) -> bool:
        """Whether a server answers; somebody else at the usual address is none.

        Raises:
            Unavailable: Somebody else answers where a server should, or where one `is_needed`.
        """
        async with progress(self.terminal, self.clock, lambda: "looking for the server"):
            try:
                return await connection.is_answering()
            except Unavailable:
                if is_needed or self.finder.is_named or self.finder.announcement() is not None:
                    raise
                return False

    def _has_record(self) -> bool:
        return (
            self.settings.database_url is not None
            or (self.settings.data_dir / DATABASE_FILE).exists()
        )


def open_session(place: Place) -> Session:
    """Read the settings and find out where a server would be.

    Raises:
        Invalid: A setting or option is wrong.
    """
    settings = Settings.load(place.overrides, env_file=place.env_file)
    finder = Finder(settings, url=place.url, token_file=place.token_file)
    clock = SystemClock()
    terminal = Terminal(clock)
    if finder.is_exposed:
        terminal.note(
            f"{place.url} is not encrypted: who is on the way there reads the token and all that is "
            "said. Use https, or an SSH tunnel.",
            "warn",
        )
    return Session(settings, finder, terminal, clock)


@dataclass(frozen=True, slots=True)
class Found:
    """A mission that was named on the command line; a task is one of kind `task`."""

    id: MissionId
    kind: str

    @property
    def named(self) -> str:
        """What it is, and its whole id."""
        words = {"task": "Task", "child": "Delegated mission"}
        return f"{words.get(self.kind, 'Mission')} {self.id}"


async def pages(
    connection: Connection, *, size: int = PAGE
) -> AsyncGenerator[list[dict[str, Any]]]:
    """All tasks, newest first, a page at a time."""
    params: dict[str, str | int] = {"limit": size}
    while True:
        reply = await connection.get("/api/tasks", params)
        yield reply.value
        if reply.next is None:
            return
        params = dict(parse_qsl(urlsplit(reply.next).query))


async def mission_pages(
    connection: Connection, *kinds: str, size: int = PAGE
) -> AsyncGenerator[list[dict[str, Any]]]:
    """All missions of some kinds, newest first, a page at a time."""
    params: dict[str, Any] = {"kind": list(kinds), "order": "created", "limit": size}
    while True:
        value = (await connection.get("/api/missions", params)).value
        yield value["items"]
        if value["next"] is None:
            return
        params["cursor"] = value["next"]


async def find_mission(session: Session, connection: Connection, text: str) -> Found:
    """The task or mission whose id is, or begins with, `text`.

    Raises:
        NotFound: There is none.
        Invalid: There are several.
    """
    text = text.strip().lower()
    if is_uuid(text):
        return await _look_up(connection, MissionId(text))
    found: dict[str, Found] = {}
    if len(text) >= SHORTEST_PREFIX:
        async with progress(session.terminal, session.clock, lambda: "looking for it"):
            async for page in mission_pages(connection, *KINDS):
                for item in page:
                    if item["id"].startswith(text):
                        found[item["id"]] = Found(MissionId(item["id"]), item["kind"])
    if len(found) > 1:
        ids = list(found)
        raise Invalid(
            "id.ambiguous",
            f"{len(ids)} tasks and missions begin with {text}: {', '.join(ids[:3])} … Write more "
            "of the id.",
        )
    if not found:
        raise NotFound(
            "task.not_found",
            f"No task's or mission's id begins with {text}. `open-agent tasks` and `open-agent "
            "missions` list them"
            + (
                "."
                if len(text) >= SHORTEST_PREFIX
                else f"; write at least {SHORTEST_PREFIX} characters."
            ),
        )
    return next(iter(found.values()))


async def _look_up(connection: Connection, mission_id: MissionId) -> Found:
    events = await connection.get(f"/api/missions/{mission_id}/events", {"after": 0, "limit": 1})
    return Found(mission_id, str(events.value["items"][0]["event"]["kind"]))
