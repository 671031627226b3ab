"""How often the garbage collector stops a server."""

import gc

from open_agent.server.collecting import FULL_AFTER, collect_seldom


def test_full_collections_come_seldom_and_pass_over_what_was_there_at_the_start() -> None:
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_threshold() == (*before[:2], FULL_AFTER)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
