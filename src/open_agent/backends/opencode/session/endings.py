"""How a session's work ended, as the outcome of a run: OpenCode's words in ours. Pure."""

from open_agent.agent.moves import ALWAYS_CUT, FILTERED, Stop
from open_agent.backends.opencode.protocol.wire import ErrorInfo
from open_agent.core.run import Outcome

_CODES = {
    "ProviderAuthError": "provider.unauthorized",
    "ContextOverflowError": "provider.context_too_long",
    "MessageOutputLengthError": "length",
    "ContentFilterError": "content_filter",
    "MessageAbortedError": "backend.aborted",
    "ProviderModelNotFoundError": "provider.model_not_found",
}
_STATUSES = {
    401: "provider.unauthorized",
    402: "provider.payment_required",
    403: "provider.unauthorized",
    404: "provider.model_not_found",
    413: "provider.context_too_long",
    429: "provider.rate_limited",
}
ABORTED = (
    "Somebody stopped the session in OpenCode itself. What was done up to there is kept. Send a "
    "message to go on."
)
CUT_SHORT = (
    "OpenCode ended the work before it was done, and said no reason. Everything up to there is kept. "
    "Send a message to go on."
)
NO_START = (
    "OpenCode took the task and did not begin to work on it. Look at OpenCode's log, or start it "
    "again; then send a message to go on."
)
EMPTY = "The model keeps sending empty replies."


def error_code(error: ErrorInfo) -> str:
    """A failure as one of our codes."""
    if error.name in _CODES:
        return _CODES[error.name]
    status = error.status_code
    if status in _STATUSES:
        return _STATUSES[status]
    if status is not None:
        return "provider.overloaded" if status >= 500 else "provider.refused"
    if "model not found" in error.message.lower():
        return "provider.model_not_found"
    return "provider.error" if error.name == "APIError" else "backend.failed"


def error_message(error: ErrorInfo) -> str:
    """A failure for a person."""
    return error.message or error.name


def retry_code(message: str) -> str:
    """Why OpenCode tries again, as one of our codes: all that it says of it is a text."""
    said = message.lower()
    if "rate limit" in said or "too many requests" in said or "429" in said or "quota" in said:
        return "provider.rate_limited"
    if "overloaded" in said or "unavailable" in said:
        return "provider.overloaded"
    if "connect" in said or "socket" in said or "network" in said:
        return "provider.unreachable"
    return "provider.error"


def stop_for_error(error: ErrorInfo) -> Stop:
    """The end of a run whose session failed."""
    code = error_code(error)
    if code == "backend.aborted":
        return Stop(Outcome.FAILED, code, ABORTED)
    if code == "content_filter":
        return Stop(Outcome.FAILED, code, FILTERED)
    return Stop(Outcome.FAILED, code, error_message(error))


def stop_for_finish(finish: str, text: str) -> Stop | None:
    """The end of a run whose last reply ended so; none where the work is not done."""
    match finish:
        case "length":
            told = ALWAYS_CUT.format(count=1).replace("1 replies all", "reply")
            return Stop(Outcome.FAILED, "length", _with_text(told, text))
        case "content_filter" | "content-filter":
            return Stop(Outcome.FAILED, "content_filter", _with_text(FILTERED, text))
        case "tool_calls" | "tool-calls" | "interrupted" | "cancelled" | "error":
            return None
        case _ if text.strip():
            return Stop(Outcome.SUCCEEDED, "done", text)
        case _:
            return None


def _with_text(told: str, text: str) -> str:
    return f"{told} Its text up to there:\n\n{text}" if text.strip() else told
