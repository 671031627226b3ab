"""What is installed is what was written: the wheel, in a clean environment, far from the clone."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.sources import PACKAGE, ROOT, project_files
from tools import bootstrap

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def uv() -> list[str]:
    return [run([str(ROOT / "tools" / "setup"), "uv"], os.environ).strip()]


@pytest.fixture(scope="session")
def uv_env() -> dict[str, str]:
    """uv with its usual cache, so that nothing is fetched twice."""
    os.environ["HOME"], home = os.environ["REAL_HOME"], os.environ["HOME"]
    try:
        env = bootstrap.environment()
    finally:
        os.environ["HOME"] = home
    return {name: env[name] for name in env if name != "UV_PROJECT_ENVIRONMENT"}


@pytest.fixture(scope="session")
def wheel(uv: list[str], uv_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run([*uv, "build", "--quiet", "--wheel", "--out-dir", str(out)], uv_env)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(
    uv: list[str], uv_env: dict[str, str], wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A clean environment with the wheel and the locked versions of what it needs."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    env = uv_env | {"VIRTUAL_ENV": str(venv)}
    run([*uv, "venv", "--quiet", str(venv)], env)
    locked = venv / "requirements.txt"
    export = [*uv, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project"]
    run([*export, "--output-file", str(locked)], env)
    run([*uv, "pip", "install", "--quiet", "--no-deps", "-r", str(locked)], env)
    run([*uv, "pip", "install", "--quiet", "--no-deps", str(wheel)], env)
    run([*uv, "pip", "check"], env)
    return venv / "bin"


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of an account that has never set anything."""
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": "/usr/bin:/bin", "HOME": str(home)}


def run(command: list[str], env: Mapping[str, str], cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """Migrations and the built dashboard are files that no import would miss."""
    written = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == written


def test_the_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        commands = archive.read(names["entry_points.txt"]).decode()
        assert "licenses/LICENSE" in names
    assert "open-agent = open_agent.app:main" in commands


def test_the_lock_file_says_what_the_project_says() -> None:
    """The set-up installs the lock file as it is, so it may not be older than the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    ours = next(package for package in lock["package"] if package["name"] == "open-agent")
    locked = {entry["name"]: entry for entry in ours["metadata"]["requires-dist"]}
    wanted = [requirement_parts(text) for text in project["project"]["dependencies"]]
    assert {name: locked.get(name, {}).get("specifier") for name, _ in wanted} == dict(wanted)
    assert len(locked) == len(wanted)


def requirement_parts(text: str) -> tuple[str, str]:
    """A requirement's name and its version specifier in uv's order."""
    match = re.match(r"([\w.-]+)(?:\[[^]]*\])?([^;]*)", text)
    assert match is not None, text
    return match[1], ",".join(sorted(match[2].strip().split(","), reverse=True))


def test_the_package_is_importable_where_only_its_needs_are(
    installed: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    program = "import open_agent; print(open_agent.__version__)"
    version = run([str(installed / "python"), "-c", program], bare, tmp_path).strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_command_tells_its_version(
    installed: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    told = run([str(installed / "open-agent"), "--version"], bare, tmp_path)
    assert re.search(r"\d+\.\d+\.\d+", told)
    assert list(Path(bare["HOME"]).iterdir()) == []


def test_what_is_installed_serves(installed: Path, bare: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(installed / "open-agent"), "serve"],
            env=bare | {"PORT": str(port)},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        status = first_answer(f"http://127.0.0.1:{port}/api/health", server)
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=30)
    finally:
        server.kill()
    assert (status, code) == (200, 0), log.read_text(encoding="utf-8")
    made = {path.name for path in Path(bare["HOME"]).iterdir()}
    assert made <= {".open-agent", "open-agent"}


def test_make_run_serves_from_a_clean_clone(
    uv: list[str], uv_env: dict[str, str], bare: dict[str, str], tmp_path: Path
) -> None:
    """The second time around, since uv and what it fetched are there already."""
    clone = tmp_path / "clone"
    for path in project_files():
        copy = clone / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org"]
    run([*git, "init", "-q", "."], bare, clone)
    run([*git, "add", "."], bare, clone)
    run([*git, "commit", "-q", "-m", "All of it"], bare, clone)
    port = free_port()
    cached = {name: uv_env[name] for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME") if name in uv_env}
    env = {"UV_CACHE_DIR": f"{uv_env['HOME']}/.cache/uv"} | cached | bare
    env |= {"PATH": f"{Path(uv[0]).parent}:{Path(sys.executable).parent}:{bare['PATH']}"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        made = subprocess.Popen(
            ["make", "run"], env=env | {"PORT": str(port)}, cwd=clone, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        statuses = [first_answer(f"{url}/api/{name}", made) for name in ("health", "tasks")]
        assert statuses == [200, 200], log.read_text(encoding="utf-8")
        announced = json.loads((clone / ".run" / "data" / "server.json").read_text())
        os.kill(announced["pid"], signal.SIGTERM)
        code = made.wait(timeout=30)
    finally:
        made.kill()
    said = log.read_text(encoding="utf-8")
    assert code == 0, said
    assert f"listens on {url}" in said
    assert "demo" in said
    assert "OPENROUTER_API_KEY" in said
    assert stat.S_IMODE((clone / ".run" / "data").stat().st_mode) == 0o700
    assert run([*git, "status", "--porcelain"], bare, clone) == ""
    assert list(Path(bare["HOME"]).iterdir()) == []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def first_answer(url: str, server: subprocess.Popen[bytes]) -> int:
    """The status of the first answer, or 0 if there is none while the server lives."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.05)
    return 0
