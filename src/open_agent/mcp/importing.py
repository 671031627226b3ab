"""Imports of the SDK, one at a time.

Its modules import one another in circles. Two threads that begin at different places of one get
modules that are half there, and an `ImportError` in whatever has needed the SDK first.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_TURN = threading.Lock()


def in_turn(imports: Callable[[], T]) -> T:
    """Do what imports parts of the SDK, while nobody else does; for threads that may wait."""
    with _TURN:
        return imports()
