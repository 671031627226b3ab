"""Who can carry runs out here, and which models each of them has: settled when work is accepted.

What is wrong is refused then, with what would be right, and not hours later by a run that fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from open_agent.core.errors import Invalid

NATIVE = "native"


class BackendModels(Protocol):
    """The models of a backend that is not our own loop."""

    async def checked(self, name: str | None) -> str | None:
        """The name under which a model is recorded; none where the backend's own choice is meant.

        Raises:
            Invalid: There is no such model, with near names.
            Unavailable: It cannot be known now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Backends:
    """The backends there are.

    Attributes:
        default: Who carries out runs that name nobody.
        others: Those beside our own loop, by name.
    """

    default: str = NATIVE
    others: Mapping[str, BackendModels] = field(default_factory=dict[str, BackendModels])

    def checked(self, name: str | None) -> str | None:
        """A backend's name without surrounding space; none when the default is meant.

        Raises:
            Invalid: There is none of this name here (`backend.unknown`).
        """
        name = (name or "").strip() or None
        if name is None or name == NATIVE or name in self.others:
            return name
        if name == "opencode":
            raise Invalid(
                "backend.unknown",
                "No OpenCode is set up here. Set OPENCODE_BASE_URL or OPENCODE_MANAGED=true and"
                " start the server again, or leave `backend` out.",
                {"backend": name},
            )
        names = [NATIVE, *self.others]
        raise Invalid(
            "backend.unknown",
            f"There is no backend {name!r}; there is {' and '.join(names)}.",
            {"backend": name, "known": names},
        )

    def models_of(self, name: str | None) -> BackendModels | None:
        """The models of a backend; none for our own loop, which any name may be tried on."""
        return self.others.get(name or self.default)
