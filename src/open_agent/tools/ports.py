"""What tools need beside the workspace: ports that `app` fills."""

from dataclasses import dataclass
from typing import Protocol

from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.core.run import Outcome


class WebUnavailable(Exception):
    """The page or the search could not be had; the text says why and what may help."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """What a server answered.

    Attributes:
        url: Where the content came from, after redirects.
        media_type: Without parameters, in lower case; empty when the server did not say.
        charset: What the server said the encoding is.
        body: Decompressed, at most as long as was asked for.
        is_cut: There was more than `body` holds.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    is_cut: bool = False


class HttpFetcher(Protocol):
    """Gets pages from the web, and refuses addresses that are not public."""

    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        """The page at `url`, redirects followed; any status is an answer.

        Raises:
            WebUnavailable: It may not or could not be fetched.
        """
        ...


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result of a web search."""

    title: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a web search found, best first; `summary` where the service writes one."""

    hits: tuple[SearchHit, ...]
    summary: str | None = None


class WebSearch(Protocol):
    """Searches the web."""

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        """At most `limit` results.

        Raises:
            WebUnavailable: The service could not be asked, or refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class DelegatedTask:
    """A part of the work that a run of its own is to do; absent means as the delegating run."""

    text: str
    title: str
    model: str | None = None
    budget_microdollars: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Delegator:
    """The call that delegates, and what its run has to give.

    Attributes:
        root_run_id: Whose budget all of them draw on.
        model: What the run itself asks.
        budget_left: Micro-dollars; none when there is no budget.
        seconds_left: Until the run's own time is up.
    """

    mission_id: MissionId
    run_id: RunId
    call_id: CallId
    root_run_id: RunId
    model: str
    budget_left: int | None
    seconds_left: int


@dataclass(frozen=True, slots=True)
class Delegated:
    """How delegated work ended, and what its run said last.

    Attributes:
        outcome: None when it was told to stop and has not ended.
        reason: A stable code, as `run.finished` has it.
        is_late: It took longer than it had, and was stopped.
    """

    mission_id: MissionId
    outcome: Outcome | None
    reason: str
    result: str
    steps: int = 0
    cost_microdollars: int = 0
    is_late: bool = False


class Delegation(Protocol):
    """Has work done by missions of their own."""

    async def carry_out(self, by: Delegator, task: DelegatedTask) -> Delegated:
        """Have `task` done and wait for its end, whatever the end is.

        Called again for the same call, it goes on waiting for the same work. When it is cancelled,
        the work goes on: see `stop`.

        Raises:
            ToolFailed: It is refused; the text says what to do instead.
        """
        ...

    async def stop(self, mission_id: MissionId, call_id: CallId) -> bool:
        """Cancel what a call delegated and wait for its end; whether it has ended."""
        ...
