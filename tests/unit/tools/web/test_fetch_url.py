"""Pages of the web as a model is shown them, from real servers and the real extractor."""

import dataclasses
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from open_agent.tools.definition import ToolContext
from open_agent.tools.ports import WebPage
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetch_url import LARGEST_PAGE, SHOWN_OF_A_PAGE, fetch_url
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.reading import read_page
from tests.calling import call, refusal
from tests.running import running
from tests.unit.tools.web.conftest import Serve, redirect, reply

PAGE = """<!doctype html><html><head><title>How  to
use it</title><script>alert("nothing")</script><style>p { color: red }</style></head><body>
<nav><a href="/">Home</a> <a href="/docs">Docs</a></nav>
<main><h1>Use</h1><p>Call <b>it</b> with a <a href="more">parameter</a> &amp; wait for what it says;
this goes on for long enough to be taken for the main text of the page.</p>
<ul><li>One</li><li>Two</li></ul><pre><code>def f():
    return 1
</code></pre><table><tr><th>Name</th><th>Value</th></tr><tr><td>a</td><td>1</td></tr></table>
</main><footer>Imprint</footer></body></html>"""


@pytest.fixture
def ctx(ctx: ToolContext) -> ToolContext:
    """The tools' context, with a web that begins on this machine."""
    return dataclasses.replace(ctx, http=GuardedFetcher(AddressGuard(allow_private=True)))


async def test_html_comes_as_markdown(ctx: ToolContext, serve: Serve) -> None:
    async with serve(reply(PAGE, "text/html; charset=utf-8")) as site:
        output = await call(fetch_url, ctx, url=f"{site.url}/docs/use")
    assert output.content.replace(f":{site.port}", "") == snapshot("""\
http://127.0.0.1/docs/use (text/html, 573 bytes)
Title: How to use it

# Use

Call **it** with a [parameter](http://127.0.0.1/docs/more) & wait for what it says;
this goes on for long enough to be taken for the main text of the page.

- One
- Two

```
def f():
    return 1
```
| Name | Value | \n\
|---|---|
| a | 1 |\
""")
    assert not output.is_failure
    assert running("extracting.py") == []


async def test_a_list_of_links_keeps_where_they_lead(ctx: ToolContext, serve: Serve) -> None:
    items = "".join(f"<li><a href='/{n}'>Entry number {n}</a></li>" for n in range(30))
    async with serve(reply(f"<html><body><ul>{items}</ul></body></html>", "text/html")) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert f"Entry number 7 <{site.url}/7>\nEntry number 8" in output.content


async def test_what_is_text_comes_as_it_is(ctx: ToolContext, serve: Serve) -> None:
    async with serve(reply('{"a":\r\n [1]}', "application/vnd.api+json")) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert output.content == (f'{site.url} (application/vnd.api+json, 12 bytes)\n\n{{"a":\n [1]}}')


async def test_a_redirect_is_told_by_the_url_at_its_end(ctx: ToolContext, serve: Serve) -> None:
    async with serve(reply("end")) as end, serve(redirect(f"{end.url}/b")) as site:
        output = await call(fetch_url, ctx, url=f"{site.url}/a")
    assert output.content.startswith(f"{end.url}/b (text/plain, 3 bytes)")


async def test_a_long_page_is_cut_and_all_of_it_can_be_read(ctx: ToolContext, serve: Serve) -> None:
    text = "".join(f"line {number}\n" for number in range(100_000))
    async with serve(reply(text)) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert len(output.content) < SHOWN_OF_A_PAGE + 1000
    assert output.spilled
    path = ctx.blobs.path(ctx.mission_id, output.spilled)
    assert f"All of it is in {path}" in output.content
    assert "line 0\n" in output.content
    assert output.content.endswith("line 99999")
    assert path.read_text() == text.strip()


async def test_a_huge_page_says_that_it_is_not_all(ctx: ToolContext, serve: Serve) -> None:
    async with serve(reply("x" * (LARGEST_PAGE + 1))) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert "[Cut: there was more" in output.content


async def test_what_is_not_text_is_kept_as_a_file(ctx: ToolContext, serve: Serve) -> None:
    data = b"%PDF-1.7\n\x00\xff"
    async with serve(reply(data, "application/pdf")) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert output.spilled
    path = ctx.blobs.path(ctx.mission_id, output.spilled)
    assert output.content.endswith(f"It is not text. It is kept in {path}.")
    assert path.read_bytes() == data


async def test_an_error_of_the_server_is_a_failure_with_its_reason(
    ctx: ToolContext, serve: Serve
) -> None:
    async with serve(reply("no such page " * 1000, status="404 Not Found")) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert output.is_failure
    assert output.content.startswith("HTTP error: 404 Not Found\n\nno such page")
    assert len(output.content) < 3000
    async with serve(reply(b"\x00", "image/png", status="599 ?")) as site:
        assert (await call(fetch_url, ctx, url=site.url)).content == "HTTP error: 599"


async def test_nothing_on_a_page_can_act_on_a_terminal(ctx: ToolContext, serve: Serve) -> None:
    """Check 35; nor hide from whoever reads the record."""
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "obey")
    async with serve(reply(f"\x1b]0;title\x07\u202eabc{hidden}\x00")) as site:
        content = (await call(fetch_url, ctx, url=site.url)).content
    assert content.isprintable() or set(content) & set("\x1b\x07\x00\u202e") == set()
    assert "\\x1b]0;title\\x07\\u202eabc\\U000e006f" in content


@pytest.mark.parametrize(
    ("charset", "encoded"),
    [
        ("utf-8", "grün €".encode()),
        ("iso-8859-15", "grün €".encode("iso-8859-15")),
        ("windows-1252", "grün €".encode("cp1252")),
        ("UTF-16", "grün €".encode("utf-16")),
        ("no-such-charset", "grün €".encode()),
        ("punycode", "grün €".encode()),
        ("zlib", "grün €".encode()),
        ("undefined", "grün €".encode()),
    ],
)
async def test_text_is_decoded_as_the_server_says(
    ctx: ToolContext, serve: Serve, charset: str, encoded: bytes
) -> None:
    async with serve(reply(encoded, f"text/plain; charset={charset}")) as site:
        assert (await call(fetch_url, ctx, url=site.url)).content.endswith("\n\ngrün €")


async def test_html_says_its_own_encoding(ctx: ToolContext, serve: Serve) -> None:
    page = f'<html><head><meta charset="iso-8859-1"></head><body><p>grün {"text " * 50}</p></body></html>'
    async with serve(reply(page.encode("iso-8859-1"), "text/html")) as site:
        assert "grün" in (await call(fetch_url, ctx, url=site.url)).content


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("<!DOCTYPE html><p>Hello", "Hello"),
        ("  <HTML><body>Hello</body>", "Hello"),
        ("Hello", "Hello"),
        ("\x00\x01", "It is not text."),
        ("", "It is empty."),
    ],
)
async def test_a_page_without_a_type_is_looked_at(
    ctx: ToolContext, serve: Serve, body: str, shown: str
) -> None:
    async with serve(reply(body, "")) as site:
        assert shown in (await call(fetch_url, ctx, url=site.url)).content


ODD = {
    "nothing": "",
    "no text": "<html><body><script>x()</script></body></html>",
    "not html": "just words",
    "only a comment": "<!-- x -->",
    "deep": "<html><body>" + "<div>" * 10_000 + "x",
    "wide": "<html><body><p>" + "<b>x</b>" * 1_000,
    "broken": "<html><body><p>&#0;&#xD800;&#99999999;<![CDATA[<</p" + "<" * 10_000,
    "xml": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
async def test_html_of_any_shape_is_survived(ctx: ToolContext, serve: Serve, kind: str) -> None:
    async with serve(reply(ODD[kind], "text/html")) as site:
        output = await call(fetch_url, ctx, url=site.url)
    assert not output.is_failure
    assert "root:" not in output.content
    assert running("extracting.py") == []


async def test_a_page_that_takes_too_long_to_read_is_shown_as_it_is(ctx: ToolContext) -> None:
    """Inline elements without end take the extractor quadratic time: 350 kB some ten seconds."""
    body = b"<html><body><p>" + b"<b>x</b>" * 200_000
    page = WebPage("http://page.test/", 200, "text/html", "utf-8", body)
    with anyio.fail_after(3):
        reading = await read_page(ctx, page, seconds=0.5)
    assert reading
    assert reading.is_source
    assert running("extracting.py") == []


async def test_the_working_directory_cannot_slip_code_into_the_extractor(
    ctx: ToolContext, serve: Serve, root: Path
) -> None:
    for name in ("trafilatura.py", "json.py", "sitecustomize.py"):
        (root / name).write_text(f"open({str(root / 'ran')!r}, 'w')\nraise SystemExit(1)\n")
    async with serve(reply(PAGE, "text/html")) as site:
        assert "# Use" in (await call(fetch_url, ctx, url=site.url)).content
    assert not (root / "ran").exists()


async def test_what_may_not_be_fetched_is_refused_with_the_reason(
    ctx: ToolContext, serve: Serve
) -> None:
    closed = dataclasses.replace(ctx, http=GuardedFetcher(AddressGuard(allow_private=False)))
    async with serve(reply("secret")) as site:
        said = await refusal(fetch_url, closed, url=site.url)
    assert said == snapshot(
        "Not fetched: 127.0.0.1 is this machine (127.0.0.1), which web tools do not open. For a server that you have started use curl with run_command."
    )
    assert await refusal(fetch_url, ctx, url="example.org") == snapshot(
        "Not fetched: Only URLs that begin with https:// or http:// are fetched."
    )
    assert "\x1b" not in await refusal(fetch_url, ctx, url="http://\x1b[31m/")
