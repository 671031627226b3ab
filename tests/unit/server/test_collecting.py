"""How often the garbage collector stops a server, and what it gives back."""

import gc
from pathlib import Path

from open_agent.server.collecting import FULL_AFTER, collect_seldom, give_back


def test_full_collections_come_seldom_and_pass_over_what_was_there_at_the_start() -> None:
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_threshold() == (*before[:2], FULL_AFTER)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_memory_that_is_free_goes_back_to_the_system() -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    # Small pieces with one kept at the end: the allocator keeps what lies below it.
    pieces = [bytearray(100_000) for _ in range(400)]
    kept = bytearray(100_000)
    pieces.clear()
    before = resident()
    give_back()
    assert resident() < before - 10_000
    assert kept
