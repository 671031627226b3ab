import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.timeout(60)


@contextmanager
def somebody_else() -> Generator[tuple[int, list[str]]]:
    """A server that is not ours, on its port, with the credentials that it was shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status":"ok"}')

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@requirement("cli:token:kept")
def test_the_token_is_shown_to_nobody_else(alone: Cli) -> None:
    alone.data_dir.mkdir()
    (alone.data_dir / "token").write_text("t" * 43)
    with somebody_else() as (port, shown):
        cli = Cli(alone.home, alone.model_url, {"PORT": str(port)})
        for args in (["tasks"], ["show", "abcd"], ["stop", "abcd"], ["follow", "abcd"]):
            assert "is not Open Agent" in cli.call(*args, code=1).stderr
        assert "is taken" in cli.call("doctor").stdout
    assert shown
    assert set(shown) == {""}


@requirement("cli:token:kept")
def test_a_wrong_token_is_refused_with_how_to_name_the_right_one(
    served: Cli, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t" * 43)
    refused = served.call("tasks", "--token-file", str(tmp_path / "token"), code=2)
    assert "--token-file" in refused.stderr
    assert "--data-dir" in refused.stderr


@requirement("cli:token:kept")
def test_a_server_that_can_be_overheard_is_warned_of(alone: Cli) -> None:
    said = alone.call("tasks", "--url", "http://192.0.2.1.invalid:1", code=5).stderr
    assert "is not encrypted" in said


@requirement("cli:run:in-process")
def test_a_run_does_not_mind_who_else_has_the_usual_port(alone: Cli) -> None:
    with somebody_else() as (port, _):
        cli = Cli(alone.home, alone.model_url, {"PORT": str(port)})
        assert cli.call("run", "-q", "say hi").stdout == "hi\n"


@requirement("cli:token:kept")
def test_a_wrong_token_is_told_as_such(served: Cli, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("w" * 43)
    ended = served.call("tasks", "--token-file", str(tmp_path / "wrong"), code=2)
    assert "token" in ended.stderr


@requirement("cli:exits:documented")
def test_an_error_says_where_it_came_from_only_when_asked(alone: Cli) -> None:
    assert "Traceback" not in alone.call("token", code=2).stderr
    assert "Traceback" in alone.call("--debug", "token", code=2).stderr
