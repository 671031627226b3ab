"""The errors a caller can act on.

`code` is stable and part of the API; `message` is for a person, says what to do next, and may
change. Three things are not errors: a tool's refusal (the model is told), a run's outcome (a
value), and cancellation (passes through untouched).
"""

from collections.abc import Mapping
from typing import Any


class OpenAgentError(Exception):
    """Something the caller can act on.

    Args:
        code: Stable and dotted, such as `mission.not_found`.
        message: What went wrong, where, and what to do next.
        details: JSON-encodable facts for programs.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})


class NotFound(OpenAgentError):
    """It does not exist, or is not the caller's; callers cannot tell which."""


class Conflict(OpenAgentError):
    """The request does not fit the present state."""


class Refused(OpenAgentError):
    """The caller may not do this."""


class Unauthenticated(OpenAgentError):
    """The caller has not said who they are."""


class Invalid(OpenAgentError):
    """The request itself is wrong."""


class LimitReached(OpenAgentError):
    """A limit that somebody set is reached."""


class Unavailable(OpenAgentError):
    """Something this needs cannot be reached now; trying later may help."""
