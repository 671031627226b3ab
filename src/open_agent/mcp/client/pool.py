"""Sessions with servers: begun when somebody needs them, shared where that is right, ended in time.

A user's missions share a session with a server, but for servers that keep state: of those each
mission has its own. Two users never share one. A server that keeps dying is left alone for longer
and longer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import structlog
from anyio import to_thread

from open_agent.core.ids import MissionId, UserId
from open_agent.core.mcp import McpListing, McpServer
from open_agent.mcp.client.failures import ServerEnded, ServerFailed, SessionGone
from open_agent.mcp.client.lines import Tail
from open_agent.mcp.client.masking import Masks
from open_agent.mcp.client.ports import (
    SIGN_IN_SECONDS,
    Ground,
    Json,
    Keeper,
    LinkState,
    Place,
    Result,
    SignIns,
)
from open_agent.mcp.client.slots import Slot
from open_agent.mcp.importing import in_turn

if TYPE_CHECKING:
    from open_agent.mcp.client.link import Link
    from open_agent.mcp.client.loading import Loaded

START_SECONDS = 60.0
"""For a program to start, `npx` fetching it included, and to say what it offers."""

T = TypeVar("T")
Key = tuple[str, UserId, MissionId | None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """How long things may take, in seconds.

    Attributes:
        idle: A session that nobody uses is ended.
        call: A call, where the server's entry says nothing else.
        ping: A server that has answered nothing for so long is ended, after a call that it let wait.
    """

    idle: float = 600.0
    call: float = 120.0
    ping: float = 10.0


class Pool:
    """All sessions of this process.

    Args:
        ground: On what servers run.
        keeper: Has their secrets, and is told what they say.
        times: How long things may take.
    """

    def __init__(self, ground: Ground, keeper: Keeper, times: Times | None = None) -> None:
        self.sign_ins = SignIns()
        self._ground = ground
        self._keeper = keeper
        self._times = times or Times()
        self._slots: dict[Key, Slot] = {}
        self._loaded: Loaded | None = None
        self._is_closed = False

    async def call(
        self,
        server: McpServer,
        place: Place,
        tool: str,
        arguments: dict[str, Any],
        on_progress: Callable[[str], None],
    ) -> Result:
        """Call a tool of a server.

        Raises:
            ServerFailed: There is no answer to it; the text says why.
        """
        is_error = True
        try:
            result = await self._once_more(
                server,
                place,
                lambda link: link.call(tool, arguments, self._seconds(server), on_progress),
            )
            read = (await self._load()).read_result(result)
            is_error = read.is_error
            return read
        finally:
            self._keeper.counted(server.id, is_error=is_error)

    async def resources(self, server: McpServer, place: Place) -> tuple[list[Json], list[Json]]:
        """What a server has to be read, and addresses with parts to fill in.

        Raises:
            ServerFailed: It cannot be had.
        """
        loaded = await self._load()
        found = await self._once_more(server, place, lambda link: link.resources())
        try:
            templates = await self._once_more(server, place, lambda link: link.templates())
        except ServerEnded:
            raise
        except ServerFailed:
            templates = []
        return loaded.shown(found), loaded.shown(templates)

    async def read_resource(self, server: McpServer, place: Place, uri: str) -> Result:
        """What is in a resource.

        Raises:
            ServerFailed: It cannot be had.
        """
        seconds = self._seconds(server)
        loaded = await self._load()
        return loaded.read_contents(
            await self._once_more(server, place, lambda link: link.read(uri, seconds))
        )

    async def prompts(self, server: McpServer, place: Place) -> list[Json]:
        """The prompts that a server has.

        Raises:
            ServerFailed: They cannot be had.
        """
        loaded = await self._load()
        return loaded.shown(await self._once_more(server, place, lambda link: link.prompts()))

    async def prompt(
        self, server: McpServer, place: Place, name: str, arguments: dict[str, str]
    ) -> Json:
        """A prompt, filled in.

        Raises:
            ServerFailed: It cannot be had.
        """
        seconds = self._seconds(server)
        loaded = await self._load()
        answer = await self._once_more(
            server, place, lambda link: link.prompt(name, arguments, seconds)
        )
        return loaded.shown([answer])[0]

    async def connect(self, server: McpServer, place: Place, callback: str | None = None) -> None:
        """Have a session, and so know what the server offers.

        Args:
            server: With whom.
            place: For whom.
            callback: Where somebody comes back to who may be asked to sign in. Then an open
                session is ended first, and earlier failures do not count.

        Raises:
            ServerFailed: There is none; the text says why.
        """
        if callback is not None:
            await self._drop([self._key(server, place)])
        await self._link(server, place, callback)

    def state(self, server_id: str, owner: UserId) -> LinkState:
        """How it stands with an owner's sessions with a server."""
        slots = [
            s for (id_, whose, _), s in self._slots.items() if (id_, whose) == (server_id, owner)
        ]
        found = LinkState()
        for slot in slots:
            link = slot.look()
            one = replace(
                link.state if link else LinkState(),
                is_opening=slot.opening is not None,
                error=None if link else slot.error,
                stderr=slot.masks.complaint(slot.stderr.text()),
                sign_in_url=slot.sign_in_url,
            )
            if one.is_open or one.is_opening or not found.is_open:
                found = one
            if found.is_open:
                break
        return found

    async def forget(self, server_id: str, owner: UserId | None = None) -> None:
        """End every session with a server, and what is known of them.

        With an owner, only the one of theirs that is no mission's.
        """
        await self._drop(
            [
                key
                for key in self._slots
                if key[0] == server_id and (owner is None or key[1:] == (owner, None))
            ]
        )

    async def forget_user(self, owner: UserId) -> None:
        """End every session of a user's."""
        await self._drop([key for key in self._slots if key[1] == owner])

    async def keep_only(self, servers: Iterable[McpServer]) -> None:
        """End the sessions with all but these servers, and with those that are reached otherwise."""
        known = {each.id: each for each in servers}
        await self._drop(
            [
                key
                for key, slot in self._slots.items()
                if (now := known.get(key[0])) is None or not slot.is_with(now)
            ]
        )

    async def end_mission(self, mission_id: MissionId) -> None:
        """End the sessions that were a mission's own."""
        await self._drop([key for key in self._slots if key[2] == mission_id])

    async def close(self) -> None:
        """End all of them, and begin none any more."""
        self._is_closed = True
        await self._drop(list(self._slots))

    async def _once_more(
        self, server: McpServer, place: Place, ask: "Callable[[Link], Awaitable[T]]"
    ) -> T:
        """Ask; once more in a new session where the server has only forgotten the old one."""
        link = await self._link(server, place)
        try:
            return await ask(link)
        except SessionGone:
            slot = self._slots[self._key(server, place)]
            if slot.link is link:
                slot.ending, slot.link = link, None
            link = await self._link(server, place)
            return await ask(link)
        finally:
            # Whoever answers, whatever it is, is not one that keeps dying.
            slot = self._slots.get(self._key(server, place))
            if slot is not None and link.is_open:
                slot.failures = 0

    def _key(self, server: McpServer, place: Place) -> Key:
        return server.id, place.owner, place.mission_id if server.is_per_mission else None

    def _seconds(self, server: McpServer) -> float:
        return float(server.call_seconds or self._times.call)

    async def _link(self, server: McpServer, place: Place, callback: str | None = None) -> "Link":
        slot = self._slots.setdefault(self._key(server, place), Slot(server))
        link = slot.look()
        if link is not None:
            return link
        if self._is_closed:
            raise ServerFailed("This server is stopping.")
        if slot.opening is None:
            wait = slot.retry_at - anyio.current_time()
            if wait > 0:
                raise ServerFailed(
                    f"{slot.error} It is tried again in {wait:.0f} s at the earliest."
                )
            own = place if server.is_per_mission else Place(place.owner)
            slot.opening = asyncio.create_task(self._open(slot, server, own, callback))
            slot.opening.add_done_callback(_retrieve)
        # Whoever is cancelled meanwhile leaves it to the others.
        opening = slot.opening
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled():
                raise ServerFailed("It was changed or ended meanwhile.") from None
            raise

    async def _open(
        self, slot: Slot, server: McpServer, place: Place, callback: str | None
    ) -> "Link":
        slot.stderr, slot.sign_in_url = Tail(), None
        try:
            with anyio.fail_after(START_SECONDS) as scope:
                loaded = await self._load()
                if slot.ending is not None:
                    # What it leaves behind, such as a lock, may be in the next one's way.
                    await slot.ending.close()
                    slot.ending = None
                secrets = await self._keeper.secrets(server, place.owner)
                slot.masks = Masks(secrets)

                async def show(url: str) -> None:
                    slot.sign_in_url = url
                    scope.deadline = anyio.current_time() + SIGN_IN_SECONDS + START_SECONDS

                attended = loaded.attended(callback, show, self.sign_ins) if callback else None
                connect = loaded.dialler(self._ground, self._keeper).connect(
                    server, place, loaded.given(secrets, slot.masks, slot.stderr), attended
                )
                around = _Around(self._keeper, server, slot.masks)
                link = loaded.link(
                    connect,
                    around,
                    self._ground.clock,
                    idle=self._times.idle,
                    ping=self._times.ping,
                )
                await link.open()
        except TimeoutError:
            slot.fail(f"It was not ready within {START_SECONDS:g} seconds.")
            raise ServerFailed(str(slot.error)) from None
        except ServerFailed as error:
            slot.fail(str(error))
            log.warning("mcp.unusable", server=server.name, problem=str(error))
            raise
        else:
            slot.link, slot.error = link, None
            return link
        finally:
            slot.opening, slot.sign_in_url = None, None

    async def _load(self) -> "Loaded":
        if self._loaded is None:
            self._loaded = await to_thread.run_sync(in_turn, _load)
        return self._loaded

    async def _drop(self, keys: Sequence[Key]) -> None:
        slots = [slot for key in keys if (slot := self._slots.pop(key, None)) is not None]
        openings = [slot.opening for slot in slots if slot.opening is not None]
        for opening in openings:
            opening.cancel()
        if openings:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(openings)
        async with anyio.create_task_group() as group:
            for slot in slots:
                for link in (slot.link, slot.ending):
                    if link is not None:
                        group.start_soon(link.close)


class _Around:
    """What a session with one server tells."""

    def __init__(self, keeper: Keeper, server: McpServer, masks: Masks) -> None:
        self._keeper = keeper
        self._server = server
        self.explain = masks.complaint
        self.mask = masks.answer

    async def listed(self, listing: McpListing) -> None:
        """Hear what the server offers."""
        await self._keeper.listed(self._server, listing)


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Take what a task has come to, where nobody waits for it any more."""
    with suppress(asyncio.CancelledError):
        task.exception()


def _load() -> "Loaded":
    # 470 ms: the SDK, with what it stands on.
    from open_agent.mcp.client.loading import Loaded

    # The SDK imports it with the first answer that has a schema, which would block the event loop.
    import_module("jsonschema")
    return Loaded()
