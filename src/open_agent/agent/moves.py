"""What the loop does next: a pure function of what the log says, the rules and the time.

The same state, conversation size, rules and `now` give the same move. Nothing here waits, asks
or appends; the loop does what the move says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from open_agent.agent.limits import Rules
from open_agent.core.ids import CallId
from open_agent.core.run import Outcome
from open_agent.events.active_run import ActiveRun, OpenCall, count_repeats
from open_agent.events.fold import MissionState


@dataclass(frozen=True, slots=True)
class AskModel:
    """Ask `model` for the next step, having reserved its worst case."""

    model: str
    step: int
    attempt: int
    max_tokens: int
    reserve: int
    """Micro-dollars."""


@dataclass(frozen=True, slots=True)
class CallTools:
    """Carry out the calls of the newest answer that have no result yet."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Answer the calls of the newest answer without running them: the run is being stopped."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the model something on the system's own account."""

    kind: Literal["repeating", "empty_reply", "tool_failing", "length", "disk"]
    content: str


@dataclass(frozen=True, slots=True)
class Compact:
    """Shorten the model's view of the past so that the next request fits."""

    method: Literal["summary", "truncation"]
    keep_bytes: int
    """About how much of the newest history stays verbatim."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Park until a time."""

    until: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class TakeDefault:
    """Nobody answered the question about this call in time."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run."""

    outcome: Outcome
    reason: str
    result: str


Move = AskModel | CallTools | Dismiss | Tell | Compact | Wait | TakeDefault | Stop


@dataclass(frozen=True, slots=True)
class View:
    """What a decision looks at.

    Attributes:
        state: The fold of the mission's log; a run must be active.
        request_bytes: The size of the next request.
        is_shrinkable: There is history that compaction could shorten.
    """

    state: MissionState
    request_bytes: int
    is_shrinkable: bool

    @property
    def run(self) -> ActiveRun:
        """The active run."""
        assert self.state.run is not None
        return self.state.run


def next_move(view: View, rules: Rules, now: datetime) -> Move:
    """Decide what happens next in the active run, with no model call in flight."""
    return (
        _when_stopped(view.run)
        or _when_asked(view.run, now)
        or _when_called(view.run)
        or _when_out_of_time(view.run, now)
        or _when_too_large(view, rules)
        or _when_failed(view, rules, now)
        or _when_answered(view, rules)
        or _when_stuck(view.run, rules)
        or _when_out_of_steps(view)
        or _when_full(view, rules)
        or _ask(view, rules)
    )


def _when_stopped(run: ActiveRun) -> Move | None:
    if not (run.is_cancelled or run.is_interrupted):
        return None
    if run.unanswered:
        return Dismiss(tuple(run.unanswered))
    if run.is_cancelled:
        return Stop(Outcome.CANCELLED, "user", "The run was cancelled.")
    return Stop(Outcome.CANCELLED, "interrupted", "A new message interrupted the run.")


def _when_asked(run: ActiveRun, now: datetime) -> Move | None:
    """The next call needs a person: wait, at most until the deadline."""
    if not run.unanswered:
        return None
    call = run.unanswered[0].call
    question = run.questions.get(call.call_id)
    if question is None or question.is_settled:
        return None
    if now >= question.until:
        return TakeDefault(call.call_id)
    reason = "waiting_for_tool" if question.kind == "input" else "waiting_for_approval"
    return Wait(question.until, reason, WAITS_FOR_PERSON[question.kind].format(name=call.name))


def _when_called(run: ActiveRun) -> Move | None:
    return CallTools(tuple(run.unanswered)) if run.unanswered else None


def _when_out_of_time(run: ActiveRun, now: datetime) -> Move | None:
    allowed = timedelta(seconds=run.limits.wall_seconds)
    if now - run.started_at < allowed:
        return None
    return Stop(
        Outcome.EXHAUSTED,
        "time",
        f"The run's time limit of {allowed} is used up. Ask to continue, or raise the limit.",
    )


def _when_too_large(view: View, rules: Rules) -> Move | None:
    """Tell of a workspace that has grown too large; end the run if that changed nothing."""
    run, excess = view.run, rules.disk.excess(view.state.workspace)
    if excess is None:
        return None
    sizes = f"{excess.size_bytes:,} bytes, and may have {excess.limit_bytes:,}"
    if run.disk_told_at is None:
        return Tell("disk", TOO_LARGE.format(sizes=sizes))
    # Not before the model has done something about it, and that was measured.
    if run.disk_tried_at is None or excess.measured_at <= run.disk_tried_at:
        return None
    return Stop(
        Outcome.EXHAUSTED,
        "disk",
        f"The workspace has {sizes}. Make room in it, or raise WORKSPACE_MAX_MB, and send a "
        "message to go on.",
    )


def _when_failed(view: View, rules: Rules, now: datetime) -> Move | None:
    """After a failed try: again, later, on the fallback model, after compaction, or not at all."""
    run, failure = view.run, view.run.failure
    if failure is None:
        return None
    is_too_long = failure.code == "provider.context_too_long"
    if is_too_long and view.is_shrinkable and run.compactions_at_step < rules.compactions_per_step:
        return _compact(view, rules)
    can_fall_back = _has_fallback(run) and run.fallback_since_step is None
    if not failure.is_retryable:
        if can_fall_back and failure.code != "provider.unauthorized":
            return None
        return Stop(Outcome.FAILED, failure.code, failure.message)
    if _falls_back(run, rules) and run.fallback_since_step is None:
        return None
    if run.failures < rules.tries:
        is_early = failure.retry_at is not None and now < failure.retry_at
        return Wait(failure.retry_at or now, "model.retry", failure.message) if is_early else None
    if run.parks < rules.parks:
        until = max(now + rules.park_for, failure.retry_at or now)
        return Wait(until, "provider.unreachable", failure.message)
    return Stop(Outcome.FAILED, failure.code, failure.message)


def _when_answered(view: View, rules: Rules) -> Move | None:
    """After an answer without calls: done, or not quite."""
    run = view.run
    if run.finish_reason is None or run.calls or view.state.has_steering:
        return None
    if run.finish_reason == "content_filter":
        return Stop(Outcome.FAILED, "content_filter", _with_text(FILTERED, run.answer_text))
    if run.empty_replies >= rules.empty_ended:
        return Stop(Outcome.FAILED, "empty_reply", "The model keeps sending empty replies.")
    if run.empty_replies >= rules.empty_told:
        return Tell("empty_reply", EMPTY_REPLY)
    if run.finish_reason == "length":
        if run.cut_replies >= rules.cut_ended:
            told = ALWAYS_CUT.format(count=run.cut_replies)
            return Stop(Outcome.FAILED, "length", _with_text(told, run.answer_text))
        return Tell("length", CUT_REPLY)
    return Stop(Outcome.SUCCEEDED, "done", run.answer_text)


def _with_text(told: str, text: str) -> str:
    """What happened and what to do, then what there is of the reply."""
    return f"{told} Its text up to there:\n\n{text}" if text.strip() else told


def _when_stuck(run: ActiveRun, rules: Rules) -> Move | None:
    """The same calls with the same results, or a tool that always fails: told once, then ended."""
    repeats = count_repeats(run.signatures)
    if repeats >= rules.repeats_ended:
        return Stop(
            Outcome.FAILED,
            "repeating",
            f"The model made the same calls with the same results {repeats} times in a row.",
        )
    if repeats >= rules.repeats_told and not run.notices.get("repeating"):
        return Tell("repeating", REPEATING.format(count=repeats))
    worst = max(run.tool_failures.items(), key=lambda item: item[1], default=None)
    if worst is None:
        return None
    name, failures = worst
    if failures >= rules.tool_failures_ended:
        return Stop(
            Outcome.FAILED, "tool_failing", f"The tool {name} failed in {failures} steps in a row."
        )
    if failures >= rules.tool_failures_told and not run.notices.get("tool_failing"):
        return Tell("tool_failing", TOOL_FAILING.format(name=name, count=failures))
    return None


def _when_out_of_steps(view: View) -> Move | None:
    run = view.run
    if run.steps_answered < run.limits.steps:
        return None
    return Stop(
        Outcome.EXHAUSTED,
        "steps",
        f"The run's limit of {run.limits.steps} steps is used up. "
        "Ask to continue, or raise MAX_ITERATIONS.",
    )


def _when_full(view: View, rules: Rules) -> Move | None:
    run = view.run
    if not view.is_shrinkable or run.compactions_at_step >= rules.compactions_per_step:
        return None
    room = _input_room(run, rules)
    return _compact(view, rules) if _tokens(view, rules) > room * rules.compact_at else None


def _compact(view: View, rules: Rules) -> Compact:
    """By a summary first; by leaving out, when that failed or did not make it small enough."""
    run = view.run
    plain = run.compaction_failures > 0 or run.compactions_at_step > 0
    tokens = max(1, _tokens(view, rules))
    keep = _input_room(run, rules) * rules.keep_share * (view.request_bytes / tokens)
    return Compact("truncation" if plain else "summary", int(min(keep, view.request_bytes / 2)))


def _ask(view: View, rules: Rules) -> Move:
    run = view.run
    model = run.fallback_model if _falls_back(run, rules) else run.model
    assert model is not None
    step = run.steps_answered + 1
    switches = model != run.model and run.fallback_since_step is None
    attempt = 1 if switches else run.failures + 1
    wanted = rules.windows.output_tokens(model)
    price = rules.prices.worst_case(model, view.request_bytes, wanted)
    left = run.budget_left
    if left is None:
        return AskModel(model, step, attempt, wanted, price or 0)
    if price is None:
        return Stop(Outcome.FAILED, "price.unknown", UNKNOWN_PRICE.format(model=model))
    affordable = _affordable_tokens(model, view.request_bytes, left, rules)
    if affordable < min(wanted, rules.min_output_tokens):
        return Stop(Outcome.EXHAUSTED, "budget", _out_of_budget(run, model))
    max_tokens = min(wanted, affordable)
    reserve = rules.prices.worst_case(model, view.request_bytes, max_tokens)
    return AskModel(model, step, attempt, max_tokens, reserve or 0)


def _out_of_budget(run: ActiveRun, model: str) -> str:
    text = f"What is left of the run's budget does not cover another call of {model}. "
    text += "Ask to continue with a larger budget_cents."
    return text if run.failure is None else f"{text} Before that: {run.failure.message}"


def _affordable_tokens(model: str, request_bytes: int, left: int, rules: Rules) -> int:
    """The most output tokens whose worst case fits what is left; 0 when not even the input does."""
    wanted = rules.windows.output_tokens(model)
    low, high = 0, wanted
    if (rules.prices.worst_case(model, request_bytes, 0) or 0) > left:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if (rules.prices.worst_case(model, request_bytes, middle) or 0) <= left:
            low = middle
        else:
            high = middle - 1
    return low


def _has_fallback(run: ActiveRun) -> bool:
    return run.fallback_model not in (None, run.model)


def _falls_back(run: ActiveRun, rules: Rules) -> bool:
    """Whether the next call goes to the fallback model; once it has, the run stays with it."""
    if not _has_fallback(run):
        return False
    if run.fallback_since_step is not None:
        return True
    failure = run.failure
    return failure is not None and (not failure.is_retryable or run.failures >= rules.tries)


def _tokens(view: View, rules: Rules) -> int:
    """The next request's size in tokens, by what the provider counted last."""
    run = view.run
    if run.tokens_last and run.bytes_last:
        return int(view.request_bytes * run.tokens_last / run.bytes_last)
    return int(view.request_bytes / rules.bytes_per_token)


def _input_room(run: ActiveRun, rules: Rules) -> int:
    """Tokens that a request may have so that a full reply still fits."""
    model = run.fallback_model if run.fallback_since_step and run.fallback_model else run.model
    window = rules.windows.context_tokens(model)
    return max(window // 4, window - rules.windows.output_tokens(model))


WAITS_FOR_PERSON = {
    "input": "{name} waits for an answer.",
    "approval": "{name} waits for somebody to allow it.",
}
EMPTY_REPLY = (
    "Your last reply was empty. Go on with the task: call a tool, or, when everything is done, "
    "say in plain text what you did."
)
CUT_REPLY = (
    "Your last reply reached the length limit and was cut. Go on from where it ended, in smaller "
    "parts; write long content into files piece by piece."
)
ALWAYS_CUT = (
    "The model's last {count} replies all reached the length limit and were cut, so the task is not "
    "done. Send a message to go on, perhaps with a smaller task, or raise MAX_OUTPUT_TOKENS and "
    "start the server again."
)
FILTERED = (
    "The provider's content filter cut the model's reply, so the task is not done. Put the task in "
    "other words and send it as a message to go on, or use another model."
)
REPEATING = (
    "You made the same tool calls with the same results {count} times in a row. Doing it again "
    "will not help: try something different, or say what stands in the way."
)
TOOL_FAILING = (
    "The tool {name} failed in {count} steps in a row. Read its last error, look at the facts "
    "(does the path exist? is the program installed?), and take another way."
)
TOO_LARGE = (
    "The working directory has {sizes}. Delete what is not needed (build outputs, caches, "
    "downloads) before you go on; if it stays too large, the run ends."
)
UNKNOWN_PRICE = (
    "The price of the model {model} is not known, so its budget cannot be kept. Set it with "
    "MODEL_PRICES, or submit the task with budget_cents 0 to run without a budget."
)
