"""Removing directories: all that is in them, and nothing that links in them lead to."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from open_agent.services.places import remove_tree

NOBODY = 65534


@contextmanager
def as_nobody(folder: Path) -> Generator[None]:
    """Be no root, whom no permission stops, and own all that is in a folder."""
    if os.geteuid() != 0:
        yield
        return
    for inside, names, files in os.walk(folder):
        for path in (inside, *(os.path.join(inside, name) for name in (*names, *files))):  # noqa: PTH118
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_tree_that_forbids_it_is_removed_and_what_its_links_lead_to_is_left_alone() -> None:
    # Not in `tmp_path`, which only the account that runs the tests can enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outside, tree = folder / "outside", folder / "tree"
        outside.mkdir()
        (outside / "file").write_text("theirs")
        (tree / "module" / "deep").mkdir(parents=True)
        (tree / "module" / "deep" / "file").write_text("ours")
        (tree / "module" / "link").symlink_to(outside)
        (tree / "link").symlink_to(outside)
        (tree / "module" / "deep").chmod(0)
        for path in (tree / "module", tree, outside):
            path.chmod(0o555)
        with as_nobody(folder):
            remove_tree(tree)
            assert not tree.exists()
            assert (outside / "file").read_text() == "theirs"
            assert outside.stat().st_mode & 0o777 == 0o555
            outside.chmod(0o755)
