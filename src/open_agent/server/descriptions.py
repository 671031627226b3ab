"""What OpenAPI says of replies that the type of a route cannot: failures and streams."""

from typing import Any

from open_agent.server.errors import ErrorBody

FAILURES = {
    400: "The request cannot be read, or does not fit the present state.",
    401: "There is no token, or not the right one.",
    404: "It does not exist, or is not the caller's.",
    409: "The idempotency key was used for another request.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "A field is wrong; `details` says which.",
    503: "Not ready.",
}

STREAM = (
    "Server-sent events. Every event but `snapshot`, `delta` and `reset` has an `id`; send the "
    "last one seen as `Last-Event-ID` or `?after=` to go on exactly behind it. An id that is not "
    "of this log is answered with `reset`, and everything from the beginning. A comment comes at "
    "once and whenever nothing else did for 15 s. "
)

TASK_STREAM = STREAM + (
    "`log`: one log entry, as in the task's `log`. `done`: the task has ended, with its `status` "
    "and `result`; the stream ends with it. A reader that has seen `done` is answered with 204."
)

MISSION_STREAM = STREAM + (
    "`snapshot`: the mission as it is, first. Then a record, named by the type of its event, for "
    "everything that happened and happens; and `delta`: text that is being written, from "
    "character `offset` on, which is not stored and which an event will hold."
)

Responses = dict[int | str, dict[str, Any]]


def failing(*statuses: int) -> Responses:
    """The failures of a route."""
    return {status: {"description": FAILURES[status], "model": ErrorBody} for status in statuses}


def event_stream(description: str) -> Responses:
    """The success of a route that streams."""
    stream: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"description": description, "content": stream}}
