"""The reference page of the command line, from the commands themselves."""

import ast
import inspect
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import typer

from docs.pages.table import table
from open_agent.cli.exits import Exit
from open_agent.cli.main import Invocation, build

INTRODUCTION = """\
`open-agent COMMAND --help` says the same in the terminal. How the commands are meant to be used is
said in [the guide](../guides/command-line.md).
"""

SHARED_BY = 4
"""An option of so many commands is described once."""

Records = list[tuple[str, str]]


def page() -> str:
    """Every command with its arguments and options."""
    root: Any = typer.main.get_command(build(Invocation(_no_servers)))
    commands = dict(_flat(root.commands))
    records = {name: _records(name, command) for name, command in commands.items()}
    counts = Counter(record for each in records.values() for record in each)
    shared = [record for record, count in counts.items() if count >= SHARED_BY]
    lines = ["# Commands", "", INTRODUCTION, "## `open-agent`", "", inspect.cleandoc(root.help), ""]
    lines += _table(_records("open-agent", root))
    for name, command in commands.items():
        lines += [
            f"## `open-agent {_usage(name, command)}`",
            "",
            inspect.cleandoc(command.help),
            "",
        ]
        lines += _table(record for record in records[name] if record not in shared)
        also = [f"`{option}`" for option, _ in records[name] if (option, _) in shared]
        lines += [f"Also {', '.join(also)}.", ""] if also else []
    lines += ["## Options of many commands", "", *_table(shared)]
    lines += ["## Exit codes", "", *table(["Code", ""], _exits())]
    return "\n".join(lines)


def _flat(commands: Mapping[str, Any], group: str = "") -> Iterable[tuple[str, Any]]:
    """Every command by its whole name; a group is only what its commands have in common."""
    for name, command in commands.items():
        inner: Mapping[str, Any] | None = getattr(command, "commands", None)
        if inner is None:
            yield f"{group}{name}", command
        else:
            yield from _flat(inner, f"{group}{name} ")


def _records(name: str, command: Any) -> Records:
    """Arguments and options as help shows them."""
    ctx = typer.Context(command, info_name=name)
    found = (parameter.get_help_record(ctx) for parameter in command.get_params(ctx))
    return [record for record in found if record is not None and record[0] != "--help"]


def _usage(name: str, command: Any) -> str:
    ctx = typer.Context(command, info_name=name)
    arguments = [piece.strip("{}") for piece in command.collect_usage_pieces(ctx)]
    return " ".join([name, *(piece.upper() for piece in arguments if piece != "[OPTIONS]")])


def _table(records: Iterable[tuple[str, str]]) -> list[str]:
    return table(["", ""], ((f"`{option}`", text) for option, text in records))


def _exits() -> Iterable[tuple[str, str]]:
    """Each exit code with its docstring, which only the source has."""
    definition = ast.parse(inspect.getsource(Exit)).body[0]
    assert isinstance(definition, ast.ClassDef)
    for node, after in itertools.pairwise(definition.body):
        match node, after:
            case ast.Assign(value=value), ast.Expr(value=ast.Constant(value=str(text))):
                yield ast.unparse(value), text
            case _:
                pass


def _no_servers() -> NoReturn:
    raise AssertionError("Help needs no server.")
