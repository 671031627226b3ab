"""What somebody asks for as a workspace, read once and checked before anything is made of it."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from open_agent.core.errors import Invalid
from open_agent.core.ids import WorkspaceId
from open_agent.core.workspace import Recipe, WorkspaceKind

LONGEST = 2_000
"""Characters of an address or a path."""
LONGEST_REF = 200
DEEPEST = 1_000_000

_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
"""Git starts a program named after what stands here: `ext::` runs any command."""
_SCP = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\]):(?P<path>[^:].*)"
)
_HOST = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9a-fA-F:]+(?:%[A-Za-z0-9]+)?"
)
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*")
_REF = re.compile(r"[^\s~^:?*\[\\]+(?:[~^][0-9~^]*)?")
"""A name as `git check-ref-format` has it, and perhaps how far before it."""
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class WorkspaceChoice:
    """What was asked for; one of `id`, `path`, `url` and `repository`, or none of them.

    Attributes:
        id: A workspace that is there, or being made.
        path: A directory of the user's.
        url: What to clone.
        repository: Of which to make a worktree.
        ref: Where to begin: a branch, a tag or a commit.
        branch: The name of the worktree's new branch.
        depth: How many commits of its history to clone.
    """

    kind: WorkspaceKind | None = None
    id: WorkspaceId | None = None
    path: str | None = None
    url: str | None = None
    repository: str | None = None
    ref: str | None = None
    branch: str | None = None
    depth: int | None = None
    has_submodules: bool = False
    has_lfs: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """What a URL had before its host. Kept in memory, for as long as the clone is made."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Source:
    """What is cloned.

    Attributes:
        url: As git is given it, without credentials.
        protocol: `https`, `http`, `ssh` or `file`.
        host: Where it is; nothing on this machine's disk.
    """

    url: str
    protocol: str
    host: str | None
    port: int | None
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A workspace to be made, as it was asked for."""

    kind: WorkspaceKind
    recipe: Recipe
    branch: str | None = None
    secret: Secret | None = None


def choice_of(working_dir: str | None, choice: WorkspaceChoice | None) -> WorkspaceChoice:
    """What is asked for, by the original's `working_dir` or by ours.

    Raises:
        Invalid: Both are given (`workspace.unclear`).
    """
    named = (working_dir or "").strip()
    if choice is None:
        return WorkspaceChoice(path=named or None)
    if named:
        raise _unclear("Give `working_dir` or `workspace`, and not both.")
    return choice


def digest_fields(choice: WorkspaceChoice | None) -> list[Any]:
    """What tells one request from another, without its secrets; nothing where nothing is asked."""
    if choice is None:
        return []
    fields = asdict(choice)
    if choice.url:
        fields["url"] = re.sub(r"(//)[^/@]*@", r"\1", choice.url)
    return [fields]


def kind_of(choice: WorkspaceChoice) -> WorkspaceKind | None:
    """Which kind is asked for; none where it is one that there is.

    Raises:
        Invalid: What is said does not go together (`workspace.unclear`).
    """
    found = {
        WorkspaceKind.DIRECTORY: choice.path,
        WorkspaceKind.CLONE: choice.url,
        WorkspaceKind.WORKTREE: choice.repository,
    }
    kinds = [kind for kind, value in found.items() if value]
    if choice.id and (kinds or choice.kind):
        raise _unclear("With `id`, a workspace that there is, nothing else can be given.")
    if len(kinds) > 1:
        raise _unclear("Give one of `path`, `url` and `repository`.")
    kind = kinds[0] if kinds else choice.kind or WorkspaceKind.OWN
    if choice.kind not in (None, kind):
        raise _unclear(f"A workspace of kind {choice.kind} has no such source.")
    if kind in found and not found[kind]:
        raise _unclear(f"A workspace of kind {kind} needs `{_FIELDS[kind]}`.")
    _refuse_foreign_options(choice, kind)
    return None if choice.id else kind


_FIELDS = {
    WorkspaceKind.DIRECTORY: "path",
    WorkspaceKind.CLONE: "url",
    WorkspaceKind.WORKTREE: "repository",
}


def plan_of(choice: WorkspaceChoice, protocols: tuple[str, ...]) -> Plan:
    """What is to be made of a choice of kind clone or worktree.

    Raises:
        Invalid: It cannot be made; the code says what is wrong.
    """
    ref = checked_ref(choice.ref, "ref") if choice.ref else None
    if choice.repository:
        path = _absolute(choice.repository, "repository")
        branch = checked_branch(choice.branch) if choice.branch else None
        recipe = Recipe(source=path, ref=ref, has_lfs=choice.has_lfs)
        return Plan(WorkspaceKind.WORKTREE, recipe, branch)
    source = read_url(choice.url or "", protocols)
    if choice.depth is not None and not 1 <= choice.depth <= DEEPEST:
        raise Invalid("workspace.depth_invalid", "`depth` is a number of commits, 1 or more.")
    recipe = Recipe(
        source=source.url,
        ref=ref,
        depth=choice.depth,
        has_submodules=choice.has_submodules,
        has_lfs=choice.has_lfs,
        had_credentials=source.secret is not None,
    )
    return Plan(WorkspaceKind.CLONE, recipe, None, source.secret)


def read_url(text: str, protocols: tuple[str, ...]) -> Source:
    """The address of a repository.

    Raises:
        Invalid: It is none (`workspace.url_invalid`), or goes by a protocol that is not allowed
            (`workspace.protocol_refused`).
    """
    text = text.strip()
    if text.startswith("-"):
        raise _bad_url("It begins with a dash.")
    if _HELPER.match(text):
        raise _refused(text.partition("::")[0] + "::", protocols)
    if not text or len(text) > LONGEST or not text.isprintable():
        raise _bad_url("It is empty, too long, or holds characters that no address has.")
    source = _read(text)
    if source.protocol not in protocols:
        raise _refused(source.protocol, protocols)
    return source


def checked_ref(ref: str, field: str) -> str:
    """A branch, a tag or a commit, that git can take for nothing else.

    Raises:
        Invalid: It is none (`workspace.ref_invalid`).
    """
    ref = ref.strip()
    is_odd = (
        not _REF.fullmatch(ref)
        or not ref.isprintable()
        or len(ref) > LONGEST_REF
        or ref.startswith(("-", "/", "."))
        or ref.endswith(("/", ".", ".lock"))
        or any(part in ref for part in ("..", "//", "@{", "/.", ".lock/"))
        or ref == "@"
    )
    if is_odd:
        raise Invalid(
            "workspace.ref_invalid",
            f"`{field}` is no name of a branch, a tag or a commit: {ref[:80]!r}.",
        )
    return ref


def checked_branch(branch: str, field: str = "branch") -> str:
    """The name of a branch.

    Raises:
        Invalid: It is none (`workspace.ref_invalid`).
    """
    branch = checked_ref(branch, field)
    if (
        set(branch) & set("~^")
        or branch.startswith("refs/")
        or branch == "HEAD"
        or COMMIT.fullmatch(branch)
    ):
        raise Invalid("workspace.ref_invalid", f"`{field}` cannot be {branch!r}.")
    return branch


def _read(text: str) -> Source:
    if "://" in text:
        return _read_address(urlsplit(text))
    if text.startswith(("/", "~/")):
        return Source(Path(_absolute(text, "url")).as_uri(), "file", None, None)
    found = _SCP.fullmatch(text)
    if found is None:
        raise _bad_url("Write https://…, ssh://…, user@host:path, or an absolute path.")
    host = found["host"].strip("[]")
    user = f"{found['user']}@" if found["user"] else ""
    return Source(f"{user}{found['host']}:{found['path']}", "ssh", host, 22)


def _read_address(parts: SplitResult) -> Source:
    if parts.query or parts.fragment:
        raise _bad_url("Leave out what follows `?` or `#`; it may hold a secret.")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_url("Its port is no number.") from None
    if parts.scheme == "file":
        if host not in (None, "", "localhost") or not parts.path.startswith("/"):
            raise _bad_url("A file:// address names a path of this machine.")
        return Source(f"file://{parts.path}", "file", None, None)
    if not host or not _HOST.fullmatch(host) or not parts.path.strip("/"):
        raise _bad_url("It names no host, or no repository on it.")
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "ssh":
        if password:
            raise _bad_url("ssh takes keys, and no password in an address.")
        if user and not _USER.fullmatch(user):
            raise _bad_url("Its user is no name.")
        shown = f"{user}@{place}" if user else place
        return Source(f"ssh://{shown}{parts.path}", "ssh", host, port or 22)
    secret = Secret(user, password) if user or password else None
    default = 443 if parts.scheme == "https" else 80
    url = f"{parts.scheme}://{place}{parts.path}"
    return Source(url, parts.scheme, host, port or default, secret)


def _absolute(text: str, field: str) -> str:
    try:
        path = Path(text.strip()).expanduser()
        is_text = "\0" not in text and bool(text.encode())
    except (RuntimeError, UnicodeEncodeError):
        is_text, path = False, Path()
    if not is_text or not path.is_absolute() or len(text) > LONGEST:
        raise Invalid(
            "workspace.not_absolute", f"`{field}` must be an absolute path; {text[:80]!r} is not."
        )
    return str(path)


def _refuse_foreign_options(choice: WorkspaceChoice, kind: WorkspaceKind) -> None:
    """What a kind has no use for would be passed over in silence."""
    allowed = {
        WorkspaceKind.CLONE: {"ref", "depth", "submodules", "lfs"},
        WorkspaceKind.WORKTREE: {"ref", "branch", "lfs"},
    }.get(kind, set[str]())
    given = {
        "ref": choice.ref,
        "branch": choice.branch,
        "depth": choice.depth,
        "submodules": choice.has_submodules,
        "lfs": choice.has_lfs,
    }
    wrong = [name for name, value in given.items() if value and name not in allowed]
    if wrong:
        raise _unclear(f"A workspace of kind {kind} has no `{wrong[0]}`.")


def _unclear(message: str) -> Invalid:
    return Invalid("workspace.unclear", message)


def _bad_url(why: str) -> Invalid:
    # What was written may hold a secret, and is not repeated.
    return Invalid("workspace.url_invalid", f"`url` is no address of a repository. {why}")


def _refused(protocol: str, protocols: tuple[str, ...]) -> Invalid:
    return Invalid(
        "workspace.protocol_refused",
        f"Repositories are not cloned by {protocol[:20]!r} here. CLONE_PROTOCOLS allows "
        f"{', '.join(protocols) or 'none'}.",
    )
