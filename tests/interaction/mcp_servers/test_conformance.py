"""What others have written to judge MCP servers, on ours."""

import subprocess
from pathlib import Path

import anyio
import pytest

from tests.interaction.mcp_servers.conformance_app import conformance_app
from tests.interaction.requirements import requirement
from tests.programs import npm_program

EXCEPTIONS = Path(__file__).parent / "conformance.yaml"


@requirement("mcp-servers:http:conformance")
@pytest.mark.timeout(180)
async def test_the_official_suite_finds_nothing_but_what_is_named(tmp_path: Path) -> None:
    command = [*npm_program("conformance"), "server", "--suite", "all"]
    async with conformance_app(tmp_path) as url:
        done = await anyio.run_process(
            [*command, "--url", url, "--expected-failures", str(EXCEPTIONS)],
            check=False,
            stderr=subprocess.STDOUT,
        )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "server-initialize" in said, said
