"""Our own limits around what OpenCode does, as `agent/moves.py` has them for our loop. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from open_agent.agent.limits import Rules
from open_agent.agent.moves import (
    REPEATING,
    TOOL_FAILING,
    Stop,
    Tell,
)
from open_agent.core.run import Outcome
from open_agent.events.active_run import ActiveRun, count_repeats

BUDGET_SPENT = Stop(
    Outcome.EXHAUSTED,
    "budget",
    "The run's budget is spent. Ask to continue with a larger budget_cents.",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long what may last."""

    silence: timedelta = timedelta(minutes=6)
    """Nothing comes from a session at work, with no call under way; its own try ends before."""
    call_silence: timedelta = timedelta(hours=2)
    """The same while a call is under way, whose command may be silent."""
    retry_after: timedelta = timedelta(minutes=10)
    """How far off the next try of a model call may be."""
    empty_turns: int = 3
    """Replies in a row without a text or a call, in one session."""
    start: timedelta = timedelta(seconds=60)
    """From a prompt to a first sign that it is worked on."""
    starts: int = 3
    """How often a prompt is given."""
    settle: timedelta = timedelta(seconds=5)
    """What a session that rests gets to say how its last reply ended."""
    stop: timedelta = timedelta(seconds=15)
    """What a session that was told to stop gets to do so."""
    person: timedelta = timedelta(seconds=3)
    """How long a run waits for a person before it gives its place away."""


@dataclass(frozen=True, slots=True)
class Present:
    """What a decision looks at beside the run itself."""

    now: datetime
    heard_at: datetime
    """When anything came from the session last."""
    is_busy: bool
    has_call: bool
    """A call is under way."""
    is_asking: bool
    """Something waits for a person."""
    empty_turns: int
    """In a row, in the session where there are most."""
    repeats: int = 0
    """Of the same calls with the same results, by a subagent."""


def verdict(run: ActiveRun, rules: Rules, bounds: Bounds, present: Present) -> Stop | Tell | None:
    """Whether a run under way must end, or its model be told something."""
    return (
        _out_of_time(run, present)
        or _stuck(run, rules, present, bounds)
        or _out_of_means(run, present)
        or _without_life(run, bounds, present)
    )


def _out_of_time(run: ActiveRun, present: Present) -> Stop | None:
    allowed = timedelta(seconds=run.limits.wall_seconds)
    if present.now - run.started_at < allowed:
        return None
    text = f"The run's time limit of {allowed} is used up. Ask to continue, or raise the limit."
    return Stop(Outcome.EXHAUSTED, "time", text)


def _stuck(run: ActiveRun, rules: Rules, present: Present, bounds: Bounds) -> Stop | Tell | None:
    if present.empty_turns >= bounds.empty_turns:
        return Stop(Outcome.FAILED, "empty_reply", "The model keeps sending empty replies.")
    repeats = max(count_repeats(run.signatures), present.repeats)
    if repeats >= rules.repeats_ended:
        return Stop(
            Outcome.FAILED,
            "repeating",
            f"The model made the same calls with the same results {repeats} times in a row.",
        )
    if count_repeats(run.signatures) >= rules.repeats_told and not run.notices.get("repeating"):
        return Tell("repeating", REPEATING.format(count=repeats))
    worst = max(run.tool_failures.items(), key=lambda item: item[1], default=("", 0))
    name, failures = worst
    if failures >= rules.tool_failures_ended:
        return Stop(
            Outcome.FAILED, "tool_failing", f"The tool {name} failed in {failures} steps in a row."
        )
    if failures >= rules.tool_failures_told and not run.notices.get("tool_failing"):
        return Tell("tool_failing", TOOL_FAILING.format(name=name, count=failures))
    return None


def _out_of_means(run: ActiveRun, present: Present) -> Stop | None:
    """A limit is reached and the work goes on; a last reply that fits is none the worse for it."""
    if not present.is_busy or run.finish_reason in ("stop", "length"):
        return None
    if run.budget_left is not None and run.budget_left <= 0:
        return BUDGET_SPENT
    if run.steps_answered >= run.limits.steps:
        return Stop(
            Outcome.EXHAUSTED,
            "steps",
            f"The run's limit of {run.limits.steps} steps is used up. "
            "Ask to continue, or raise MAX_ITERATIONS.",
        )
    return None


def _without_life(run: ActiveRun, bounds: Bounds, present: Present) -> Stop | None:
    failure = run.failure
    if failure is not None and failure.retry_at is not None:
        off = failure.retry_at - present.now
        if off > bounds.retry_after:
            text = (
                f"{failure.message} OpenCode would try again only at {failure.retry_at:%H:%M} UTC."
            )
            return Stop(Outcome.FAILED, failure.code, text)
        if off > timedelta():
            return None
    if not present.is_busy or present.is_asking:
        return None
    silent = present.now - present.heard_at
    if silent < (bounds.call_silence if present.has_call else bounds.silence):
        return None
    return Stop(
        Outcome.FAILED,
        "provider.silent",
        f"Nothing has come from OpenCode for {int(silent.total_seconds())} seconds, so it was stopped."
        " Everything up to there is kept. Send a message to go on.",
    )
