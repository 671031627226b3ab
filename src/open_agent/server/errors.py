"""Errors as clients see them: one shape, stable codes, no inside of the server.

The status column of `core/errors.py` lives here. A body of the wrong shape is described by place
and problem; what was sent is never repeated.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from open_agent.core.errors import (
    Conflict,
    Invalid,
    LimitReached,
    NotFound,
    OpenAgentError,
    Refused,
    Unauthenticated,
    Unavailable,
)

STATUS = {
    NotFound: 404,
    Conflict: 409,
    Refused: 403,
    Unauthenticated: 401,
    Invalid: 422,
    LimitReached: 429,
    Unavailable: 503,
}

STATUS_OF_CODE = {
    "disk.full": 507,
    "content.required": 400,
    "mcp.exists": 400,
    "mission.not_resumable": 400,
    "name.required": 400,
    "task.not_running": 400,
    "tool_call_id.required": 400,
    "workspace.not_cleaned": 400,
    "workspace.not_ours": 400,
}
"""Where the status is another one than our column says: mostly as the original answers."""

CODE_OF_STATUS = {
    400: ("request.malformed", "The request cannot be read. Check that its body is JSON."),
    404: ("route.not_found", "There is nothing at this address; `/docs` lists what there is."),
    405: ("route.method_not_allowed", "This address does not know the method; see `Allow`."),
}

PLAIN_PATHS = frozenset({"/api/auth/login", "/link", "/api/mcp/oauth/callback"})
"""Where the body of a failure is shown to a person as it is."""

SHOWN_PROBLEMS = 20
RAISED = "Value error, "
"""What pydantic puts before words of our own."""


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable, for programs: `task.not_found`.")
    message: str = Field(description="For a person: what to do next. May change.")
    details: dict[str, Any] = Field(description="Facts that belong to the code.")


class ErrorBody(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


def error_response(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A reply that says what went wrong."""
    error = {"code": code, "message": message, "details": dict(details or {})}
    # As ASCII, since details may repeat what has no UTF-8: a lone surrogate.
    body = json.dumps({"error": error}, separators=(",", ":"), default=str).encode("ascii")
    return Response(body, status, headers, media_type="application/json")


def response_to(error: OpenAgentError) -> Response:
    """The reply to an error that the caller can act on."""
    status = STATUS_OF_CODE.get(error.code)
    if status is None:
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return error_response(status, error.code, error.message, error.details, _headers(status, error))


def plain_response_to(error: OpenAgentError) -> Response:
    """The same as text, where clients of the original show the body as it is."""
    shaped = response_to(error)
    headers = _headers(shaped.status_code, error)
    return PlainTextResponse(error.message, shaped.status_code, headers)


def _headers(status: int, error: OpenAgentError) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if "retry_after_seconds" in error.details:
        headers["Retry-After"] = str(error.details["retry_after_seconds"])
    return headers


def install(app: FastAPI) -> None:
    """Answer every error that a route can end in."""
    app.add_exception_handler(OpenAgentError, _known)
    app.add_exception_handler(RequestValidationError, _wrong_shape)
    app.add_exception_handler(HTTPException, _from_framework)


async def _known(request: Request, error: Exception) -> Response:
    answer = plain_response_to if request.url.path in PLAIN_PATHS else response_to
    return answer(cast("OpenAgentError", error))


async def _from_framework(request: Request, error: Exception) -> Response:
    del request
    http_error = cast("HTTPException", error)
    status = http_error.status_code
    code, message = CODE_OF_STATUS.get(status, (f"http.{status}", str(http_error.detail)))
    return error_response(status, code, message, headers=http_error.headers)


async def _wrong_shape(request: Request, error: Exception) -> Response:
    problems = cast("RequestValidationError", error).errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return error_response(400, *CODE_OF_STATUS[400])
    if any(problem["loc"] == ("body",) and problem["type"] == "missing" for problem in problems):
        if request.headers.get("content-type") is None:
            return error_response(415, *NOT_JSON)
        return error_response(400, *CODE_OF_STATUS[400])
    shown = [
        {
            "where": ".".join(map(str, problem["loc"])),
            "problem": problem["msg"].removeprefix(RAISED),
        }
        for problem in problems[:SHOWN_PROBLEMS]
    ]
    first = shown[0]
    return error_response(
        422,
        "request.invalid",
        f"{first['where']}: {first['problem']}. `/docs` says what this address takes.",
        {"problems": shown},
    )


NOT_JSON = (
    "request.not_json",
    "The body must be JSON, sent with `Content-Type: application/json`.",
)
