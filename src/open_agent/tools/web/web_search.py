"""Searching the web."""

from typing import Annotated

from pydantic import Field

from open_agent.tools.clipping import clip
from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.plain_text import from_file
from open_agent.tools.ports import SearchHit, WebUnavailable

LONGEST_QUERY = 1_000
SHOWN_OF_A_HIT = 2_000


@tool(effect=Effect.NETWORK, timeout=60)
async def web_search(
    ctx: ToolContext, query: str, num_results: Annotated[int, Field(ge=1, le=10)] = 5
) -> str:
    """Search the web. Read a result with `fetch_url`.

    Args:
        query: What to search for.
        num_results: How many results.
    """
    if not query.strip():
        raise ToolFailed("The query is empty.")
    if len(query) > LONGEST_QUERY:
        raise ToolFailed(f"The query is longer than {LONGEST_QUERY:,} characters.")
    try:
        answer = await ctx.search.search(query.strip(), limit=num_results)
    except WebUnavailable as error:
        raise ToolFailed(f"Not searched: {from_file(str(error))}") from None
    parts = [f"## Quick Answer\n{_plain(answer.summary)}"] if answer.summary else []
    parts += [_show(number, hit) for number, hit in enumerate(answer.hits[:num_results], 1)]
    return "\n\n".join(parts) or "No results. Try other words."


def _show(number: int, hit: SearchHit) -> str:
    title = from_file(" ".join(hit.title.split()))[:300]
    return (
        f"### {number}. {title}\nURL: {from_file(hit.url)[:1000]}\n{_plain(hit.snippet)}".rstrip()
    )


def _plain(text: str) -> str:
    return clip(from_file(text.replace("\r\n", "\n").strip()), SHOWN_OF_A_HIT)
