"""Scripted models on a loopback port, for anything that speaks to a provider.

Plain ASGI, because a script must be able to leave a response unfinished.
"""

import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

import anyio
import uvicorn

from open_agent.scripted.model import Answer, ConnectionCut, ScriptedModel, Seen
from open_agent.scripted.script import Script

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NOT_FOUND = b'{"error":{"message":"no such path","code":404}}'


class ScriptedApp:
    """The ASGI application. The part of the path before `/v1` says which model is meant.

    So one port serves many scripts: `/v1/chat/completions` is the model that was given, and
    `/<name>/v1/chat/completions` one that was added.
    """

    def __init__(self, model: ScriptedModel | None = None) -> None:
        self._models: dict[str, ScriptedModel] = {} if model is None else {"": model}

    def add(self, model: ScriptedModel) -> str:
        """Serve another model; the path that its `base_url` ends in."""
        name = str(len(self._models))
        self._models[name] = model
        return f"/{name}/v1"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        before, _, after = scope["path"].partition("/v1/")
        model = self._models.get(before.strip("/"))
        if model is not None and (scope["method"], after) == ("POST", "chat/completions"):
            await _complete(model, scope, receive, send)
        elif model is not None and (scope["method"], after) == ("GET", "models"):
            await _send_whole(send, 200, model.list_models())
        else:
            await _send_whole(send, 404, _NOT_FOUND)


class ScriptedServer:
    """The application on a port of its own, in a thread; a context manager.

    Args:
        script: What the model at `base_url` says; more can be added.
        port: 0 takes any free one.
    """

    def __init__(self, script: Script | ScriptedModel | None = None, *, port: int = 0) -> None:
        model = script if isinstance(script, ScriptedModel) or script is None else None
        if callable(script) and model is None:
            model = ScriptedModel(script)
        self.model = model
        self.app = ScriptedApp(model)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        # asyncio leaves this out where the protocol is not named, and every reply takes 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, bound = self._socket.getsockname()[:2]
        self.url = f"http://{host}:{bound}"
        config = uvicorn.Config(
            self.app, log_level="critical", lifespan="off", loop="asyncio", ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    @property
    def base_url(self) -> str:
        """Of the model that the server was made with."""
        return f"{self.url}/v1"

    def add(self, script: Script | ScriptedModel) -> tuple[ScriptedModel, str]:
        """Serve one more model; it, and its `base_url`."""
        model = script if isinstance(script, ScriptedModel) else ScriptedModel(script)
        return model, self.url + self.app.add(model)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()


async def _complete(model: ScriptedModel, scope: Message, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    answer, seen = model.answer(body, headers, str(scope.get("client")))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch_client, receive, seen, tasks.cancel_scope)
            await _send_answer(answer, send)
            tasks.cancel_scope.cancel()
    finally:
        seen.has_ended.set()


async def _watch_client(receive: Receive, seen: Seen, scope: anyio.CancelScope) -> None:
    """End the response when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    seen.was_left = True
    scope.cancel()


async def _send_answer(answer: Answer, send: Send) -> None:
    if answer.is_mute:
        await anyio.sleep_forever()
    headers = [(k.encode(), v.encode()) for k, v in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    try:
        async for piece in answer.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ConnectionCut:
        return  # uvicorn closes the connection of a response that has no end
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_whole(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
