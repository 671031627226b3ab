"""Secrets in files of `DATA_DIR` that only the server's account can read, made at the first start.

The owner's token lets programs of that account administer the server, whatever else is set. The
signing secret is there for installations that have set none.
"""

import contextlib
import os
import re
from pathlib import Path

from open_agent.core.errors import Invalid
from open_agent.core.ids import new_token, new_uuid

SHORTEST_TOKEN = 32

_SECRET = re.compile(r"[!-~]+")


def token_path(data_dir: Path) -> Path:
    """Where the owner's token lies."""
    return data_dir / "token"


def secret_path(data_dir: Path) -> Path:
    """Where the secret lies that signs sessions when `JWT_SECRET` is not set."""
    return data_dir / "jwt-secret"


def read_token(data_dir: Path) -> str | None:
    """The owner's token, if there is one yet.

    Raises:
        Invalid: The file holds something else (`token.invalid`).
    """
    return _read(token_path(data_dir))


def ensure_token(data_dir: Path) -> str:
    """The owner's token, made at the first start, in a file that only this account can read.

    Raises:
        Invalid: The file holds something else (`token.invalid`).
    """
    return _ensure(token_path(data_dir))


def ensure_secret(data_dir: Path) -> str:
    """The installation's own signing secret, made and kept like the token.

    Raises:
        Invalid: The file holds something else (`token.invalid`).
    """
    return _ensure(secret_path(data_dir))


def _read(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(
            "token.invalid",
            f"{path} cannot be read ({error.strerror}). Move it away and start the server again to"
            " get a new one.",
        ) from error
    if len(text) < SHORTEST_TOKEN or not _SECRET.fullmatch(text):
        what = "token" if path.name == "token" else "secret"
        raise Invalid(
            "token.invalid",
            f"{path} holds no usable {what}. Delete it and start the server again to get a new one.",
        )
    return text


def _ensure(path: Path) -> str:
    text = _read(path)
    if text is None:
        _write_once(path, new_token())
        text = _read(path)
        assert text is not None
    path.chmod(0o600)
    return text


def _write_once(path: Path, secret: str) -> None:
    """Put the whole file in place at once; of several processes that try, one wins."""
    draft = path.with_name(f".{path.name}-{new_uuid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
