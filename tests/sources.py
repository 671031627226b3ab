"""The project's own Python files, parsed: what `test_architecture.py` asks its questions of.

Knows syntax and names; knows none of the rules.
"""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "open_agent"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is where it comes from, `name` what it is called there."""

    module: str
    line: int
    is_inside_function: bool


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def place(self) -> str:
        """The path within its tree, such as `store/missions.py` or `unit/test_settings.py`."""
        tree = PACKAGE if self.path.is_relative_to(PACKAGE) else ROOT
        return self.path.relative_to(tree).as_posix()

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse("\n".join(self.lines) + "\n", filename=str(self))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """What stands around `node`, innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def said_at(self, line: int) -> str:
        """The line and the comment lines just above it."""
        first = line - 1
        while first > 0 and self.lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return "\n".join(self.lines[first:line])

    @cached_property
    def functions(self) -> list[FunctionNode]:
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    @cached_property
    def imports(self) -> list[Import]:
        found: list[Import] = []
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), names=names):
                    modules = [f"{module}.{alias.name}" for alias in names]
                case _:
                    continue
            is_inside = any(isinstance(outer, FunctionNode) for outer in self.enclosing(node))
            found += [Import(module, node.lineno, is_inside) for module in modules]
        return found

    @cached_property
    def uses(self) -> list[tuple[str, int]]:
        """Every imported thing that the file names, as its full dotted name, with the line."""
        aliases = self._aliases()
        return [
            (full, node.lineno)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute | ast.Name)
            and (full := _full_name(node, aliases)) is not None
        ]

    def _aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        local = alias.asname or alias.name.partition(".")[0]
                        aliases[local] = alias.name if alias.asname else local
                case ast.ImportFrom(module=str(module), names=names):
                    for alias in names:
                        aliases[alias.asname or alias.name] = f"{module}.{alias.name}"
                case _:
                    pass
        return aliases


def length(function: FunctionNode) -> int:
    """Lines of a function without its docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return total
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def sources(folder: Path) -> list[Source]:
    """The Python files below `folder`."""
    return [Source(path) for path in sorted(folder.rglob("*.py"))]


def project_files() -> list[Path]:
    """Everything that git keeps, or would if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def _full_name(node: ast.expr, aliases: dict[str, str]) -> str | None:
    match node:
        case ast.Name(id=name):
            return aliases.get(name)
        case ast.Attribute(value=value, attr=attr):
            outer = _full_name(value, aliases)
            return None if outer is None else f"{outer}.{attr}"
        case _:
            return None
