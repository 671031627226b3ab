"""Carrying out tool calls: `tool.called` is durable before the effect, `tool.returned` after it.

Calls that only read run side by side; as soon as one of them does more, all run in order, and
those behind a call that a person is asked about wait for it.
"""

from collections.abc import Sequence
from typing import Any

import anyio
import structlog

from open_agent.agent.consent import answer_to, consents, judge, question_of
from open_agent.agent.context import RunContext
from open_agent.agent.showing import shorten
from open_agent.events.active_run import OpenCall
from open_agent.events.delta import DeltaSource
from open_agent.events.model.base import BlobRef
from open_agent.events.model.model_call import RequestedCall
from open_agent.events.model.tool import ToolCalled, ToolOutcome, ToolReturned
from open_agent.tools.definition import Effect, Tool, ToolContext, ToolFailed, ToolImage, ToolOutput
from open_agent.tools.ports import Delegated, DelegatedTask, Delegator

ENDED = "Ended by a cancel while it ran; what it had done by then stays done."
NOT_ENDED = (
    "Told to stop by a cancel, and not ended when this was written; what it does till then stays."
)
NOT_ANSWERED = "Nobody had answered when the run was cancelled."
NOT_RUN = "Not run: the run was cancelled first."

log = structlog.get_logger(__name__)


async def call_tools(ctx: RunContext, calls: Sequence[OpenCall]) -> None:
    """Answer calls in whatever way: all, but when the run is stopped or a person is asked first."""
    if len(calls) > 1 and await _may_run_together(ctx, calls):
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
        if call.stage != "returned":
            return


async def _may_run_together(ctx: RunContext, calls: Sequence[OpenCall]) -> bool:
    """Whether all of them read, and none needs a person."""
    tools = [ctx.tools.get(call.call.name) for call in calls]
    if not all(tool is not None and tool.effect is Effect.READ for tool in tools):
        return False
    for tool, call in zip(tools, calls, strict=True):
        assert tool is not None
        if call.stage == "called":
            continue
        try:
            arguments = await _arguments(ctx, tool, call.call)
        except ToolFailed:
            continue
        if judge(ctx, tool, arguments).action != "allow":
            return False
    return True


def announce(ctx: RunContext, calls: Sequence[RequestedCall]) -> list[ToolCalled]:
    """The begin of `calls`, to be committed with the answer that asks for them.

    Only where all of them read and can be made as written: those are made again after a crash,
    so nothing is claimed by this that might not have been done, and a commit is saved.
    """
    begun: list[ToolCalled] = []
    for call in calls:
        tool = ctx.tools.get(call.name)
        is_as_written = call.problem is None and call.arguments_blob is None
        if tool is None or tool.effect is not Effect.READ or not is_as_written:
            return []
        try:
            arguments = tool.parse(call.arguments)
        except ToolFailed:
            return []
        if judge(ctx, tool, arguments).action != "allow":
            return []
        begun.append(_called(tool, call, arguments))
    return begun


async def dismiss(ctx: RunContext, calls: Sequence[OpenCall]) -> None:
    """Answer calls that will not be run, or that were ended, because the run is being stopped."""
    await ctx.append(
        *[
            ToolReturned(
                call_id=call.call.call_id,
                name=call.call.name,
                outcome="cancelled",
                content=await _end(ctx, call),
                duration_ms=0,
            )
            for call in calls
        ]
    )


async def let_go(ctx: RunContext) -> None:
    """End what calls without an answer have delegated: the run ends without one."""
    for call in ctx.run.unanswered:
        await _end(ctx, call)


async def _end(ctx: RunContext, call: OpenCall) -> str:
    """End what a call has begun and still runs; what is said of it."""
    if call.stage == "requested":
        return NOT_RUN
    match call.effect:
        case "ask":
            return NOT_ANSWERED
        case "delegate":
            is_ended = await ctx.shared.delegation.stop(ctx.mission_id, call.call.call_id)
            return ENDED if is_ended else NOT_ENDED
        case _:
            return ENDED


async def _carry_out(ctx: RunContext, open_call: OpenCall) -> None:
    call = open_call.call
    tool = ctx.tools.get(call.name)
    try:
        if tool is None:
            raise ToolFailed(_unknown(ctx, call.name))
        arguments = await _arguments(ctx, tool, call)
    except ToolFailed as refusal:
        await _return(ctx, call, ToolOutput(str(refusal), is_failure=True), 0)
        return
    if open_call.stage == "requested" and not await _begin(ctx, tool, call, arguments):
        return
    started = ctx.shared.clock.monotonic()
    output = await _invoke(ctx, tool, call, arguments)
    await _return(ctx, call, output, int((ctx.shared.clock.monotonic() - started) * 1000))


async def _begin(
    ctx: RunContext, tool: Tool, call: RequestedCall, arguments: dict[str, Any]
) -> bool:
    """Say on the log that the call begins; whether it does, here and now."""
    if not await consents(ctx, tool, call, arguments):
        return False
    called = _called(tool, call, arguments)
    if tool.effect is Effect.ASK:
        await ctx.append(called, question_of(ctx, call, "input", arguments))
        return False
    await ctx.append(called)
    return not (ctx.run.is_cancelled or ctx.run.is_interrupted)


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

    async def delegate(task: DelegatedTask) -> Delegated:
        with ctx.lending():
            return await ctx.shared.delegation.carry_out(_delegator(ctx, call), task)

    context = ToolContext(
        mission_id=ctx.mission_id,
        run_id=run_id,
        call_id=call.call_id,
        workspace=ctx.workspace,
        blobs=ctx.shared.blobs,
        http=ctx.shared.http,
        search=ctx.shared.search,
        emit=lambda text: stream.write("output", text),
        answer=answer_to(ctx, tool, call),
        delegate=delegate,
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


def _delegator(ctx: RunContext, call: RequestedCall) -> Delegator:
    run = ctx.run
    seconds = run.limits.wall_seconds - (ctx.now - run.started_at).total_seconds()
    return Delegator(
        mission_id=ctx.mission_id,
        run_id=run.run_id,
        call_id=call.call_id,
        root_run_id=run.root_run_id,
        model=run.model,
        budget_left=run.budget_left,
        seconds_left=max(1, int(seconds)),
    )


async def _return(
    ctx: RunContext, call: RequestedCall, output: ToolOutput, duration_ms: int
) -> None:
    outcome: ToolOutcome = "failed" if output.is_failure else "ok"
    images, said = await _keep_images(ctx, output.images)
    await ctx.append(
        *output.events,
        ToolReturned(
            call_id=call.call_id,
            name=call.name,
            outcome=outcome,
            content="\n".join([*([output.content] if output.content else []), *said]),
            duration_ms=duration_ms,
            exit_code=output.exit_code,
            diff=output.diff,
            spilled=output.spilled,
            images=images,
            background=list(output.background),
            cost_microdollars=output.cost_microdollars,
        ),
    )


async def _keep_images(
    ctx: RunContext, images: Sequence[ToolImage]
) -> tuple[list[BlobRef], list[str]]:
    """Pictures as blobs, and what is said of them to models that do not see."""
    blobs = ctx.shared.blobs
    kept = [
        await blobs.put(ctx.mission_id, image.data, media_type=image.media_type) for image in images
    ]
    said = [
        f"[Image {number}: {ref.media_type}, {max(1, ref.size // 1024):,} KB, kept as "
        f"{blobs.path(ctx.mission_id, ref)}]"
        for number, ref in enumerate(kept, 1)
    ]
    return kept, said


def _unknown(ctx: RunContext, name: str) -> str:
    near = ctx.tools.near(name)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"There is no tool called {name[:80]!r}.{hint}"
