"""Searching names and contents, in hostile places too."""

import os
import socket
import time
from pathlib import Path

import anyio
import pytest

from open_agent.tools.definition import Tool, ToolContext
from open_agent.tools.grep_search import grep_search
from open_agent.tools.search_files import search_files
from tests.calling import call, refusal

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def tree(root: Path) -> Path:
    for name, content in {
        "src/app/main.py": "import os\nprint('Hello')\n",
        "src/app/[id].tsx": "hello",
        "src/app/deep/Test_Main.PY": "HELLO there\r\n",
        "docs/a-b.md": "- hello -\n",
        ".github/ci.yml": "hello: ci",
        "node_modules/x/main.py": "hello from x",
        ".git/config": "hello git",
        "ignored.log": "hello ignored",
        ".gitignore": "*.log\nnode_modules\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, newline="")
    return root


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("main", ["src/app/deep/Test_Main.PY", "src/app/main.py", "node_modules/x/main.py"]),
        ("*.py", ["src/app/deep/Test_Main.PY", "src/app/main.py", "node_modules/x/main.py"]),
        ("src/**/*.py", ["src/app/deep/Test_Main.PY", "src/app/main.py"]),
        ("*.{md,yml}", [".github/ci.yml", "docs/a-b.md"]),
        ("[id].tsx", ["src/app/[id].tsx"]),
        ("[m]ain.p?", ["src/app/main.py", "node_modules/x/main.py"]),
        ("a-b", ["docs/a-b.md"]),
        ("app/ma", ["src/app/main.py"]),
        ("ignored", ["ignored.log"]),
        ("config", [".git/config"]),
        ("-b", ["docs/a-b.md"]),
        ("!", []),
        ("{", []),
        ("\\", []),
    ],
)
async def test_files_are_found_by_a_part_of_their_name_or_a_glob(
    ctx: ToolContext, tree: Path, pattern: str, expected: list[str]
) -> None:
    found = (await call(search_files, ctx, pattern=pattern)).content
    assert found.splitlines() == expected or (not expected and found.startswith("No files"))


async def test_where_to_search_is_a_directory_anywhere(ctx: ToolContext, tree: Path) -> None:
    inside = (await call(search_files, ctx, pattern="main.py", path="src")).content
    assert inside == "src/app/deep/Test_Main.PY\nsrc/app/main.py"
    outside = (await call(search_files, ctx, pattern="passwd", path="/etc")).content
    assert "/etc/passwd" in outside.splitlines()
    assert "is a file" in await refusal(search_files, ctx, pattern="x", path="docs/a-b.md")
    said = await refusal(search_files, ctx, pattern="x", path="dosc")
    assert said.endswith("There is docs.")
    assert "empty" in await refusal(search_files, ctx, pattern="")


async def test_a_glob_that_is_none_is_refused(ctx: ToolContext, tree: Path) -> None:
    assert "could not be made" in await refusal(search_files, ctx, pattern="*[z-a]")


async def test_many_files_are_shown_in_part(ctx: ToolContext, root: Path) -> None:
    for number in range(300):
        (root / f"f{number:03}").touch()
    found = (await call(search_files, ctx, pattern="f")).content.splitlines()
    assert found[0] == "f000"
    assert found[-1] == "[100 of 300 files; narrow the pattern or the path]"


async def test_lines_are_found_with_their_place(ctx: ToolContext, tree: Path) -> None:
    found = (await call(grep_search, ctx, pattern="hel+o")).content.splitlines()
    assert found == [
        ".github/ci.yml:1:hello: ci",
        "docs/a-b.md:1:- hello -",
        "src/app/[id].tsx:1:hello",
        "src/app/deep/Test_Main.PY:1:HELLO there",
        "src/app/main.py:2:print('Hello')",
    ]
    exact = await call(grep_search, ctx, pattern="HELLO", case_sensitive=True)
    assert exact.content == "src/app/deep/Test_Main.PY:1:HELLO there"
    of_kind = await call(grep_search, ctx, pattern="hello", file_pattern="*.{md,tsx}")
    assert len(of_kind.content.splitlines()) == 2
    one = await call(grep_search, ctx, pattern="hello", path="ignored.log")
    assert one.content == "ignored.log:1:hello ignored"
    named = await call(grep_search, ctx, pattern="hello", path="node_modules")
    assert named.content == "node_modules/x/main.py:1:hello from x"
    dashes = await call(grep_search, ctx, pattern="- hello -", path=str(tree / "docs"))
    assert dashes.content == "docs/a-b.md:1:- hello -"


async def test_what_is_not_there_is_said_plainly(ctx: ToolContext, tree: Path) -> None:
    nothing = await call(grep_search, ctx, pattern="absent")
    assert nothing.content.startswith("No matches for 'absent'. Files that .gitignore names")
    assert "could not be made" in await refusal(grep_search, ctx, pattern="(")
    assert "look-around" in await refusal(grep_search, ctx, pattern="(?=x)")
    assert "Not found" in await refusal(grep_search, ctx, pattern="x", path="nowhere")


async def test_long_lines_and_many_matches_are_shown_in_part(ctx: ToolContext, root: Path) -> None:
    (root / "many").write_text("match\n" * 500)
    found = (await call(grep_search, ctx, pattern="match")).content.splitlines()
    assert len(found) == 101
    assert "first 100 matches" in found[-1]
    (root / "many").write_text("x" * 10_000 + "match" + "y" * 10_000)
    assert len((await call(grep_search, ctx, pattern="match")).content) < 600


async def test_what_is_shown_of_files_is_harmless(ctx: ToolContext, root: Path) -> None:
    """Check 35, for searches."""
    (root / "evil\x1b]0;title\x07\nname").write_bytes(b"needle \x1b[31m \xff \xe2\x80\xae x")
    for found in (
        await call(grep_search, ctx, pattern="needle"),
        await call(search_files, ctx, pattern="evil"),
    ):
        assert "\x1b" not in found.content
        assert "\u202e" not in found.content
        assert found.content.startswith("evil\\x1b]0;title\\x07\\nname")


@pytest.fixture
def hostile(root: Path) -> Path:
    (root / "line").write_bytes(b"a" * 100_000_000)
    (root / "binary").write_bytes(bytes(range(256)) * 1000 + b"needle")
    (root / "loop").symlink_to(root)
    (root / "dead").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe")
    many = root / "many"
    for number in range(100):
        folder = many / str(number)
        folder.mkdir(parents=True)
        for inner in range(20):
            (folder / str(inner)).write_text("some text\n")
    return root


@pytest.mark.timeout(40)
async def test_no_pattern_and_no_file_hangs_a_search_or_the_server(
    ctx: ToolContext, hostile: Path
) -> None:
    """Check 33."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await anyio.sleep(0.005)
            worst = max(worst, time.perf_counter() - before - 0.005)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for pattern in ("(a+)+$", "(a|aa)+$", "(.*)*x", "^(a?){30}a{30}$", "needle"):
            with anyio.fail_after(5):
                content = (await call(grep_search, ctx, pattern=pattern)).content
                assert len(content) < 31_000
        with anyio.fail_after(5):
            await call(search_files, ctx, pattern="*a*a*a*a*a*a*a*b")
        group.cancel_scope.cancel()
    assert worst < 0.05


@pytest.mark.timeout(40)
async def test_a_search_of_the_whole_machine_stays_on_its_disk(ctx: ToolContext) -> None:
    with anyio.fail_after(30):
        found = (await call(search_files, ctx, pattern="passwd", path="/")).content
    assert "/etc/passwd" in found.splitlines()
    assert not any(line.startswith(("/proc/", "/sys/")) for line in found.splitlines())


@pytest.mark.parametrize("search", [grep_search, search_files])
@pytest.mark.parametrize(
    ("path", "kind"), [("pipe", "a named pipe"), ("/dev/zero", "a device"), ("socket", "a socket")]
)
async def test_what_reading_may_never_end_is_refused_at_once(
    ctx: ToolContext, root: Path, search: Tool, path: str, kind: str
) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener, anyio.fail_after(2):
        listener.bind(str(root / "socket"))
        said = await refusal(search, ctx, pattern="x", path=path)
    assert f"{path} is {kind}, not a directory or a regular file" in said
