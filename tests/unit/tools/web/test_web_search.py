"""Searching the web: what a model is shown, and how the services behind it are asked."""

import dataclasses
import json

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream
from inline_snapshot import snapshot

from open_agent.tools.definition import ToolContext
from open_agent.tools.ports import SearchAnswer, SearchHit, WebUnavailable
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch
from open_agent.tools.web.web_search import web_search
from tests.calling import call, refusal
from tests.unit.tools.web.conftest import AUTHORITY, Serve, read_head, reply, server_tls


@dataclasses.dataclass
class Found:
    """A search service that always finds the same."""

    answer: SearchAnswer
    asked: list[tuple[str, int]] = dataclasses.field(default_factory=list[tuple[str, int]])

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        self.asked.append((query, limit))
        return self.answer


def searching(ctx: ToolContext, *hits: SearchHit) -> ToolContext:
    return dataclasses.replace(ctx, search=Found(SearchAnswer(hits)))


async def test_results_come_with_title_address_and_text(ctx: ToolContext) -> None:
    found = Found(
        SearchAnswer(
            (
                SearchHit("First\nhit", "https://one.example/", "What it says.\n"),
                SearchHit("Second \u202e", "https://two.example/\x1b", "x" * 5000),
            ),
            summary="It is so.",
        )
    )
    two = dataclasses.replace(ctx, search=found)
    shown = (await call(web_search, two, query=" what ")).content
    assert len(shown) < 3000
    assert shown[:170] == snapshot("""\
## Quick Answer
It is so.

### 1. First hit
URL: https://one.example/
What it says.

### 2. Second \\u202e
URL: https://two.example/\\x1b
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
""")
    assert found.asked == [("what", 5)]


async def test_nothing_found_is_said(ctx: ToolContext) -> None:
    assert (await call(web_search, searching(ctx), query="x")).content == (
        "No results. Try other words."
    )


async def test_no_more_results_are_shown_than_were_asked_for(ctx: ToolContext) -> None:
    many = searching(ctx, *[SearchHit("t", "u", "s")] * 10)
    shown = (await call(web_search, many, query="x", num_results=2)).content
    assert shown.count("### ") == 2


async def test_odd_questions_are_refused(ctx: ToolContext) -> None:
    assert "empty" in await refusal(web_search, searching(ctx), query=" ")
    assert "longer" in await refusal(web_search, searching(ctx), query="x" * 1001)
    assert "num_results" in await refusal(web_search, searching(ctx), query="x", num_results=11)
    assert await refusal(web_search, ctx, query="x") == (
        "Not searched: There is no web in this test."
    )


TAVILY = {
    "query": "x",
    "answer": "Yes.",
    "results": [
        {"title": "One", "url": "https://one.example", "content": "Text", "score": 0.9},
        {"url": "https://two.example"},
    ],
}


async def test_tavily_is_asked_with_its_key(serve: Serve) -> None:
    body = b""

    async def answer(head: str, stream: ByteStream) -> None:
        nonlocal body
        body = head.partition("\r\n\r\n")[2].encode()
        while b"}" not in body:
            body += await stream.receive()
        await stream.send(reply(json.dumps(TAVILY), "application/json"))

    async with serve(answer) as site:
        found = await TavilySearch("tvly-secret", site.url).search("what", limit=3)
    assert found == SearchAnswer(
        (
            SearchHit("One", "https://one.example", "Text"),
            SearchHit("https://two.example", "https://two.example", ""),
        ),
        "Yes.",
    )
    assert site.requests[0].startswith("POST /search HTTP/1.1")
    assert "\r\nAuthorization: Bearer tvly-secret\r\n".lower() in site.requests[0].lower()
    assert json.loads(body) == {"query": "what", "max_results": 3, "include_answer": True}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply("{}", status="401 Unauthorized"), "TAVILY_API_KEY"),
        (reply("{}", status="429 Too Many Requests"), "too often"),
        (reply("{}", status="432 ?"), "used up"),
        (reply("{}", status="500 ?"), "error 500"),
        (reply("<html>"), "something else"),
        (reply("[]"), "something else"),
        (reply('{"results": [{"title": 1}]}'), "something else"),
        (b"garbage\r\n\r\n", "could not be reached"),
    ],
)
async def test_what_goes_wrong_with_tavily_is_said_without_its_key(
    serve: Serve, answer: bytes, said: str
) -> None:
    async with serve(answer) as site:
        with pytest.raises(WebUnavailable, match=said) as error:
            await TavilySearch("tvly-secret", site.url).search("what", limit=3)
    assert "tvly-secret" not in str(error.value)


DUCKDUCKGO = """<html><body><div class="links_main body"><h2><a href="https://one.example/">The
 first</a></h2><a href="https://one.example/">What the first says</a></div></body></html>"""


async def through_proxy(head: str, stream: ByteStream) -> None:
    """Be the proxy, and the search engine behind it."""
    assert head.startswith("CONNECT html.duckduckgo.com:443 ")
    await stream.send(b"HTTP/1.1 200 Connected\r\n\r\n")
    inner = await TLSStream.wrap(
        stream, server_side=True, ssl_context=server_tls(), standard_compatible=False
    )
    assert (await read_head(inner)).startswith("POST /html/ ")
    await inner.send(reply(DUCKDUCKGO, "text/html"))


async def test_search_engines_are_read_by_the_real_library(serve: Serve) -> None:
    async with serve(through_proxy) as proxy:
        engine = MetaSearch("duckduckgo", proxy=proxy.url, authorities=str(AUTHORITY))
        with anyio.fail_after(4):
            found = await engine.search("first", limit=3)
    assert found.hits == (SearchHit("The first", "https://one.example/", "What the first says"),)


async def test_search_engines_that_cannot_be_reached_are_told_of(serve: Serve) -> None:
    async with serve(reply("no", status="502 Bad Gateway")) as proxy:
        with pytest.raises(WebUnavailable, match="TAVILY_API_KEY"):
            await MetaSearch("duckduckgo", proxy=proxy.url).search("first", limit=3)
