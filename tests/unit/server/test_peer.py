"""Whose program has connected, as the kernel of this machine has it."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from open_agent.server.peer import account_of, is_own_account

NOBODY = 65534


@contextmanager
def connected(
    family: socket.AddressFamily, host: str
) -> Generator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection on this machine: the client's and the server's."""
    with socket.socket(family) as listener, socket.socket(family) as client:
        listener.bind((host, 0))
        listener.listen()
        client.connect(listener.getsockname()[:2])
        server, _ = listener.accept()
        with server:
            yield client, server


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_ones_own_connection_is_known(family: socket.AddressFamily, host: str) -> None:
    with connected(family, host) as (client, server):
        peer, here = server.getpeername()[:2], server.getsockname()[:2]
        assert account_of(peer, here) == os.geteuid()
        assert is_own_account(peer, here)
        assert account_of((peer[0], 1), here) is None
        assert account_of(peer, (here[0], 1)) is None
        client.close()
        assert not is_own_account(peer, here)


@contextmanager
def program(before: str, family: str, host: str) -> Generator[tuple[Any, Any]]:
    """What the kernel is asked about a connection of another process."""
    source = (
        f"import os, socket, sys; {before};"
        f"s = socket.socket(socket.{family}); s.connect(('{host}', int(sys.argv[1])));"
        "sys.stdin.read()"
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        here = listener.getsockname()
        command = [sys.executable, "-c", source, str(here[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
            server, peer = listener.accept()
            with server:
                yield peer, here
            assert other.stdin is not None
            other.stdin.close()


def test_a_program_that_speaks_both_kinds_is_known_by_its_old_address() -> None:
    with program("pass", "AF_INET6", "::ffff:127.0.0.1") as (peer, here):
        assert is_own_account(peer, here)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_another_accounts_connection_is_not_ours() -> None:
    with program(f"os.setuid({NOBODY})", "AF_INET", "127.0.0.1") as (peer, here):
        assert account_of(peer, here) == NOBODY
        assert not is_own_account(peer, here)
