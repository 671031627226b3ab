"""Who may call: the owner's token, and callers on this machine in development mode.

While there is one user, whoever holds the token of `DATA_DIR` is that user. How a caller presents
it is the server's business.
"""

import contextlib
import hashlib
import hmac
import os
import re
from pathlib import Path

from open_agent.core.actor import Actor
from open_agent.core.errors import Invalid, Unauthenticated
from open_agent.core.ids import DEFAULT_OWNER, new_token, new_uuid

SHORTEST_TOKEN = 32

_TOKEN = re.compile(r"[!-~]+")


class Access:
    """Turns credentials into actors.

    Args:
        token: What the owner presents.
        is_open_locally: Callers on this machine need no token (`DEV_MODE`).
    """

    def __init__(self, token: str, *, is_open_locally: bool) -> None:
        self._digest = _digest(token.encode())
        self._owner = Actor(DEFAULT_OWNER, is_admin=True)
        self.is_open_locally = is_open_locally

    def authenticate(self, token: bytes | None, *, is_local: bool) -> Actor:
        """The actor behind a request.

        Args:
            token: What was presented, if anything was.
            is_local: The request surely comes from a program on this machine that no web page of
                another site made it send.

        Raises:
            Unauthenticated: There is no token, or not the right one.
        """
        if token is not None and hmac.compare_digest(_digest(token), self._digest):
            return self._owner
        if self.is_open_locally and is_local:
            return self._owner
        if token is None:
            raise Unauthenticated(
                "auth.missing",
                "Missing Authorization header. Send `Authorization: Bearer <token>` with the token "
                "from the file `token` in the server's data directory.",
            )
        raise Unauthenticated(
            "auth.invalid",
            "Invalid or expired token. The right one is in the file `token` in the server's data "
            "directory.",
        )


def token_path(data_dir: Path) -> Path:
    """Where the owner's token lies."""
    return data_dir / "token"


def read_token(data_dir: Path) -> str | None:
    """The owner's token, if there is one yet.

    Raises:
        Invalid: The file holds something else (`token.invalid`).
    """
    path = token_path(data_dir)
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(
            "token.invalid",
            f"{path} cannot be read ({error.strerror}). Move it away and start the server again to"
            " get a new one.",
        ) from error
    if len(token) < SHORTEST_TOKEN or not _TOKEN.fullmatch(token):
        raise Invalid(
            "token.invalid",
            f"{path} holds no usable token. Delete it and start the server again to get a new one.",
        )
    return token


def ensure_token(data_dir: Path) -> str:
    """The owner's token, made at the first start, in a file that only this account can read.

    Raises:
        Invalid: The file holds something else (`token.invalid`).
    """
    path = token_path(data_dir)
    token = read_token(data_dir)
    if token is None:
        _write_once(path, new_token())
        token = read_token(data_dir)
        assert token is not None
    path.chmod(0o600)
    return token


def _write_once(path: Path, token: str) -> None:
    """Put the whole file in place at once; of several processes that try, one wins."""
    draft = path.with_name(f".token-{new_uuid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _digest(token: bytes) -> bytes:
    """Of one length whatever was presented, so that comparing takes the same time."""
    return hashlib.sha256(token).digest()
