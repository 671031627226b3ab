"""Web search without a key: DuckDuckGo and others, by the `ddgs` library."""

from typing import Any

import anyio
from anyio import to_thread

from open_agent.tools.ports import SearchAnswer, SearchHit, WebUnavailable

ENGINE_TIMEOUT = 10
"""Seconds for one search engine."""
DEADLINE = 40.0


class MetaSearch:
    """`WebSearch` by whichever engines answer.

    Args:
        engines: Their names, separated by commas; `auto` for all that `ddgs` knows.
        proxy: An HTTP proxy to go through.
        authorities: A file with the certificates to trust, in place of the usual ones.
    """

    def __init__(
        self, engines: str = "auto", *, proxy: str | None = None, authorities: str | None = None
    ) -> None:
        self._engines = engines
        self._proxy = proxy
        self._authorities = authorities

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        """At most `limit` results; see `WebSearch`."""
        with anyio.move_on_after(DEADLINE):
            # Left behind when the call is cancelled: each engine has its own timeout.
            found = await to_thread.run_sync(self._ask, query, limit, abandon_on_cancel=True)
            return SearchAnswer(tuple(_hit(one) for one in found))
        raise WebUnavailable("No search engine answered in time. Try again.")

    def _ask(self, query: str, limit: int) -> list[dict[str, Any]]:
        # 100 ms: brings lxml and a browser's TLS along.
        from ddgs.ddgs import DDGS
        from ddgs.exceptions import DDGSException  # 0 ms after that

        verify = self._authorities or True
        try:
            with DDGS(proxy=self._proxy, timeout=ENGINE_TIMEOUT, verify=verify) as engines:
                return engines.text(query, max_results=limit, backend=self._engines)
        except DDGSException as error:
            if "No results found" in str(error):
                return []
            raise WebUnavailable(
                f"No search engine answered ({str(error)[:200]}). Try again in a minute. Searching"
                " is more reliable when whoever runs this server sets TAVILY_API_KEY."
            ) from error


def _hit(found: dict[str, Any]) -> SearchHit:
    url = str(found.get("href") or "")
    return SearchHit(str(found.get("title") or url), url, str(found.get("body") or ""))
