from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these start programs: they belong to `make test` and not to `make check`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            if not any(item.iter_markers("timeout")):
                item.add_marker(pytest.mark.timeout(60))
