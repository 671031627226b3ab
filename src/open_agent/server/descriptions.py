"""What OpenAPI says of replies that the type of a route cannot: failures and streams."""

from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from open_agent.core.mission import Mission
from open_agent.events.delta import Delta
from open_agent.events.record import Record
from open_agent.server.control.events import CONTROL_EVENTS
from open_agent.server.errors import ErrorBody
from open_agent.server.wire import LogEntry, TaskDone, Wire

REF = "#/components/schemas/{model}"

FAILURES = {
    400: "The request cannot be read, or does not fit the present state.",
    401: "There is no token, or not the right one.",
    403: "The caller, or the credential, may not do this.",
    404: "It does not exist, or is not the caller's.",
    409: "It does not fit what is there; `code` says how.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "A field is wrong; `details` says which.",
    429: "Too often, or a limit is reached; `Retry-After` may say when to try again.",
    503: "Not ready.",
    507: "There is no room for another workspace; `message` says what to remove.",
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


CONTROL_STREAM = (
    "Server-sent events of all the caller's missions; of tasks, none. Every event that happened "
    "has an `id`, `<owner_seq>.<k>`; send the last one seen as `Last-Event-ID` or `?after=` to go "
    "on exactly behind it, across restarts. Without one the stream begins now; `?after=0` is "
    "everything. `status`, `agent_tree`, `progress` and the deltas have no `id`: they say how things "
    "are, and what is being written. The first event is `status`, of the current mission. An id "
    "that is not of this stream is answered with `reset`, which says how everything is, and goes "
    "on from now. A comment comes whenever nothing else did for 15 s."
)


class Reset(Wire):
    """The reader's place is none of this log: forget everything, it comes again."""

    reason: str = Field(description="Always `cursor.unknown`.")


STREAMED: tuple[type[BaseModel], ...] = (
    LogEntry,
    TaskDone,
    Mission,
    Record,
    Delta,
    Reset,
    *CONTROL_EVENTS.values(),
)
"""What the data of streamed events can be."""

Responses = dict[int | str, dict[str, Any]]

SEEN: Responses = {204: {"description": "The end has been seen; do not come back."}}


def failing_plainly(*statuses: int) -> Responses:
    """Failures of a route whose body is for a person to read as it is."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {status: {"description": FAILURES[status], "content": content} for status in statuses}


def failing(*statuses: int) -> Responses:
    """The failures of a route."""
    return {status: {"description": FAILURES[status], "model": ErrorBody} for status in statuses}


def event_stream(description: str, **data: type[BaseModel]) -> Responses:
    """The success of a route that streams, with the data of each event by its name.

    `records` stands for the events of the log, which are named by their type.
    """
    kinds = [_streamed(name, model) for name, model in data.items()]
    content = {"text/event-stream": {"itemSchema": {"oneOf": kinds}}}
    return {200: {"description": description, "content": content}}


def add_streamed(document: dict[str, Any]) -> None:
    """Describe the values that only streams carry, beside those of all other replies."""
    _, found = models_json_schema(
        [(model, "serialization") for model in STREAMED], ref_template=REF
    )
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name, schema in found["$defs"].items():
        schemas.setdefault(name, schema)


def _streamed(name: str, model: type[BaseModel]) -> dict[str, Any]:
    ref = REF.format(model=model.__name__)
    event = {"pattern": r"^[a-z]+\.[a-z]+$"} if name == "records" else {"const": name}
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", **event},
            "id": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
            "retry": {"type": "integer"},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": ref},
            },
        },
    }
