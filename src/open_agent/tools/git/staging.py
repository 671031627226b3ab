"""What goes into a commit, chosen without running git inside submodules.

`git add` looks for changes inside a submodule by running git there, where a filter of the
submodule's own configuration would run. It does not where the submodule is at another commit than
recorded, and that is all that could be staged of it; so the others are excluded.
"""

from collections.abc import Sequence

from open_agent.tools.definition import ToolFailed
from open_agent.tools.git.running import Git

EVERYTHING = ":/"
GITLINK = b"160000 "
MOST_SUBMODULES = 1_000

SECRETS = (
    ".env", ".env.*", ".netrc", ".pgpass", ".git-credentials", "credentials.json",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pem", "*.key", "*.p12", "*.pfx",
)  # fmt: skip
"""Names of files that are staged only when they are asked for by name."""
SAMPLES = (".example", ".sample", ".template", ".dist")


async def stage(git: Git, files: Sequence[str]) -> list[str]:
    """Stage files, or everything; returns what was left out because it looks secret.

    Raises:
        ToolFailed: It could not be staged.
    """
    secrets = [] if files else await _new_secrets(git)
    excluded = [*secrets, *await _unmoved_submodules(git)]
    await git.change(
        "add",
        "--all",
        "--",
        *(files or [EVERYTHING]),
        *(f":(top,exclude,literal){path}" for path in excluded),
    )
    return secrets


async def _new_secrets(git: Git) -> list[str]:
    patterns = [f":(top,glob,icase)**/{name}" for name in SECRETS]
    listed = await git.ask(
        "ls-files", "-z", "--full-name", "--others", "--exclude-standard", "--", *patterns
    )
    return [path for path in _names(listed) if not path.lower().endswith(SAMPLES)]


async def _unmoved_submodules(git: Git) -> list[str]:
    found = Gitlinks()
    await git.stream(found.take, "ls-files", "-z", "--full-name", "--stage", "--", EVERYTHING)
    if not found.paths:
        return []
    if len(found.paths) > MOST_SUBMODULES:
        raise ToolFailed(
            f"The repository has more than {MOST_SUBMODULES:,} submodules. Use run_command."
        )
    moved = _names(
        await git.ask(
            "diff-files",
            "-z",
            "--name-only",
            "--no-relative",
            "--ignore-submodules=dirty",
            "--",
            *(f":(top,literal){path}" for path in found.paths),
        )
    )
    return [path for path in found.paths if path not in moved]


class Gitlinks:
    """Picks the submodules out of an index of any size, as it is listed."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Take a piece of what `git ls-files -z --stage` says."""
        *entries, self._rest = (self._rest + data).split(b"\0")
        for entry in entries:
            if entry.startswith(GITLINK) and len(self.paths) <= MOST_SUBMODULES:
                self.paths.append(_name(entry.partition(b"\t")[2]))


def _names(listed: bytes) -> list[str]:
    return [_name(name) for name in listed.split(b"\0") if name]


def _name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
