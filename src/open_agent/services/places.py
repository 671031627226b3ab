"""What a new mission may be given: who works on it, with which model, and in which directory."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId, new_uuid
from open_agent.services.backends import Backends

LONGEST_MODEL_NAME = 200
OWN_KINDS = ("mission", "task")
"""How the names begin of directories that we make for missions."""
REMOVING = ".removing-"
"""How names begin of what is being removed."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where missions work and on what.

    Attributes:
        working_dir: Workspaces that we make lie below it, in `workspaces/`.
        host_id: Names the `DATA_DIR` that workspaces lie beside.
        data_dir: Where the server keeps its own; nobody works in it.
        why_unusable: Says why our own loop cannot call a model, or nothing when it can.
        backends: Who may carry runs out.
    """

    working_dir: Path
    host_id: str
    data_dir: Path
    why_unusable: Callable[[str | None], str | None]
    backends: Backends = field(default_factory=Backends)

    def checked_backend(self, backend: str | None) -> str | None:
        """A backend's name; none when the default is meant.

        Raises:
            Invalid: There is none of this name here (`backend.unknown`).
        """
        return self.backends.checked(backend)

    async def checked_model(self, model: str | None, backend: str | None = None) -> str | None:
        """The name under which a model is recorded; none when the default is meant.

        Args:
            model: As somebody wrote it.
            backend: Who is to call it, checked; none is the default.

        Raises:
            Invalid: No such model can be called here (`model.unusable`, `model.unknown`,
                `model.ambiguous`), or it is no name (`model.invalid`).
            Unavailable: The backend has to be asked for its models, and cannot be.
        """
        name = (model or "").strip() or None
        if name is not None and (len(name) > LONGEST_MODEL_NAME or not name.isprintable()):
            raise Invalid(
                "model.invalid", "The model's name is not one. Use a name as its list has it."
            )
        others = self.backends.models_of(backend)
        if others is not None:
            return await others.checked(name)
        reason = self.why_unusable(name)
        if reason is not None:
            raise Invalid("model.unusable", reason, {"model": name})
        return name

    def own_workspace(self, mission_id: MissionId, kind: str = "mission") -> Path:
        """The directory that we make for a mission which names none."""
        return self.working_dir / "workspaces" / f"{kind}-{mission_id}"

    def is_own(self, path: Path) -> bool:
        """Whether a directory lies where we make directories, and is none that holds others."""
        return path.is_absolute() and path.parent == self.working_dir / "workspaces"

    def is_own_of(self, mission_id: MissionId, path: Path) -> bool:
        """Whether a directory is the one that we make for a mission, and no other one beside it."""
        return path in {self.own_workspace(mission_id, kind) for kind in OWN_KINDS}

    async def workspace(self, mission_id: MissionId, named: str | None, kind: str = "task") -> Path:
        """The directory a mission works in: the one named, or its own, made when work begins.

        Raises:
            Invalid: The one named is not an absolute path of a directory that can be used.
        """
        if named is None or not named.strip():
            return self.own_workspace(mission_id, kind)
        return await anyio.to_thread.run_sync(_named_directory, named.strip(), self.data_dir)


def remove_tree(path: Path) -> None:
    """Remove a directory and all that is in it, but nothing that links in it lead to."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        try:
            shutil.rmtree(path)
        except PermissionError:
            _open_up(path)
            shutil.rmtree(path)


def remove_workspace(path: Path) -> None:
    """Remove a workspace: out of its place at once, so that a kill leaves no half of it there."""
    if path.is_dir() and not path.is_symlink():
        path = path.rename(path.with_name(f"{REMOVING}{new_uuid()}"))
    remove_tree(path)


def _open_up(path: Path) -> None:
    """Let directories be emptied that forbid it even to their owner, as Go's module cache does."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for child in (Path(folder, name) for name in names):
            if not child.is_symlink():
                child.chmod(0o700)


def _named_directory(named: str, data_dir: Path) -> Path:
    path = Path(named)
    try:
        path = path.expanduser()
        is_text = "\0" not in named and bool(named.encode())
    except (RuntimeError, UnicodeEncodeError):  # `~nobody`; a lone surrogate
        is_text = False
    if not is_text or not path.is_absolute():
        raise Invalid(
            "working_dir.not_absolute",
            f"working_dir must be an absolute path; {named!r} is not.",
            {"working_dir": named},
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        path = path.resolve(strict=True)
    except OSError as error:
        raise Invalid(
            "working_dir.unusable",
            f"working_dir {named!r} cannot be used: {error.strerror or error}.",
            {"working_dir": named},
        ) from error
    if path.is_relative_to(data_dir.resolve()):
        raise Invalid(
            "working_dir.is_data_dir",
            "working_dir may not be the server's own data directory. Name another folder.",
            {"working_dir": named},
        )
    return path
