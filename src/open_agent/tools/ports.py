"""What tools need beside the workspace: ports that `app` fills."""

from dataclasses import dataclass
from typing import Protocol


class WebUnavailable(Exception):
    """The page or the search could not be had; the text says why and what may help."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """What a server answered.

    Attributes:
        url: Where the content came from, after redirects.
        media_type: Without parameters, in lower case; empty when the server did not say.
        charset: What the server said the encoding is.
        body: Decompressed, at most as long as was asked for.
        is_cut: There was more than `body` holds.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    is_cut: bool = False


class HttpFetcher(Protocol):
    """Gets pages from the web, and refuses addresses that are not public."""

    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        """The page at `url`, redirects followed; any status is an answer.

        Raises:
            WebUnavailable: It may not or could not be fetched.
        """
        ...


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result of a web search."""

    title: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a web search found, best first; `summary` where the service writes one."""

    hits: tuple[SearchHit, ...]
    summary: str | None = None


class WebSearch(Protocol):
    """Searches the web."""

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        """At most `limit` results.

        Raises:
            WebUnavailable: The service could not be asked, or refused.
        """
        ...
