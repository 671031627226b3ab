"""The rules of the house that a program can check; import-linter checks the layers and cycles."""

import ast
import re

import pytest

from tests.sources import PACKAGE, ROOT, FunctionNode, Source, length, project_files, sources

SRC = sources(PACKAGE)
PRODUCT = [source for source in SRC if not source.place.startswith("testing/")]
TESTS = sources(ROOT / "tests")
EVERYTHING = [*SRC, *TESTS, *sources(ROOT / "bench"), *sources(ROOT / "tools")]

DECLARATIONS = ("store/migrations/", "store/tables.py")
"""Where SQLAlchemy's manner of declaring things is a call at the top of a file."""

GENERATED = ("store/migrations/versions/",)

LIBRARIES = {
    "procrastinate": ("engine/",),
    "sqlalchemy": ("store/",),
    "alembic": ("store/",),
    "sqlite3": ("store/",),
    "psycopg": ("store/",),
    "psycopg_pool": ("store/",),
    "fastapi": ("server/",),
    "starlette": ("composition/", "server/", "scripted/"),
    "uvicorn": ("server/", "scripted/"),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "pydantic_settings": ("settings/",),
    "dotenv": ("settings/env_file.py",),
    "jwt": ("services/access/",),
    "pwdlib": ("services/access/",),
    "genai_prices": ("models/",),
    "ddgs": ("tools/",),
    "trafilatura": ("tools/",),
    "mcp": ("mcp/", "server/mcp/endpoint.py"),
    "mcp_types": ("mcp/", "server/mcp/endpoint.py"),
    "openai": (),
    "requests": (),
    "open_agent.settings": ("admission.py", "composition/", "cli/", "settings/"),
    "open_agent.testing": (),
}
"""Who alone may import what."""

KNOWLEDGE = {
    r"subprocess|multiprocessing|pty|asyncio\.subprocess": ("workspaces/",),
    r"(asyncio|anyio)\.(create_subprocess_\w+|open_process|run_process)": ("workspaces/",),
    r"os\.(fork\w*|exec\w+|spawn\w+|posix_spawn\w*|system|popen)": ("workspaces/",),
    r"os\.(environb?|getenvb?|putenv|unsetenv)|os\.path\.expand(user|vars)": (
        "settings/settings.py",
    ),
    r"pathlib\.Path\.home": ("settings/settings.py",),
    r"time\.(time|time_ns|localtime|gmtime|ctime|clock_gettime\w*)": ("core/clock.py",),
    r"datetime\.(datetime\.(now|utcnow|today)|date\.today)": ("core/clock.py",),
    r"time\.(monotonic|perf_counter|process_time)\w*": ("core/clock.py", "workspaces/", "models/"),
    r"uuid\.uuid\d|secrets|os\.urandom": ("core/ids.py",),
    r"random": ("core/ids.py", "models/"),
}
"""Who alone may use what, as patterns of full names."""

BEHIND_ISOLATION = {
    # What implements it: nobody outside may know that there is no wall.
    r"open_agent\.workspaces\.(host|supervised|supervisor|keeping)(\..+)?": (),
    r"open_agent\.workspaces\.pipes(\..+)?": ("mcp/servers/stdio.py",),  # its own standard streams
    r"open_agent\.workspaces\.local\.LocalWorkspace": (),
    # Those who end what runs and missions have started, and start nothing.
    r"open_agent\.workspaces\.processes\.ProcessPort": (
        "engine/worker.py",
        "services/control/",
        "services/processes.py",
    ),
}
"""Who may know more of processes than the port of isolation shows."""

LAZY = {
    "alembic", "ddgs", "genai_prices", "jwt", "mcp", "mss", "procrastinate", "psycopg", "psycopg_pool",
    "sqlalchemy", "trafilatura", "uvicorn",
}  # fmt: skip
"""What may be imported inside a function, with the measured cost beside it."""

HOMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

OWNERLESS_STORES = {"store/blobs.py"}
"""Stores that are asked by mission, by callers that have checked the owner."""


def found(problems: list[str]) -> None:
    if problems:
        pytest.fail("\n".join(sorted(problems)), pytrace=False)


def is_in(source: Source, places: tuple[str, ...]) -> bool:
    return any(source.place == place or source.place.startswith(place) for place in places)


def test_files_and_functions_stay_small() -> None:
    problems: list[str] = []
    for source in EVERYTHING:
        if is_in(source, GENERATED):
            continue
        limit = 600 if str(source).startswith("tests/") else 400
        if len(source.lines) > limit:
            problems.append(
                f"{source}: {len(source.lines)} lines, over {limit}: it holds two ideas"
            )
        if source in SRC:
            problems += [
                f"{source}:{function.lineno}: {function.name} has {length(function)} lines, over 50"
                for function in source.functions
                if length(function) > 50
            ]
    found(problems)


def test_an_init_file_holds_a_docstring_and_nothing_else() -> None:
    problems: list[str] = []
    for source in SRC:
        if source.path.name != "__init__.py":
            continue
        rest = source.tree.body[1:]
        if source.place == "__init__.py":
            rest = [node for node in rest if not _is_assignment_to(node, "__version__")]
        if ast.get_docstring(source.tree) is None or rest:
            problems.append(f"{source}: an __init__ holds a docstring and nothing else")
    found(problems)


def test_every_folder_of_the_package_has_an_init_file() -> None:
    folders = {source.path.parent for source in SRC}
    found(
        [f"{folder}: no __init__.py" for folder in folders if not (folder / "__init__.py").exists()]
    )


def test_each_library_is_imported_only_where_it_belongs() -> None:
    problems: list[str] = []
    for source in PRODUCT:
        for used in source.imports:
            for library, places in LIBRARIES.items():
                is_it = used.module == library or used.module.startswith(f"{library}.")
                if is_it and not is_in(source, places):
                    where = " and ".join(places) or "tests"
                    problems.append(f"{source}:{used.line}: {library} belongs to {where}")
    found(problems)


def test_processes_environment_time_and_chance_come_from_their_one_place() -> None:
    problems: list[str] = []
    for source in PRODUCT:
        names = [*source.uses, *((used.module, used.line) for used in source.imports)]
        for pattern, places in KNOWLEDGE.items():
            if is_in(source, places):
                continue
            problems += [
                f"{source}:{line}: {name} belongs to {' and '.join(places)}"
                for name, line in names
                if re.fullmatch(rf"(?:{pattern})(?:\..+)?", name)
            ]
    found(problems)


def test_processes_are_started_through_the_port_of_isolation() -> None:
    """A second isolation beside `host` changes none of those who start programs."""
    problems: list[str] = []
    for source in PRODUCT:
        if is_in(source, ("workspaces/", "composition/")):
            continue
        tree = ast.walk(source.tree)
        imported = {
            f"{node.module}.{alias.name}": node.lineno
            for node in tree
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for name, line in imported.items():
            for pattern, places in BEHIND_ISOLATION.items():
                if re.fullmatch(pattern, name) and not is_in(source, places):
                    where = " and ".join(places) or "composition and workspaces"
                    problems.append(f"{source}:{line}: {name} belongs to {where}")
    found(problems)


def test_imports_inside_functions_are_listed_and_say_what_they_cost() -> None:
    problems: list[str] = []
    for source in PRODUCT:
        for used in source.imports:
            if not used.is_inside_function:
                continue
            library = used.module.partition(".")[0]
            is_wiring = library == "open_agent" and is_in(
                source,
                (
                    "app.py",
                    "cli/",
                    "composition/",
                    "mcp/client/pool.py",
                    "server/mcp/endpoint.py",
                    "server/mcp/bridge.py",
                    "store/database.py",
                ),
            )
            if library not in LAZY and not is_wiring:
                problems.append(f"{source}:{used.line}: import {used.module} at the top")
            elif not re.search(r"#.*\d\s?m?s\b", source.said_at(used.line)):
                problems.append(f"{source}:{used.line}: say what importing {library} costs, in ms")
    found(problems)


def test_importing_a_module_does_nothing() -> None:
    allowed = (
        ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef,
        ast.AsyncFunctionDef, ast.ClassDef,
    )  # fmt: skip
    problems: list[str] = []
    for source in PRODUCT:
        if source.path.name == "__main__.py" or is_in(source, DECLARATIONS):
            continue
        for node in source.tree.body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not (isinstance(node, allowed) or is_text or _is_guard(node)):
                problems.append(f"{source}:{node.lineno}: importing a module must do nothing")
    found(problems)


def test_broad_excepts_are_boundaries_and_say_so() -> None:
    problems: list[str] = []
    for source in PRODUCT:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler) or not _is_broad(node):
                continue
            last = node.body[-1]
            passes_on = isinstance(last, ast.Raise) and last.exc is None
            if not passes_on and "boundary:" not in source.said_at(node.lineno):
                problems.append(f"{source}:{node.lineno}: catch what you can name")
    found(problems)


def test_nothing_is_named_as_if_it_had_no_home() -> None:
    problems: list[str] = []
    for source in EVERYTHING:
        words = {
            word
            for part in source.path.relative_to(ROOT).with_suffix("").parts
            for word in part.split("_")
        }
        if words & HOMELESS:
            problems.append(f"{source}: the name says the thing has no home yet")
    found(problems)


def test_a_store_cannot_be_asked_without_an_owner() -> None:
    problems: list[str] = []
    for source in PRODUCT:
        if not is_in(source, ("store/",)) or is_in(source, tuple(OWNERLESS_STORES)):
            continue
        for class_ in source.tree.body:
            if isinstance(class_, ast.ClassDef) and class_.name.endswith("Store"):
                problems += [
                    f"{source}:{method.lineno}: {class_.name}.{method.name} takes no owner"
                    for method in class_.body
                    if isinstance(method, FunctionNode) and _needs_owner(method)
                ]
    found(problems)


def test_tests_are_functions_that_wait_for_what_happens() -> None:
    problems: list[str] = []
    for source in TESTS:
        problems += [
            f"{source}:{node.lineno}: tests are functions"
            for node in source.tree.body
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        ]
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if ast.unparse(node.func) == "monkeypatch.setattr":
                problems.append(f"{source}:{node.lineno}: pass the thing in instead")
            if node.func.attr == "sleep" and _is_hopeful(source, node):
                problems.append(f"{source}:{node.lineno}: wait for the event, not for a while")
    found(problems)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    homes = r"/(?:home|Users)/(?!user\b|you\b|agent\b|someone\b|\w*[<{$*])\w+"
    pattern = re.compile(rf"{re.escape(str(ROOT))}(?=[/\s\"'`)])|{homes}")
    problems: list[str] = []
    for path in project_files():
        if path.suffix in {".lock", ".png", ".gif", ".svg"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        problems += [
            f"{path.relative_to(ROOT)}:{number}: {match.group()}"
            for number, line in enumerate(text.splitlines(), 1)
            if (match := pattern.search(line))
        ]
    found(problems)


def _is_assignment_to(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target == name
        case _:
            return False


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING",
        "__name__ == '__main__'",
    }


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


def _needs_owner(method: FunctionNode) -> bool:
    if method.name.startswith("_") or method.name.endswith("_for_system"):
        return False
    return "owner" not in {argument.arg for argument in method.args.kwonlyargs}


def _is_hopeful(source: Source, call: ast.Call) -> bool:
    """A sleep for a time, outside a loop that looks again, without a stated reason."""
    if not call.args or ast.unparse(call.args[0]) == "0":
        return False
    is_polling = any(isinstance(outer, ast.While) for outer in source.enclosing(call))
    return not is_polling and "deliberate:" not in source.said_at(call.lineno)
