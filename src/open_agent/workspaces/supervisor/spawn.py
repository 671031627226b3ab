"""Starting one program, in a session of its own and on given pipes."""

import contextlib
import os
import signal
from collections.abc import Generator
from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that Python or we treat in another way than a program expects to inherit."""


def spawn(argv: list[str], env: dict[str, str], pipes: list[int]) -> int:
    """Start a program in a session of its own, on two or three pipes."""
    *stdin, stdout, stderr = pipes
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, stdin[0], 0)
        if stdin
        else (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    return os.posix_spawn(
        find(argv[0], env),
        argv,
        env,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=RESET,
    )


def find(program: str, env: dict[str, str]) -> str:
    """The file that a shell with this environment would run, or the name as it is."""
    if "/" not in program:
        for folder in (env.get("PATH") or DEFAULT_PATH).split(":"):
            path = f"{folder or '.'}/{program}"
            if os.access(path, os.X_OK) and os.path.isfile(path):  # noqa: PTH113
                return path
    return program


@contextlib.contextmanager
def first_to_be_killed() -> Generator[None]:
    """What is started inside is what the kernel ends first when memory runs out."""
    path = "/proc/self/oom_score_adj"
    try:
        with open(path, "r+", encoding="ascii") as file:  # noqa: PTH123
            before = file.read().strip()
            file.write(str(max(int(before), 500)))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(before)
