"""When Python's garbage collector stops a server, and what the server gives back of its memory."""

import ctypes
import gc
import sys

FULL_AFTER = 50
"""Collections of the middle generation before a full one; Python's own choice is 10.

A full one takes 0.6 ms for each thousand objects, and a stream is some 190 of them: with a thousand
watchers all wait 140 ms. What only a full one frees is above all streams that ended, 20 KB each; at
50 some 2,000 of them, 40 MB, come together before one is due."""


def collect_seldom() -> None:
    """To be called once, when all that a server is made of is there and nothing else is."""
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], FULL_AFTER)


def give_back() -> None:
    """Hand back to the system what starting took and nothing needs now: some 2 MB of 100.

    Where the C library cannot (`malloc_trim` is glibc's own), nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
