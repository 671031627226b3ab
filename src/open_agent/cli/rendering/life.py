"""What happens to a run besides its model and tool calls, each in a line or two."""

from datetime import datetime

from open_agent.cli.rendering.facts import count, duration, size
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.output import Folding, fold_text
from open_agent.cli.rendering.pieces import Piece, Sheet, Style
from open_agent.core.money import show_dollars
from open_agent.events.model.backend import BackendNoted, BackendPrompted, FilesChanged
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.union import Event, UnknownEvent
from open_agent.events.model.workspace import WorkspaceAwaited, WorkspacePrepared

ASKING = {"waiting_for_tool", "waiting_for_approval"}
"""Reasons of runs that wait for a person."""


def tell(sheet: Sheet, event: Event, folding: Folding, full: str) -> None:
    """Tell an event that needs no more than itself; what readers need not know is passed over."""
    match event:
        case MissionCreated():
            sheet.line(Piece(f"works in {neutral(event.workspace)}", "faint"))
        case CancelRequested():
            why = f": {neutral(event.reason)}" if event.reason else ""
            _aside(sheet, f"■ Stop requested{why}", "warn")
        case RunRecovered():
            _tell_recovery(sheet, event)
        case NoticeGiven():
            _tell_lines(sheet, "! The model is told: ", event.content, folding, full, "warn")
        case HistoryCompacted():
            sizes = f"{size(event.bytes_before)} to {size(event.bytes_after)}"
            _aside(sheet, f"(the history was shortened by {event.method}, from {sizes})", "faint")
        case _:
            _tell_surroundings(sheet, event)


def _tell_surroundings(sheet: Sheet, event: Event) -> None:
    """Tell what becomes of where a run works, and of whoever carries it out."""
    match event:
        case WorkspaceAwaited():
            _aside(sheet, f"… {neutral(event.message)}", "faint")
        case WorkspacePrepared():
            branch = f" on branch {neutral(event.branch)}" if event.branch else ""
            read = [f" · instructions from {neutral(found.path)}" for found in event.instructions]
            _aside(sheet, f"The workspace is ready{branch}{''.join(read)}", "faint")
        case BackendPrompted(cause="continue"):
            _aside(sheet, "… Going on with work that was cut off.", "warn")
        case BackendNoted():
            until = f" (until {event.until:%H:%M} UTC)" if event.until else ""
            _aside(sheet, f"({neutral(event.message)}{until})", "faint")
        case FilesChanged():
            _tell_files(sheet, event)
        case _:
            pass


def tell_subagent(
    sheet: Sheet, event: ModelAnswered | ModelFailed, folding: Folding, full: str
) -> None:
    """Tell what a subagent says, or that its model failed."""
    if isinstance(event, ModelFailed):
        _aside(sheet, f"↳ ✗ {neutral(event.message)}", "bad")
    elif event.text.strip():
        _tell_lines(sheet, "↳ ", event.text.strip(), folding, full, "faint")


def _tell_files(sheet: Sheet, event: FilesChanged) -> None:
    sheet.gap()
    signs = {"added": "+", "modified": "~", "deleted": "-"}
    for file in event.files:
        sheet.line(
            Piece(f"  {signs[file.status]} {neutral(file.path)}"),
            Piece(f"  +{file.additions} -{file.deletions}", "faint"),
        )
    if event.more:
        sheet.line(Piece(f"  … and {count(event.more, 'file')} more", "faint"))


def tell_message(sheet: Sheet, event: MessageReceived, folding: Folding, full: str) -> None:
    """Tell what a person said."""
    how = "" if event.delivery == "queue" else f"({event.delivery}) "
    how = how if event.cause == "person" else f"({event.cause}) "
    _tell_lines(sheet, f"› {how}", event.content.strip(), folding, full, "strong")


def tell_start(sheet: Sheet, event: RunStarted) -> None:
    """Tell what the run is given."""
    limits = event.limits
    budget = limits.budget_microdollars
    words = [
        neutral(event.model),
        f"budget {show_dollars(budget)}" if budget else "no budget",
        f"at most {count(limits.steps, 'step')}",
    ]
    words += [f"instructions from {neutral(found.path)}" for found in event.instructions]
    _aside(sheet, " · ".join(words), "faint")


def tell_wait(sheet: Sheet, event: RunWaiting, at: datetime, told: str) -> str:
    """Tell what the run waits for, unless that was `told` already; returns it in a few words."""
    span = duration(max(0.0, (event.until - at).total_seconds()))
    why = "." if event.message == told else f": {neutral(event.message)}"
    _aside(sheet, f"… Waits {span}{why}", "warn")
    if event.reason in ASKING:
        return f"waiting for an answer ({span})"
    return f"waiting ({neutral(event.reason)}, {span})"


def tell_model(sheet: Sheet, what: str) -> None:
    """Tell that another model is at work than was said."""
    _aside(sheet, f"({what})", "faint")


def tell_failure(sheet: Sheet, event: ModelFailed) -> None:
    """Tell that a model call ended without a reply; after a stop, that is no failure."""
    if event.code == "cancelled":
        _aside(sheet, "(the model call was ended)", "faint")
    else:
        _aside(sheet, f"✗ The model call failed: {neutral(event.message)}", "warn")


def tell_unknown(sheet: Sheet, event: UnknownEvent) -> None:
    """Tell that there is something this release cannot read."""
    name = neutral(event.type)
    _aside(sheet, f"({name}: a newer open-agent can show this)", "faint")


def _tell_recovery(sheet: Sheet, event: RunRecovered) -> None:
    lost = len(event.unanswered)
    unclear = f"; the outcome of {count(lost, 'call')} is unknown" if lost else ""
    _aside(sheet, f"↻ Taken up again where it was{unclear}", "warn")


def _aside(sheet: Sheet, text: str, style: Style) -> None:
    sheet.gap()
    sheet.line(Piece(text, style))
    sheet.gap()


def _tell_lines(
    sheet: Sheet, sign: str, text: str, folding: Folding, full: str, style: Style
) -> None:
    head, hidden, tail = fold_text(text, folding)
    sheet.gap()
    for number, line in enumerate([*head, *tail]):
        sheet.line(Piece(f"{'  ' if number else sign}{line}", style))
    if hidden:
        sheet.line(Piece(f"  … {count(hidden, 'line')} left out; {full}", "faint"))
    sheet.gap()
