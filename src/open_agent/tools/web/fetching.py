"""Getting pages from public addresses, in bounded time and memory.

A name is resolved once, every address of it is checked, and the connection is made to one of the
checked addresses: a name server that answers differently the second time is never asked. Each
redirect goes through the same. No cookies, no credentials and no connections are kept.
"""

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from socket import SOCK_STREAM

import anyio
import httpx2
from anyio import to_thread

from open_agent.tools.ports import WebPage, WebUnavailable
from open_agent.tools.web.addresses import (
    PRIVATE_NETWORK,
    THIS_MACHINE,
    Address,
    AddressGuard,
    read_address,
)

DEADLINE = 60.0
"""Seconds for one page, redirects included. What of a page has come by then is returned."""
GRACE = 0.2
"""Seconds to bring a page home that was cut by the deadline."""
CONNECT_TIMEOUT = 6.0
SILENCE = 20.0
MOST_REDIRECTS = 5
MOST_ADDRESSES = 3
"""Of one name, that are tried in turn."""
LONGEST_URL = 8_000
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DECODED = frozenset({"", "identity", "gzip", "deflate"})
"""Content encodings that are asked for. Others are refused: no decoder bounds their memory."""
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; OpenAgent/1.0)",
    # Many documentation sites have Markdown for those who ask.
    "Accept": "text/markdown,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en,*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}

ADVICE = {
    THIS_MACHINE: " For a server that you have started use curl with run_command.",
    PRIVATE_NETWORK: " Whoever runs this server can allow it with ALLOW_PRIVATE_HOSTS.",
}

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked for, if its addresses may."""

    url: httpx2.URL
    host: str
    port: int


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the machine's resolver has them."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class GuardedFetcher:
    """`HttpFetcher` on the open web.

    Args:
        guard: Says which addresses are refused.
        resolve: Finds the addresses of a name.
        tls: Whom to trust; by default the usual authorities.
        deadline: Seconds for one page.
    """

    def __init__(
        self,
        guard: AddressGuard,
        *,
        resolve: Resolver = resolve_host,
        tls: ssl.SSLContext | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._guard = guard
        self._resolve = resolve
        self._tls = tls
        self._deadline = deadline

    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        """The page at `url`; see `HttpFetcher`."""
        if self._tls is None:
            # 46 ms: reads all the authorities.
            self._tls = await to_thread.run_sync(httpx2.create_ssl_context)
        until = anyio.current_time() + self._deadline
        with anyio.move_on_after(self._deadline + GRACE):
            return await self._follow(url, max_bytes, until)
        raise WebUnavailable(f"There was no answer within {self._deadline:g} seconds.")

    async def _follow(self, url: str, max_bytes: int, until: float) -> WebPage:
        for _ in range(MOST_REDIRECTS + 1):
            target = read_target(url)
            try:
                answer = await self._visit(target, max_bytes, until)
            except httpx2.HTTPError as error:
                raise WebUnavailable(_explain(error, target)) from error
            if isinstance(answer, WebPage):
                return answer
            url = answer
        raise WebUnavailable(f"It redirects more than {MOST_REDIRECTS} times.")

    async def _visit(self, target: Target, max_bytes: int, until: float) -> WebPage | str:
        """The page, or where it is instead."""
        addresses = await self._addresses(target)
        while True:
            try:
                return await self._ask(target, addresses.pop(0), max_bytes, until)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if not addresses:
                    raise

    async def _addresses(self, target: Target) -> list[Address]:
        """Addresses that were all checked.

        Raises:
            WebUnavailable: There are none, or one of them may not be connected to.
        """
        literal = read_address(target.host)
        if literal:
            found: list[Address] = [literal]
        else:
            try:
                found = [ip_address(text) for text in await self._resolve(target.host, target.port)]
            except (OSError, UnicodeError):
                found = []
        if not found:
            raise WebUnavailable(f"No address is known for {target.host}. Is it spelled right?")
        for address in found:
            # One bad address spoils the name: such answers are made to get past a check.
            if what := self._guard.refusal(address, target.port):
                raise WebUnavailable(
                    f"{target.host} is {what} ({address}), which web tools do not open."
                    f"{ADVICE.get(what, '')}"
                )
        return found[:MOST_ADDRESSES]

    async def _ask(
        self, target: Target, address: Address, max_bytes: int, until: float
    ) -> WebPage | str:
        request = httpx2.Request(
            "GET",
            target.url.copy_with(host=str(address)),
            headers={**HEADERS, "Host": target.url.netloc.decode("ascii")},
            extensions={
                "sni_hostname": target.host.rstrip("."),
                "timeout": httpx2.Timeout(SILENCE, connect=CONNECT_TIMEOUT).as_dict(),
            },
        )
        assert self._tls
        transport = httpx2.AsyncHTTPTransport(
            verify=self._tls,
            trust_env=False,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0),
        )
        async with transport:
            response = await transport.handle_async_request(request)
            try:
                where = response.headers.get("location")
                if response.status_code in REDIRECTS and where:
                    return _join(target.url, where)
                return await _read_page(target.url, response, max_bytes, until)
            finally:
                await response.aclose()


def read_target(text: str) -> Target:
    """What a URL asks for.

    Raises:
        WebUnavailable: It is none that web tools ask for; the text says why.
    """
    text = text.strip()
    if len(text) > LONGEST_URL:
        raise WebUnavailable(f"The URL is longer than {LONGEST_URL:,} characters.")
    try:
        url = httpx2.URL(text)
        host = url.raw_host.decode("ascii").lower()
        is_address = read_address(host) is not None
    except (httpx2.InvalidURL, ValueError) as error:
        raise WebUnavailable(f"The URL is not valid: {error}.") from None
    if url.scheme not in ("http", "https"):
        raise WebUnavailable("Only URLs that begin with https:// or http:// are fetched.")
    if url.userinfo:
        raise WebUnavailable("URLs with a user name or a password are not fetched.")
    if not is_address and not re.fullmatch(r"[a-z0-9_.-]{1,253}", host):
        raise WebUnavailable("The URL names no valid host.")
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    if url.port == 0 or port > 65535:
        raise WebUnavailable("The URL names no valid port.")
    return Target(url.copy_with(fragment=None), host, port)


def _join(base: httpx2.URL, where: str) -> str:
    try:
        return str(base.join(where))
    except httpx2.InvalidURL as error:
        raise WebUnavailable(f"It redirects to what is not a valid URL: {error}.") from None


async def _read_page(
    url: httpx2.URL, response: httpx2.Response, max_bytes: int, until: float
) -> WebPage:
    encodings = response.headers.get_list("content-encoding", split_commas=True)
    if not {encoding.strip().lower() for encoding in encodings} <= DECODED:
        raise WebUnavailable(f"It came in an encoding that nobody asked for ({encodings[0]!r}).")
    body = bytearray()
    is_whole = False
    with anyio.CancelScope(deadline=until):
        try:
            async with aclosing(response.aiter_bytes()) as pieces:
                async for data in pieces:
                    body += data
                    if len(body) > max_bytes:
                        break
                else:
                    is_whole = True
        except httpx2.TransportError:
            # Broken off, or silent for too long: what has come is better than nothing.
            if not body:
                raise
    media_type, charset = _content_type(response.headers)
    return WebPage(
        url=str(url),
        status=response.status_code,
        media_type=media_type,
        charset=charset,
        body=bytes(body[:max_bytes]),
        is_cut=not is_whole,
    )


def _content_type(headers: Mapping[str, str]) -> tuple[str, str | None]:
    media_type, *parameters = headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media_type.strip(), value.strip(" \"'") or None
    return media_type.strip(), None


def _explain(error: httpx2.HTTPError, target: Target) -> str:
    match error:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            what = "could not be connected to"
        case httpx2.TimeoutException():
            what = "did not answer in time"
        case httpx2.DecodingError():
            what = "sent what it did not compress as it said"
        case _:
            what = "broke off"
    reason = f": {str(error)[:200]}" if str(error) else ""
    return f"{target.host} {what}{reason}."
