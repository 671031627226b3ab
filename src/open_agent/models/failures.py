"""What went wrong with a call of a model, told from whatever the provider sent.

Providers agree on neither status, nor code, nor words; the same refusal comes as a status, as a
body with status 200, or in the middle of a stream.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pydantic_core

from open_agent.models.reply import ModelError, ModelErrorCode
from open_agent.models.wire import Json, as_object, as_text, one_line

_MAX_RETRY_AFTER = 24 * 3600.0

_CONTEXT = re.compile(
    r"context.?(length|window|size|limit)|maximum context|too many (input )?tokens"
    r"|prompt is too long|input is too long|exceeds? .{0,40}(token|context)",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model.?not.?found|not a valid model|no (such )?model|model .{0,80}(does not exist|not found)"
    r"|no endpoints found|unknown model|no allowed providers",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient.?(quota|credits?|balance|funds)|billing|exceeded your current quota",
    re.IGNORECASE,
)
_BUSY = re.compile(r"overloaded|at capacity|temporarily unavailable|no available", re.IGNORECASE)

_ADVICE: Mapping[ModelErrorCode, tuple[str, str, bool]] = {
    # what happened, what to do, whether the same request may succeed later
    "provider.rate_limited": (
        "The provider limits how often it may be asked",
        "It is asked again later by itself.",
        True,
    ),
    "provider.overloaded": (
        "The provider is overloaded",
        "It is asked again later by itself; FALLBACK_MODEL names another model for such times.",
        True,
    ),
    "provider.unauthorized": (
        "The provider refused the API key",
        "Check OPENROUTER_API_KEY, and that it belongs to OPENROUTER_BASE_URL.",
        False,
    ),
    "provider.payment_required": (
        "The account with the provider has run out of credit",
        "Add credit there, or set another OPENROUTER_API_KEY.",
        False,
    ),
    "provider.refused": (
        "The provider refused the request",
        "Read its reason; another model may accept it.",
        False,
    ),
    "provider.context_too_long": (
        "The conversation is longer than the model can read",
        "Use a model with a larger context window, or start a new task.",
        False,
    ),
    "provider.model_not_found": (
        "The provider has no such model",
        "Check the model's name (DEFAULT_MODEL, or `model` of the task).",
        False,
    ),
    "provider.error": ("The provider failed", "It is asked again later by itself.", True),
}

_BY_STATUS: Mapping[int, ModelErrorCode] = {
    401: "provider.unauthorized",
    402: "provider.payment_required",
    403: "provider.refused",
    404: "provider.model_not_found",
    408: "provider.overloaded",
    413: "provider.context_too_long",
    425: "provider.overloaded",
    429: "provider.rate_limited",
    503: "provider.overloaded",
    529: "provider.overloaded",
}


def from_status(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> ModelError:
    """The failure that a response other than 200 tells of. Nothing was charged for it."""
    if 300 <= status < 400:
        return _elsewhere(status, headers.get("location", ""))
    error = error_in(_parse(body))
    if status in (404, 405) and (error is None or _says_only_not_found(error)):
        return _no_endpoint(status)
    failure = _failure(status, error if error is not None else {"message": _plain(body)})
    wait = retry_after(headers, now)
    failure.retry_after = wait if wait is not None else failure.retry_after
    failure.cost_microdollars = 0
    return failure


def from_error(error: Any) -> ModelError:
    """The failure that an `error` inside a body or a stream with status 200 tells of."""
    fields: Json = as_object(error) or {"message": as_text(error)}
    return _failure(_status(fields.get("code")) or _status(fields.get("status")), fields)


def error_in(body: Any) -> Json | None:
    """The error object of a JSON body, wherever its author put it."""
    fields = as_object(body)
    error = fields.get("error")
    if isinstance(error, dict) and error:
        return as_object(error)
    if isinstance(error, str) and error:
        return {"message": error}
    for name in ("message", "detail"):
        if isinstance(fields.get(name), str) and "choices" not in fields:
            return {"message": fields[name], "code": fields.get("code"), "type": fields.get("type")}
    return None


def not_a_stream(head: bytes) -> ModelError:
    """Status 200, but a web page or other text where a reply should be."""
    return ModelError(
        "provider.not_a_stream",
        f"The endpoint answered with something that is no model reply: “{_plain(head, 120)}”."
        " Check OPENROUTER_BASE_URL (it usually ends in /v1) and any proxy in between.",
        status=200,
        is_retryable=True,
    )


def broken_stream(what: str) -> ModelError:
    """The reply ended, or stopped making sense, before it was complete."""
    return ModelError("provider.broken_stream", f"The reply broke off: {what}.", is_retryable=True)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from whichever header says so; bounded to a day."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    if value:
        return _until_date(value, now)
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if reset is not None and reset > 1e12:  # OpenRouter: milliseconds since 1970
        return _bounded(reset / 1000 - now.timestamp())
    return None


def _failure(status: int | None, error: Json) -> ModelError:
    words = as_text(error.get("message")) or as_text(error.get("type")) or ""
    metadata = as_object(error.get("metadata"))
    raw = as_text(metadata.get("raw"))
    kind = f"{as_text(error.get('code'))} {as_text(error.get('type'))}"
    code = _classify(status, f"{kind} {words} {raw}")
    what, advice, is_retryable = _ADVICE[code]
    if code == "provider.error" and status is not None and status < 500:
        is_retryable, advice = False, _ADVICE["provider.refused"][1]
    by = as_text(metadata.get("provider_name"))
    said = one_line(f"{words} ({by}: {raw})" if raw else words)
    place = f"HTTP {status}" if status is not None else "inside its reply"
    reason = f": “{said}”" if said else ""
    return ModelError(
        code, f"{what} ({place}){reason}. {advice}", status=status, is_retryable=is_retryable
    )


def _classify(status: int | None, text: str) -> ModelErrorCode:
    if status in (401, 402):
        return _BY_STATUS[status]
    if _QUOTA.search(text) and status in (None, 400, 403, 429):
        return "provider.payment_required"
    if status in (None, 400, 404, 413, 422) and _CONTEXT.search(text):
        return "provider.context_too_long"
    if status in (None, 400, 404, 422) and _MODEL.search(text):
        return "provider.model_not_found"
    if status is not None and status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in (400, 422):
        return "provider.refused"
    if _BUSY.search(text):
        return "provider.overloaded"
    if "rate" in text.lower() and "limit" in text.lower():
        return "provider.rate_limited"
    return "provider.error"


def _elsewhere(status: int, location: str) -> ModelError:
    failure = ModelError(
        "provider.error",
        f"The endpoint says it has moved to “{one_line(location, 200)}” (HTTP {status})."
        " Redirects are not followed with a key in hand: set OPENROUTER_BASE_URL to the new place.",
        status=status,
    )
    failure.cost_microdollars = 0
    return failure


def _no_endpoint(status: int) -> ModelError:
    failure = ModelError(
        "provider.error",
        f"There is no chat completions endpoint at that address (HTTP {status})."
        " Check OPENROUTER_BASE_URL; it usually ends in /v1.",
        status=status,
    )
    failure.cost_microdollars = 0
    return failure


def _parse(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body)
    except ValueError:
        return None


def _plain(body: bytes, limit: int = 200) -> str:
    """The words of a body, without the marks of a web page."""
    text = body[:4096].decode("utf-8", "replace")
    return one_line(re.sub(r"\s+", " ", re.sub(r"<[^>]{0,400}>", " ", text)), limit)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _until_date(value: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return _bounded((aware - now).total_seconds())


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


def _says_only_not_found(error: Json) -> bool:
    return as_text(error.get("message")).strip(" .").lower() in ("not found", "method not allowed")


def _status(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599:
        return number
    return None
