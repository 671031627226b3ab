"""A directory for each process of a server, short-lived, and found again if we are not there to end it.

It lies where temporary files do, since Chromium wants a short path for its socket; a link in the data
directory remembers it.
"""

import shutil
import tempfile
from pathlib import Path

PREFIX = "open-agent-mcp-"


def make_folder(links: Path) -> Path:
    """A new directory that only we can read.

    Args:
        links: Where it is remembered.
    """
    links.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    (links / made.name).symlink_to(made)
    return made


def remove_folder(links: Path, folder: Path) -> None:
    """Remove a directory with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    (links / folder.name).unlink(missing_ok=True)


def remove_all(links: Path) -> None:
    """Remove what a server that was killed has left."""
    for link in links.iterdir() if links.is_dir() else ():
        if link.is_symlink() and link.name.startswith(PREFIX):
            remove_folder(links, link.readlink())
