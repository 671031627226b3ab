"""HTTP to an OpenCode server: one deadline for each call, bounded answers, errors with a reason.

Above: the client, which knows the routes. This knows addresses, passwords and how OpenCode says no.
"""

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import anyio
import httpx2
import pydantic_core
from pydantic import TypeAdapter, ValidationError

from open_agent.backends.opencode.protocol.errors import OpenCodeRefused, OpenCodeUnreachable
from open_agent.models.endpoint import is_private_endpoint

USER = "opencode"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_REASON = 2_000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CallDeadlines:
    """Seconds that each kind of call may take in all."""

    probe: float = 2.0
    """A server that has just opened its port may never answer a first request."""
    call: float = 30.0
    start_up: float = 60.0
    """What may make OpenCode read a directory for the first time, or start an MCP server."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        method: `GET`, `POST` …
        path: With ids escaped.
        directory: Whose project is meant; none is the server's own.
        query: What else the address says.
        body: Sent as JSON.
        seconds: How long it may take; none is the usual.
    """

    method: str
    path: str
    directory: str | None = None
    query: dict[str, str] | None = None
    body: Any = None
    seconds: float | None = None


class Transport:
    """The way to one server.

    Args:
        base_url: Where it listens, without a path.
        password: Of its user `opencode`; none when it asks for none.
        deadlines: How long calls may take.
    """

    def __init__(self, base_url: str, password: str | None, deadlines: CallDeadlines) -> None:
        self.base_url = base_url.rstrip("/")
        self.deadlines = deadlines
        self._http = httpx2.AsyncClient(
            base_url=self.base_url,
            headers=_headers(password),
            timeout=httpx2.Timeout(None, connect=5.0),
            # One for the feed, and one for each call in hand; runs are bounded elsewhere.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            # A proxy for the outside world is in the way of a server nearby.
            trust_env=not is_private_endpoint(self.base_url),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def read(self, shape: type[Value], call: Call) -> Value:
        """The answer of a call, in the shape that is expected of it.

        Raises:
            OpenCodeUnreachable: There is no answer in time.
            OpenCodeRefused: It is no, or has another shape.
        """
        body = await self.call(call)
        try:
            return _adapter(shape).validate_json(body)
        except ValidationError as error:
            raise OpenCodeRefused(
                200,
                "UnexpectedAnswer",
                f"OpenCode answered {call.method} {call.path} with something that is not"
                f" understood here: {_short(str(error))}",
            ) from None

    async def call(self, call: Call) -> bytes:
        """The body of the answer of a call.

        Raises:
            OpenCodeUnreachable: There is no answer in time.
            OpenCodeRefused: It is no.
        """
        seconds = call.seconds or self.deadlines.call
        query = dict(call.query or {})
        if call.directory is not None:
            query["directory"] = call.directory
        try:
            with anyio.fail_after(seconds):
                request = self._http.build_request(
                    call.method, call.path, params=query, json=call.body
                )
                response = await self._http.send(request, stream=True)
                try:
                    body = await _read_bounded(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise OpenCodeUnreachable(
                f"OpenCode at {self.base_url} did not answer {call.method} {call.path} within"
                f" {seconds:g} s. Look at its log, or start it again."
            ) from None
        except httpx2.HTTPError as error:
            raise self.unreachable(error) from None
        if response.status_code >= 300:
            raise _refusal(call, response.status_code, body)
        return body

    async def answers_without_password(self) -> bool:
        """Whether it tells its health to whoever asks."""
        async with httpx2.AsyncClient(
            trust_env=not is_private_endpoint(self.base_url), follow_redirects=False
        ) as http:
            try:
                with anyio.fail_after(self.deadlines.probe):
                    answer = await http.get(f"{self.base_url}/global/health")
            except (TimeoutError, httpx2.HTTPError) as error:
                raise self.unreachable(error) from None
            return answer.status_code == 200

    @asynccontextmanager
    async def events(self, silence: float) -> AsyncGenerator[httpx2.Response]:
        """The live stream of all sessions.

        Args:
            silence: Seconds without a byte after which reading it fails.

        Raises:
            OpenCodeUnreachable: There is none.
            OpenCodeRefused: It is refused.
        """
        call = Call("GET", "/global/event")
        request = self._http.build_request(
            call.method,
            call.path,
            headers={"accept": "text/event-stream"},
            timeout=httpx2.Timeout(None, connect=5.0, read=silence),
        )
        try:
            with anyio.fail_after(self.deadlines.call):
                response = await self._http.send(request, stream=True)
        except (TimeoutError, httpx2.HTTPError) as error:
            raise self.unreachable(error) from None
        try:
            if response.status_code != 200:
                raise _refusal(call, response.status_code, b"")
            yield response
        finally:
            await response.aclose()

    def unreachable(self, error: Exception) -> OpenCodeUnreachable:
        """That there is no answer, and what to do about it."""
        said = _short(str(error)) or type(error).__name__
        return OpenCodeUnreachable(
            f"OpenCode at {self.base_url} cannot be reached ({said}). Start it there with"
            " `opencode serve`, set OPENCODE_BASE_URL to where it is, or let this server start one"
            " with OPENCODE_MANAGED=true."
        )


async def _read_bounded(response: httpx2.Response) -> bytes:
    pieces: list[bytes] = []
    length = 0
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        length += len(piece)
        if length > MAX_ANSWER_BYTES:
            raise OpenCodeRefused(
                response.status_code,
                "AnswerTooLarge",
                f"OpenCode's answer is longer than {MAX_ANSWER_BYTES >> 20} MiB. Begin a new"
                " mission: this one's history is too long to be read again.",
            )
    return b"".join(pieces)


def _refusal(call: Call, status: int, body: bytes) -> OpenCodeRefused:
    if status == 401:
        return OpenCodeRefused(
            401,
            "Unauthorized",
            "OpenCode wants another password. Set OPENCODE_SERVER_PASSWORD to the one it was"
            " started with.",
        )
    name, said = _reason(body)
    return OpenCodeRefused(
        status,
        name,
        f"OpenCode refused {call.method} {call.path} (HTTP {status}, {name})"
        f"{f': {said}' if said else ''}.",
    )


def _reason(body: bytes) -> tuple[str, str]:
    """The name and the words of an error: `{name, data: {message}}` in most cases."""
    try:
        found = pydantic_core.from_json(body)
    except ValueError:
        return "UnknownError", _short(body[:_MAX_REASON].decode("utf-8", "replace"))
    if not isinstance(found, dict):
        return "UnknownError", _short(str(found))
    error = cast("dict[str, Any]", found)
    data = cast("dict[str, Any]", error["data"]) if isinstance(error.get("data"), dict) else error
    said = data.get("message") or error.get("message") or ""
    name = error.get("name") or error.get("_tag") or "UnknownError"
    return str(name), _short(str(said)).rstrip(".")


def _short(text: str) -> str:
    """Words of theirs on one line, cut where they get long."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]}…"


def _headers(password: str | None) -> dict[str, str]:
    if password is None:
        return {}
    told = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {"authorization": f"Basic {told}"}


@lru_cache(maxsize=64)
def _adapter(shape: type[Value]) -> TypeAdapter[Value]:
    return TypeAdapter(shape)
