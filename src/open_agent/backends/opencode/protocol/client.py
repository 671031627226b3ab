"""Calls of an OpenCode 1.x server, each with a deadline of its own.

Above: the feed, the managed server and the run loop. Knows the routes, and nothing of what they are
for. What fails is not tried again here; `prompt` is safe to repeat with the same message id.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import anyio
import httpx2

from open_agent.backends.opencode.protocol.errors import OpenCodeRefused, OpenCodeVersion
from open_agent.backends.opencode.protocol.parts import Json
from open_agent.backends.opencode.protocol.transport import Call, CallDeadlines, Transport
from open_agent.backends.opencode.protocol.wire import (
    AgentInfo,
    FileDiff,
    Message,
    ModelInfo,
    ModelRef,
    PermissionAsk,
    ProviderList,
    QuestionAsk,
    SessionInfo,
    SessionStatus,
    Todo,
)
from open_agent.core.clock import Clock
from open_agent.core.ids import new_letters

SUPPORTED = "1."
"""How versions begin that speak this API; 2.x has another."""
MODELS_SECONDS = 30.0
"""How long a list of models is good."""

Reply = Literal["once", "always", "reject"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is said to a session.

    Attributes:
        message_id: Ours, by `new_message_id`.
        text: The words.
        agent: `build`, `plan`, or one that OpenCode is configured with.
        model: Which model answers; without one, the one that OpenCode is configured with.
        system: Added to the system prompt, for this message alone.
    """

    message_id: str
    text: str
    agent: str | None = None
    model: ModelRef | None = None
    system: str | None = None


def new_message_id(clock: Clock) -> str:
    """An id for a message of ours, as OpenCode makes them: with it, a prompt may be repeated."""
    # It sorts before what OpenCode makes in the same millisecond, whose count begins at 1.
    place = int(clock.now().timestamp() * 1000) * 4096 % 16**12
    return f"msg_{place:012x}{new_letters(14)}"


def part_id_of(message_id: str) -> str:
    """The id of what a message of ours says, which is always the same."""
    return f"prt_{message_id.removeprefix('msg_')}"


class OpenCodeClient:
    """An OpenCode server by its address.

    Every call raises `OpenCodeUnreachable` when there is no answer in time, and `OpenCodeRefused`
    when there is one and it is no; what is said below comes on top.

    Args:
        base_url: Where it listens, without a path.
        password: Of its user `opencode`; none when it asks for none.
        deadlines: How long each kind of call may take.
    """

    def __init__(
        self,
        base_url: str,
        password: str | None = None,
        deadlines: CallDeadlines | None = None,
    ) -> None:
        self._deadlines = deadlines or CallDeadlines()
        self._way = Transport(base_url, password, self._deadlines)
        self._models: tuple[float, list[ModelInfo]] | None = None

    @property
    def base_url(self) -> str:
        """Where it is."""
        return self._way.base_url

    async def close(self) -> None:
        """Close the connections."""
        await self._way.close()

    async def version(self, seconds: float | None = None) -> str:
        """Its version, once it is one that we can speak to.

        Args:
            seconds: How long it has to answer, where that is not the usual.

        Raises:
            OpenCodeVersion: It is another major version, or no OpenCode at all.
        """
        probe = Call("GET", "/global/health", seconds=seconds or self._deadlines.probe)
        try:
            found = await self._way.read(dict[str, Any], probe)
        except OpenCodeRefused as refusal:
            if refusal.status == 401:
                raise
            found = {}
        version = found.get("version")
        if not isinstance(version, str) or not version.startswith(SUPPORTED):
            raise self._not_spoken(version if isinstance(version, str) else None)
        return version

    async def is_open(self) -> bool:
        """Whether it answers whoever asks, without a password."""
        return await self._way.answers_without_password()

    async def create_session(
        self, directory: str, title: str, rules: Sequence[Mapping[str, str]] = ()
    ) -> SessionInfo:
        """Open a session. A title spares the model call that would make one.

        Args:
            directory: Where it works, absolute.
            title: Its name, by which `find_sessions` finds it again.
            rules: `{permission, pattern, action}`, of which the last that fits decides. Sessions of
                subagents do not have them.
        """
        body: Json = {"title": title}
        if rules:
            body["permission"] = [dict(rule) for rule in rules]
        call = Call("POST", "/session", directory, body=body, seconds=self._deadlines.start_up)
        return await self._way.read(SessionInfo, call)

    async def session(self, session_id: str) -> SessionInfo:
        """A session."""
        return await self._way.read(SessionInfo, Call("GET", f"/session/{_safe(session_id)}"))

    async def add_rules(self, session_id: str, rules: Sequence[Mapping[str, str]]) -> None:
        """Give a session more rules of permission, after those that it has."""
        body: Json = {"permission": [dict(rule) for rule in rules]}
        await self._way.call(Call("PATCH", f"/session/{_safe(session_id)}", body=body))

    async def find_sessions(self, directory: str, title: str) -> list[SessionInfo]:
        """Sessions of a directory with exactly this title, newest first; no subagents'."""
        query = {"search": title, "roots": "true", "limit": "100"}
        found = await self._way.read(list[SessionInfo], Call("GET", "/session", directory, query))
        here = [info for info in found if info.title == title and info.parent_id is None]
        return sorted(here, key=lambda info: info.time.created, reverse=True)

    async def search_sessions(self, title: str) -> list[SessionInfo]:
        """Sessions of all directories with exactly this title."""
        query = {"search": title, "limit": "100"}
        call = Call("GET", "/experimental/session", None, query)
        found = await self._way.read(list[SessionInfo], call)
        return [info for info in found if info.title == title]

    async def children(self, session_id: str) -> list[SessionInfo]:
        """Sessions that a session's subagents work in; not their own children."""
        call = Call("GET", f"/session/{_safe(session_id)}/children")
        return await self._way.read(list[SessionInfo], call)

    async def status(self, directory: str) -> dict[str, SessionStatus]:
        """What the sessions of a directory do; those that are not in it are idle."""
        call = Call("GET", "/session/status", directory)
        return await self._way.read(dict[str, SessionStatus], call)

    async def messages(
        self, session_id: str, directory: str, limit: int | None = None
    ) -> list[Message]:
        """A session's messages, oldest first; with a limit, the newest."""
        path = f"/session/{_safe(session_id)}/message"
        query = None if limit is None else {"limit": str(limit)}
        return await self._way.read(list[Message], Call("GET", path, directory, query))

    async def todos(self, session_id: str) -> list[Todo]:
        """The agent's plan."""
        return await self._way.read(list[Todo], Call("GET", f"/session/{_safe(session_id)}/todo"))

    async def diff(self, session_id: str, message_id: str, directory: str) -> list[FileDiff]:
        """What was changed since a message of the person; empty without snapshots."""
        path = f"/session/{_safe(session_id)}/diff"
        call = Call("GET", path, directory, {"messageID": message_id})
        return await self._way.read(list[FileDiff], call)

    async def prompt(self, session_id: str, directory: str, prompt: Prompt) -> None:
        """Say something to a session; returns when it is taken, and the work has begun.

        What goes wrong from then on, an unknown model or agent included, comes as `session.error`
        on the feed. The same message id again starts nothing new, and says nothing twice.
        """
        model = prompt.model
        # With an id of its own each time, a part that is told again would be one more.
        part = {"id": part_id_of(prompt.message_id), "type": "text", "text": prompt.text}
        body: Json = {
            "messageID": prompt.message_id,
            "parts": [part],
            **({"agent": prompt.agent} if prompt.agent else {}),
            **({"system": prompt.system} if prompt.system else {}),
        }
        if model is not None:
            body["model"] = {"providerID": model.provider_id, "modelID": model.model_id}
        # Never `tools`: it would replace the session's permissions.
        path = f"/session/{_safe(session_id)}/prompt_async"
        seconds = self._deadlines.start_up
        await self._way.call(Call("POST", path, directory, body=body, seconds=seconds))

    async def abort(self, session_id: str, directory: str) -> None:
        """End what a session does, its commands and its subagents included; also when it is idle."""
        path = f"/session/{_safe(session_id)}/abort"
        await self._way.call(Call("POST", path, directory, body={}))

    async def permissions(self, directory: str) -> list[PermissionAsk]:
        """What waits for leave, of all sessions of a directory."""
        return await self._way.read(list[PermissionAsk], Call("GET", "/permission", directory))

    async def questions(self, directory: str) -> list[QuestionAsk]:
        """What waits for an answer, of all sessions of a directory."""
        return await self._way.read(list[QuestionAsk], Call("GET", "/question", directory))

    async def reply_permission(
        self, permission_id: str, reply: Reply, message: str | None, directory: str
    ) -> None:
        """Give or refuse leave. The message is told to the model with a refusal.

        Raises:
            OpenCodeRefused: 404: it waits no more.
        """
        body: Json = {"reply": reply, **({"message": message} if message else {})}
        path = f"/permission/{_safe(permission_id)}/reply"
        await self._way.call(Call("POST", path, directory, body=body))

    async def reply_question(
        self, question_id: str, answers: Sequence[Sequence[str]], directory: str
    ) -> None:
        """Answer questions: for each in its order, the labels chosen or words of one's own.

        Raises:
            OpenCodeRefused: 404: it waits no more.
        """
        body: Json = {"answers": [list(answer) for answer in answers]}
        path = f"/question/{_safe(question_id)}/reply"
        await self._way.call(Call("POST", path, directory, body=body))

    async def reject_question(self, question_id: str, directory: str) -> None:
        """Answer no question; the session's work ends there, with `finish` `tool-calls`."""
        path = f"/question/{_safe(question_id)}/reject"
        await self._way.call(Call("POST", path, directory, body={}))

    async def models(self, directory: str | None = None) -> list[ModelInfo]:
        """Every model that can be called; kept for half a minute."""
        now = anyio.current_time()
        if self._models is None or now - self._models[0] > MODELS_SECONDS:
            seconds = self._deadlines.start_up
            call = Call("GET", "/config/providers", directory, seconds=seconds)
            found = await self._way.read(ProviderList, call)
            self._models = now, found.models
        return self._models[1]

    async def agents(self, directory: str) -> list[str]:
        """The names of its agents, those of a directory's configuration among them."""
        call = Call("GET", "/agent", directory, seconds=self._deadlines.start_up)
        return [agent.name for agent in await self._way.read(list[AgentInfo], call)]

    async def add_mcp(self, directory: str, name: str, config: Mapping[str, Any]) -> Json:
        """Let the sessions of a directory use an MCP server, which is started at once.

        It is forgotten with the directory's instance: at the end of the server, or its disposal.
        Its tools are named `<name>_<tool>`.

        Args:
            directory: Whose sessions.
            name: Letters, digits, `_` and `-`; another server of that name there is replaced.
            config: `{type: local, command: […], environment: {…}, cwd, timeout (ms)}`, or
                `{type: remote, url, headers: {…}, oauth: false, timeout (ms)}`; nothing else.

        Returns:
            How each server of the directory is, by name: `{status, error?}`, the status being
            `connected`, `failed`, `disabled`, `needs_auth` or `needs_client_registration`.
        """
        body: Json = {"name": name, "config": dict(config)}
        call = Call("POST", "/mcp", directory, body=body, seconds=self._deadlines.start_up)
        return await self._way.read(dict[str, Any], call)

    async def mcp(self, directory: str) -> Json:
        """How each MCP server of a directory is, by name; as `add_mcp`."""
        return await self._way.read(dict[str, Any], Call("GET", "/mcp", directory))

    async def connect_mcp(self, directory: str, name: str) -> None:
        """Start an MCP server of a directory again."""
        path = f"/mcp/{_safe(name)}/connect"
        seconds = self._deadlines.start_up
        await self._way.call(Call("POST", path, directory, body={}, seconds=seconds))

    async def disconnect_mcp(self, directory: str, name: str) -> None:
        """End an MCP server of a directory; its tools are not offered any more."""
        path = f"/mcp/{_safe(name)}/disconnect"
        await self._way.call(Call("POST", path, directory, body={}))

    async def delete_message(self, session_id: str, message_id: str, directory: str) -> None:
        """Take a message out of a session, so that its model does not see it any more."""
        path = f"/session/{_safe(session_id)}/message/{_safe(message_id)}"
        await self._way.call(Call("DELETE", path, directory))

    async def delete_session(self, session_id: str) -> None:
        """Delete a session, with its subagents' sessions and everything said in them."""
        await self._way.call(Call("DELETE", f"/session/{_safe(session_id)}"))

    async def dispose(self, directory: str) -> None:
        """Let OpenCode forget what it holds of a directory in memory; its sessions stay."""
        await self._way.call(Call("POST", "/instance/dispose", directory, body={}))

    def events(self, silence: float) -> AbstractAsyncContextManager[httpx2.Response]:
        """The live stream of all sessions; reading it fails after `silence` seconds of nothing."""
        return self._way.events(silence)

    def _not_spoken(self, version: str | None) -> OpenCodeVersion:
        what = f"is OpenCode {version}" if version else "is no OpenCode 1.x"
        return OpenCodeVersion(
            f"What answers at {self.base_url} {what}; this server speaks to 1.x, whose API the"
            " others do not have. Install it with `npm install opencode-ai@1`, and start that one.",
            version,
        )


def _safe(id_: str) -> str:
    """An id as a part of a path."""
    return quote(id_, safe="")
