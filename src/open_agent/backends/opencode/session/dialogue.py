"""One session's side of a run: found or opened, told things, and told them again where need be.

Everything that it is told is on the log before it is sent, with an id of ours by which OpenCode
knows it, so that sending it again is safe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.agent.context import RunContext
from open_agent.backends.opencode.protocol.client import OpenCodeClient, Prompt, new_message_id
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused
from open_agent.backends.opencode.protocol.wire import Message, ModelRef
from open_agent.backends.opencode.session.telling import (
    CONTINUE,
    HISTORY,
    history_text,
    notices,
    progress_text,
    prompt_text,
    system_text,
    title_of,
)
from open_agent.core.ids import MessageId
from open_agent.events.model.backend import BackendNoted, BackendPrompted, PromptCause
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.queue import MessageEdited
from open_agent.events.record import Record

NAME = "opencode"
PAGE = 1_000
LOST = (
    "OpenCode no longer has the session of this mission. A new one was opened and told what was said "
    "so far; what it had read and run is not known to it any more."
)
REPLACED = (
    "The session of this mission may do more than is allowed now. A new one was opened and told what "
    "was said so far; what it had read and run is not known to it any more."
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How sessions are opened and prompted.

    Attributes:
        agent: Which of OpenCode's agents works; absent means its default.
        rules: What new sessions are told of permissions.
    """

    agent: str | None
    rules: Sequence[dict[str, str]]


class Dialogue:
    """What a run says to its session."""

    def __init__(self, ctx: RunContext, manner: Manner, model: ModelRef | None) -> None:
        self._ctx = ctx
        self._manner = manner
        self.model = model
        self.directory = str(ctx.workspace.root)
        self.session_id = ""
        self.prompts: list[BackendPrompted] = []
        """What this run has said to this session, oldest first."""
        self.records: list[Record] = []
        """The run's own records, as they were when it was taken up."""

    async def open(self, client: OpenCodeClient) -> list[Message]:
        """Find the mission's session, or open one; the messages it has."""
        self.records = await self._read(self._ctx.run.seq - 1)
        known = self._ctx.state.sessions.get(NAME)
        if known is not None:
            try:
                messages = await client.messages(known.session_id, self.directory)
                is_usable = await self._hold_to_rules(client, known.session_id)
            except OpenCodeRefused as refusal:
                if refusal.status != 404:
                    raise
                await self._ctx.append(BackendNoted(kind="session.lost", message=LOST))
            else:
                if is_usable:
                    self._choose(known.session_id)
                    return messages
                await self._ctx.append(BackendNoted(kind="session.replaced", message=REPLACED))
        title = title_of(self._ctx.mission_id)
        for found in await client.find_sessions(self.directory, title):
            if known is None or found.id != known.session_id:
                messages = await client.messages(found.id, self.directory)
                if not messages and await self._hold_to_rules(client, found.id):
                    # Opened by us, and the server stopped before it was told anything.
                    self._choose(found.id)
                    return messages
        made = await client.create_session(self.directory, title, self._manner.rules)
        self._choose(made.id)
        return []

    async def _hold_to_rules(self, client: OpenCodeClient, session_id: str) -> bool:
        """Whether a session can be held to the rules that are in force now, which is done."""
        rules, has = list(self._manner.rules), (await client.session(session_id)).permission
        if not rules:
            return not has  # Nothing takes a rule away.
        if has[-len(rules) :] != rules:
            await client.add_rules(session_id, rules)
        return True

    async def read_run(self) -> list[Record]:
        """The run's records up to now."""
        return await self._read(self._ctx.run.seq - 1)

    async def start(self, client: OpenCodeClient) -> bool:
        """Say what the run is about; false when the log had moved."""
        contents, ids = await self._told()
        history = await self._history(ids)
        said = [HISTORY.format(history=history)] if history else []
        said += notices(self.records)
        if any(isinstance(record.event, BackendPrompted) for record in self.records):
            said += [progress_text(self.records), CONTINUE]
        return await self._prompt(client, "start", contents, ids, "\n\n".join(filter(None, said)))

    async def steer(self, client: OpenCodeClient) -> bool:
        """Say what people want to be seen at once; false when the log had moved."""
        waiting = [message for message in self._ctx.state.pending if message.delivery == "steer"]
        contents = [await self._content(message.edited or message.seq) for message in waiting]
        ids = [message.message_id for message in waiting]
        return await self._prompt(client, "steer", contents, ids)

    async def say(self, client: OpenCodeClient, cause: PromptCause, text: str) -> bool:
        """Say something on the server's own account; false when the log had moved."""
        return await self._prompt(client, cause, [], [], text)

    async def repeat(self, client: OpenCodeClient, prompt: BackendPrompted) -> None:
        """Say again what OpenCode may not have heard."""
        contents: list[str] = []
        if prompt.cause == "start":
            contents, _ = await self._told()
        elif prompt.cause == "steer":
            contents = self._contents_of(prompt.message_ids)
        await self._send(client, prompt, contents)

    def _choose(self, session_id: str) -> None:
        self.session_id = session_id
        self.prompts = [
            record.event
            for record in self.records
            if isinstance(record.event, BackendPrompted) and record.event.session_id == session_id
        ]

    async def _prompt(
        self,
        client: OpenCodeClient,
        cause: PromptCause,
        contents: Sequence[str],
        ids: Sequence[MessageId],
        said: str = "",
    ) -> bool:
        prompt = BackendPrompted(
            backend=NAME,
            session_id=self.session_id,
            prompt_id=new_message_id(self._ctx.shared.clock),
            cause=cause,
            message_ids=list(ids),
            said=said,
            decided_on=self._ctx.state.seq,
        )
        if not await self._ctx.append(prompt):
            return False
        self.prompts.append(prompt)
        await self._send(client, prompt, contents)
        return True

    async def _send(
        self, client: OpenCodeClient, prompt: BackendPrompted, contents: Sequence[str]
    ) -> None:
        said = Prompt(
            prompt.prompt_id,
            prompt_text(contents, prompt.said),
            self._manner.agent,
            self.model,
            system_text(self._ctx.state),
        )
        await client.prompt(self.session_id, self.directory, said)

    async def _told(self) -> tuple[list[str], list[MessageId]]:
        contents: list[str] = []
        ids: list[MessageId] = []
        for seq in self._ctx.run.told:
            event = await self._said(seq)
            contents.append(event.content)
            ids.append(event.message_id)
        return contents, ids

    async def _history(self, ids: Sequence[MessageId]) -> str:
        """What the session should know and cannot: of other sessions, and of other backends."""
        known = self._ctx.state.sessions.get(NAME)
        is_same = known is not None and known.session_id == self.session_id
        after = known.seq if known is not None and is_same else 0
        records = await self._read(after, before=self._ctx.run.seq)
        waiting = {message.message_id for message in self._ctx.state.pending}
        return history_text(records, waiting | set(ids), NAME if is_same else None)

    async def _content(self, seq: int) -> str:
        return (await self._said(seq)).content

    async def _said(self, seq: int) -> MessageReceived | MessageEdited:
        [record] = await self._ctx.shared.log.read(self._ctx.mission_id, after=seq - 1, limit=1)
        assert isinstance(record.event, MessageReceived | MessageEdited)
        return record.event

    def _contents_of(self, ids: Sequence[MessageId]) -> list[str]:
        found: dict[MessageId, str] = {}
        for record in self.records:
            if isinstance(record.event, MessageReceived | MessageEdited):
                found[record.event.message_id] = record.event.content
        return [found[id_] for id_ in ids if id_ in found]

    async def _read(self, after: int, before: int | None = None) -> list[Record]:
        found: list[Record] = []
        while page := await self._ctx.shared.log.read(
            self._ctx.mission_id, after=after, before=before, limit=PAGE
        ):
            found += page
            after = page[-1].seq
            if len(page) < PAGE:
                break
        return found
