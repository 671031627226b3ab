"""Web search by Tavily, for those who have a key."""

from collections.abc import Mapping
from ssl import SSLContext
from typing import Any

import httpx2
from anyio import to_thread
from pydantic import BaseModel, ValidationError

from open_agent.tools.ports import SearchAnswer, SearchHit, WebUnavailable

TIMEOUT = 30.0
REASONS: Mapping[int, str] = {
    400: "Tavily did not understand the query.",
    401: "Tavily refused its key. Whoever runs this server can correct TAVILY_API_KEY.",
    429: "Tavily is asked too often. Wait a minute, or fetch pages whose URLs are known.",
    432: "The plan of the Tavily key is used up.",
    433: "The Tavily account has reached its limit.",
}


class _Result(BaseModel):
    title: str | None = None
    url: str
    content: str | None = None


class _Answer(BaseModel):
    answer: str | None = None
    results: list[_Result]


class TavilySearch:
    """`WebSearch` by Tavily.

    Args:
        api_key: From Tavily; it is not shown in errors.
        base_url: Where Tavily is.
    """

    def __init__(self, api_key: str, base_url: str = "https://api.tavily.com") -> None:
        self._api_key = api_key
        self._url = f"{base_url}/search"
        self._tls: SSLContext | None = None

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        """At most `limit` results; see `WebSearch`."""
        if self._tls is None:
            # 46 ms: reads all the authorities.
            self._tls = await to_thread.run_sync(httpx2.create_ssl_context)
        asked = {"query": query, "max_results": limit, "include_answer": True}
        try:
            async with httpx2.AsyncClient(verify=self._tls, timeout=TIMEOUT) as client:
                response = await client.post(
                    self._url, json=asked, headers={"Authorization": f"Bearer {self._api_key}"}
                )
        except httpx2.HTTPError as error:
            what = "did not answer in time" if _is_late(error) else "could not be reached"
            raise WebUnavailable(f"Tavily {what}. Try again.") from error
        if response.is_error:
            reason = f"Tavily answered with the error {response.status_code}. Try again."
            raise WebUnavailable(REASONS.get(response.status_code, reason))
        return _read(response.content)


def _is_late(error: httpx2.HTTPError) -> bool:
    return isinstance(error, httpx2.TimeoutException)


def _read(content: Any) -> SearchAnswer:
    try:
        answer = _Answer.model_validate_json(content)
    except ValidationError:
        raise WebUnavailable("Tavily answered with something else than results.") from None
    hits = (SearchHit(hit.title or hit.url, hit.url, hit.content or "") for hit in answer.results)
    return SearchAnswer(tuple(hits), answer.answer or None)
