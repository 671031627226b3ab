"""What can go wrong between us and an OpenCode server."""

from collections.abc import Mapping
from typing import Any

from open_agent.core.errors import Unavailable


class OpenCodeUnreachable(Unavailable):
    """There is no answer: it is not there, hangs, or cannot be started.

    The code is `opencode.unreachable`, or `opencode.not_installed` where there is no program.
    """

    def __init__(self, message: str, code: str = "opencode.unreachable") -> None:
        super().__init__(code, message)


class OpenCodeVersion(Unavailable):
    """What answers is no OpenCode that we can speak to (`opencode.version`)."""

    def __init__(self, message: str, version: str | None = None) -> None:
        super().__init__("opencode.version", message, {"version": version})
        self.version = version


class OpenCodeUnsafe(Unavailable):
    """It answers whoever asks, so it is not used (`opencode.unauthenticated`)."""

    def __init__(self, message: str) -> None:
        super().__init__("opencode.unauthenticated", message)


class OpenCodeRefused(Unavailable):
    """It answered, and did not do it (`opencode.refused`; 401 is `opencode.password`).

    Attributes:
        status: The HTTP status; 404 is an unknown session, permission or question.
        name: Its own name of the error, such as `NotFoundError`.
    """

    def __init__(
        self, status: int, name: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        code = "opencode.password" if status == 401 else "opencode.refused"
        super().__init__(code, message, {"status": status, "name": name, **(details or {})})
        self.status = status
        self.name = name
