"""A tool is a typed async function whose docstring is its prompt.

`@tool` turns the function into a `Tool`. The agent's loop, our MCP servers and the wrappers see
only that protocol; none of them knows how a tool does its work.
"""

import errno
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Concatenate, Generic, Protocol

import anyio
from typing_extensions import TypeVar

from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.events.blobs import BlobStore
from open_agent.events.model.base import BlobRef
from open_agent.events.model.tool import BackgroundProcess
from open_agent.events.model.union import Event
from open_agent.tools.ports import Delegated, DelegatedTask, HttpFetcher, WebSearch
from open_agent.tools.schema import Parameters, describe
from open_agent.workspaces.base import Workspace
from open_agent.workspaces.processes import ProcessLost, ProcessOwner


class Effect(StrEnum):
    """What a tool may change; approval and recovery decide on it."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    NETWORK = "network"
    ASK = "ask"
    """Nothing: a person gives the result, and the call is made once they have."""
    DELEGATE = "delegate"
    """It hands work to a mission with a log of its own, so that a call cut off can be made again."""


class ToolFailed(Exception):
    """A refusal that the model can act on; its text says what to do instead."""


@dataclass(frozen=True, slots=True)
class ToolImage:
    """A picture that a call gives back, as a file of its kind holds it."""

    data: bytes = field(repr=False)
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What came of a call."""

    content: str
    """What the model is shown."""
    exit_code: int | None = None
    """Of a command that ended by itself; a signal is its negative number."""
    diff: str | None = None
    """Unified diff of what was changed."""
    spilled: BlobRef | None = None
    """The whole output, when `content` is only part of it."""
    background: tuple[BackgroundProcess, ...] = ()
    """What the call started and left running."""
    is_failure: bool = False
    """It did not do what was asked, though there is something to show."""
    images: tuple[ToolImage, ...] = ()
    """What there is to see, for those who can."""
    events: tuple[Event, ...] = ()
    """What happens to the mission with it."""
    cost_microdollars: int = 0
    """What was spent elsewhere to do it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said to a call, as JSON."""

    value: Any
    is_default: bool = False
    """Nobody answered in time."""


def drop_output(text: str) -> None:
    """Live output that nobody watches."""
    del text


async def delegate_nothing(task: DelegatedTask) -> Delegated:
    """For where there is nobody to delegate to."""
    raise ToolFailed(f"{task.title!r} cannot be delegated here. Do it yourself.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """Where one call happens, and all that it may touch."""

    mission_id: MissionId
    run_id: RunId
    call_id: CallId
    workspace: Workspace
    blobs: BlobStore
    http: HttpFetcher
    search: WebSearch
    emit: Callable[[str], None] = drop_output
    """Takes live output as it comes; never blocks, never fails."""
    answer: Answer | None = None
    """Of a tool that asks, what was said."""
    delegate: Callable[[DelegatedTask], Awaitable[Delegated]] = delegate_nothing
    """Has a part of the work done by a run of its own, and returns when that has ended."""

    @property
    def owner(self) -> ProcessOwner:
        """To whom processes of this call belong."""
        return ProcessOwner(self.mission_id, self.run_id)


C = TypeVar("C", default=ToolContext)
"""What the calls of a tool are given: most act in a workspace, as a run does."""
C_contra = TypeVar("C_contra", contravariant=True, default=ToolContext)


class Tool(Protocol[C_contra]):
    """Something the model may do."""

    @property
    def name(self) -> str:
        """What the model calls it by."""
        ...

    @property
    def effect(self) -> Effect:
        """What it may change."""
        ...

    @property
    def schema(self) -> dict[str, Any]:
        """Its definition in the OpenAI function format."""
        ...

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """The arguments as `invoke` wants them.

        Raises:
            ToolFailed: They are not what the schema asks for; the text says in what.
        """
        ...

    async def invoke(self, ctx: C_contra, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do it, with arguments that `parse` returned.

        Raises:
            ToolFailed: It could not be done, or not in time; the text says what to do instead.
        """
        ...


ToolFunction = Callable[Concatenate[C, ...], Awaitable[str | ToolOutput]]


class FunctionTool(Generic[C]):
    """A tool made of a function; see `tool`."""

    def __init__(self, function: ToolFunction[C], *, effect: Effect, timeout: float) -> None:
        self._function = function
        self.name: str = getattr(function, "__name__", "")
        self.effect = effect
        self.timeout = timeout

    @property
    def schema(self) -> dict[str, Any]:
        """Its definition in the OpenAI function format."""
        return self._schema

    # Made at the first use: building the pydantic model takes about a millisecond per tool.
    @cached_property
    def _parameters(self) -> Parameters:
        return Parameters(self._function)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": describe(self._function),
                "parameters": self._parameters.schema,
            },
        }

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """The arguments as `invoke` wants them; see `Tool`."""
        try:
            return self._parameters.parse(arguments_json)
        except ValueError as error:
            raise ToolFailed(f"{self.name} was not called: {error}") from None

    async def invoke(self, ctx: C, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do it within its deadline; see `Tool`."""
        with anyio.move_on_after(self.timeout) as scope:
            try:
                output = await self._function(ctx, **arguments)
            except OSError as error:
                raise ToolFailed(_explain(error)) from error
            except ProcessLost as error:
                raise ToolFailed(error.message) from error
            return output if isinstance(output, ToolOutput) else ToolOutput(output)
        assert scope.cancelled_caught
        raise ToolFailed(
            f"{self.name} did not finish within {self.timeout:g} seconds and was stopped."
            " Ask for less at once."
        )


def tool(*, effect: Effect, timeout: float) -> Callable[[ToolFunction[C]], FunctionTool[C]]:
    """Make a tool of a function `(ctx, …)`.

    Its name is the function's; its description and those of its parameters are the docstring's.

    Args:
        effect: What it may change.
        timeout: Seconds after which a call is stopped and answered as failed.
    """

    def make(function: ToolFunction[C]) -> FunctionTool[C]:
        assert inspect.iscoroutinefunction(function)
        return FunctionTool(function, effect=effect, timeout=timeout)

    return make


_ADVICE = {
    errno.ENOENT: "Look with list_directory or search_files.",
    errno.ENOSPC: "The disk is full.",
    errno.EISDIR: "It is a directory.",
    errno.ENOTDIR: "A part of the path is not a directory.",
}


def _explain(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f": {error.filename}" if error.filename else ""
    advice = _ADVICE.get(error.errno or 0, "")
    return f"{reason}{where}. {advice}".rstrip()
