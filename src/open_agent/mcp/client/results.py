"""What servers answer, as text for every model, and as pictures for those that see."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

import mcp_types as types
import pydantic_core

from open_agent.mcp.client.ports import Json, Result
from open_agent.models.wire import one_line
from open_agent.tools.definition import ToolImage

MOST_IMAGES = 8
MOST_IMAGE_BYTES = 4 * 1024 * 1024
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What providers take."""

_SIGNATURES = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


def read_result(answer: types.CallToolResult) -> Result:
    """What came of a call."""
    texts: list[str] = []
    images: list[ToolImage] = []
    for block in answer.content:
        _take(block, texts, images)
    if not any(text.strip() for text in texts) and answer.structured_content is not None:
        texts.append(pydantic_core.to_json(answer.structured_content, indent=2).decode())
    return Result("\n".join(texts), tuple(images), is_error=answer.is_error)


def read_contents(answer: types.ReadResourceResult) -> Result:
    """What is in a resource."""
    texts: list[str] = []
    images: list[ToolImage] = []
    for contents in answer.contents:
        _take_contents(contents, texts, images)
    return Result("\n".join(texts), tuple(images))


def shown(items: Iterable[Any]) -> list[Json]:
    """What servers list or answer, as JSON in the protocol's own names."""
    return [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items]


def _take(block: types.ContentBlock, texts: list[str], images: list[ToolImage]) -> None:
    match block:
        case types.TextContent(text=text):
            texts.append(text)
        case types.ImageContent(data=data, mime_type=media_type):
            texts.extend(_take_image(data, media_type, images))
        case types.AudioContent(data=data, mime_type=media_type):
            texts.append(f"[{one_line(media_type, 40)}, {len(data) * 3 // 4:,} bytes: not kept]")
        case types.ResourceLink(uri=uri, name=name, description=description):
            about = f" ({one_line(description, 200)})" if description else ""
            texts.append(f"{one_line(name, 200)}: {one_line(uri, 2_000)}{about}")
        case types.EmbeddedResource(resource=contents):
            _take_contents(contents, texts, images)


def _take_contents(
    contents: types.TextResourceContents | types.BlobResourceContents,
    texts: list[str],
    images: list[ToolImage],
) -> None:
    if isinstance(contents, types.TextResourceContents):
        texts.append(contents.text)
        return
    media_type = contents.mime_type or "application/octet-stream"
    if media_type in IMAGES:
        texts.extend(_take_image(contents.blob, media_type, images))
    else:
        size = len(contents.blob) * 3 // 4
        texts.append(f"[{one_line(contents.uri, 500)}: {one_line(media_type, 40)}, {size:,} bytes]")


def _take_image(data: str, media_type: str, images: list[ToolImage]) -> Iterator[str]:
    """Take an image, or say why it is not taken."""
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type not in IMAGES:
        yield f"[An image of the kind {one_line(media_type, 40)}, which models do not take]"
        return
    if len(images) >= MOST_IMAGES:
        yield f"[One more image; of one answer, {MOST_IMAGES} are taken]"
        return
    try:
        image = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        yield "[An image that cannot be read]"
        return
    if not image.startswith(_SIGNATURES[media_type]):
        yield f"[Something that is said to be {media_type} and is not]"
    elif len(image) > MOST_IMAGE_BYTES:
        yield f"[An image of {len(image):,} bytes; at most {MOST_IMAGE_BYTES:,} are taken]"
    else:
        images.append(ToolImage(image, media_type))
