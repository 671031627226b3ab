"""What keeps a repository from running programs of its choice when git is used in it.

A repository can name programs in its configuration: hooks, filters, diff drivers, a file system
monitor, an ssh. Configuration given in the environment wins over it, but has to name each key, and
the repository chooses the names of its filters. So git is first asked (which runs nothing) which
keys that name programs the repository has, and each of them gets the value that the user's own
configuration has for it, else none.

What the user's own configuration names (git-lfs, as a rule) stays in force, except hooks and
signing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FIXED = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "protocol.allow": "never",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.defaultKeyCommand": "false",
    "commit.gpgSign": "false",
    "log.showSignature": "false",
    # `git commit` would start them: the repository's hooks are theirs too.
    "gc.auto": "0",
    "maintenance.auto": "false",
    # At a commit it may merge what it has recorded, by the merge drivers of the repository.
    "rerere.enabled": "false",
    # Git runs itself in submodules, where the names of filters are others.
    "submodule.recurse": "false",
    "status.submoduleSummary": "false",
    "diff.submodule": "short",
    "diff.ignoreSubmodules": "dirty",
    # How its output looks.
    "color.ui": "false",
    "core.quotePath": "false",
    "i18n.logOutputEncoding": "UTF-8",
}
"""Configuration that holds in every repository."""

ENVIRONMENT = {
    # A clone without all objects would fetch them, over a transport of the repository's choice.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
}

ASKED_FOR = (
    r"^(filter\..*\.(clean|smudge|process|required)"
    r"|diff\..*\.(command|textconv)|diff\.external"
    r"|merge\..*\.driver"
    r"|gpg\..*|trailer\..*\.(command|cmd)"
    r"|credential\..*|core\.(alternaterefscommand|gitproxy|editor|hookspath)"
    r"|remote\..*\.(uploadpack|receivepack|vcs)|submodule\..*\.update"
    r"|lfs\.(extension|customtransfer)\..*|lfs\.standalonetransferagent"
    r"|(user|author|committer)\.(name|email))$"
)
"""Keys that name programs, those of the author, and where hooks are; for `--get-regexp`."""

TRUSTED_SCOPES = frozenset({"system", "global", "command"})
KEPT = frozenset({"user", "author", "committer"})
"""Sections of which a repository's own values may stand."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The asked for part of git's configuration: the last value of each key, by who set it."""

    users: Mapping[str, str]
    repositorys: Mapping[str, str]

    def __contains__(self, key: str) -> bool:
        return key in self.users or key in self.repositorys

    @property
    def hooks_path(self) -> str | None:
        """Where hooks are, if not in the usual place."""
        return self.repositorys.get("core.hookspath", self.users.get("core.hookspath"))

    @property
    def foreign(self) -> dict[str, str]:
        """What the repository says of programs, and the user does not say too."""
        return {
            key: value
            for key, value in self.repositorys.items()
            if key.partition(".")[0] not in KEPT and self.users.get(key) != value
        }

    @property
    def foreign_filters(self) -> list[str]:
        """Names of filters that change what is stored, and do not run."""
        names = {
            key.removeprefix("filter.").rpartition(".")[0]
            for key, value in self.foreign.items()
            if key.startswith("filter.") and key.endswith((".clean", ".process")) and value
        }
        return sorted(names)

    @property
    def foreign_merge_drivers(self) -> list[str]:
        """Names of programs that merge files, and do not run."""
        return sorted(
            key.removeprefix("merge.").removesuffix(".driver")
            for key, value in self.foreign.items()
            if key.startswith("merge.") and value
        )

    def overrides(self) -> dict[str, str]:
        """Environment variables that take the repository's programs out of force."""
        pairs = {key: self.users.get(key, _nothing(key)) for key in self.foreign} | FIXED
        variables = {**ENVIRONMENT, "GIT_CONFIG_COUNT": str(len(pairs))}
        for number, (key, value) in enumerate(pairs.items()):
            variables[f"GIT_CONFIG_KEY_{number}"] = key
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        return variables


def _nothing(key: str) -> str:
    return "false" if key.endswith(".required") else ""


def read_configuration(listed: bytes) -> Configuration:
    """From what `git config -z --show-scope --get-regexp` says."""
    parts = listed.decode("utf-8", "surrogateescape").split("\0")
    users: dict[str, str] = {}
    repositorys: dict[str, str] = {}
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = setting.partition("\n")
        (users if scope in TRUSTED_SCOPES else repositorys)[key] = value
    return Configuration(users, repositorys)
