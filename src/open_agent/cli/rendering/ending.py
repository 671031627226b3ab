"""How a run ended, in one line."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from open_agent.cli.rendering.facts import cost, count, duration, tokens
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.core.run import Outcome, Usage
from open_agent.events.model.model_call import CostSource
from open_agent.events.model.run import RunFinished
from open_agent.events.model.union import Event, UnknownEvent

_SIGNS: dict[Outcome, tuple[str, Style]] = {
    Outcome.SUCCEEDED: ("✓ succeeded", "good"),
    Outcome.FAILED: ("✗ failed", "bad"),
    Outcome.EXHAUSTED: ("✗ exhausted", "bad"),
    Outcome.CANCELLED: ("■ cancelled", "warn"),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a run says."""

    outcome: Outcome
    reason: str
    result: str
    steps: int
    usage: Usage
    cost_microdollars: int
    duration_seconds: float


def read_ending(event: Event | UnknownEvent) -> Ending | None:
    """The ending in an event, if it is one; a newer release's as far as this one knows it."""
    match event:
        case RunFinished():
            return _from(event)
        case UnknownEvent(type="run.finished"):
            fields = event.raw()
            known = {name: fields[name] for name in RunFinished.model_fields if name in fields}
            try:
                return _from(RunFinished.model_validate(known))
            except ValidationError:
                result = "It ended in a way that only a newer open-agent can read."
                return Ending(Outcome.FAILED, "newer_release", result, 0, Usage(), 0, 0.0)
        case _:
            return None


def _from(event: RunFinished) -> Ending:
    return Ending(
        event.outcome,
        event.reason,
        event.result,
        event.steps,
        event.usage,
        event.cost_microdollars,
        event.duration_seconds,
    )


def ending_line(ending: Ending, sources: Iterable[CostSource]) -> list[Piece]:
    """Outcome, steps, money, tokens, time."""
    sign, style = _SIGNS[ending.outcome]
    why = "" if ending.reason in {"done", "user"} else f" ({neutral(ending.reason)})"
    words = [count(ending.steps, "step"), cost(ending.cost_microdollars, sources)]
    if ending.usage.input_tokens or ending.usage.output_tokens:
        words.append(tokens(ending.usage))
    words.append(duration(ending.duration_seconds))
    return [Piece(f"{sign}{why}", style), Piece(f" · {' · '.join(words)}", "faint")]
