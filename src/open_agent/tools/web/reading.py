"""What is on a page, as text that a model can read."""

import codecs
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from open_agent.tools.definition import ToolContext
from open_agent.tools.plain_text import is_binary
from open_agent.tools.ports import WebPage
from open_agent.workspaces.processes import Process

EXTRACTOR = Path(__file__).with_name("extracting.py")
DEADLINE = 15.0
"""Seconds for making a page readable."""
LARGEST_HTML = 3_000_000
"""Bytes of HTML that are read; what is beyond has no main text to find."""
LONGEST_TEXT = 16_000_000
"""Bytes that are taken from the extractor."""
HTML = frozenset({"text/html", "application/xhtml+xml"})
TEXTUAL = re.compile(
    r"text/.*|application/(.*\+)?(json|xml|yaml|toml|javascript|ecmascript|x-sh|sql)"
    r"|application/(x-ndjson|ld\+json|x-yaml|x-javascript)|image/svg\+xml|message/.*"
)
_CODECS = re.compile(
    r"utf-(8|16|32).*|ascii|iso8859-\d+|cp\d+|koi8-\w|shift_jis\w*|euc_\w+|iso2022_\w+|gb\w+"
    r"|big5\w*|mac-\w+|tis-620"
)
"""Of those that Python knows: no others are on the web, and some take quadratic time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of a page.

    Attributes:
        title: Of the page, if it has one.
        is_source: The text is HTML as it came, for nothing better could be made of it.
    """

    text: str
    title: str = ""
    is_source: bool = False


async def read_page(
    ctx: ToolContext, page: WebPage, *, seconds: float = DEADLINE
) -> Reading | None:
    """The text of a page; nothing if it is not text."""
    media_type = page.media_type or _guess(page.body)
    if media_type not in HTML:
        if not TEXTUAL.fullmatch(media_type):
            return None
        return Reading(await to_thread.run_sync(_decode, page))
    text = await to_thread.run_sync(_decode_html, page)
    extracted: Reading | None = None
    with anyio.move_on_after(seconds):
        extracted = await _extract(ctx, text, page.url)
    return extracted or Reading(text.decode("utf-8", "replace"), is_source=True)


def _guess(body: bytes) -> str:
    """What a page is whose server does not say."""
    start = body[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "text/html"
    return "application/octet-stream" if is_binary(body[:8192]) else "text/plain"


def _decode(page: WebPage) -> str:
    text = page.body.decode(_codec(page.charset) or "utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _decode_html(page: WebPage) -> bytes:
    """HTML as UTF-8 where its encoding is known; else the extractor finds it out."""
    html = page.body[:LARGEST_HTML]
    codec = _codec(page.charset)
    return html.decode(codec, "replace").encode("utf-8", "replace") if codec else html


def _codec(charset: str | None) -> str | None:
    try:
        name = codecs.lookup(charset or "").name
    except (LookupError, ValueError):
        return None
    return name if _CODECS.fullmatch(name) else None


async def _extract(ctx: ToolContext, html: bytes, url: str) -> Reading | None:
    # Isolated: neither the working directory nor the environment says what is imported.
    argv = [sys.executable, "-I", str(EXTRACTOR), url]
    process = await ctx.workspace.start(argv, owner=ctx.owner, stdin=True)
    said = bytearray()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_write, process, html)
            group.start_soon(_ignore, process)
            while (data := await process.stdout.read()) and len(said) < LONGEST_TEXT:
                said += data
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await process.terminate(grace=0)
        process.release()
    try:
        found = json.loads(said)
    except ValueError:  # it was ended, or ended by itself
        return None
    return Reading(found["text"], found["title"]) if found and found["text"] else None


async def _write(process: Process, html: bytes) -> None:
    assert process.stdin
    try:
        await process.stdin.write(html)
        process.stdin.close()
    except BrokenPipeError:
        return


async def _ignore(process: Process) -> None:
    while await process.stderr.read():
        pass
