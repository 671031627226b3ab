"""As much of `curl` as the documentation's examples need, for machines that have none.

Run as a program it takes `curl`'s arguments; `path_with_curl` puts it on a `PATH` that lacks the
real one.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import httpx2


def path_with_curl(path: str, folder: Path) -> str:
    """`path`, on which there is a `curl`: the real one, or else this in `folder`."""
    return path if shutil.which("curl", path=path) else f"{place(folder)}{os.pathsep}{path}"


def place(folder: Path) -> Path:
    """Put a command named `curl` into `folder`, and return the folder."""
    script = folder / "curl"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    script.chmod(0o755)
    return folder


def main() -> int:
    """Make one request, and write what comes as it comes."""
    parser = argparse.ArgumentParser()
    for flag in ("-s", "-S", "-N", "-i"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("-X")
    parser.add_argument("--max-time", type=float)
    parser.add_argument("url")
    given = parser.parse_args()
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in given.H]
    body = None if given.d is None else given.d.encode()
    method = given.X or ("GET" if body is None else "POST")
    timeout = httpx2.Timeout(given.max_time)
    with httpx2.stream(method, given.url, headers=headers, content=body, timeout=timeout) as answer:
        if given.i:
            first = f"{answer.http_version} {answer.status_code} {answer.reason_phrase}"
            lines = [first, *(f"{name}: {value}" for name, value in answer.headers.items()), "\n"]
            sys.stdout.write("\n".join(lines))
            sys.stdout.flush()
        for piece in answer.iter_bytes():
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
