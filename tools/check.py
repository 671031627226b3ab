"""Runs what must hold before a change is accepted, and says how long each part took.

`make check` runs the fast part, `make test` everything. The tests come last, so that the last line
is pytest's own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"

STAGES = {
    "style": ["ruff", "check", "--quiet"],
    "format": ["ruff", "format", "--check", "--quiet"],
    "types": ["pyright"],
    "layers": ["lint-imports", "--no-logo"],
    "reference pages": ["python", "-m", "docs.generate", "--check"],
}
"""Everything but the tests; silent unless something is wrong."""

WORKERS = max(2, min(4, os.cpu_count() or 1))
TESTS = [
    *("pytest", "-q", "-n", str(WORKERS), "--dist=worksteal", "--inline-snapshot=disable"),
    *("--durations=10", "--durations-min=1"),
]
FAST = [*TESTS, "-m", "not slow and not live"]


def main() -> int:
    """Run the stages, then the tests; the exit code says whether all of it passed."""
    is_fast = "--fast" in sys.argv[1:]
    env = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",  # it would ask the network for a newer version
        "VIRTUAL_ENV": str(BIN.parent),
    }
    failed = [name for name, command in STAGES.items() if not passes(name, command, env)]
    if failed:
        print(f"\nFAILED before the tests: {', '.join(failed)}", flush=True)
        return 1
    print("== tests", flush=True)
    return subprocess.run(
        located(FAST if is_fast else TESTS), cwd=ROOT, env=env, check=False
    ).returncode


def passes(name: str, command: list[str], env: dict[str, str]) -> bool:
    """Run one stage; its output is shown only if it fails."""
    print(f"== {name} ", end="", flush=True)
    start = time.monotonic()
    done = subprocess.run(
        located(command), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    print(
        f"{time.monotonic() - start:.1f} s{'' if done.returncode == 0 else ' FAILED'}", flush=True
    )
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def located(command: list[str]) -> list[str]:
    """The command with its program from `.venv`."""
    return [str(BIN / command[0]), *command[1:]]


if __name__ == "__main__":
    sys.exit(main())
