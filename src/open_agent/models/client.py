"""Asks a model over the wire and gives back a complete reply, or says why there is none.

One streamed request per call on a shared connection pool. Retries, fallback and money are the
loop's; the conversation is `encoding.py`'s.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import anyio
import httpx2

from open_agent.core.clock import Clock
from open_agent.core.errors import Invalid
from open_agent.models.assembly import ReplyBuilder
from open_agent.models.body import BodyReader
from open_agent.models.deadlines import Deadlines, Watch
from open_agent.models.endpoint import Endpoint
from open_agent.models.failures import broken_stream, from_status
from open_agent.models.reply import ModelError, ModelReply, ModelRequest, OnDelta
from open_agent.models.wire import one_line

_MAX_ERROR_BYTES = 64 * 1024
_DRAIN_SECONDS = 0.25
"""For the last bytes after the end mark, so that the connection can be used again."""

_BROKE_OFF = frozenset(
    {
        "provider.silent",
        "provider.no_first_token",
        "provider.too_slow",
        "provider.broken_stream",
    }
)
"""Failures that nobody reported: what was done until then may be charged for."""

_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class ModelClient:
    """A provider, as the loop sees it. Safe to use by many runs at once.

    Args:
        base_url: What `/chat/completions` is added to.
        api_key: Sent only to that endpoint; never part of an error or a log.
        clock: Measures durations and reads dates in `Retry-After`.
        deadlines: How long each kind of waiting may take.
        http: Another way to the endpoint, such as a scripted model; the caller closes it.

    Raises:
        Invalid: `base_url` is no HTTP address (`endpoint.invalid`).
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        clock: Clock,
        deadlines: Deadlines | None = None,
        *,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self.endpoint = Endpoint(base_url)
        self._url = _checked_url(self.endpoint.chat_url)
        self._api_key = api_key
        self._clock = clock
        self._deadlines = deadlines or Deadlines()
        self._http = http
        self._owns_http = http is None
        self._headers = _headers(self.endpoint, api_key)
        connect = self._deadlines.connect.total_seconds()
        self._extensions: dict[str, Any] = {
            # Connections are not bounded: the worker bounds its runs.
            "timeout": {"connect": connect, "read": None, "write": None, "pool": None}
        }

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelReply:
        """Ask, and wait for the whole reply; cancelling closes the connection at once.

        `on_delta` is told each piece of text and of reasoning as it comes.

        Raises:
            ModelError: There is no usable reply.
        """
        call = _Call(self._clock, on_delta)
        watch = Watch(self._deadlines)
        try:
            with watch.scope:
                await self._exchange(request, call, watch)
            if watch.scope.cancelled_caught and not call.is_complete:
                raise watch.verdict()
        except ModelError as error:
            self._hide_key(error)
            raise call.account(error) from None
        except httpx2.HTTPError as error:
            if not call.is_complete:
                raise call.account(self._failure(error, call.has_answered)) from None
        return call.reply()

    async def close(self) -> None:
        """Close the connections that this client opened."""
        if self._owns_http and self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _exchange(self, request: ModelRequest, call: "_Call", watch: Watch) -> None:
        http = self._http or self._open()
        response = await http.send(self._to_send(request), stream=True)
        try:
            call.has_answered = True
            if response.status_code != 200:
                body = await _read_some(response)
                raise from_status(response.status_code, response.headers, body, self._clock.now())
            await _read_reply(response, call, watch)
        finally:
            await response.aclose()

    def _to_send(self, request: ModelRequest) -> httpx2.Request:
        parts = self.endpoint.finish(request)
        headers = self._headers.copy()
        headers["content-length"] = str(sum(map(len, parts)))
        return httpx2.Request(
            "POST", self._url, headers=headers, content=_each(parts), extensions=self._extensions
        )

    def _open(self) -> httpx2.AsyncClient:
        """The connection pool, made when first needed: reading certificates takes 20 ms."""
        self._http = httpx2.AsyncClient(
            # A proxy for the outside world is in the way of an endpoint on this machine.
            trust_env=not self.endpoint.is_private,
            follow_redirects=False,
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=200, keepalive_expiry=60
            ),
        )
        return self._http

    def _failure(self, error: httpx2.HTTPError, has_answered: bool) -> ModelError:
        said = self._without_key(one_line(str(error) or type(error).__name__))
        if isinstance(error, _NOT_SENT):
            failure = ModelError(
                "provider.unreachable",
                f"{self.endpoint.host} cannot be reached ({said})."
                " Check OPENROUTER_BASE_URL and the network; it is tried again by itself.",
                is_retryable=True,
            )
            failure.was_sent = False
            failure.cost_microdollars = 0
            return failure
        if has_answered:
            return broken_stream(f"the connection failed ({said})")
        return broken_stream(f"the connection closed before any answer ({said})")

    def _hide_key(self, error: ModelError) -> None:
        error.message = self._without_key(error.message)
        error.args = (error.message,)

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "[API key]") if self._api_key else text


class _Call:
    """What is known of one running call."""

    def __init__(self, clock: Clock, on_delta: OnDelta | None) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._first_at: float | None = None
        self.builder = ReplyBuilder(on_delta)
        self.has_answered = False
        self.is_complete = False
        """What comes after this, or fails to, does not matter."""

    def saw_first(self) -> None:
        if self._first_at is None:
            self._first_at = self._clock.monotonic()

    def reply(self) -> ModelReply:
        first = None if self._first_at is None else _ms(self._first_at - self._started)
        return self.builder.build(first_token_ms=first, duration_ms=self._elapsed())

    def account(self, error: ModelError) -> ModelError:
        """Add what had come before the failure."""
        error.partial_text = self.builder.text
        error.usage = self.builder.usage
        if self.builder.cost_microdollars is not None:
            error.cost_microdollars = self.builder.cost_microdollars
        elif self._first_at is None and error.code not in _BROKE_OFF:
            # The provider said so before a single token: there is nothing to charge for.
            error.cost_microdollars = 0
        error.duration_ms = self._elapsed()
        return error

    def _elapsed(self) -> int:
        return _ms(self._clock.monotonic() - self._started)


async def _each(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _read_reply(response: httpx2.Response, call: _Call, watch: Watch) -> None:
    is_encoded = "content-encoding" in response.headers
    pieces = response.aiter_bytes() if is_encoded else response.aiter_raw()
    reader = BodyReader(call.builder)
    async with aclosing(pieces):
        async for piece in pieces:
            if reader.feed(piece):
                call.saw_first()
                watch.saw_life()
            call.is_complete = reader.is_done or bool(call.builder.finish_reason)
            if call.is_complete:
                watch.saw_end()
            if reader.is_done:
                break
        else:
            reader.finish()
            return
        if not call.builder.is_full:
            with anyio.move_on_after(_DRAIN_SECONDS):
                async for _ in pieces:
                    pass


async def _read_some(response: httpx2.Response) -> bytes:
    """As much of an error's body as is worth reading."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= _MAX_ERROR_BYTES:
            break
    return body[:_MAX_ERROR_BYTES]


def _headers(endpoint: Endpoint, api_key: str | None) -> httpx2.Headers:
    headers = {
        "accept": "text/event-stream, application/json",
        "content-type": "application/json",
        "user-agent": "open-agent",
    }
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    if endpoint.is_openrouter:
        headers["x-title"] = "Open Agent"
    return httpx2.Headers(headers)


def _checked_url(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise Invalid("endpoint.invalid", f"{url!r} is no address: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Invalid(
            "endpoint.invalid",
            f"OPENROUTER_BASE_URL must be an http or https address, such as"
            f" https://openrouter.ai/api/v1; it gives {url!r}.",
        )
    return parsed


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
