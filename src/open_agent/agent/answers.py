"""Tool calls as the model wrote them, made safe to store, to run and to send back."""

from collections.abc import Sequence

import pydantic_core

from open_agent.agent.context import RunContext
from open_agent.core.ids import CallId, new_uuid
from open_agent.events.model.model_call import RequestedCall
from open_agent.models.reply import WireCall

INLINE_BYTES = 48 * 1024
"""Arguments of one answer up to this stay in its event; larger ones become blobs."""
LARGEST_BYTES = 4 * 1024 * 1024
LONGEST_NAME = 200
LONGEST_ID = 64
MOST_CALLS = 32
PLACEHOLDER = "{}"


async def to_requested_calls(ctx: RunContext, calls: Sequence[WireCall]) -> list[RequestedCall]:
    """Every call with an id of its own, and with what is wrong with it, if anything is."""
    requested: list[RequestedCall] = []
    room = INLINE_BYTES
    taken = set(ctx.state.call_ids)
    for number, call in enumerate(calls):
        call_id = _usable_id(call.id, taken)
        taken.add(call_id)
        problem = _problem(call, number)
        size = len(call.arguments.encode("utf-8", "replace"))
        blob = None
        arguments = call.arguments if problem is None else PLACEHOLDER
        if problem is None and size > room:
            data = call.arguments.encode("utf-8", "replace")
            blob = await ctx.shared.blobs.put(ctx.mission_id, data, media_type="application/json")
            arguments = _stand_in(size)
        else:
            room -= min(size, room)
        requested.append(
            RequestedCall(
                call_id=call_id,
                name=call.name[:LONGEST_NAME],
                arguments=arguments,
                arguments_blob=blob,
                problem=problem,
            )
        )
    return requested


def _usable_id(wire_id: str, taken: set[CallId]) -> CallId:
    """The provider's own id, unless it is empty, used before or not fit to send back."""
    is_plain = wire_id.isascii() and wire_id.replace("-", "").replace("_", "").isalnum()
    if wire_id and is_plain and len(wire_id) <= LONGEST_ID and wire_id not in taken:
        return CallId(wire_id)
    return CallId(new_uuid())


def _problem(call: WireCall, number: int) -> str | None:
    """What keeps the call from being made, said so that the model can do better."""
    if number >= MOST_CALLS:
        return f"Only the first {MOST_CALLS} calls of a reply are carried out. Ask again."
    if call.problem:
        return call.problem
    size = len(call.arguments)
    if size > LARGEST_BYTES:
        return (
            f"The arguments have {size:,} characters; the limit is {LARGEST_BYTES:,}. "
            "Write large content in several calls."
        )
    try:
        value = pydantic_core.from_json(call.arguments or PLACEHOLDER)
    except (ValueError, RecursionError) as error:
        return f"The arguments are not valid JSON: {error}. Send one JSON object."
    if not isinstance(value, dict):
        return "The arguments are not a JSON object. Send one JSON object."
    return None


def _stand_in(size: int) -> str:
    """What the model is shown later in place of its own large arguments."""
    return pydantic_core.to_json({"omitted": f"{size} bytes of arguments, kept in full"}).decode()
