"""Sets up `.venv` from the lock file: finds or fetches uv, then lets it install.

Runs on a bare Python 3.11, without pip, venv or anything else installed, as any user and with or
without a home folder. Writes to `.venv` and `.tools` and to uv's own cache, nowhere else. When
nothing has changed it neither starts uv nor touches the network.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
STAMP = VENV / ".open-agent-setup.json"

UV_VERSION = "0.13.9"
UV = TOOLS / f"uv-{UV_VERSION}"
FILES = "https://files.pythonhosted.org/packages/"
WHEELS = {
    "Linux x86_64": (
        "3d/aa/26d64642d808de4a652579ef950d7cd2d37f080a8babf9c67c6b75fc4c3f/uv-0.13.9-py3-none-"
        "manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "Linux musl x86_64": (
        "fe/fe/794884de0efd3ac77a427cab21aa72c0483e100c55a42cd5cbb02c141b84/uv-0.13.9-py3-none-"
        "musllinux_1_1_x86_64.whl",
        "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    ),
    "Linux aarch64": (
        "57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/uv-0.13.9-py3-none-"
        "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
    "Darwin x86_64": (
        "1e/db/08e9ef4879bd667e6d7b4705e594e5bd3e4585f10fc63cb16b9fa2fac63e/uv-0.13.9-py3-none-"
        "macosx_10_12_x86_64.whl",
        "c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5",
    ),
    "Darwin arm64": (
        "f3/a7/a8d7b074798c7fb3b26b37584b8fe2e29df2ccdc24ce7902caab2a53edbf/uv-0.13.9-py3-none-"
        "macosx_11_0_arm64.whl",
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
}
"""By machine: where uv's wheel is, and its SHA-256."""


def main() -> None:
    """Set up for `run` (what the product needs) or `dev` (what its tests need as well).

    `uv` only sees to it that there is one, and prints where. `wheel` builds the package.
    """
    kind = sys.argv[1] if len(sys.argv) > 1 else "dev"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kind == "uv":
            print(find_uv())
        elif kind == "wheel":
            build(find_uv())
        else:
            if not is_set_up(kind):
                sync(find_uv(), kind)
            if kind == "dev":
                fetch_programs()


def fetch_programs() -> None:
    """Fetch what only tests run, with the Python of `.venv`, which has Node beside it."""
    python = VENV / "bin" / "python"
    done = subprocess.run([python, "-I", ROOT / "tools" / "programs.py"], check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def is_set_up(kind: str) -> bool:
    """Whether `.venv` holds what the lock file says, and at least what `kind` needs."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        runs = subprocess.run([VENV / "bin" / "python", "-c", ""], check=False).returncode == 0
    except (OSError, ValueError):
        return False
    return (
        runs
        and stamp == {"digest": digest(), "kind": stamp.get("kind")}
        and (stamp["kind"] in {kind, "dev"})
    )


def digest() -> str:
    """What decides on the contents of `.venv`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    decisive = {
        "project": project["project"],
        "build": project["build-system"],
        "groups": project["dependency-groups"],
        "hatch": project["tool"]["hatch"],
        "root": str(ROOT),
    }
    text = json.dumps(decisive, sort_keys=True).encode()
    for name in ("uv.lock", "src/open_agent/__init__.py"):
        text += (ROOT / name).read_bytes()
    return hashlib.sha256(text).hexdigest()


def sync(uv: str, kind: str) -> None:
    """Make `.venv` what the lock file says."""
    say(
        f"Installing what uv.lock lists into .venv ({'with' if kind == 'dev' else 'without'} tests)"
    )
    STAMP.unlink(missing_ok=True)
    # Not `--locked`: it refuses when this machine names another package index. That the lock file
    # fits pyproject.toml is a test.
    command = [uv, "sync", "--frozen", "--compile-bytecode"]
    command += ["--group", "dev"] if kind == "dev" else ["--no-dev", "--inexact"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=False)
    if done.returncode != 0:
        give_up(f"uv could not install the dependencies (exit code {done.returncode}); see above.")
    STAMP.write_text(json.dumps({"digest": digest(), "kind": kind}), encoding="utf-8")


def build(uv: str) -> None:
    """Make `dist/` hold the package, and say what it is called."""
    command = [uv, "build", "--quiet", "--wheel", "--out-dir", "dist", "--no-create-gitignore"]
    if subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode != 0:
        give_up("uv could not build the package; see above.")
    for wheel in sorted((ROOT / "dist").glob("*.whl")):
        print(f"dist/{wheel.name}")


def environment() -> dict[str, str]:
    """The environment for uv: this Python, this project, and a cache that can be written."""
    env = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONHOME"}}
    env["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    env["UV_PYTHON_DOWNLOADS"] = "never"
    if not (VENV / "bin" / "python").exists():
        env["UV_PYTHON"] = sys.executable
    if has_certificates():
        env.setdefault("UV_SYSTEM_CERTS", "true")
    home = env.get("HOME", "")
    has_home = home.startswith("/") and os.access(home, os.W_OK | os.X_OK) and home != "/"
    if not has_home and not env.get("UV_CACHE_DIR") and not env.get("XDG_CACHE_HOME"):
        env["UV_CACHE_DIR"] = str(TOOLS / "uv-cache")
    if not has_home:
        env["HOME"] = str(TOOLS)
    return env


def has_certificates() -> bool:
    """Whether the machine has root certificates, its owner's own among them; else uv's do."""
    paths = ssl.get_default_verify_paths()
    has_file = bool(paths.cafile) and Path(paths.cafile or "").stat().st_size > 0
    return has_file or any(Path(paths.capath or "/nonexistent").glob("*.0"))


def find_uv() -> str:
    """A uv of the pinned version: fetched before, installed already, or fetched now."""
    ours = UV / "uv"
    if ours.exists():
        return str(ours)
    installed = shutil.which("uv")
    if installed is not None and version_of(installed) == UV_VERSION:
        return installed
    if not fetch_wheel() and not install_with_pip():
        give_up(
            f"uv {UV_VERSION} could be fetched neither from {FILES} nor with pip. Install it"
            " (https://docs.astral.sh/uv/) or let this machine reach the Python package index."
        )
    return str(ours)


def version_of(uv: str) -> str:
    """The version that a uv says it has; empty if it does not run."""
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.split()[1] if len(said.split()) > 1 else ""


def fetch_wheel() -> bool:
    """Unpack uv from its wheel, whose digest is known; needs neither pip nor certificates."""
    is_musl = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    machine = platform.machine()
    names = [f"{platform.system()} musl {machine}"] if is_musl else []
    path, expected = next(
        (WHEELS[name] for name in [*names, f"{platform.system()} {machine}"] if name in WHEELS),
        ("", ""),
    )
    if not path:
        return False
    try:
        data = download(FILES + path)
    except (OSError, urllib.error.URLError) as error:
        say(f"That did not work ({error}); trying pip")
        return False
    if hashlib.sha256(data).hexdigest() != expected:
        give_up(f"What came from {FILES}{path} is not what it should be: its digest differs.")
    wheel = TOOLS / f"uv-{UV_VERSION}.whl"
    wheel.write_bytes(data)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        place_binary(archive.read(name))
    wheel.unlink()
    return True


def download(url: str) -> bytes:
    """What `url` answers, with progress shown.

    A machine without root certificates is served too: the caller checks the digest.
    """
    say(f"Fetching uv {UV_VERSION}")
    try:
        answer = urllib.request.urlopen(url, timeout=60)
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLCertVerificationError):
            raise
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        answer = urllib.request.urlopen(url, timeout=60, context=unverified)
    with answer:
        total = int(answer.headers.get("Content-Length") or 0)
        parts: list[bytes] = []
        shown = time.monotonic()
        while part := answer.read(1 << 18):
            parts.append(part)
            if time.monotonic() - shown > 1:
                shown = time.monotonic()
                say(f"  {sum(map(len, parts)) >> 20} of {total >> 20} MB")
    return b"".join(parts)


def install_with_pip() -> bool:
    """Let pip fetch uv: pip knows of proxies and mirrors that we do not."""
    where, throwaway = TOOLS / "pip", TOOLS / "pip-venv"
    try:
        for python in (sys.executable, str(throwaway / "bin" / "python")):
            if python != sys.executable:
                run_quietly([sys.executable, "-m", "venv", str(throwaway)])
            install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(where)]
            if run_quietly([python, *install, f"uv=={UV_VERSION}"]):
                place_binary((where / "bin" / "uv").read_bytes())
                return True
    finally:
        shutil.rmtree(where, ignore_errors=True)
        shutil.rmtree(throwaway, ignore_errors=True)
    return False


def run_quietly(command: list[str]) -> bool:
    """Whether a command worked."""
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def place_binary(data: bytes) -> None:
    """Put uv where the next start finds it, whole or not at all."""
    UV.mkdir(exist_ok=True)
    partial = UV / "uv.partial"
    partial.write_bytes(data)
    partial.chmod(0o755)
    partial.replace(UV / "uv")


def say(text: str) -> None:
    """Progress, for a person."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def give_up(text: str) -> None:
    """End with a reason and what to do."""
    sys.exit(f"setup: {text}")


if __name__ == "__main__":
    main()
