"""Bytes that programs and strangers wrote, as text that can do no harm where it is shown.

Terminal commands, direction overrides and invisible characters are taken out or made visible. All
patterns here are fixed and take linear time.
"""

import re

_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # strings for the terminal
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, the cursor
    r"|\x1b[ -/]*[0-~]?"
)
_OVERSTRUCK = re.compile(r"[^\n\x08]\x08")

_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CONTROLS = [*(code for code in range(0x20) if code not in (0x09, 0x0A)), *range(0x7F, 0xA0)]
_TAGS = [0xE0001, *range(0xE0020, 0xE0080)]
"""Invisible copies of ASCII, good only for hiding text."""
_SURROGATES = range(0xD800, 0xE000)

_AS_SHOWN_BY_A_TERMINAL = {
    **dict.fromkeys([*_CONTROLS, *_TAGS]),
    **{code: f"\\u{code:04x}" for code in _DIRECTIONS},
    **dict.fromkeys(_SURROGATES, "\ufffd"),
}
_AS_IT_IS_WRITTEN = {
    **{code: f"\\x{code:02x}" for code in _CONTROLS},
    **{code: f"\\u{code:04x}" for code in _DIRECTIONS},
    **{code: f"\\U{code:08x}" for code in _TAGS},
    **dict.fromkeys(_SURROGATES, "\ufffd"),
}


def from_program(text: str) -> str:
    """What a terminal would show in the end: without colours, progress bars at their last state."""
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPE.sub("", text)
    if "\b" in text:
        text = _OVERSTRUCK.sub("", text)
    if "\r" in text:
        lines = text.replace("\r\n", "\n").split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return text.translate(_AS_SHOWN_BY_A_TERMINAL)


def from_file(text: str) -> str:
    """What is in a file, with what cannot be seen made visible."""
    return text.translate(_AS_IT_IS_WRITTEN)


def decode(data: bytes) -> str:
    """Bytes as UTF-8 text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def is_binary(data: bytes) -> bool:
    """Whether the beginning of a file or of an output says that it is not text."""
    return b"\0" in data
