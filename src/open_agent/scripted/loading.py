"""Scripts by name or from a JSON file, for the command line."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from open_agent.core.errors import Invalid
from open_agent.scripted.demo import demo
from open_agent.scripted.script import Script, Turn, say


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A script as a file has it: turns in order, and what is said after the last."""

    turns: list[Turn] = field(default_factory=list[Turn])
    then: Turn = field(default_factory=lambda: Turn(text="Done."))


def load_script(name: str, *, delay: float) -> Script:
    """The script `demo`, or the one in the JSON file `name`.

    Raises:
        Invalid: There is no such script, or the file is not one (`script.invalid`).
    """
    if name == "demo":
        return demo(delay)
    try:
        script = TypeAdapter(ScriptFile).validate_json(Path(name).read_bytes())
    except OSError as error:
        raise Invalid("script.invalid", f"{name} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise Invalid("script.invalid", f"{name} is no script: {error}") from None
    return say(*script.turns, then=script.then)
