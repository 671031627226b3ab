"""The file tools through the front door, on real files."""

import json
import os
import random
import socket
import stat
import tempfile
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from open_agent.tools.definition import ToolContext, ToolFailed
from open_agent.tools.delete_file import delete_file
from open_agent.tools.edit_file import edit_file
from open_agent.tools.list_directory import list_directory
from open_agent.tools.read_file import read_file
from open_agent.tools.write_file import write_file
from tests.calling import call, refusal

pytestmark = pytest.mark.timeout(20)


async def read(ctx: ToolContext, **arguments: object) -> str:
    return (await call(read_file, ctx, **arguments)).content


async def test_a_file_is_read_with_line_numbers(ctx: ToolContext, root: Path) -> None:
    (root / "a.txt").write_text("one\ntwo\n\nfour")
    assert await read(ctx, path="a.txt") == "   1| one\n   2| two\n   3| \n   4| four"
    assert await read(ctx, path=str(root / "a.txt"), start_line=2, end_line=3) == (
        "   2| two\n   3| \n[lines 2-3 of 4 lines; go on with start_line=4]"
    )
    assert await read(ctx, path="a.txt", start_line=4, end_line=2) == (
        "   2| two\n   3| \n   4| four\n[lines 2-4 of 4 lines]"
    )
    assert await read(ctx, path="a.txt", start_line=9) == (
        "There is no line 9: the file has 4 lines."
    )
    assert (await read(ctx, path="a.txt", start_line=-3)).startswith("   1| one")


async def test_odd_files_are_read_for_what_they_are(ctx: ToolContext, root: Path) -> None:
    (root / "empty").touch()
    assert await read(ctx, path="empty") == "The file is empty."
    (root / "crlf").write_bytes(b"one\r\ntwo\r\n")
    assert await read(ctx, path="crlf") == "   1| one\n   2| two"
    (root / "latin").write_bytes(b"caf\xe9\n")
    assert await read(ctx, path="latin") == "   1| caf\ufffd"
    (root / "controls").write_text("\x1b[31mred\x07 a\u202eb\n")
    assert await read(ctx, path="controls") == "   1| \\x1b[31mred\\x07 a\\u202eb"
    (root / "binary").write_bytes(b"\x7fELF\0\0")
    assert (await read(ctx, path="binary")).startswith("This is a binary file of 6 bytes")


async def test_a_long_file_comes_in_pages_that_leave_nothing_out(
    ctx: ToolContext, root: Path
) -> None:
    lines = [f"line {number} " + "x" * (number % 90) for number in range(1, 5001)]
    (root / "long").write_text("\n".join(lines) + "\n")
    seen: list[str] = []
    start = 1
    while True:
        page = await read(ctx, path="long", start_line=start)
        assert len(page) < 31_000
        shown = [line for line in page.splitlines() if not line.startswith("[")]
        seen += [line.partition("| ")[2] for line in shown]
        if "go on with start_line=" not in page:
            break
        start = int(page.rpartition("start_line=")[2].rstrip("]"))
    assert seen == lines


async def test_a_line_of_any_length_is_cut(ctx: ToolContext, root: Path) -> None:
    (root / "line").write_bytes(b"first\n" + "é".encode() * 5_000_000 + b"\nlast\n")
    page = await read(ctx, path="line")
    assert len(page) < 3_000
    assert "é [… the line has 10,000,000 bytes]\n   3| last" in page


@pytest.mark.parametrize("size", [1024**4, 3 * 1024**3])
async def test_a_sparse_file_of_any_size_is_answered_at_once(
    ctx: ToolContext, root: Path, size: int
) -> None:
    """Check 30."""
    with (root / "sparse").open("wb") as file:
        file.truncate(size)
    with anyio.fail_after(2):
        assert f"binary file of {size:,} bytes" in await read(ctx, path="sparse")


async def test_the_lines_of_a_large_file_are_counted_as_far_as_is_quick(
    ctx: ToolContext, root: Path
) -> None:
    with (root / "large").open("wb") as file:
        file.write(b"text of a line\n" * 1000)
        file.truncate(400 * 1024 * 1024)
    with anyio.fail_after(4):
        page = await read(ctx, path="large", end_line=1)
    assert page == (
        "   1| text of a line\n[lines 1-1 of more than 1,001 lines; go on with start_line=2]"
    )


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "/dev/tty", "/proc/kmsg", "/", "socket"])
async def test_what_is_not_a_regular_file_is_refused_at_once(
    ctx: ToolContext, root: Path, path: str
) -> None:
    """Check 30."""
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener, anyio.fail_after(2):
        listener.bind(str(root / "socket"))
        for tool, arguments in (
            (read_file, {}),
            (edit_file, {"old_text": "a", "new_text": "b"}),
        ):
            try:
                said = (await call(tool, ctx, path=path, **arguments)).content
            except ToolFailed as refused:
                said = str(refused)
            assert said
        if path != "/proc/kmsg":
            assert await refusal(write_file, ctx, path=path, content="x")


async def test_what_is_missing_is_said_with_what_is_near(ctx: ToolContext, root: Path) -> None:
    (root / "README.md").touch()
    assert await refusal(read_file, ctx, path="REDME.md") == (
        f"Not found: REDME.md (that is {root}/REDME.md). There is README.md."
    )
    assert "Its directory does not exist" in await refusal(read_file, ctx, path="no/where.py")
    for tool in (read_file, delete_file, list_directory):
        assert "Not found" in await refusal(tool, ctx, path="nothing at all")
    assert "not a directory" in await refusal(read_file, ctx, path="README.md/x")
    assert "NUL" in await refusal(read_file, ctx, path="a\0b")
    assert "File name too long" in await refusal(read_file, ctx, path="x" * 5000)
    assert "a directory, not a regular file" in await refusal(read_file, ctx, path=".")


async def test_writing_creates_replaces_and_shows_what_changed(
    ctx: ToolContext, root: Path
) -> None:
    created = await call(write_file, ctx, path="new/deep/a.txt", content="one\ntwo\n")
    assert created.content == f"Created {root}/new/deep/a.txt: 8 bytes, 2 lines."
    assert created.diff == "--- /dev/null\n+++ new/deep/a.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    replaced = await call(write_file, ctx, path="new/deep/a.txt", content="one\n2")
    assert replaced.content == f"Replaced {root}/new/deep/a.txt: 5 bytes, 2 lines."
    assert replaced.diff == snapshot("""\
--- new/deep/a.txt
+++ new/deep/a.txt
@@ -1,2 +1,2 @@
 one
-two
+2
\\ No newline at end of file
""")
    assert (root / "new/deep/a.txt").read_text() == "one\n2"
    assert sorted(path.name for path in (root / "new/deep").iterdir()) == ["a.txt"]


async def test_writing_keeps_the_mode_and_goes_through_links(ctx: ToolContext, root: Path) -> None:
    script = root / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o750)
    (root / "link").symlink_to("script")
    await call(write_file, ctx, path="link", content="#!/bin/bash\n")
    await call(edit_file, ctx, path="link", old_text="bash", new_text="zsh")
    assert (root / "link").is_symlink()
    assert script.read_text() == "#!/bin/zsh\n"
    assert stat.S_IMODE(script.stat().st_mode) == 0o750


async def test_any_text_is_written_as_it_is(ctx: ToolContext, root: Path) -> None:
    text = "```\nünïcödé \u202e \U0001f600\r\n\tno newline at the end"
    await call(write_file, ctx, path="any", content=text)
    assert (root / "any").read_bytes() == text.encode()


async def test_an_edit_replaces_what_occurs_once(ctx: ToolContext, root: Path) -> None:
    (root / "a.py").write_text("def a():\n    return 1\n\n\ndef b():\n    return 1\n")
    output = await call(
        edit_file,
        ctx,
        path="a.py",
        old_text="def b():\n    return 1",
        new_text="def b():\n    return 2",
    )
    assert output.content.replace(str(root), "…") == snapshot("""\
Changed …/a.py in one place.
@@ -3,4 +3,4 @@
 \n\
 \n\
 def b():
-    return 1
+    return 2\
""")
    assert output.diff == snapshot("""\
--- a.py
+++ a.py
@@ -3,4 +3,4 @@
 \n\
 \n\
 def b():
-    return 1
+    return 2
""")
    assert (root / "a.py").read_text().endswith("def b():\n    return 2\n")

    everywhere = await call(
        edit_file, ctx, path="a.py", old_text="return", new_text="yield", replace_all=True
    )
    assert "in 2 places" in everywhere.content
    assert (root / "a.py").read_text().count("yield") == 2


async def test_an_edit_that_does_not_fit_says_why(ctx: ToolContext, root: Path) -> None:
    text = "def a():\n    return 1\n\n\ndef b():\n    return 1\n"
    (root / "a.py").write_text(text)

    async def why(old: str, new: str = "x") -> str:
        said = await refusal(edit_file, ctx, path="a.py", old_text=old, new_text=new)
        assert (root / "a.py").read_text() == text
        return said

    assert "occurs 2 times, in lines 2, 6." in await why("    return 1")
    assert await why("def a():\n\treturn 1") == snapshot("""\
`old_text` is not in the file. The same lines are there with other white space:
   1| def a():
   2|     return 1\
""")
    assert await why("def aa():\n    return 1") == snapshot("""\
`old_text` is not in the file. The nearest lines are:
   1| def a():
   2|     return 1
   3| \n\
   4| \n\
   5| def b():\
""")
    assert "Leave out the line numbers" in await why("   1| def a():\n   2|     return 1")
    assert "No line is like" in await why("something else entirely")
    assert "use write_file" in await why("")
    assert "the same" in await why("def a", "def a")
    with pytest.raises(ToolFailed, match="lone surrogate"):
        await edit_file.invoke(ctx, {"path": "a.py", "old_text": "def a", "new_text": "\ud800"})


async def test_an_edit_keeps_line_endings_and_what_is_no_text(ctx: ToolContext, root: Path) -> None:
    (root / "crlf").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await call(edit_file, ctx, path="crlf", old_text="one\ntwo", new_text="1\n2")
    assert (root / "crlf").read_bytes() == b"1\r\n2\r\nthree\r\n"
    (root / "latin").write_bytes(b"caf\xe9 one\n")
    await call(edit_file, ctx, path="latin", old_text="one", new_text="zwei")
    assert (root / "latin").read_bytes() == b"caf\xe9 zwei\n"


async def test_a_large_edit_is_quick_and_the_server_goes_on(ctx: ToolContext, root: Path) -> None:
    chance = random.Random(1)
    lines = [f"0.{chance.randrange(10**9)}" for _ in range(100_000)]
    (root / "big").write_text("\n".join(lines))
    with anyio.fail_after(4):
        output = await call(
            edit_file, ctx, path="big", old_text="0.", new_text="1.", replace_all=True
        )
        said = await refusal(edit_file, ctx, path="big", old_text=lines[500] + "x", new_text="y")
    assert "in 100000 places" in output.content
    assert "nearest lines" in said
    (root / "big").write_bytes(b"x" * 11_000_000)
    assert "more than 10,485,760 bytes" in await refusal(
        edit_file, ctx, path="big", old_text="x", new_text="y"
    )


async def test_deleting_takes_one_file_or_link_and_no_directory(
    ctx: ToolContext, root: Path
) -> None:
    (root / "file").touch()
    (root / "folder").mkdir()
    (root / "link").symlink_to("folder")
    for name in ("file", "link"):
        assert (await call(delete_file, ctx, path=name)).content == f"Deleted {root}/{name}."
    assert "rm -r" in await refusal(delete_file, ctx, path="folder")
    assert [path.name for path in root.iterdir()] == ["folder"]


async def test_a_directory_is_listed_as_a_tree(ctx: ToolContext, root: Path) -> None:
    assert (await call(list_directory, ctx)).content == "The directory is empty."
    for name in ("b/c/d/e.txt", "b/z.txt", "a.txt", ".git/config", "node_modules/x/y.js"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "link").symlink_to("b")
    (root / "evil\nname\x1b").touch()
    assert (await call(list_directory, ctx)).content == snapshot("""\
.git/
a.txt
b/
  c/
    d/
  z.txt
evil\\nname\\x1b
link -> b
node_modules/\
""")
    assert (await call(list_directory, ctx, path="b", max_depth=1)).content == "c/\nz.txt"
    assert "is a file. Read it" in await refusal(list_directory, ctx, path="a.txt")


async def test_a_huge_directory_is_listed_in_part_and_at_once(ctx: ToolContext) -> None:
    """Check 30, with as many entries as a test may make, in memory where there is room."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for number in range(21_000):
            Path(folder, f"{number:06}").touch()
        with anyio.fail_after(2):
            listed = (await call(list_directory, ctx, path=folder)).content.splitlines()
    assert len(listed) == 1001
    assert listed[-1] == "[… more than 19,000 more; find them with search_files]"


async def test_a_deep_directory_does_not_hide_its_neighbours(ctx: ToolContext, root: Path) -> None:
    for folder in range(30):
        (root / f"{folder:02}").mkdir()
        for number in range(60):
            (root / f"{folder:02}" / f"{number:02}").touch()
    listed = (await call(list_directory, ctx)).content
    assert [line for line in listed.splitlines() if not line.startswith(" ")] == [
        f"{folder:02}/" for folder in range(30)
    ]
    assert "not listed: the tree is too large" in listed


async def test_everything_that_tools_say_is_json(ctx: ToolContext, root: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (root / name).write_text("x")
    listed = (await call(list_directory, ctx)).content
    assert json.loads(json.dumps(listed).encode()) == listed
    listed.encode()
