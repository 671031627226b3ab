"""Nothing of ours blocks the event loop while a client talks to the server."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx

ALLOWED = {
    ("httpx2/_client.py", "__init__"): "a client is made once in a process, and reads certificates",
    (
        "open_agent/services/access/files.py",
        "read_token",
    ): "tests call it; the server does, in a thread",
    ("open_agent/services/access/files.py", "ensure_token"): "the same",
    ("rich/traceback.py", "_render_stack"): "shows tests what has gone wrong",
}
"""Calls that may block, and why."""


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """A blocking call of ours on the event loop fails the test in which it was made."""
    with blockbuster_ctx("open_agent") as blockbuster:
        # Asks the disk for nothing where a path is absolute, as ours are.
        blockbuster.functions["os.path.abspath"].deactivate()
        for function in blockbuster.functions.values():
            for file, name in ALLOWED:
                function.can_block_in(file, name)
        yield
