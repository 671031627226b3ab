"""Looks at what a server says before the SDK does.

Secrets that it repeats are masked, and what is malformed is taken out of a list of tools, since the
SDK would refuse the whole list.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import mcp_types as types
from mcp.shared.message import SessionMessage

from open_agent.core.mcp import ListedTool
from open_agent.models.wire import Json, as_object, as_text

_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


class Sieve:
    """A stream of messages from a server, as a session reads it.

    Args:
        stream: Where they come from.
        mask: Takes secrets out of JSON.
    """

    def __init__(self, stream: Any, mask: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._mask = mask
        self.unfit: list[ListedTool] = []
        """What was taken out since somebody last emptied it."""

    @property
    def last_context(self) -> Any:
        """In whose context the last message was sent, where the stream knows it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        """The next message."""
        return self._sift(await self._stream.receive())

    async def aclose(self) -> None:
        """Read no more."""
        await self._stream.aclose()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self._sift(await self._stream.__anext__())

    async def __aenter__(self) -> "Sieve":
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)

    def _sift(self, item: Any) -> Any:
        if not isinstance(item, SessionMessage):
            return item
        match item.message:
            case types.JSONRPCResponse() as answer:
                answer.result = self._mask(answer.result)
                self._sift_tools(answer)
            case types.JSONRPCError() as refusal:
                refusal.error.message = self._mask(refusal.error.message)
                refusal.error.data = self._mask(refusal.error.data)
            case types.JSONRPCNotification() as said:
                said.params = self._mask(said.params)
            case _:
                pass
        return item

    def _sift_tools(self, answer: types.JSONRPCResponse) -> None:
        listed = answer.result.get("tools")
        if isinstance(listed, list):
            tools = [self._tool(each) for each in cast("list[Any]", listed)]
            answer.result["tools"] = [tool for tool in tools if tool is not None]

    def _tool(self, value: Any) -> Json | None:
        """A tool with what of it is well-formed; none when that is not enough."""
        given = as_object(value)
        name, schema = as_text(given.get("name")), as_object(given.get("inputSchema"))
        if not name or schema.get("type") != "object":
            self.unfit.append(ListedTool(name, "", schema))
            return None
        kept: Json = {"name": name, "inputSchema": schema}
        for key in ("title", "description"):
            if isinstance(given.get(key), str):
                kept[key] = given[key]
        output = as_object(given.get("outputSchema"))
        if output.get("type") == "object":
            kept["outputSchema"] = output
        if hints := _hints(as_object(given.get("annotations"))):
            kept["annotations"] = hints
        return kept


def _hints(annotations: Mapping[str, Any]) -> Json:
    return {key: annotations[key] for key in _HINTS if isinstance(annotations.get(key), bool)}
