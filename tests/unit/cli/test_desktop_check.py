"""What `doctor` says of the programs that desktops need."""

from open_agent.cli.checks import check_desktop
from open_agent.mcp.servers.desktop.programs import NEEDS


def test_what_is_missing_is_named_with_its_packages() -> None:
    found = check_desktop(lambda _: None)
    assert (found.name, found.level) == ("desktop", "warn")
    assert found.mend.endswith("xvfb i3-wm xdotool scrot tesseract-ocr chromium")
    assert all(need.programs[0] in found.text for need in NEEDS)


def test_any_program_that_will_do_does() -> None:
    there = {"Xvfb", "openbox", "xdotool", "import", "tesseract", "google-chrome"}
    assert check_desktop(lambda name: name if name in there else None).level == "OK"
