"""Where the server is: what `--url` says, else what a running server wrote down, else the settings.

A server that is started from the command line writes its address and process id into
`server.json` in `DATA_DIR`, a folder that only its owner can read, and deletes it when it ends.
What a killed one left behind is recognised by its process being gone.
"""

import ipaddress
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from open_agent.core.errors import Invalid, Unavailable
from open_agent.core.ids import new_uuid
from open_agent.services.access.files import SHORTEST_TOKEN, read_token
from open_agent.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and what to present there."""

    url: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running server wrote down.

    Attributes:
        is_lasting: It serves until somebody ends it; false of one that `run` started for itself.
    """

    url: str
    pid: int
    is_lasting: bool = True


def announcement_path(data_dir: Path) -> Path:
    """Where a running server writes down what it is."""
    return data_dir / "server.json"


class Announcer:
    """Writes down where this process serves, for as long as it does."""

    def __init__(self, data_dir: Path, *, is_lasting: bool) -> None:
        self._path = announcement_path(data_dir)
        self._is_lasting = is_lasting
        self._has_written = False

    def write(self, url: str) -> None:
        """The server answers at `url`."""
        announcement = Announcement(url, os.getpid(), self._is_lasting)
        draft = self._path.with_name(f".server-{new_uuid()}")
        try:
            draft.write_text(json.dumps(asdict(announcement)) + "\n", encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Unavailable(
                "data_dir.unusable", f"{self._path} cannot be written: {error.strerror}."
            ) from error
        self._has_written = True

    def erase(self) -> None:
        """The server has ended."""
        if self._has_written:
            self._path.unlink(missing_ok=True)


@contextmanager
def announcing(data_dir: Path, *, is_lasting: bool) -> Generator[Announcer]:
    """Erase what was written down when the server ends, however it does."""
    announcer = Announcer(data_dir, is_lasting=is_lasting)
    try:
        yield announcer
    finally:
        announcer.erase()


def read_announcement(data_dir: Path) -> Announcement | None:
    """What a server that is still alive wrote down."""
    try:
        fields = json.loads(announcement_path(data_dir).read_text(encoding="utf-8"))
        found = Announcement(
            str(fields["url"]), int(fields["pid"]), bool(fields.get("is_lasting", True))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if _is_alive(found.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0


class Finder:
    """Finds the server anew each time, since a restart may move it.

    Args:
        settings: Say where `DATA_DIR` is, and where a server would listen.
        url: The server to use, whatever runs here.
        token_file: Holds the token for it, in place of the one in `DATA_DIR`.
    """

    def __init__(
        self, settings: Settings, *, url: str | None = None, token_file: Path | None = None
    ) -> None:
        self._settings = settings
        self._url = None if url is None else _checked_url(url)
        self._token_file = token_file
        self._last_url: str | None = None
        """Where it was: while it is away, another server must not be taken for it."""

    @property
    def is_named(self) -> bool:
        """The server was named on the command line."""
        return self._url is not None

    def announcement(self) -> Announcement | None:
        """What runs on this `DATA_DIR`, unless another server was named."""
        return None if self.is_named else read_announcement(self._settings.data_dir)

    def address(self) -> Address:
        """The server to ask.

        Raises:
            Invalid: There is a token file, and no token in it.
        """
        announced = self.announcement()
        self._last_url = announced.url if announced else self._last_url
        host = self._settings.host
        host = f"[{host}]" if ":" in host else host
        url = self._url or self._last_url or f"http://{host}:{self._settings.port}"
        return Address(url, self._token(url))

    @property
    def is_exposed(self) -> bool:
        """What is said to the server can be read on its way there."""
        url = self._url
        return url is not None and urlsplit(url).scheme == "http" and not _is_here(url)

    def _token(self, url: str) -> str | None:
        if self._token_file is None:
            # The token of this machine's server is no other machine's business.
            is_ours = not self.is_named or _is_here(url)
            return read_token(self._settings.data_dir) if is_ours else None
        try:
            token = self._token_file.read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            raise Invalid(
                "token.unreadable", f"{self._token_file} cannot be read: {error.strerror}."
            ) from error
        if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()):
            raise Invalid("token.invalid", f"{self._token_file} holds no usable token.")
        return token


def _is_here(url: str) -> bool:
    """Whether an address is one of this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid(
            "url.invalid", f"--url {url} is no web address. Write it like http://127.0.0.1:3000."
        )
    return url.rstrip("/")
