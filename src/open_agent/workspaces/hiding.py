"""Hiding the server's memory and environment from the commands that it starts."""

import ctypes
import sys

PR_SET_DUMPABLE = 4


def hide_this_process() -> None:
    """Keep other processes of the same user from this one's environment, memory and descriptors.

    Linux only. What it starts is not hidden: the next `exec` ends it. Root sees everything all
    the same, and there will be no core dumps.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
