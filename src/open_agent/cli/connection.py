"""One client of the server: requests, and errors as the server means them.

Streams are in `streams.py`. Where the server is and what to present there is asked anew for each
request, so that a restart in between does not matter.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio
import httpx2
import pydantic_core

from open_agent.cli.exits import UNREACHABLE_CODE
from open_agent.cli.finding import Address
from open_agent.core.errors import (
    Conflict,
    Invalid,
    LimitReached,
    NotFound,
    OpenAgentError,
    Refused,
    Unauthenticated,
    Unavailable,
)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
HEALTH_SECONDS = 3.0
REPEAT_AFTER = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses before a request is sent again whose answer was lost."""
REPEAT_SECONDS = 15.0
"""Not so when it has taken that long already: the server is not restarting, something is wrong."""
KEEP_ALIVE_LOST_SECONDS = 45.0
"""Silence after which a stream is given up; the server says something every 15 s."""
LARGEST_EVENT = 8 * 1024 * 1024

Params = Mapping[str, str | int | list[str]]

_ERRORS: dict[int, type[OpenAgentError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Refused,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: LimitReached,
}

_CONFLICTS = {"task.not_running"}
"""Codes whose status is another on the routes that the original's clients know."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer, and where the next page of it is."""

    value: Any
    next: str | None


class Connection:
    """Asks the server; `connect` makes one."""

    def __init__(self, http: httpx2.AsyncClient, locate: Callable[[], Address]) -> None:
        self._http = http
        self._locate = locate

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._locate().url

    async def is_answering(self) -> bool:
        """Whether an Open Agent answers there. Says nothing secret to find out.

        Raises:
            Unavailable: Something else does (`server.foreign`).
        """
        url = self.url
        try:
            response = await self._http.get(f"{url}/api/health", timeout=HEALTH_SECONDS)
        except httpx2.TransportError:
            return False
        except httpx2.HTTPError as error:
            raise foreign(url) from error
        fields = _decode(response, url)
        if response.status_code != 200 or "ready" not in fields or "version" not in fields:
            raise foreign(url)
        return True

    async def get(self, path: str, params: Params | None = None) -> Reply:
        """Read something.

        Raises:
            OpenAgentError: As the server says; `server.unreachable` when it does not answer.
        """
        return await self._request("GET", path, params=params)

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Reply:
        """Change something; with a `key`, sent again when the answer is lost.

        Raises:
            OpenAgentError: As the server says; `server.unreachable` when it does not answer.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return await self._request("POST", path, body=body or {}, headers=headers)

    async def change(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Change something once; what the server says of it, nothing if it says nothing.

        Raises:
            OpenAgentError: As the server says; `server.unreachable` when it does not answer.
        """
        value = (await self._request(method, path, body=body)).value
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    @asynccontextmanager
    async def events(self, path: str, last_id: str | None) -> AsyncGenerator[httpx2.EventSource]:
        """Open a stream of server-sent events behind `last_id`.

        Raises:
            OpenAgentError: As the server says.
        """
        address = self._locate()
        headers = _headers(address) | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx2.Timeout(KEEP_ALIVE_LOST_SECONDS, connect=CONNECT_SECONDS)
        async with self._http.sse(
            address.url + path, headers=headers, timeout=timeout, max_event_size=LARGEST_EVENT
        ) as source:
            if source.response.status_code != 200:
                await source.response.aread()
                raise _error(source.response, address.url)
            yield source

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        headers = headers or {}
        is_repeatable = method == "GET" or "Idempotency-Key" in headers
        pauses = list(REPEAT_AFTER if is_repeatable else ())
        has_reached, until = False, anyio.current_time() + REPEAT_SECONDS
        while True:
            address = self._locate()
            try:
                response = await self._http.request(
                    method,
                    address.url + path,
                    params=params,
                    json=body,
                    headers={**_headers(address), **headers},
                )
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if not (has_reached and pauses):
                    raise unreachable(address.url) from error
            except httpx2.TransportError as error:
                has_reached = True
                if not pauses:
                    raise _lost(address.url, error) from error
            else:
                if response.status_code != 503 or not pauses or anyio.current_time() > until:
                    return _reply(response, address.url)
                has_reached = True
            await anyio.sleep(pauses.pop(0))


@asynccontextmanager
async def connect(locate: Callable[[], Address]) -> AsyncGenerator[Connection]:
    """A client for as long as the context lasts. Nothing is sent yet.

    No proxy of the environment is used: the token is for the server alone.
    """
    timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as http:
        yield Connection(http, locate)


def unreachable(url: str) -> Unavailable:
    """Nobody answers at `url`."""
    return Unavailable(
        UNREACHABLE_CODE,
        f"No server answers at {url}. Start one with `open-agent serve`, or name another with "
        "--url.",
        {"url": url},
    )


def foreign(url: str) -> Unavailable:
    """Somebody answers at `url` who is not Open Agent."""
    return Unavailable(
        "server.foreign",
        f"What answers at {url} is not Open Agent. Give Open Agent another address with PORT, or "
        "name the right server with --url.",
        {"url": url},
    )


def _lost(url: str, error: Exception) -> Unavailable:
    return Unavailable(
        UNREACHABLE_CODE,
        f"The connection to {url} broke ({type(error).__name__}) before an answer came. Look at "
        "`open-agent tasks` before you try again.",
        {"url": url},
    )


def _headers(address: Address) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if address.token is not None:
        headers["Authorization"] = f"Bearer {address.token}"
    return headers


def _reply(response: httpx2.Response, url: str) -> Reply:
    if response.status_code >= 300:
        raise _error(response, url)
    if response.status_code == 204:
        return Reply(None, None)
    next_link = response.links.get("next", {}).get("url")
    return Reply(_decode_any(response, url), next_link)


def _error(response: httpx2.Response, url: str) -> OpenAgentError:
    detail = _decode(response, url).get("error")
    if not isinstance(detail, dict):
        return foreign(url)
    fields = cast("dict[str, Any]", detail)
    code = str(fields.get("code", "server.error"))
    kind = Conflict if code in _CONFLICTS else _ERRORS.get(response.status_code, Unavailable)
    message = str(fields.get("message", code))
    if kind is Unauthenticated and code.startswith("auth."):
        message = (
            f"{url} wants another token than this command has. Name the server's data directory "
            "with --data-dir, or a file that holds its token with --token-file."
        )
    if code == "token.scope_missing":
        message += (
            " This command finds it by --data-dir, the server's data directory, or --token-file."
        )
    return kind(code, message, fields.get("details"))


def _decode(response: httpx2.Response, url: str) -> dict[str, Any]:
    value = _decode_any(response, url)
    if not isinstance(value, dict):
        raise foreign(url)
    return cast("dict[str, Any]", value)


def _decode_any(response: httpx2.Response, url: str) -> Any:
    try:
        return pydantic_core.from_json(response.content)
    except ValueError as error:
        raise foreign(url) from error
