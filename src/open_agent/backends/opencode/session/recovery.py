"""Brings what is known of a session up to date with OpenCode's own history, whatever was missed.

After a crash of either side, after a gap in the live events, and before a run ends. What is known
already is passed over by `reading.py`, so it may be done at any time.
"""

from collections.abc import AsyncIterator, Sequence

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused
from open_agent.backends.opencode.protocol.parts import ToolPart
from open_agent.backends.opencode.protocol.wire import (
    Message,
    PermissionAsk,
    QuestionAsk,
    SessionStatus,
)
from open_agent.backends.opencode.session.facts import Fact, Returned
from open_agent.backends.opencode.session.reading import Reading, child_of
from open_agent.core.ids import CallId


async def session_status(
    client: OpenCodeClient, session_id: str, directory: str
) -> SessionStatus | None:
    """What a session does; none when it rests. Ask before reading its messages, not after."""
    status = (await client.status(directory)).get(session_id)
    return None if status is None or status.type == "idle" else status


async def history(client: OpenCodeClient, reading: Reading, directory: str) -> AsyncIterator[Fact]:
    """What is new in the messages of the session and of its subagents, in order."""
    messages = await client.messages(reading.session_id, directory)
    async for fact in _facts(client, reading, messages, directory):
        yield fact


async def open_asks(
    client: OpenCodeClient, reading: Reading, directory: str
) -> list[PermissionAsk | QuestionAsk]:
    """What the session and its subagents wait for."""
    sessions = {reading.session_id, *reading.children}
    asks = [*await client.permissions(directory), *await client.questions(directory)]
    return [ask for ask in asks if ask.session_id in sessions]


async def _facts(
    client: OpenCodeClient, reading: Reading, messages: Sequence[Message], directory: str
) -> AsyncIterator[Fact]:
    for message in messages:
        for fact in reading.take_message(message):
            # What a subagent did stands before what came of it.
            if isinstance(fact, Returned) and fact.call.part is not None:
                async for inner in _subagent(client, reading, fact.call.part, directory):
                    yield inner
            yield fact
        for part in message.parts:
            if isinstance(part, ToolPart) and _is_open(reading, part):
                async for inner in _subagent(client, reading, part, directory):
                    yield inner


def _is_open(reading: Reading, part: ToolPart) -> bool:
    call = reading.calls.get(CallId(part.id))
    return call is not None and call.stage == "called"


async def _subagent(
    client: OpenCodeClient, reading: Reading, part: ToolPart, directory: str
) -> AsyncIterator[Fact]:
    session_id = child_of(part)
    if session_id is None:
        return
    try:
        messages = await client.messages(session_id, directory)
    except OpenCodeRefused as refusal:
        if refusal.status != 404:
            raise
        return
    async for fact in _facts(client, reading, messages, directory):
        yield fact
