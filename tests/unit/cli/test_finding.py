import json
import os
from pathlib import Path

import pytest

from open_agent.cli.finding import (
    Announcement,
    Finder,
    announcement_path,
    announcing,
    read_announcement,
)
from open_agent.core.errors import Invalid
from open_agent.settings.settings import Settings

TOKEN = "t" * 43
NOBODY = 2**22 + 1
"""A process id that no Linux gives out."""


def settings(data_dir: Path, **values: object) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, "working_dir": data_dir, **values})


def test_a_running_server_is_found_by_what_it_wrote_down(tmp_path: Path) -> None:
    with announcing(tmp_path, is_lasting=False) as announcer:
        assert read_announcement(tmp_path) is None
        announcer.write("http://127.0.0.1:4001")
        assert read_announcement(tmp_path) == Announcement(
            "http://127.0.0.1:4001", os.getpid(), is_lasting=False
        )
        assert Finder(settings(tmp_path)).address().url == "http://127.0.0.1:4001"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_behind_is_passed_over(tmp_path: Path) -> None:
    text = json.dumps({"url": "http://127.0.0.1:4001", "pid": NOBODY})
    announcement_path(tmp_path).write_text(text)
    assert read_announcement(tmp_path) is None
    assert Finder(settings(tmp_path, port=4002)).address().url == "http://127.0.0.1:4002"


def test_while_a_server_is_away_no_other_is_taken_for_it(tmp_path: Path) -> None:
    finder = Finder(settings(tmp_path, port=4002))
    with announcing(tmp_path, is_lasting=True) as announcer:
        announcer.write("http://127.0.0.1:4001")
        finder.address()
    assert finder.address().url == "http://127.0.0.1:4001"
    with announcing(tmp_path, is_lasting=True) as announcer:
        announcer.write("http://127.0.0.1:4003")
        assert finder.address().url == "http://127.0.0.1:4003"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1, "pid": "x"}', '{"url":"", "pid": 0}'])
def test_a_damaged_announcement_is_passed_over(tmp_path: Path, text: str) -> None:
    announcement_path(tmp_path).write_text(text)
    assert read_announcement(tmp_path) is None


def test_an_ipv6_address_is_written_as_a_url(tmp_path: Path) -> None:
    assert Finder(settings(tmp_path, host="::1")).address().url == "http://[::1]:3000"


def test_the_token_is_read_from_the_data_dir_or_from_the_file_named(tmp_path: Path) -> None:
    assert Finder(settings(tmp_path)).address().token is None
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert Finder(settings(tmp_path)).address().token == TOKEN
    (tmp_path / "other").write_text("o" * 43)
    named = Finder(settings(tmp_path), url="http://far:1/", token_file=tmp_path / "other")
    assert (named.address().url, named.address().token) == ("http://far:1", "o" * 43)


@pytest.mark.parametrize(
    ("url", "is_here", "is_exposed"),
    [
        ("http://127.0.0.1:3000", True, False),
        ("http://localhost:3000", True, False),
        ("http://[::1]:3000", True, False),
        ("http://far:3000", False, True),
        ("HTTP://10.0.0.7", False, True),
        ("https://far", False, False),
        ("http://127.0.0.1.far", False, True),
    ],
)
def test_the_token_of_this_machine_is_shown_to_no_other(
    tmp_path: Path, url: str, is_here: bool, is_exposed: bool
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    finder = Finder(settings(tmp_path), url=url)
    assert finder.address().token == (TOKEN if is_here else None)
    assert finder.is_exposed is is_exposed


@pytest.mark.parametrize("text", [None, "short", "ü" * 43])
def test_a_file_without_a_usable_token_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "other").write_text(text)
    with pytest.raises(Invalid):
        Finder(settings(tmp_path), token_file=tmp_path / "other").address()


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://x", "http://"])
def test_a_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Invalid):
        Finder(settings(tmp_path), url=url)
