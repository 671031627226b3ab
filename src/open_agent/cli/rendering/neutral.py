"""Makes text from outside harmless to a terminal.

What a model, a tool or a server sends is shown, never obeyed: no escape sequence moves the cursor,
sets the title, fills the clipboard or answers for the person at the keyboard, and no override of
the writing direction makes a line read other than it is.
"""

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and kin
    r"|\x1b[ -/]*[0-Z\\`-~]"
)
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN_IN_JSON = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def neutral(text: str) -> str:
    """`text` without anything that a terminal would act on, but for line breaks and tabs.

    Whole escape sequences are left out; other control characters become visible signs.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return _HARMFUL.sub(_sign, _SEQUENCE.sub("", text))


def neutral_line(line: str) -> str:
    """One line of a command's output as it looked in the end: progress bars overwrite themselves."""
    return neutral(line.rstrip("\r").rpartition("\r")[2]).replace("\n", " ")


def neutral_json(text: str) -> str:
    """The same JSON value with nothing in its text that a terminal would act on."""
    return _UNSEEN_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0D:
        return "\n"
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
