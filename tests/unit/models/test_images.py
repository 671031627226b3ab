"""Pictures in conversations: where they stand, how many are shown, and what they weigh."""

import base64
from typing import Any

import pydantic_core
import pytest

from open_agent.events.model.base import BlobRef
from open_agent.events.model.tool import ToolReturned
from open_agent.events.record import Record
from open_agent.models.encoding import IMAGE_WEIGHT, MOST_IMAGES, Conversation
from open_agent.scripted.checks import read_request
from tests.histories import begun

DATA = base64.b64encode(b"a picture" * 1_000)


def picture(number: int) -> BlobRef:
    return BlobRef(digest=f"{number:064x}", size=9_000, media_type="image/png")


def showing(count: int) -> list[Record]:
    """A log of so many steps, each of which shows a picture."""
    history = begun()
    for number in range(count):
        history.asked().answered("", [("run_command", "{}")]).returned(0, "seen")
        record = history.records[-1]
        assert isinstance(record.event, ToolReturned)
        event = record.event.model_copy(update={"images": [picture(number)]})
        history.records[-1] = record.model_copy(update={"event": event})
    return history.records


def folded(records: list[Record], *, is_seeing: bool = True) -> Conversation:
    conversation = Conversation()
    conversation.is_seeing = is_seeing
    for record in records:
        conversation.apply(record)
    return conversation


def messages(conversation: Conversation) -> list[dict[str, Any]]:
    images = {ref.digest: DATA for ref in conversation.images}
    body = conversation.encode_request("m", 100, images=images).body
    request, violations = read_request(body)
    assert request is not None
    assert violations == []
    return request["messages"]


def test_pictures_follow_the_results_that_show_them() -> None:
    [*_, call, result, shown] = messages(folded(showing(1)))
    assert (call["role"], result["role"], shown["role"]) == ("assistant", "tool", "user")
    [text, image] = shown["content"]
    assert text["text"].startswith("[The image")
    assert image == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{DATA.decode()}"},
    }


def test_models_that_do_not_see_are_sent_none() -> None:
    conversation = folded(showing(2), is_seeing=False)
    assert conversation.images == ()
    assert [message["role"] for message in messages(conversation)[-2:]] == ["assistant", "tool"]


def test_a_picture_that_is_lost_is_left_out() -> None:
    body = folded(showing(1)).encode_request("m", 100).body
    assert b"image_url" not in body


@pytest.mark.parametrize(
    ("count", "first"),
    [(1, 0), (MOST_IMAGES, 0), (MOST_IMAGES + 1, 4), (12, 4), (13, 8), (16, 8), (17, 12)],
)
def test_the_oldest_pictures_go_half_of_them_at_a_time(count: int, first: int) -> None:
    conversation = folded(showing(count))
    assert list(conversation.images) == [picture(number) for number in range(first, count)]
    assert len(conversation.images) <= MOST_IMAGES


def test_a_picture_weighs_the_same_whatever_its_bytes() -> None:
    with_pictures, blind = folded(showing(3)), folded(showing(3), is_seeing=False)
    assert with_pictures.size_bytes - blind.size_bytes == 3 * IMAGE_WEIGHT
    images = {ref.digest: DATA for ref in with_pictures.images}
    request = with_pictures.encode_request("m", 100, images=images)
    plain = blind.encode_request("m", 100)
    assert request.size - plain.size == 3 * IMAGE_WEIGHT
    assert len(request.body) - len(plain.body) > 3 * len(DATA)
    assert pydantic_core.from_json(request.body)["model"] == "m"
