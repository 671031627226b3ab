"""Carrying out tool calls: `tool.called` is durable before the effect, `tool.returned` after it.

Calls that only read run side by side; as soon as one of them does more, all run in order.
"""

from collections.abc import Sequence
from typing import Any

import anyio
import pydantic_core
import structlog

from open_agent.agent.context import RunContext
from open_agent.events.active_run import OpenCall
from open_agent.events.delta import DeltaSource
from open_agent.events.model.model_call import RequestedCall
from open_agent.events.model.tool import ToolCalled, ToolOutcome, ToolReturned
from open_agent.tools.definition import Tool, ToolContext, ToolFailed, ToolOutput

SHOWN_CHARACTERS = 2_000
"""What people see of one long argument."""
SHOWN_IN_ALL = 40_000

log = structlog.get_logger(__name__)


async def call_tools(ctx: RunContext, calls: Sequence[OpenCall]) -> None:
    """Answer every call, in whatever way; returns early when the run is being stopped."""
    tools = [ctx.shared.tools.get(call.call.name) for call in calls]
    if len(calls) > 1 and all(tool is not None and tool.effect == "read" for tool in tools):
        with ctx.interruptible():
            async with anyio.create_task_group() as group:
                for call in calls:
                    group.start_soon(_carry_out, ctx, call)
        return
    for call in calls:
        if ctx.run.is_cancelled or ctx.run.is_interrupted or ctx.is_draining:
            return
        with ctx.interruptible():
            await _carry_out(ctx, call)


def announce(ctx: RunContext, calls: Sequence[RequestedCall]) -> list[ToolCalled]:
    """The begin of `calls`, to be committed with the answer that asks for them.

    Only where all of them read and can be made as written: those are made again after a crash,
    so nothing is claimed by this that might not have been done, and a commit is saved.
    """
    tools = [ctx.shared.tools.get(call.name) for call in calls]
    if not all(tool is not None and tool.effect == "read" for tool in tools):
        return []
    if any(call.problem is not None or call.arguments_blob is not None for call in calls):
        return []
    try:
        return [
            _called(tool, call, tool.parse(call.arguments))
            for tool, call in zip(tools, calls, strict=True)
            if tool is not None
        ]
    except ToolFailed:
        return []


async def dismiss(ctx: RunContext, calls: Sequence[OpenCall]) -> None:
    """Answer calls that will not be run, or that were ended, because the run is being stopped."""
    await ctx.append(
        *(
            ToolReturned(
                call_id=call.call.call_id,
                name=call.call.name,
                outcome="cancelled",
                content="Ended by a cancel while it ran; what it had done by then stays done."
                if call.stage == "called"
                else "Not run: the run was cancelled first.",
                duration_ms=0,
            )
            for call in calls
        )
    )


async def _carry_out(ctx: RunContext, open_call: OpenCall) -> None:
    call = open_call.call
    tool = ctx.shared.tools.get(call.name)
    try:
        if tool is None:
            raise ToolFailed(_unknown(ctx, call.name))
        arguments = await _arguments(ctx, tool, call)
    except ToolFailed as refusal:
        await _return(ctx, call, ToolOutput(str(refusal), is_failure=True), 0)
        return
    if open_call.stage == "requested":
        await ctx.append(_called(tool, call, arguments))
        if ctx.run.is_cancelled or ctx.run.is_interrupted:
            return
    started = ctx.shared.clock.monotonic()
    output = await _invoke(ctx, tool, call, arguments)
    await _return(ctx, call, output, int((ctx.shared.clock.monotonic() - started) * 1000))


def _called(tool: Tool, call: RequestedCall, arguments: dict[str, Any]) -> ToolCalled:
    return ToolCalled(
        call_id=call.call_id,
        name=call.name,
        effect=tool.effect.value,
        arguments=shorten(arguments),
    )


async def _arguments(ctx: RunContext, tool: Tool, call: RequestedCall) -> dict[str, Any]:
    if call.problem is not None:
        raise ToolFailed(call.problem)
    text = call.arguments
    if call.arguments_blob is not None:
        text = (await ctx.shared.blobs.get(ctx.mission_id, call.arguments_blob)).decode()
    return tool.parse(text)


async def _invoke(
    ctx: RunContext, tool: Tool, call: RequestedCall, arguments: dict[str, Any]
) -> ToolOutput:
    run_id = ctx.run.run_id
    stream = ctx.shared.deltas.open(DeltaSource(ctx.mission_id, run_id, ctx.run.step, call.call_id))
    context = ToolContext(
        mission_id=ctx.mission_id,
        run_id=run_id,
        call_id=call.call_id,
        workspace=ctx.workspace,
        blobs=ctx.shared.blobs,
        http=ctx.shared.http,
        search=ctx.shared.search,
        emit=lambda text: stream.write("output", text),
    )
    try:
        return await tool.invoke(context, arguments)
    except ToolFailed as refusal:
        return ToolOutput(str(refusal), is_failure=True)
    except Exception as error:  # boundary: a tool's bug is answered, and the run goes on
        log.exception("tool.crashed", tool=call.name, mission_id=ctx.mission_id)
        text = f"The tool {call.name} failed inside ({type(error).__name__}). Try another way."
        return ToolOutput(text, is_failure=True)
    finally:
        stream.close()


async def _return(
    ctx: RunContext, call: RequestedCall, output: ToolOutput, duration_ms: int
) -> None:
    outcome: ToolOutcome = "failed" if output.is_failure else "ok"
    await ctx.append(
        ToolReturned(
            call_id=call.call_id,
            name=call.name,
            outcome=outcome,
            content=output.content,
            duration_ms=duration_ms,
            exit_code=output.exit_code,
            diff=output.diff,
            spilled=output.spilled,
            background=list(output.background),
        )
    )


def _unknown(ctx: RunContext, name: str) -> str:
    near = ctx.shared.tools.near(name)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"There is no tool called {name[:80]!r}.{hint}"


def shorten(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for people to see: long texts cut, and all of it within bounds."""
    shown = {name: _shorten(value) for name, value in arguments.items()}
    if len(pydantic_core.to_json(shown, inf_nan_mode="strings")) <= SHOWN_IN_ALL:
        return shown
    return {"omitted": "The arguments are too large to show."}


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        left_out = len(value) - SHOWN_CHARACTERS
        return f"{value[:SHOWN_CHARACTERS]}… [{left_out:,} more characters]"
    return value
