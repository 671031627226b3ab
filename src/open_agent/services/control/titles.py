"""What missions are called."""

from open_agent.core.errors import Invalid

TITLE_CHARACTERS = 100
"""Of a title taken from a message."""
LONGEST_TITLE = 200


def title_of(content: str) -> str:
    """A title for a mission that begins with a message, which is not blank."""
    line = " ".join(content.strip().splitlines()[0].split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1] + "…"


def checked_title(title: str) -> str:
    """A title on one line.

    Raises:
        Invalid: It is blank or too long (`title.invalid`).
    """
    line = " ".join(title.split())
    if not line or len(line) > LONGEST_TITLE:
        raise Invalid("title.invalid", f"A title has 1 to {LONGEST_TITLE} characters.")
    return line
