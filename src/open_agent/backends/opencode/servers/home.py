"""The folders of an OpenCode server of our own, below `DATA_DIR`, and the environment it gets.

Above: `managed.py`. All of it is private to the account; what is written here is written anew at
each start, but for what OpenCode itself keeps (its sessions, in `data`).
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from open_agent.backends.opencode.servers.configuration import (
    PLUGIN_VERSION,
    Conduct,
    ModelSource,
    configuration,
)

_PLUGIN = Path(__file__).with_name("plugin.js")
_OFF = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_MODELS_FETCH",
    # Code and configuration of the project that is worked on: it could be anybody's.
    "OPENCODE_DISABLE_PROJECT_CONFIG",
    "OPENCODE_DISABLE_CLAUDE_CODE",
)


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of a server.

    Attributes:
        root: Below which all of it lies.
        near: Hosts to reach without a proxy, beside this machine: a model endpoint nearby.
    """

    root: Path
    near: tuple[str, ...] = ()

    @property
    def account(self) -> Path:
        """Its `HOME`: empty, so that nothing of the account's is read. It works here when idle."""
        return self.root / "home"

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.root / "opencode.json"

    @property
    def key(self) -> Path:
        """The model endpoint's key."""
        return self.root / "key"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.root / "server.log"

    @property
    def plugin(self) -> Path:
        """Our plugin."""
        return self.root / "plugin" / "open-agent.js"

    def loaded(self, pid: int) -> Path:
        """What our plugin writes once it is in force."""
        return self.plugin.with_name(f"loaded-{pid}")

    def environment(self, outside: Mapping[str, str], password: str) -> dict[str, str]:
        """What it knows: what commands know, its folders, its password; no key.

        Args:
            outside: What commands may know.
            password: What it is to ask callers for.
        """
        search_path = [outside.get("PATH", os.defpath), str(self.root / "bin")]
        told = [part for part in outside.get("NO_PROXY", "").split(",") if part]
        no_proxy = ",".join([*told, "localhost", "127.0.0.1", "::1", *self.near])
        return {
            **outside,
            "PATH": os.pathsep.join(search_path),
            "HOME": str(self.account),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            # A repository's own configuration of git may name a program to run at `git status`.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.fsmonitor",
            "GIT_CONFIG_VALUE_0": "false",
            "OPENCODE_CONFIG": str(self.config),
            "OPENCODE_SERVER_PASSWORD": password,
            **dict.fromkeys(_OFF, "1"),
        }

    def prepare(
        self,
        source: ModelSource,
        conduct: Conduct,
        *,
        key: str | None,
        outside: Mapping[str, str],
        ripgrep: str | None,
    ) -> None:
        """Make and fill the folders. Reads the price list.

        Args:
            source: Where the models are.
            conduct: How the server behaves.
            key: Of the model endpoint.
            outside: What commands may know.
            ripgrep: Where `rg` is; without one on its PATH, OpenCode would fetch it.
        """
        settings = self.root / "config" / "opencode"
        for folder in (
            self.account,
            self.plugin.parent,
            settings / "node_modules",
            self.root / "bin",
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        config = configuration(
            source, conduct, key_file=self.key if key else None, plugin=self.plugin
        )
        _write(self.config, json.dumps(config, indent=1))
        _write(self.key, key or "")
        _write(self.plugin, _PLUGIN.read_text(encoding="utf-8"))
        _write(self.plugin.with_name("commands.json"), json.dumps(self._commands(outside)))
        for stale in self.plugin.parent.glob("loaded-*"):
            stale.unlink(missing_ok=True)
        # With these, nothing is fetched: the dependency is there, as far as a lock file goes.
        needs = {"dependencies": {"@opencode-ai/plugin": PLUGIN_VERSION}}
        _write(settings / "package.json", json.dumps(needs))
        locked = {"lockfileVersion": 3, "packages": {"": needs}}
        _write(settings / "package-lock.json", json.dumps(locked))
        if ripgrep is not None:
            link = self.root / "bin" / "rg"
            link.unlink(missing_ok=True)
            with suppress(FileExistsError):  # another server of this DATA_DIR made the same
                link.symlink_to(Path(ripgrep).absolute())

    def _commands(self, outside: Mapping[str, str]) -> dict[str, str | None]:
        """What of the server's environment is not for commands: as it was, or not at all."""
        inside = self.environment(outside, "")
        changed = {name for name in inside if outside.get(name) != inside[name]}
        return {name: outside.get(name) for name in sorted(changed)}


def _write(path: Path, text: str) -> None:
    """Replace a file by one that only this account can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
