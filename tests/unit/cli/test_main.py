import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from open_agent import __version__
from open_agent.cli.main import Invocation, build
from open_agent.cli.ports import ServerBuilder
from open_agent.core.errors import OpenAgentError


def nobody() -> ServerBuilder:
    raise AssertionError("no server is needed for this")


def call(*args: str) -> Result:
    return CliRunner().invoke(build(Invocation(nobody)), list(args))


def code_of(result: Result) -> str:
    assert isinstance(result.exception, OpenAgentError), result.output
    return result.exception.code


def test_the_version_is_said() -> None:
    assert call("--version").output == f"open-agent {__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["", "serve", "run", "tasks", "show", "follow", "stop", "config", "doctor", "token"],
)
def test_every_command_explains_itself(command: str) -> None:
    result = call(*command.split(), "--help")
    assert (result.exit_code, "Usage" in result.output) == (0, True)


@pytest.mark.parametrize(
    "args",
    [
        ["fly"],
        ["run"],
        ["run", "task", "--budget-cents", "-1"],
        ["run", "task", "--budget-cents", "much"],
        ["tasks", "--limit", "0"],
        ["serve", "--port", "http"],
        ["show"],
        ["--wrong"],
    ],
)
def test_wrong_usage_exits_with_2(args: list[str]) -> None:
    assert call(*args).exit_code == 2


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["run", "  "], "task.empty"),
        (["run", "x", "--url", "nowhere"], "url.invalid"),
        (["tasks", "--url", "nowhere"], "url.invalid"),
        (["serve", "--port", "70000"], "settings.invalid"),
        (["serve", "--host", "no host"], "settings.invalid"),
        (["config", "--env-file", "/nowhere/.env"], "settings.invalid"),
        (["token"], "token.not_found"),
    ],
)
def test_what_is_wrong_is_said_by_code(tmp_path: Path, args: list[str], code: str) -> None:
    assert code_of(call(*args, "--data-dir", str(tmp_path))) == code


def test_the_token_is_only_printed_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s" * 43)
    place = ["--data-dir", str(tmp_path)]
    assert call("token", *place).output == f"{tmp_path / 'token'}\n"
    assert call("token", "--reveal", *place).output == "s" * 43 + "\n"


def test_help_and_version_load_nothing_heavy() -> None:
    heavy = ("pydantic", "httpx2", "rich", "anyio", "asyncio", "sqlalchemy", "fastapi", "uvicorn")
    script = (
        "import sys; import open_agent.app; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
