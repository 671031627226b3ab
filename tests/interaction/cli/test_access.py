"""Users, keys and links from the command line, and what guards a server that others can reach."""

import re

import httpx2
import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement

SECRET = "0123456789abcdef" * 2
FREE = {"HOST": "0.0.0.0", "PORT": "0"}


@requirement("access:bind:guarded")
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "neither users nor a password"),
        ({"DASHBOARD_PASSWORD": "hush-hush"}, "JWT_SECRET is missing"),
        ({"JWT_SECRET": SECRET}, "neither users nor a password"),
        ({"DEV_MODE": "true"}, "DEV_MODE"),
        ({"DASHBOARD_PASSWORD": "hush-hush", "JWT_SECRET": "short"}, "5 bytes"),
    ],
)
def test_a_server_that_others_can_reach_needs_somebody_to_let_in(
    alone: Cli, settings: dict[str, str], said: str
) -> None:
    cli = Cli(alone.home, alone.model_url, {**FREE, **settings})
    ended = cli.call("serve", code=2)
    assert said in ended.stderr
    assert "hush-hush" not in ended.stderr
    assert "listens on" not in ended.stdout
    assert not (alone.data_dir / "server.json").exists()


@requirement("access:bind:guarded", "cli:access:administers")
@pytest.mark.timeout(60)
def test_the_first_user_is_added_before_the_server_listens_to_others(alone: Cli) -> None:
    cli = Cli(alone.home, alone.model_url, FREE)
    cli.call("user", "add", "anna", "--admin", "--adopt", stdin="password of anna\n")
    cli.call("user", "add", "ben", stdin="password of ben\n")
    assert "last administrator" in cli.call("user", "delete", "anna", code=1).stderr
    with cli.server() as server:
        url = re.findall(r"listens on (http://127.0.0.1:\d+)", server.output)[0]
        assert "link?code=" not in server.output

        def login(name: str) -> int:
            body = {"username": name, "password": f"password of {name}"}
            return httpx2.post(f"{url}/api/auth/login", json=body).status_code

        assert [login("anna"), login("ben"), login("eve")] == [200, 200, 401]
        cli.call("user", "disable", "ben")
        assert login("ben") == 401
        cli.call("user", "enable", "ben")
        assert login("ben") == 200
        cli.call("user", "role", "ben", "--admin")
        users = cli.json("user", "list")
        assert [(user["username"], user["role"]) for user in users] == [
            ("anna", "admin"),
            ("ben", "admin"),
        ]
        cli.call("user", "passwd", "ben", stdin="another of ben\n")
        assert login("ben") == 401
        cli.call("user", "delete", "ben")
        assert "There is no user ben" in cli.call("user", "delete", "ben", code=2).stderr
        link = cli.call("link").stdout.strip()
        assert httpx2.get(link, follow_redirects=False).status_code == 303
        assert httpx2.get(link, follow_redirects=False).status_code == 401


@requirement("access:local:kernel", "cli:access:administers")
@pytest.mark.timeout(60)
def test_in_local_mode_the_start_says_how_a_browser_gets_in(alone: Cli) -> None:
    with alone.server() as server:
        link = re.findall(r"http://127\.0\.0\.1:\d+/link\?code=[\w-]+", server.output)[0]
        url = link.partition("/link")[0]
        # The kernel says that this test runs under the server's account.
        assert httpx2.get(f"{url}/api/tasks").status_code == 200
        assert httpx2.get(f"{url}/api/users").status_code == 403
        assert httpx2.get(f"{url}/api/tasks", headers={"Origin": url}).status_code == 401
        # So does the command of an account that has another data directory: it may work, and is
        # told what administering takes.
        stranger = Cli(alone.home / "other", alone.model_url, {"PORT": url.rpartition(":")[2]})
        assert stranger.call("tasks", "--json").stdout.strip() == "[]"
        assert "--data-dir" in stranger.call("user", "list", code=2).stderr
        with httpx2.Client(follow_redirects=True) as browser:
            page = browser.get(link, headers={"Sec-Fetch-Mode": "navigate"})
            assert page.status_code == 200
            assert "Open Agent" in page.text
        key = alone.call("key", "add", "laptop", "--scope", "read", "--days", "7").stdout.strip()
        bearer = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{url}/api/tasks", headers=bearer).status_code == 200
        assert httpx2.post(f"{url}/api/task", headers=bearer, json={}).status_code == 403
        (kept,) = alone.json("key", "list")
        assert key not in str(kept)
        alone.call("key", "revoke", kept["id"])
        assert httpx2.get(f"{url}/api/tasks", headers=bearer).status_code == 401


@requirement("cli:access:administers")
@pytest.mark.timeout(60)
def test_a_hash_from_the_command_line_is_a_password_for_the_settings(alone: Cli) -> None:
    hashed = alone.call("hash-password", stdin="password of one\n").stdout.strip()
    assert hashed.startswith("$argon2id$")
    assert "8 to 1,024" in alone.call("hash-password", stdin="short\n", code=2).stderr
    settings = {"DASHBOARD_PASSWORD": hashed, "JWT_SECRET": SECRET}
    cli = Cli(alone.home, alone.model_url, settings)
    assert hashed not in cli.call("config").stdout
    with cli.server() as server:
        url = re.findall(r"listens on (http://127.0.0.1:\d+)", server.output)[0]
        assert "hash-password" not in server.output
        reply = httpx2.post(f"{url}/api/auth/login", json={"password": "password of one"})
        assert reply.status_code == 200
        assert httpx2.get(f"{url}/api/tasks").status_code == 401
