"""Standing instructions of the workspace: its `AGENTS.md`, as text and nothing more.

They are what a person left for agents to follow in that folder. They change no setting, no
limit and no endpoint, and are kept out of the part of the history that is compacted.
"""

import io
from functools import partial
from pathlib import Path

from open_agent.events.model.run import Instructions
from open_agent.workspaces.base import Workspace

FILE_NAMES = ("AGENTS.md",)
LARGEST_BYTES = 32 * 1024


async def read_instructions(workspace: Workspace) -> list[Instructions]:
    """The instruction files of the working directory that are there and readable."""
    found: list[Instructions] = []
    for name in FILE_NAMES:
        path = workspace.resolve(name)
        try:
            data = await workspace.read_with(path, partial(_head, path, workspace.root))
        except OSError:
            continue
        content = data[:LARGEST_BYTES].decode("utf-8", "replace").replace("\0", "")
        if len(data) > LARGEST_BYTES:
            content += f"\n[cut: only the first {LARGEST_BYTES:,} bytes are shown]"
        found.append(Instructions(path=name, content=content))
    return found


def _head(path: Path, root: Path, file: io.FileIO) -> bytes:
    # A cloned repository may link it to a key: that would be sent to the provider unasked.
    if not path.resolve().is_relative_to(root.resolve()):
        raise PermissionError(f"{path} leads out of {root}")
    return file.read(LARGEST_BYTES + 1)
