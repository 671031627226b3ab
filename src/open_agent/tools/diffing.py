"""What changed in a text, as a unified diff, in bounded time."""

import difflib
from collections.abc import Iterator, Sequence

CONTEXT = 3
COMPARED = 2_000
"""Changed lines beyond which the change is shown as a whole: comparing takes quadratic time."""

Opcode = tuple[str, int, int, int, int]


def unified_diff(before: str, after: str, path: str) -> str:
    """The change from `before` to `after`; empty if there is none."""
    old, new = _lines(before), _lines(after)
    opcodes = list(_changes(old, new))
    if not any(tag != "equal" for tag, *_ in opcodes):
        return ""
    lines = [f"--- {path if before else '/dev/null'}\n", f"+++ {path}\n"]
    for group in _grouped(opcodes):
        (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        lines.append(f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@\n")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += _marked(" ", old[i1:i2])
            else:
                lines += _marked("-", old[i1:i2])
                lines += _marked("+", new[j1:j2])
    return "".join(lines)


def _lines(text: str) -> list[str]:
    # `splitlines` would also split at form feeds and other characters.
    *lines, rest = text.split("\n")
    return [line + "\n" for line in lines] + ([rest] if rest else [])


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[Opcode]:
    """Opcodes as `SequenceMatcher` has them, but of the part that differs alone."""
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old_end, new_end = len(old) - end, len(new) - end
    yield ("equal", 0, start, 0, start)
    if max(old_end, new_end) - start > COMPARED:
        yield ("replace", start, old_end, start, new_end)
    else:
        matcher = difflib.SequenceMatcher(None, old[start:old_end], new[start:new_end])
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            yield (tag, i1 + start, i2 + start, j1 + start, j2 + start)
    yield ("equal", old_end, len(old), new_end, len(new))


def _grouped(opcodes: list[Opcode]) -> Iterator[list[Opcode]]:
    """Changes with some lines around them; far ones apart."""
    group: list[Opcode] = []
    for tag, i1, i2, j1, j2 in opcodes:
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        if group and i2 - i1 > 2 * CONTEXT:
            after = (tag, i1, i1 + CONTEXT, j1, j1 + CONTEXT)
            yield [*group, after]
            group = []
        skipped = 0 if group else max(0, i2 - i1 - CONTEXT)
        if i1 < i2:
            group.append((tag, i1 + skipped, i2, j1 + skipped, j2))
    if any(tag != "equal" for tag, *_ in group):
        tag, i1, i2, j1, j2 = group[-1]
        if tag == "equal":
            group[-1] = (tag, i1, min(i2, i1 + CONTEXT), j1, min(j2, j1 + CONTEXT))
        yield group


def _range(start: int, end: int) -> str:
    length = end - start
    beginning = start + 1 if length else start
    return f"{beginning}" if length == 1 else f"{beginning},{length}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield (
            mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
        )
