"""The programs that desktops are made of, and the Debian packages that have them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """Something that desktops need a program for; any of `programs` will do, the first is best."""

    programs: tuple[str, ...]
    purpose: str


DISPLAY = Need(("Xvfb",), "a screen to work on")
WINDOWS = Need(("i3", "openbox"), "windows to be arranged")
INPUT = Need(("xdotool",), "typing and clicking")
CAPTURE = Need(("scrot", "import"), "screenshots")
TEXT = Need(("tesseract",), "reading text from the screen")
BROWSER = Need(
    ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"), "a browser"
)

NEEDS = (DISPLAY, WINDOWS, INPUT, CAPTURE, TEXT, BROWSER)

_PACKAGES = {
    "Xvfb": "xvfb",
    "i3": "i3-wm",
    "i3-msg": "i3-wm",
    "xdotool": "xdotool",
    "scrot": "scrot",
    "tesseract": "tesseract-ocr",
    "chromium": "chromium",
}


def package_of(need: Need) -> str:
    """The Debian package with the best program for it."""
    return _PACKAGES[need.programs[0]]


def missing(need: Need) -> str:
    """What to say where none of its programs is there."""
    return (
        f"{need.programs[0]} is not installed on this machine; {need.purpose} needs it."
        f" Debian has it in the package {package_of(need)}: apt-get install {package_of(need)}"
    )


def unmet(find: Callable[[str], str | None]) -> list[Need]:
    """Needs for which no program is found."""
    return [need for need in NEEDS if not any(find(program) for program in need.programs)]
