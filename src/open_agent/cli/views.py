"""How a stream is shown: told to a person, as JSON for a program, or only its last word."""

from typing import Protocol

from open_agent.cli.rendering.ending import Ending, read_ending
from open_agent.cli.rendering.narrator import FOLDED, Foldings, Narrator
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.streams import RecordSeen
from open_agent.cli.terminal import Terminal
from open_agent.core.ids import MissionId
from open_agent.events.delta import Delta
from open_agent.events.model.run import RunStarted


class View(Protocol):
    """Shows what a stream brings."""

    @property
    def ending(self) -> Ending | None:
        """How the run ended, once it has."""
        ...

    @property
    def activity(self) -> str:
        """What goes on at present, in a few words."""
        ...

    def record(self, seen: RecordSeen) -> None:
        """Show a record."""
        ...

    def delta(self, delta: Delta) -> None:
        """Show a piece of live text."""
        ...

    def begin_anew(self) -> None:
        """Everything comes again from the beginning."""
        ...


class NarratedView:
    """Tells everything as it happens."""

    def __init__(
        self, terminal: Terminal, mission_id: MissionId, foldings: Foldings = FOLDED
    ) -> None:
        self._terminal = terminal
        self._mission_id = mission_id
        self._foldings = foldings
        self._narrator = Narrator(mission_id, foldings)

    @property
    def ending(self) -> Ending | None:
        """How the run ended, once it has."""
        return self._narrator.ending

    @property
    def activity(self) -> str:
        """What goes on at present, in a few words."""
        return self._narrator.activity

    def record(self, seen: RecordSeen) -> None:
        """Tell a record."""
        self._terminal.show(self._narrator.apply(seen.record))

    def delta(self, delta: Delta) -> None:
        """Tell a piece of live text."""
        self._terminal.show(self._narrator.apply_delta(delta))

    def begin_anew(self) -> None:
        """Tell everything again."""
        self._narrator = Narrator(self._mission_id, self._foldings)


class JsonView:
    """Prints each record on a line, as the server sends it; live text is left out."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.ending: Ending | None = None
        self.activity = ""

    def record(self, seen: RecordSeen) -> None:
        """Print a record."""
        self._terminal.print(neutral_json(seen.json))
        self.ending = _newest_ending(self.ending, seen)

    def delta(self, delta: Delta) -> None:
        """Leave it out."""

    def begin_anew(self) -> None:
        """Print everything again."""


class QuietView:
    """Prints the run's last word and nothing else."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.ending: Ending | None = None
        self.activity = "the run goes on"

    def record(self, seen: RecordSeen) -> None:
        """Print the last word when it comes."""
        before, self.ending = self.ending, _newest_ending(self.ending, seen)
        if self.ending is not None and self.ending is not before:
            self._terminal.print(neutral(self.ending.result.strip()))

    def delta(self, delta: Delta) -> None:
        """Leave it out."""

    def begin_anew(self) -> None:
        """Nothing was printed yet."""


def _newest_ending(known: Ending | None, seen: RecordSeen) -> Ending | None:
    """How the newest run ended; none while one is at work."""
    if isinstance(seen.record.event, RunStarted):
        return None
    return read_ending(seen.record.event) or known
