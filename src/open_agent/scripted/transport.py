"""A scripted model under an HTTP client of the same process: no port, no socket, true streaming.

This is how `demo` is served: the client does not know that nobody is at the other end.
"""

from collections.abc import AsyncIterator

import anyio
import httpx2

from open_agent.scripted.model import Answer, ConnectionCut, ScriptedModel, Seen


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """Answers every `POST …/chat/completions` from a script."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request; the body streams as the script has it."""
        if not request.url.path.endswith("/chat/completions"):
            return httpx2.Response(200, content=self._model.list_models(), request=request)
        answer, seen = self._model.answer(await request.aread())
        if answer.is_mute:
            await anyio.sleep_forever()
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, seen), request=request
        )


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: Answer, seen: Seen) -> None:
        self._answer = answer
        self._seen = seen
        self._is_over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.pieces:
                yield piece
        except ConnectionCut:
            raise httpx2.RemoteProtocolError("the scripted connection was cut") from None
        self._is_over = True

    async def aclose(self) -> None:
        self._seen.was_left = not self._is_over
        self._seen.has_ended.set()
