"""Reading a page of the web."""

from http import HTTPStatus

from open_agent.events.model.base import BlobRef
from open_agent.tools.clipping import clip
from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.plain_text import from_file
from open_agent.tools.ports import WebPage, WebUnavailable
from open_agent.tools.web.reading import Reading, read_page

LARGEST_PAGE = 5_000_000
"""Bytes, decompressed."""
SHOWN_OF_A_PAGE = 20_000
SHOWN_OF_AN_ERROR = 2_000


@tool(effect=Effect.NETWORK, timeout=90)
async def fetch_url(ctx: ToolContext, url: str) -> ToolOutput:
    """Fetch a public web page or file. HTML comes as Markdown; what is long is kept in a file.

    Args:
        url: Begins with https:// or http://.
    """
    try:
        page = await ctx.http.get(url, max_bytes=LARGEST_PAGE)
    except WebUnavailable as error:
        raise ToolFailed(f"Not fetched: {from_file(str(error))}") from None
    reading = await read_page(ctx, page)
    if page.status >= HTTPStatus.BAD_REQUEST:
        said = clip(from_file(reading.text), SHOWN_OF_AN_ERROR) if reading else ""
        return ToolOutput(f"HTTP error: {_status(page)}\n\n{said}".rstrip(), is_failure=True)
    if reading is None:
        return await _kept(ctx, page)
    return await _shown(ctx, page, reading)


async def _kept(ctx: ToolContext, page: WebPage) -> ToolOutput:
    """A page that is not text, as a file."""
    if not page.body:
        return ToolOutput(f"{_heading(page)}\n\nIt is empty.")
    ref = await ctx.blobs.put(ctx.mission_id, page.body, media_type=_media_type(page))
    path = ctx.blobs.path(ctx.mission_id, ref)
    return ToolOutput(f"{_heading(page)}\n\nIt is not text. It is kept in {path}.", spilled=ref)


async def _shown(ctx: ToolContext, page: WebPage, reading: Reading) -> ToolOutput:
    text = from_file(reading.text).strip()
    spilled: BlobRef | None = None
    if len(text) > SHOWN_OF_A_PAGE:
        spilled = await ctx.blobs.put(ctx.mission_id, text.encode())
        path = ctx.blobs.path(ctx.mission_id, spilled)
        text = clip(text, SHOWN_OF_A_PAGE, advice=f"All of it is in {path}: read_file.")
    parts = [_heading(page)]
    if reading.title:
        parts.append(f"Title: {from_file(reading.title)[:300]}")
    if reading.is_source:
        parts.append("[It could not be made readable: this is its source.]")
    return ToolOutput("\n".join([*parts, "", text or "It is empty."]), spilled=spilled)


def _heading(page: WebPage) -> str:
    url = from_file(page.url)[:1000]
    said = f"{url} ({_media_type(page)}, {len(page.body):,} bytes)"
    return f"{said}\n[Cut: there was more, or it did not come in time.]" if page.is_cut else said


def _media_type(page: WebPage) -> str:
    return from_file(page.media_type)[:100] or "unknown type"


def _status(page: WebPage) -> str:
    try:
        return f"{page.status} {HTTPStatus(page.status).phrase}"
    except ValueError:
        return str(page.status)
