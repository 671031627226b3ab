"""What every request to a model must be; providers answer 400 for ever to one that is not."""

import re
from typing import Any, cast

import pydantic_core

from open_agent.scripted.script import Json

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ROLES = ("system", "user", "assistant", "tool")


def read_request(body: bytes) -> tuple[Json | None, list[str]]:
    """The request, when it can be read at all, and everything that is wrong with it."""
    try:
        value: Any = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        return None, [f"the body is not JSON: {error}"]
    if not isinstance(value, dict):
        return None, ["the body is not an object"]
    request = cast(Json, value)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return None, ["messages is not a list with something in it"]
    if not all(_is_message(message) for message in cast("list[Any]", messages)):
        return None, ["a message is not an object with a known role"]
    if not isinstance(request.get("model"), str) or not request["model"]:
        return None, ["model is missing"]
    found = [*_check_tools(request), *_check_messages(cast("list[Json]", messages))]
    return request, found


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and cast(Json, message).get("role") in _ROLES


def _check_tools(request: Json) -> list[str]:
    found: list[str] = []
    for field in ("max_tokens", "max_completion_tokens"):
        limit = request.get(field, 1)
        if not isinstance(limit, int) or limit < 1:
            found.append(f"{field} is not a positive number")
    tools = request.get("tools")
    if tools is None:
        return found
    if not isinstance(tools, list) or not tools:
        return [*found, "tools is not a list with something in it"]
    for tool in cast("list[Json]", tools):
        name = tool.get("function", {}).get("name", "")
        if tool.get("type") != "function" or not _NAME.match(name):
            found.append(f"tool {name!r} is malformed")
    return found


def _check_messages(messages: list[Json]) -> list[str]:
    """Roles, contents, and that each call has one answer, right after the message that made it."""
    found: list[str] = []
    open_calls: list[str] = []
    seen: set[str] = set()
    for place, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            call_id = message.get("tool_call_id")
            if call_id in open_calls:
                open_calls.remove(cast(str, call_id))
            else:
                found.append(f"message {place} answers no open call: {call_id!r}")
        elif open_calls:
            found.append(f"message {place} comes before the answers of {open_calls}")
            open_calls = []
        if role == "system" and place > 0:
            found.append(f"message {place} is a system message in the middle")
        if not _has_content(message):
            found.append(f"message {place} ({role}) has no content")
        if role == "assistant":
            open_calls = _check_calls(message, place, seen, found)
    if open_calls:
        found.append(f"the calls {open_calls} have no answer")
    return found


def _has_content(message: Json) -> bool:
    content = message.get("content")
    if message["role"] == "assistant" and message.get("tool_calls"):
        return content is None or isinstance(content, str)
    if isinstance(content, list):
        return content != []
    return isinstance(content, str) and bool(content.strip())


def _check_calls(message: Json, place: int, seen: set[str], found: list[str]) -> list[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not isinstance(calls, list) or not calls:
        found.append(f"message {place} has an empty list of calls")
        return []
    ids: list[str] = []
    for call in cast("list[Json]", calls):
        call_id, function = call.get("id"), cast(Json, call.get("function") or {})
        if not isinstance(call_id, str) or not call_id or call_id in seen:
            found.append(f"message {place} has a call with a missing or used id: {call_id!r}")
        else:
            seen.add(call_id)
            ids.append(call_id)
        if not _NAME.match(str(function.get("name", ""))):
            found.append(f"message {place} calls a tool by an impossible name")
        if not _is_json_object(function.get("arguments")):
            found.append(f"message {place} has arguments that are no JSON object")
    return ids


def _is_json_object(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return isinstance(pydantic_core.from_json(text, allow_inf_nan=False), dict)
    except ValueError:
        return False
